"""Writing: what is refused, and what is left behind when something goes wrong (nothing)."""

import errno
import logging
import os
import resource
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.frame import VideoFrame
from tests.video.clips import Clip, look, make_clip
from tests.video.test_source import with_cover

from fader.errors import ConfigError, FaderError, MediaError
from fader.runtime.video import EncodeOptions, VideoSource, VideoTarget

MS = Fraction(1, 1000)


def refusal(kind: type[FaderError], source_path: Path, target_path: Path, **options: object) -> str:
    """The one line with which `VideoTarget.open` refuses; afterwards the folder is as it was."""
    before = sorted(source_path.parent.rglob("*"))
    with VideoSource(source_path) as source, pytest.raises(kind) as caught:
        VideoTarget.open(target_path, source, EncodeOptions(**options))  # type: ignore[arg-type]
    assert sorted(source_path.parent.rglob("*")) == before
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_input_itself_is_refused(clip: Path) -> None:
    assert "is the input itself" in refusal(ConfigError, clip, clip)


def test_the_input_under_another_name_is_refused(clip: Path) -> None:
    soft, hard = clip.with_name("soft.mp4"), clip.with_name("hard.mp4")
    soft.symlink_to(clip)
    hard.hardlink_to(clip)
    assert "is the input itself" in refusal(ConfigError, clip, soft)
    assert "is the input itself" in refusal(ConfigError, clip, hard)
    assert "is the input itself" in refusal(ConfigError, clip, clip.parent / "." / clip.name)


def test_a_missing_folder_is_refused(clip: Path) -> None:
    assert "there is no folder" in refusal(MediaError, clip, clip.parent / "none" / "out.mp4")


def test_a_folder_as_target_is_refused(clip: Path) -> None:
    (clip.parent / "out.mp4").mkdir()
    assert "is a folder" in refusal(MediaError, clip, clip.parent / "out.mp4")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that not even root can write to")
def test_a_folder_that_cannot_be_written_to_is_refused_by_name(clip: Path) -> None:
    assert "the folder /proc cannot be written to" in refusal(MediaError, clip, Path("/proc/out.mp4"))


@pytest.mark.parametrize("name", ["out.xyz", "out", "out.avi", "out.gif"])
def test_an_unknown_ending_is_refused(clip: Path, name: str) -> None:
    assert ".mkv" in refusal(ConfigError, clip, clip.parent / name)


def test_a_codec_that_the_container_cannot_hold_is_refused(tmp_path: Path) -> None:
    silent = make_clip(tmp_path, Clip(name="in.mkv"))
    assert ".mkv" in refusal(ConfigError, silent, tmp_path / "out.webm", codec="libx264")


def test_sound_that_the_container_cannot_hold_is_refused(clip: Path) -> None:
    message = refusal(ConfigError, clip, clip.parent / "out.webm")
    assert "audio, aac" in message
    assert ".mkv" in message


@pytest.mark.parametrize("name", ["out.mp4", "out.webm"])
def test_subtitles_that_the_container_cannot_hold_are_refused(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv", subtitles="subrip"))
    message = refusal(ConfigError, source, tmp_path / name)
    assert "subtitle, " in message
    assert ".mkv" in message


def test_an_encoder_that_refuses_the_picture_is_named(tmp_path: Path) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv"))
    assert "mpeg2video cannot write" in refusal(MediaError, source, tmp_path / "out.mkv", codec="mpeg2video")


def write_until(source_path: Path, target_path: Path, error: type[BaseException], n_items: int) -> None:
    """Raise an error in the block after some items; there must be work to remove by then."""
    with VideoSource(source_path) as source, VideoTarget.open(target_path, source) as target:
        for i, item in enumerate(source.items()):
            if i == n_items:
                assert any(path.name.startswith(".out.") for path in target_path.parent.iterdir())
                raise error
            target.write(item)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
@pytest.mark.parametrize("n_items", [0, 20])
def test_an_error_in_the_block_leaves_nothing(clip: Path, error: type[BaseException], n_items: int) -> None:
    with pytest.raises(error):
        write_until(clip, clip.parent / "out.mp4", error, n_items)
    assert sorted(clip.parent.iterdir()) == [clip]


def test_an_error_leaves_the_file_that_was_there(clip: Path) -> None:
    out = clip.parent / "out.mp4"
    out.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt):
        write_until(clip, out, KeyboardInterrupt, 5)
    assert out.read_bytes() == b"older"
    assert sorted(clip.parent.iterdir()) == [out, clip]


