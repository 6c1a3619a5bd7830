"""Everything but the pixels is in the copy what it was in the source."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.video.clips import CHAPTERS, Clip, Contents, look, make_clip

from fader.runtime.video import EncodeOptions, VideoSource, VideoTarget

MS = Fraction(1, 1000)
UNEVEN = (0, 1001, 2002, 2500, 4100, 9000, 9001, *(9001 + 1500 * i + i % 3 * 77 for i in range(1, 24)))
UNEVEN_MS = tuple(7 + 33 * i + i % 4 for i in range(30))
EVEN_MS = tuple(round(1001 * i / 30) for i in range(30))
HDR = (9, 16, 9, 1)
BT709 = (1, 1, 1, 1)
# So that the test clip itself begins exactly where it should.
EXACT = {"movie_timescale": "240000"}

CLIPS = [
    Clip(name="steady.mp4", audio=("aac",), chapters=True),
    Clip(name="uneven.mp4", audio=("aac",), pts=UNEVEN, muxer=EXACT),
    Clip(name="late.mp4", audio=("aac",), pts=tuple(12345 + 1001 * i for i in range(30)), muxer=EXACT),
    Clip(name="turned.mp4", rotation=90, shape=Fraction(4, 3), colors=BT709),
    Clip(name="full.mp4", pix_fmt="yuvj420p", colors=(1, 1, 1, 2)),
    Clip(name="odd.mp4", pix_fmt="yuv444p", size=(101, 75), rotation=270),
    Clip(name="deep.mp4", pix_fmt="yuv422p10le", colors=HDR, pts=UNEVEN, muxer=EXACT),
    Clip(name="av1.mp4", codec="libsvtav1", pix_fmt="yuv420p10le", options={"preset": "12"}),
    Clip(name="hevc.mov", codec="libx265", pix_fmt="yuv420p10le", audio=("aac",), rotation=180, colors=HDR),
    Clip(name="prores.mov", codec="prores_ks", pix_fmt="yuv422p10le", audio=("pcm_s16le",)),
    Clip(name="many.mkv", audio=("aac", "flac"), subtitles="subrip", chapters=True, attachment=b"a font",
         time_base=MS, pts=UNEVEN_MS, rotation=90, colors=BT709),
    Clip(name="gray.mkv", pix_fmt="gray", time_base=MS, pts=EVEN_MS),
    Clip(name="old.mkv", codec="mpeg4", audio=("mp2",), time_base=MS, pts=EVEN_MS),
    Clip(name="lossless.mkv", codec="ffv1", size=(101, 75), time_base=MS, pts=EVEN_MS, rotation=270),
    Clip(name="vp9.webm", codec="libvpx-vp9", audio=("libopus",), size=(101, 75), time_base=MS, pts=UNEVEN_MS,
         rotation=180, colors=BT709, chapters=True),
    Clip(name="vp8.webm", codec="libvpx", audio=("libopus",), size=(101, 75), time_base=MS, pts=EVEN_MS),
]  # fmt: skip

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module", params=CLIPS, ids=lambda clip: clip.name)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Contents, Contents]:
    """A clip and its copy in the same container."""
    recipe: Clip = request.param
    folder = tmp_path_factory.mktemp("pair")
    before = make_clip(folder, recipe)
    after = folder / f"copy{before.suffix}"
    with VideoSource(before) as source, VideoTarget.open(after, source) as target:
        for item in source.items():
            target.write(item)
    assert not list(folder.glob(".*")), "a partial file was left"
    return look(before), look(after)


def test_every_frame_keeps_its_time(pair: tuple[Contents, Contents]) -> None:
    before, after = pair
    assert len(after.times) == 30
    assert after.times == before.times


def test_every_copied_packet_keeps_its_bytes_and_times(pair: tuple[Contents, Contents]) -> None:
    before, after = pair
    assert after.packets == before.packets


def test_size_pixel_format_and_pixel_shape_stay(pair: tuple[Contents, Contents]) -> None:
    before, after = pair
    assert (after.size, after.pix_fmt) == (before.size, before.pix_fmt)
    assert after.shape == before.shape


def test_orientation_stays(pair: tuple[Contents, Contents]) -> None:
    before, after = pair
    assert after.matrix == before.matrix


def test_colour_tags_stay(pair: tuple[Contents, Contents]) -> None:
    before, after = pair
    assert tags(after) == tags(before)


def test_streams_metadata_and_chapters_stay(pair: tuple[Contents, Contents]) -> None:
    before, after = pair
    assert after.kinds == before.kinds
    assert after.metadata.items() >= {"title": "A clip", "comment": "made for tests"}.items()
    assert after.stream_metadata == before.stream_metadata
    assert after.dispositions == before.dispositions
    assert after.chapters == before.chapters
    assert after.attachments == before.attachments


def test_the_pictures_look_as_before(pair: tuple[Contents, Contents]) -> None:
    before, after = pair
    for old, new in zip(before.frames, after.frames, strict=True):
        assert psnr_db(old, new, before.pix_fmt) > 38


def tags(contents: Contents) -> tuple[int, ...]:
    """Colour tags, where an unknown range means what it means everywhere: limited."""
    *kinds, spread = contents.colors
    return (*kinds, max(spread, 1))


def psnr_db(before: list[Any], after: list[Any], pix_fmt: str) -> float:
    depth = 10 if "10" in pix_fmt else 8
    kind = np.dtype("<u2" if depth == 10 else "u1")
    errors = [
        np.ascontiguousarray(a).view(kind).astype(float) - np.ascontiguousarray(b).view(kind)
        for a, b in zip(before, after, strict=True)
    ]
    mean_square = float(np.mean(np.concatenate([error.ravel() for error in errors]) ** 2))
    return 10 * float(np.log10((2**depth - 1) ** 2 / max(mean_square, 1e-9)))


def test_the_clips_try_what_they_say(tmp_path: Path) -> None:
    """Otherwise the comparisons above could pass on two empty values."""
    many = look(make_clip(tmp_path, next(clip for clip in CLIPS if clip.name == "many.mkv")))
    assert [kind for kind, _ in many.kinds] == ["video", "audio", "audio", "subtitle", "attachment"]
    assert many.chapters == CHAPTERS
    assert many.attachments == [("font.ttf", b"a font")]
    assert many.matrix is not None
    assert many.stream_metadata[1] == ("eng", "Sound 0")
    assert {packet[0] for packet in many.packets} == {1, 2, 3}
    late = look(make_clip(tmp_path, next(clip for clip in CLIPS if clip.name == "late.mp4")))
    assert late.times[0] == Fraction(12345, 30000)
    full = look(make_clip(tmp_path, next(clip for clip in CLIPS if clip.name == "full.mp4")))
    assert full.colors == (1, 1, 1, 2)
    assert full.pix_fmt == "yuvj420p"


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "stored"),
    [
        ("yuv420p", "libx264", "yuv420p"),
        ("yuv420p10le", "libx264", "yuv420p10le"),
        ("yuv444p", "libx264", "yuv444p"),
        ("yuv422p", "libx264", "yuv422p"),
        ("yuvj420p", "libx264", "yuv420p"),
        ("gray", "ffv1", "gray"),
    ],
)
def test_ffv1_keeps_every_bit(
    tmp_path: Path, copy: Callable[..., None], pix_fmt: str, codec: str, stored: str
) -> None:
    colors = (1, 1, 1, 2) if pix_fmt == "yuvj420p" else BT709
    before = make_clip(
        tmp_path, Clip(name="in.mkv", codec=codec, pix_fmt=pix_fmt, colors=colors, audio=("aac",))
    )
    copy(before, tmp_path / "out.mkv", EncodeOptions(codec="ffv1"))
    old, new = look(before), look(tmp_path / "out.mkv")
    assert (new.kinds[0], new.pix_fmt) == (("video", "ffv1"), stored)
    assert new.times == old.times
    assert new.colors[3] == old.colors[3]
    for old_planes, new_planes in zip(old.frames, new.frames, strict=True):
        for old_plane, new_plane in zip(old_planes, new_planes, strict=True):
            np.testing.assert_array_equal(new_plane, old_plane)


def test_i_frames_of_the_source_force_none_in_the_copy(tmp_path: Path, copy: Callable[..., None]) -> None:
    before = make_clip(tmp_path, Clip(name="in.mp4", codec="libx264", options={"g": "1"}))
    copy(before, tmp_path / "out.mp4")
    assert len(look(before).key_frames) == 30
    assert len(look(tmp_path / "out.mp4").key_frames) < 30


def test_matroska_to_mp4_keeps_every_time(tmp_path: Path, copy: Callable[..., None]) -> None:
    recipe = Clip(name="in.mkv", audio=("aac",), time_base=MS, pts=UNEVEN_MS, rotation=90)
    before = make_clip(tmp_path, recipe)
    copy(before, tmp_path / "out.mp4")
    old, new = look(before), look(tmp_path / "out.mp4")
    assert new.times == old.times
    assert new.matrix == old.matrix
    assert [packet[3] for packet in new.packets] == [packet[3] for packet in old.packets]


def test_mp4_to_matroska_moves_no_time_by_more_than_its_millisecond(
    tmp_path: Path, copy: Callable[..., None]
) -> None:
    before = make_clip(tmp_path, Clip(name="in.mp4", audio=("aac",), pts=UNEVEN, muxer=EXACT))
    copy(before, tmp_path / "out.mkv")
    old, new = look(before), look(tmp_path / "out.mkv")
    assert max(abs(a - b) for a, b in zip(old.times, new.times, strict=True)) <= MS / 2
    assert old.packets[0][1] < 0, "AAC's priming is what could shift everything"
    for a, b in zip(old.packets, new.packets, strict=True):
        assert abs(a[1] - b[1]) <= MS / 2
        assert a[3] == b[3]


def test_the_last_frame_is_shown_as_long_as_before(tmp_path: Path, copy: Callable[..., None]) -> None:
    before = make_clip(tmp_path, Clip(name="in.mkv", time_base=MS, pts=(0, 40, 90, 130), options={"bf": "0"}))
    copy(before, tmp_path / "out.mp4", EncodeOptions(codec="mpeg4"))
    with VideoSource(tmp_path / "out.mp4") as new:
        assert new.duration_s == pytest.approx(0.130 + 0.033)


def test_a_camera_s_own_metadata_stays(tmp_path: Path, copy: Callable[..., None]) -> None:
    import av

    before = make_clip(tmp_path, replace(CLIPS[3], name="plain.mov"))
    tagged = tmp_path / "tagged.mov"
    with (
        av.open(str(before)) as old,
        av.open(str(tagged), "w", container_options={"movflags": "use_metadata_tags"}) as new,
    ):
        new.metadata["com.apple.quicktime.model"] = "A camera"
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    copy(tagged, tmp_path / "out.mov")
    assert look(tagged).metadata["com.apple.quicktime.model"] == "A camera"
    assert look(tmp_path / "out.mov").metadata["com.apple.quicktime.model"] == "A camera"
