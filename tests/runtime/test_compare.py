"""The source beside its edit: every sample of both is where it should be, in any pixel format."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.runtime.scenes import FaceClip, decoded, face_views, samples, write_clip
from tests.video.clips import Clip, look, make_clip

from fader.errors import ConfigError
from fader.runtime import Editor, EncodeOptions, edit_video
from fader.runtime.compare import Comparison, Form, form
from fader.runtime.video import VideoSource
from fader.runtime.video.formats import with_components

STRONG = {"Smiling": 3.0}
LOSSLESS = EncodeOptions(codec="ffv1")
FORMATS = ["yuv420p", "yuv420p10le", "yuv422p12le", "yuv444p", "yuvj420p", "yuv411p", "nv12", "p010le",
           "gray", "gray10le", "gbrp", "rgb24", "rgba", "rgb48le", "yuva420p"]  # fmt: skip


def noise(pix_fmt: str, size: tuple[int, int], seed: int) -> av.VideoFrame:
    """A frame whose samples are all random codes."""
    frame = av.VideoFrame(*size, pix_fmt)
    rng = np.random.default_rng(seed)
    for plane in frame.planes:
        plane.update(rng.integers(0, 4, plane.buffer_size, np.uint8).tobytes())
    frame.pts, frame.time_base, frame.duration = 1, Fraction(1, 3), 2
    return frame


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("compare"), Clip(name="in.mp4"))


def comparison(clip: Path, how: Form, frame: av.VideoFrame, rotation: int = 0) -> Comparison:
    """As for a video of such frames."""
    with VideoSource(clip) as source:
        source.traits = replace(
            source.traits,
            width=frame.width,
            height=frame.height,
            pix_fmt=frame.format.name,
            rotation=rotation,
        )
        return Comparison(how, source)


def upright(frame: av.VideoFrame, rotation: int) -> list[NDArray[Any]]:
    """Planes as they are displayed."""
    return [np.rot90(plane, rotation // 90) for plane in samples(frame)]


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_side_by_side_holds_every_sample_of_both(clip: Path, pix_fmt: str) -> None:
    one, two = noise(pix_fmt, (48, 32), 1), noise(pix_fmt, (48, 32), 2)
    compare = comparison(clip, "side", one)
    shown = compare(one, two)
    assert (shown.width, shown.height, shown.format.name) == (96, 32, pix_fmt)
    assert (compare.source.width, compare.source.height) == (96, 32)
    assert (shown.pts, shown.time_base, shown.duration) == (1, Fraction(1, 3), 2)
    for a, b, both in zip(samples(one), samples(two), samples(shown), strict=True):
        np.testing.assert_array_equal(np.concatenate([a, b], axis=1), both)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_as_displayed_the_source_is_on_the_left(clip: Path, rotation: int) -> None:
    one, two = noise("yuv444p", (48, 32), 1), noise("yuv444p", (48, 32), 2)
    for how in ("side", "wipe"):
        shown = comparison(clip, how, one, rotation)(one, two)
        for a, b, both in zip(*(upright(frame, rotation) for frame in (one, two, shown)), strict=True):
            width = a.shape[1]
            np.testing.assert_array_equal(both[:, :4], a[:, :4])
            np.testing.assert_array_equal(both[:, -4:], b[:, -4:])
            assert both.shape[1] == (2 * width if how == "side" else width)


@pytest.mark.parametrize("size", [(49, 33), (51, 32)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv411p", "nv12"])
def test_of_odd_sizes_what_has_no_whole_chroma_sample_is_left_out(
    clip: Path, pix_fmt: str, size: tuple[int, int]
) -> None:
    one, two = noise(pix_fmt, size, 1), noise(pix_fmt, size, 2)
    compare = comparison(clip, "side", one)
    shown = compare(one, two)
    step = 4 if pix_fmt == "yuv411p" else 2
    assert (shown.width, shown.height) == (compare.source.width, compare.source.height)
    assert (shown.width, shown.height) == (2 * (size[0] - size[0] % step), size[1])
    for a, b, both in zip(samples(one), samples(two), samples(shown), strict=True):
        half = both.shape[1] // 2
        np.testing.assert_array_equal(both[:, :half], a[:, :half])
        np.testing.assert_array_equal(both[:, half:], b[:, :half])
    wiped = comparison(clip, "wipe", one)(one, two)
    assert (wiped.width, wiped.height) == size
    for a, b, both in zip(samples(one), samples(two), samples(wiped), strict=True):
        np.testing.assert_array_equal(both[:, :4], a[:, :4])
        np.testing.assert_array_equal(both[:, -4:], b[:, -4:])


@pytest.mark.parametrize("pix_fmt", FORMATS)
@pytest.mark.parametrize("time", [0, 1, 2, 3, 4])
def test_a_wipe_has_the_source_the_line_and_the_edit(clip: Path, pix_fmt: str, time: int) -> None:
    one, two = noise(pix_fmt, (52, 32), 1), noise(pix_fmt, (52, 32), 2)
    two.pts, two.time_base = time, Fraction(2, 3)
    shown = comparison(clip, "wipe", one)(one, two)
    assert (shown.width, shown.height, shown.format.name) == (52, 32, pix_fmt)
    for a, b, both in list(zip(samples(one), samples(two), samples(shown), strict=True))[:3]:  # without alpha
        neither = ((both != a) & (both != b)).any(axis=0)
        left = int((both == a).all(axis=0).argmin())
        right = both.shape[1] - int((both == b).all(axis=0)[::-1].argmin())
        assert 0 < left < right < both.shape[1]
        assert right - left <= 8
        assert not neither[:left].any()
        assert not neither[right:].any()


def line_at(clip: Path, seconds: float) -> float:
    black = av.VideoFrame.from_ndarray(np.zeros((32, 200, 3), np.uint8), "rgb24")
    black.pts, black.time_base = round(seconds * 1000), Fraction(1, 1000)
    shown = comparison(clip, "wipe", black)(black, black).to_ndarray()
    columns = np.flatnonzero((shown == 255).all(axis=(0, 2)))
    assert 0 < len(columns) < 4
    return float(columns.mean()) / 200


def test_the_line_is_white_and_moves_to_and_fro(clip: Path) -> None:
    places = [line_at(clip, seconds) for seconds in (0, 0.5, 1, 2, 3, 4)]
    assert places == pytest.approx([0.5, 0.85, 1, 0.5, 0, 0.5], abs=0.02)


def test_a_turned_video_is_as_wide_as_both_where_its_matrix_moves_it(clip: Path) -> None:
    with VideoSource(clip) as source:
        matrix = (0, 65536, 0, -65536, 0, 0, 64 << 16, 0, 1 << 30)
        source.traits = replace(source.traits, rotation=270, display_matrix=matrix)
        widened = Comparison("side", source).source
    assert (widened.width, widened.height) == (96, 128)
    assert widened.traits.display_matrix == (*matrix[:6], 128 << 16, *matrix[7:])


@pytest.mark.parametrize(("width", "height", "words"), [(9000, 64, "by a wipe"), (8, 64, "too few")])
def test_sizes_that_cannot_be_shown_are_refused(clip: Path, width: int, height: int, words: str) -> None:
    with VideoSource(clip) as source:
        source.traits = replace(source.traits, width=width, height=height)
        with pytest.raises(ConfigError, match=words):
            Comparison("side", source)


def test_an_unknown_form_is_refused_with_the_known_ones() -> None:
    assert (form("side"), form("wipe"), form(None)) == ("side", "wipe", None)
    with pytest.raises(ConfigError, match="expected one of side, wipe"):
        form("split")


@pytest.mark.parametrize(
    "kind",
    [
        FaceClip(codec="libx264", options={"preset": "veryfast"}),
        FaceClip(codec="libx264", pix_fmt="yuv420p10le", options={"preset": "veryfast"}),
        FaceClip(codec="libx264", pix_fmt="yuvj420p", color_range=2, options={"preset": "veryfast"}),
        FaceClip(codec="libx264", rotation=90, options={"preset": "veryfast"}),
    ],
    ids=["8 bits", "10 bits", "full range", "turned"],
)
def test_a_whole_video_beside_its_edit(editor: Editor, tmp_path: Path, kind: FaceClip) -> None:
    source = write_clip(tmp_path / "in.mp4", face_views(4, (192, 144)), kind)
    edit_video(editor, source, tmp_path / "plain.mkv", STRONG, encoding=LOSSLESS)
    report = edit_video(editor, source, tmp_path / "side.mkv", STRONG, encoding=LOSSLESS, compare="side")
    assert report.frames_edited == 4
    side = look(tmp_path / "side.mkv")
    assert side.colors[3] == look(tmp_path / "plain.mkv").colors[3]
    rotation = kind.rotation
    files = (source, tmp_path / "plain.mkv", tmp_path / "side.mkv")
    for before, after, both in zip(*(decoded(path) for path in files), strict=True):
        shown = zip(*(upright(with_components(f), rotation) for f in (before, after, both)), strict=True)
        for a, b, c in shown:
            np.testing.assert_array_equal(np.concatenate([a, b], axis=1), c)


def test_sound_and_times_are_kept_beside_a_comparison(editor: Editor, tmp_path: Path) -> None:
    source = make_clip(tmp_path, Clip(name="in.mp4", audio=("aac",), size=(95, 64), pix_fmt="yuv444p"))
    edit_video(editor, source, tmp_path / "side.mp4", STRONG, compare="side")
    before, after = look(source), look(tmp_path / "side.mp4")
    assert (after.times, after.packets) == (before.times, before.packets)
    assert (after.size, after.pix_fmt) == ((190, 64), "yuv444p")
