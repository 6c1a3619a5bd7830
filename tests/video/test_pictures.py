"""Pictures as videos and videos as pictures: numbered files, globs, animated WebP, GIF."""

import logging
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from tests.video.clips import Clip, look, make_clip

from fader.errors import ConfigError, FaderError, MediaError
from fader.image import read_image, write_image
from fader.runtime.video import EncodeOptions, ImageSequence
from fader.runtime.video.opening import open_source, open_target

CS = Fraction(1, 100)
Pass = Callable[..., None]


@pytest.fixture
def through() -> Pass:
    """Pass a source's frames into a target, as an edit that changes nothing."""

    def run(source: str | Path | ImageSequence, target: str | Path, **options: str) -> None:
        with (
            open_source(source) as reading,
            open_target(target, reading, EncodeOptions(**options)) as writing,  # type: ignore[arg-type]
        ):
            for item in reading.items():
                writing.write(item)

    return run


def stop_after(n_items: int, source: Path, target: Path) -> None:
    with open_source(source) as reading, open_target(target, reading) as writing:
        for i, item in enumerate(reading.items()):
            if i == n_items:
                raise KeyboardInterrupt
            writing.write(item)


def colours(n: int, size: tuple[int, int] = (96, 64)) -> list[NDArray[np.uint8]]:
    """Smooth pictures, each different."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    return [
        np.stack([x * 255 // width, y * 255 // height, np.full_like(x, i * 255 // n)], axis=2).astype(
            np.uint8
        )
        for i in range(n)
    ]


def numbered(folder: Path, numbers: list[int], name: str = "{:03d}.png") -> list[NDArray[np.uint8]]:
    pictures = colours(len(numbers))
    for number, picture in zip(numbers, pictures, strict=True):
        write_image(folder / name.format(number), picture)
    return pictures


def shown(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)]


@pytest.mark.parametrize(("pattern", "name"), [("%03d.png", "{:03d}.png"), ("*.png", "{}.png")])
def test_pictures_become_a_video_in_the_order_of_their_numbers(
    tmp_path: Path, through: Pass, pattern: str, name: str
) -> None:
    pictures = numbered(tmp_path, [8, 9, 10, 11], name)
    sequence = ImageSequence(pattern=str(tmp_path / pattern), fps=Fraction(30000, 1001))
    through(sequence, tmp_path / "out.mkv", codec="ffv1")
    found = look(tmp_path / "out.mkv")
    assert [round(time * 1000) for time in found.times] == [0, 33, 67, 100]
    assert np.abs(np.stack(shown(tmp_path / "out.mkv")).astype(int) - np.stack(pictures)).max() == 0


def test_missing_numbers_are_told_and_the_others_used(
    tmp_path: Path, through: Pass, caplog: pytest.LogCaptureFixture
) -> None:
    numbered(tmp_path, [1, 2, 5])
    through(str(tmp_path / "%03d.png"), tmp_path / "out.mp4")
    assert len(look(tmp_path / "out.mp4").times) == 3
    assert "2 numbers are missing" in caplog.text


def test_a_picture_of_another_size_is_named(tmp_path: Path, through: Pass) -> None:
    numbered(tmp_path, [1, 2])
    write_image(tmp_path / "003.png", colours(1, (64, 64))[0])
    with pytest.raises(MediaError, match="picture 3 has 64x64 pixels; expected 96x64"):
        through(str(tmp_path / "%03d.png"), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_pattern_without_pictures_is_refused(tmp_path: Path, through: Pass) -> None:
    for name in ("%03d.png", "none/%03d.png"):
        with pytest.raises(MediaError, match="no such pictures"):
            through(str(tmp_path / name), tmp_path / "out.mp4")


@pytest.mark.parametrize(("depth", "codec"), [("yuv420p", "libx264"), ("yuv444p10le", "ffv1")])
def test_a_video_becomes_numbered_pictures_of_its_own_depth(
    tmp_path: Path, through: Pass, depth: str, codec: str
) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv", pix_fmt=depth, codec=codec, audio=("flac",)))
    through(source, tmp_path / "out" / "%04d.png")
    files = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in files] == [f"{i:04d}.png" for i in range(1, 31)]
    pixels = read_image(files[7])
    assert pixels.dtype == (np.uint8 if depth == "yuv420p" else np.uint16)
    deep = shown(source)[7].astype(int)
    assert np.abs((pixels if depth == "yuv420p" else pixels >> 8) - deep).mean() < 2


def test_the_matrix_of_the_video_is_used_for_pictures(tmp_path: Path, through: Pass) -> None:
    red = VideoFrame.from_ndarray(np.full((64, 96, 3), (200, 30, 30), np.uint8), "rgb24")
    for code, name in ((1, "ITU709"), (5, "ITU601")):
        path = tmp_path / f"{name}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
            stream.codec_context.colorspace, stream.codec_context.color_range = code, 1
            frame = red.reformat(format="yuv444p", dst_colorspace=name)
            frame.pts, frame.time_base = 0, Fraction(1, 25)
            container.mux([*stream.encode(frame), *stream.encode(None)])
        through(path, tmp_path / name / "%d.png")
        assert np.abs(read_image(tmp_path / name / "1.png").astype(int) - (200, 30, 30)).max() <= 2


@pytest.mark.parametrize("name", ["out/%03d.png", "out.gif"])
def test_rotated_videos_become_upright_pictures(tmp_path: Path, through: Pass, name: str) -> None:
    for rotation in (90, 180, 270):
        source = make_clip(tmp_path, Clip(name="in.mp4", rotation=rotation))
        with open_source(source) as reading:
            turn = reading.rotation // 90
        through(source, tmp_path / name)
        found = read_image(tmp_path / "out/001.png") if "png" in name else shown(tmp_path / name)[0]
        expected = np.rot90(shown(source)[0], turn)
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).mean() < 12


def test_pictures_appear_only_when_all_are_there(tmp_path: Path) -> None:
    numbered(tmp_path, [1, 2, 3])
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        stop_after(2, tmp_path / "%03d.png", out / "%d.png")
    assert list(out.iterdir()) == []


def test_older_pictures_behind_the_last_one_are_told(
    tmp_path: Path, through: Pass, caplog: pytest.LogCaptureFixture
) -> None:
    numbered(tmp_path, [1, 2, 3])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "4.png").write_bytes(b"old")
    with caplog.at_level(logging.WARNING):
        through(str(tmp_path / "%03d.png"), tmp_path / "out" / "%d.png")
    assert "pictures after number 3 are older ones" in caplog.text


@pytest.mark.parametrize("name", ["none/deep/%d.png", "/proc/%d.png", "/proc/x.gif", "none/x.gif"])
def test_a_folder_that_is_not_there_or_not_writable_is_named(
    tmp_path: Path, clip: Path, through: Pass, name: str
) -> None:
    with pytest.raises(MediaError, match=r"folder \S*(none|proc)"):
        through(clip, tmp_path / name)


@pytest.mark.parametrize("pattern", ["%03d.png", "*.png"])
def test_numbered_pictures_are_not_written_over_those_they_come_from(
    tmp_path: Path, through: Pass, pattern: str
) -> None:
    numbered(tmp_path, [1, 2])
    before = [(tmp_path / name).read_bytes() for name in ("001.png", "002.png")]
    (tmp_path / "x").mkdir()
    with pytest.raises(ConfigError, match=r"would replace the input .*001.png: choose"):
        through(ImageSequence(pattern=str(tmp_path / pattern)), f"{tmp_path}/x/../%03d.png")
    assert [(tmp_path / name).read_bytes() for name in ("001.png", "002.png")] == before
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.png").symlink_to(tmp_path / "001.png")
    with pytest.raises(ConfigError, match="would replace the input"):
        through(ImageSequence(pattern=f"{tmp_path}/links/*.png"), tmp_path / "%03d.png")
    through(ImageSequence(pattern=str(tmp_path / pattern)), tmp_path / "new%03d.png")
    assert (tmp_path / "new002.png").is_file()


def test_no_picture_gets_its_name_where_one_of_the_names_is_a_folders(tmp_path: Path, through: Pass) -> None:
    numbered(tmp_path, [1, 2])
    (tmp_path / "out" / "002.png").mkdir(parents=True)
    with pytest.raises(MediaError, match=r"002.png is a folder: move it"):
        through(str(tmp_path / "%03d.png"), tmp_path / "out" / "%03d.png")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["002.png"]


def test_a_gif_has_few_colours_and_looks_like_the_video(tmp_path: Path, through: Pass) -> None:
    pictures = [np.roll(picture, 8 * i, axis=1) for i, picture in enumerate(colours(1, (160, 120)) * 8)]
    for i, picture in enumerate(pictures):
        write_image(tmp_path / f"{i}.png", picture)
    through(str(tmp_path / "%d.png"), tmp_path / "out.gif")
    frames = shown(tmp_path / "out.gif")
    assert len(frames) == 8
    used = {tuple(pixel) for pixel in np.concatenate([frame.reshape(-1, 3) for frame in frames])}
    assert 100 < len(used) <= 256
    for frame, picture in zip(frames, pictures, strict=True):
        # dithering: single pixels are off, their surroundings are not
        assert np.abs(cv2.blur(frame, (5, 5)).astype(int) - cv2.blur(picture, (5, 5))).mean() < 6
    content = (tmp_path / "out.gif").read_bytes()
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in content, "plays over and over"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".gif"] + [".png"] * 8


def test_a_gif_keeps_uneven_times(tmp_path: Path, through: Pass) -> None:
    times = (0, 10, 14, 50, 53)
    source = make_clip(tmp_path, Clip(name="in.mkv", time_base=CS, pts=times))
    through(source, tmp_path / "out.gif")
    assert look(tmp_path / "out.gif").times == [time * CS for time in times]
    with av.open(str(tmp_path / "out.gif")) as container:
        assert container.duration == 560_000, "the last picture is shown as long as it was"


def test_a_gif_leaves_out_what_players_would_slow_down(
    tmp_path: Path, through: Pass, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv", time_base=CS, pts=tuple(range(10))))
    through(source, tmp_path / "out.gif")
    assert look(tmp_path / "out.gif").times == [time * CS for time in range(0, 10, 2)]
    assert "left out 5 frames" in caplog.text


def test_a_gif_that_cannot_be_finished_leaves_nothing(tmp_path: Path, clip: Path) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        stop_after(5, clip, tmp_path / "out.gif")
    with (
        pytest.raises(FaderError, match="no frame was written"),
        open_source(clip) as reading,
        open_target(tmp_path / "out.gif", reading),
    ):
        pass
    assert sorted(tmp_path.iterdir()) == before


def test_a_gif_is_not_written_over_itself(tmp_path: Path, clip: Path, through: Pass) -> None:
    through(clip, tmp_path / "a.gif")
    with pytest.raises(ConfigError, match="is the input itself"):
        through(tmp_path / "a.gif", tmp_path / "a.gif")


def test_an_animated_webp_is_a_video_with_its_own_times(tmp_path: Path, through: Pass) -> None:
    pictures = colours(5)
    animation = cv2.Animation()
    animation.frames = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures]
    animation.durations = [40, 100, 40, 40, 500]
    cv2.imwriteanimation(str(tmp_path / "in.webp"), animation, [cv2.IMWRITE_WEBP_QUALITY, 101])
    through(tmp_path / "in.webp", tmp_path / "out.mkv", codec="ffv1")
    found = look(tmp_path / "out.mkv")
    assert [int(time * 1000) for time in found.times] == [0, 40, 140, 180, 220]
    assert np.abs(np.stack(shown(tmp_path / "out.mkv")).astype(int) - np.stack(pictures)).max() <= 1


def test_a_damaged_animated_webp_is_refused(tmp_path: Path, through: Pass) -> None:
    (tmp_path / "in.webp").write_bytes(b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(40))
    with pytest.raises(MediaError, match="damaged WebP"):
        through(tmp_path / "in.webp", tmp_path / "out.mp4")