def test_the_final_name_appears_only_with_the_whole_file(clip: Path) -> None:
    out = clip.parent / "out.mp4"
    with VideoSource(clip) as source:
        target = VideoTarget.open(out, source)
        for item in source.items():
            target.write(item)
            assert not out.exists()
        target.finish()
        assert len(look(out).times) == 30
        target.finish()
        target.abort()
    assert sorted(clip.parent.iterdir()) == [out, clip]


def test_a_target_without_frames_is_refused(clip: Path) -> None:
    with (
        pytest.raises(MediaError, match="no frame was written"),
        VideoSource(clip) as source,
        VideoTarget.open(clip.parent / "out.mp4", source),
    ):
        pass
    assert sorted(clip.parent.iterdir()) == [clip]


def test_a_finished_target_takes_no_more(clip: Path) -> None:
    with VideoSource(clip) as source:
        with VideoTarget.open(clip.parent / "out.mp4", source) as target:
            frame = next(item for item in source.items() if isinstance(item, VideoFrame))
            target.write(frame)
        with pytest.raises(MediaError, match="is finished"):
            target.write(frame)


def test_a_frame_of_another_size_or_without_time_is_refused(clip: Path) -> None:
    out = clip.parent / "out.mp4"
    timeless, large = VideoFrame(96, 64, "yuv420p"), VideoFrame(128, 64, "yuv420p")
    for frame, words in ((timeless, "without a time"), (large, "a frame of 128x64")):
        with (
            pytest.raises(MediaError, match=words),
            VideoSource(clip) as source,
            VideoTarget.open(out, source) as target,
        ):
            target.write(frame)


@pytest.fixture
def small_disk() -> Iterator[None]:
    """A limit on the size of a file makes the system refuse to write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4"])
def test_a_full_disk_is_an_error_and_leaves_nothing(
    tmp_path: Path, small_disk: None, copy: Callable[..., None], name: str
) -> None:
    many = tuple(range(0, 3000, 30))
    recipe = Clip(name="in.mkv", time_base=MS, pts=many, size=(320, 240), options={"crf": "50"})
    source = make_clip(tmp_path, recipe)
    with pytest.raises(MediaError) as caught:
        copy(source, tmp_path / name, EncodeOptions(crf=0))
    assert os.strerror(errno.EFBIG) in str(caught.value)
    assert "free space" in str(caught.value)
    assert sorted(tmp_path.iterdir()) == [source]


def test_two_frames_of_one_time_are_both_kept(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = clip.parent / "out.mkv"
    with VideoSource(clip) as source, VideoTarget.open(out, source) as target:
        for item in source.items():
            if isinstance(item, VideoFrame) and item.pts == 5005:
                item.pts = 4004
            target.write(item)
    assert len(look(out).times) == 30
    assert "moving the second on" in caplog.text


def test_a_cover_picture_is_copied_into_mp4(tmp_path: Path, copy: Callable[..., None]) -> None:
    source = with_cover(tmp_path)
    copy(source, tmp_path / "out.mp4")
    with av.open(str(source)) as old, av.open(str(tmp_path / "out.mp4")) as new:
        assert [s.disposition for s in new.streams] == [s.disposition for s in old.streams]
        assert [bytes(p) for p in new.demux(video=1)] == [bytes(p) for p in old.demux(video=1)]


def test_data_that_cannot_be_copied_is_left_out_with_a_warning(
    tmp_path: Path, copy: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv", attachment=b"a font"))
    copy(source, tmp_path / "out.mp4")
    assert [kind for kind, _ in look(tmp_path / "out.mp4").kinds] == ["video"]
    assert "leaving out stream 1 (attachment" in caplog.text


def test_pixel_shape_that_cannot_be_kept_is_told(
    tmp_path: Path, copy: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path, Clip(name="in.mp4", shape=Fraction(4, 3)))
    copy(source, tmp_path / "out.webm", EncodeOptions(codec="libvpx-vp9"))
    assert "cannot keep pixels of shape 4/3" in caplog.text


def test_encoders_print_nothing(
    tmp_path: Path, copy: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv"))
    capfd.readouterr()
    for codec in ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1"):
        copy(source, tmp_path / "out.mkv", EncodeOptions(codec=codec))
        assert capfd.readouterr() == ("", ""), codec
    assert "SVT_LOG" not in os.environ


def test_a_change_of_pixel_format_is_told(
    tmp_path: Path, copy: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv", codec="ffv1", pix_fmt="yuv444p12le"))
    with caplog.at_level(logging.WARNING):
        copy(source, tmp_path / "out.mkv", EncodeOptions(codec="libx264"))
    assert look(tmp_path / "out.mkv").pix_fmt == "yuv444p10le"
    assert "cannot store yuv444p12le" in caplog.text
