"""A frame's planes: what is read out of them, and that adding a change touches nothing else."""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.runtime.scenes import (
    FaceClip,
    blocks,
    decoded,
    face_views,
    frame_of,
    inside_crops,
    samples,
    write_clip,
)

from fader.errors import MediaError
from fader.runtime.faces.alignment import invert, warp_crop
from fader.runtime.paste import face_mask
from fader.runtime.video.copying import copy_frame
from fader.runtime.video.formats import components
from fader.runtime.video.planes import FramePlanes

FORMATS = (
    *("yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv411p", "yuva420p"),
    *("nv12", "nv21", "p010le", "gbrp", "gbrp10le", "gray", "gray10le"),
    *("rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "rgb48le", "rgba64le"),
)
ROTATIONS = (0, 90, 180, 270)
SIZES = ((101, 75), (64, 48), (33, 97))
CROP = 32


def noise_frame(pix_fmt: str, size: tuple[int, int]) -> av.VideoFrame:
    """A frame of valid random codes; half of them at the ends of the range."""
    frame = av.VideoFrame(*size, pix_fmt)
    rng = np.random.default_rng(0)
    bits = frame.format.components[0].bits
    for plane in frame.planes:
        buffer: Any = plane
        codes = np.frombuffer(buffer, np.uint8 if bits <= 8 else "<u2")
        values = rng.integers(0, 2**bits, codes.shape)
        values[rng.random(codes.shape) < 0.25] = 0
        values[rng.random(codes.shape) < 0.25] = 2**bits - 1
        codes[...] = values << (6 if pix_fmt == "p010le" else 0)
    return frame


def placed(size: tuple[int, int], *, side: float = 40, angle: float = 0.5) -> NDArray[np.float64]:
    """Displayed frame to crop, for a crop of that side in the middle of the frame."""
    step = side / CROP
    linear = step * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.array([size[0] * 0.5, size[1] * 0.45])
    return invert(np.column_stack([linear, centre - linear @ np.full(2, (CROP - 1) / 2)]))


def masked(*levels: float) -> NDArray[np.float32]:
    """A change of red, green and blue that fades to nothing before the crop's border, as every edit does."""
    return np.asarray(face_mask(CROP) * np.array(levels, np.float32)[:, None, None], np.float32)


def displayed_size(size: tuple[int, int], rotation: int) -> tuple[int, int]:
    return size if rotation in (0, 180) else (size[1], size[0])


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_adding_nothing_changes_no_bit(pix_fmt: str, rotation: int) -> None:
    for size in SIZES:
        frame = noise_frame(pix_fmt, size)
        before = samples(frame)
        planes = FramePlanes(frame, rotation=rotation)
        assert not planes.add(masked(0, 0, 0), placed(planes.size))
        assert planes.frame.format.name == pix_fmt
        for one, other in zip(before, samples(planes.frame), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_adding_a_change_touches_only_samples_inside_the_crop(pix_fmt: str, rotation: int) -> None:
    for size in SIZES:
        frame = noise_frame(pix_fmt, size)
        planes = FramePlanes(frame, rotation=rotation)
        before = [component.samples.copy() for component in components(planes.frame)]
        bits_before = samples(planes.frame)
        matrix = placed(planes.size)
        assert planes.add(masked(40, -30, 20), matrix)
        # The interpolation reaches a pixel further; the border of so small a crop is hardly a pixel wide.
        inside = np.rot90(inside_crops([matrix], planes.size, crop=CROP, margin=1), -(rotation // 90))
        n_changed = 0
        for component, old in zip(components(planes.frame), before, strict=True):
            changed = component.samples != old
            assert changed.any()
            across, down = round(size[0] / old.shape[1]), round(size[1] / old.shape[0])
            near = inside if across == down == 1 else blocks(inside, across, down, old.shape)
            assert not (changed & ~near).any()
            n_changed += int(changed.sum())
        assert n_changed_samples(frame, bits_before, samples(planes.frame)) == n_changed


def n_changed_samples(
    frame: av.VideoFrame, before: list[NDArray[np.uint8]], after: list[NDArray[np.uint8]]
) -> int:
    """Changed samples of all planes, alpha included."""
    dtype = np.dtype(np.uint8 if frame.format.components[0].bits <= 8 else "<u2")
    return sum(int((a.view(dtype) != b.view(dtype)).sum()) for a, b in zip(before, after, strict=True))


def smooth_picture(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture of middling colours that vary slowly."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    red, green, blue = 110 + 30 * np.sin(x / 21), 120 + 30 * np.cos(y / 19), 130 + 30 * np.sin((x + y) / 25)
    return np.stack([red, green, blue], axis=-1).round().astype(np.uint8)


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("pix_fmt", FORMATS)
@pytest.mark.parametrize("side", [20, 50])
def test_twenty_levels_of_red_are_read_back_as_twenty_levels_of_red(
    pix_fmt: str, rotation: int, side: float
) -> None:
    size = displayed_size((101, 75), rotation)
    planes = FramePlanes(frame_of(smooth_picture(size), pix_fmt, rotation=rotation), rotation=rotation)
    assert planes.size == size
    matrix = placed(size, side=side)
    before = planes.sample(matrix, CROP)
    planes.add(masked(20, 0, 0), matrix)
    gain = (planes.sample(matrix, CROP) - before)[11:21, 11:21].reshape(-1, 3)
    wanted = [0.299 * 20] * 3 if pix_fmt.startswith("gray") else [20, 0, 0]
    np.testing.assert_allclose(gain.mean(axis=0), wanted, atol=1.0)
    np.testing.assert_allclose(gain, np.broadcast_to(wanted, gain.shape), atol=3.0)


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_a_crop_shows_what_the_displayed_picture_shows(pix_fmt: str, rotation: int) -> None:
    picture = smooth_picture(displayed_size((101, 75), rotation))
    planes = FramePlanes(frame_of(picture, pix_fmt, rotation=rotation), rotation=rotation)
    matrix = placed(planes.size)
    expected = warp_crop(picture, matrix, CROP)
    if pix_fmt.startswith("gray"):
        expected = (expected @ np.array([0.299, 0.587, 0.114], np.float32))[..., None].repeat(3, axis=2)
    assert np.abs(planes.sample(matrix, CROP) - expected).max() < 4
    assert np.abs(planes.sample(matrix, CROP) - expected).mean() < 1


@pytest.mark.parametrize("space", [("ITU709", 1), ("ITU601", 5)])
@pytest.mark.parametrize("extent", [("MPEG", 1), ("JPEG", 2)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_matrix_and_range_of_the_stream_are_used(
    pix_fmt: str, space: tuple[str, int], extent: tuple[str, int]
) -> None:
    picture = smooth_picture((100, 76))
    rgb = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame = rgb.reformat(format=pix_fmt, dst_colorspace=space[0], dst_color_range=extent[0])
    frame.colorspace, frame.color_range = space[1], extent[1]
    planes = FramePlanes(frame)
    matrix = placed(planes.size)
    before = planes.sample(matrix, CROP)
    assert np.abs(before - warp_crop(picture, matrix, CROP)).mean() < 1.5
    planes.add(masked(0, 0, 20), matrix)
    gain = (planes.sample(matrix, CROP) - before)[11:21, 11:21].reshape(-1, 3)
    np.testing.assert_allclose(gain.mean(axis=0), [0, 0, 20], atol=1.0)


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "p010le", "gray10le", "gbrp10le"])
def test_ten_bits_are_kept_where_a_change_is_added(pix_fmt: str) -> None:
    frame = noise_frame(pix_fmt, (100, 76))
    before = [component.samples.copy().astype(int) for component in components(frame)]
    planes = FramePlanes(frame)
    # Less than one level of eight bits, but several of ten.
    planes.add(masked(0.9, 0.9, 0.9), placed(planes.size))
    step = 64 if pix_fmt == "p010le" else 1
    for component, old in zip(components(planes.frame), before, strict=True):
        moves = set(np.unique(component.samples.astype(int) - old).tolist())
        assert moves <= {0, step, 2 * step, 3 * step, 4 * step}
        assert component.samples.max() <= 1023 * step
    assert {3 * step, 4 * step} & set(
        np.unique(components(planes.frame)[0].samples.astype(int) - before[0]).tolist()
    )


def test_codes_stop_at_the_ends_of_their_range() -> None:
    for pix_fmt, levels in (("rgb24", 255), ("rgb48le", 65535), ("yuv444p10le", 1023)):
        planes = FramePlanes(noise_frame(pix_fmt, (64, 48)))
        matrix = placed(planes.size)
        planes.add(masked(900, 900, 900), matrix)
        assert components(planes.frame)[0].samples[22, 32] == levels
        planes.add(masked(-2900, -2900, -2900), matrix)
        assert components(planes.frame)[0].samples[22, 32] == 0


def test_alpha_is_left_alone() -> None:
    planes = FramePlanes(noise_frame("rgba", (64, 48)))
    before = planes.frame.to_ndarray().copy()
    planes.add(masked(50, 50, 50), placed(planes.size))
    after = planes.frame.to_ndarray()
    np.testing.assert_array_equal(after[..., 3], before[..., 3])
    assert (after[..., :3] != before[..., :3]).any()


@pytest.mark.parametrize("where", [(-500.0, 10.0), (5.0, 5.0), (60.0, 47.0), (1e5, 1e5)])
def test_faces_that_leave_the_frame_do_no_harm(where: tuple[float, float]) -> None:
    for pix_fmt in ("yuv420p", "rgb24"):
        planes = FramePlanes(noise_frame(pix_fmt, (64, 48)))
        matrix = np.array([[1.0, 0, 16 - where[0]], [0, 1.0, 16 - where[1]]])
        assert planes.sample(matrix, CROP).shape == (CROP, CROP, 3)
        before = samples(planes.frame)
        changed = planes.add(masked(30, 30, 30), matrix)
        outside = not inside_crops([matrix], (64, 48), crop=CROP).any()
        assert changed == (not outside)
        if outside:
            assert all((a == b).all() for a, b in zip(before, samples(planes.frame), strict=True))


@pytest.mark.parametrize("side", [3.0, 8.0, 400.0])
def test_very_small_and_very_large_faces_are_read_and_written(side: float) -> None:
    planes = FramePlanes(frame_of(smooth_picture((320, 240)), "yuv420p"))
    matrix = placed(planes.size, side=side)
    before = planes.sample(matrix, CROP)
    assert planes.add(masked(30, 30, 30), matrix)
    gain = (planes.sample(matrix, CROP) - before)[12:20, 12:20]
    assert gain.mean() == pytest.approx(30, abs=6)


def test_a_thumbnail_is_small_upright_and_says_its_scale() -> None:
    picture = smooth_picture((320, 200))
    for rotation in ROTATIONS:
        small, scale = FramePlanes(
            frame_of(picture, "yuv420p", rotation=rotation), rotation=rotation
        ).thumbnail(160)
        assert (small.shape, scale) == ((100, 160, 3), 0.5)
        assert np.abs(small.astype(float) - picture[::2, ::2]).mean() < 4


def test_a_frame_smaller_than_the_thumbnail_keeps_its_size() -> None:
    small, scale = FramePlanes(frame_of(smooth_picture((100, 60)), "rgb24")).thumbnail(640)
    assert (small.shape, scale) == ((60, 100, 3), 1.0)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "nv12", "rgb24", "gray"])
def test_a_glance_is_tiny_upright_and_like_the_thumbnail(pix_fmt: str) -> None:
    picture = smooth_picture((320, 200))
    for rotation in ROTATIONS:
        planes = FramePlanes(frame_of(picture, pix_fmt, rotation=rotation), rotation=rotation)
        tiny, (like, _) = planes.glance(32), planes.thumbnail(32)
        grey = cv2.cvtColor(like, cv2.COLOR_RGB2GRAY)
        assert tiny.shape == grey.shape == (20, 32)
        assert np.abs(tiny - grey.astype(float)).mean() < 4


def test_a_glance_at_a_frame_of_few_pixels_repeats_them() -> None:
    assert FramePlanes(frame_of(smooth_picture((2, 30)), "rgb24")).glance(32).shape == (30, 2)


def test_copies_share_no_memory_with_the_frame_nor_with_each_other() -> None:
    frames = [frame_of(np.full((48, 64, 3), level, np.uint8), "rgb24") for level in (10, 20, 30)]
    frames.append(frame_of(np.full((32, 32, 3), 40, np.uint8), "rgb24"))
    copies = [copy_frame(frame) for frame in frames for _ in range(2)]
    for i, copy in enumerate(copies):
        assert not np.shares_memory(view_of(copy), view_of(frames[i // 2]))
        view_of(copy)[:] = 100 + i
    assert [int(view_of(copy).max()) for copy in copies] == [100 + i for i in range(8)]
    assert [int(view_of(frame).max()) for frame in frames] == [10, 20, 30, 40]


def test_memory_of_copies_that_nobody_holds_is_used_again() -> None:
    frame = frame_of(smooth_picture((64, 48)), "yuv420p")
    assert len({copy_frame(frame).planes[0].buffer_ptr for _ in range(20)}) <= 2


def view_of(frame: av.VideoFrame) -> NDArray[np.uint8]:
    plane: Any = frame.planes[0]
    return np.frombuffer(plane, np.uint8)


@pytest.mark.parametrize(
    ("pix_fmt", "becomes"), [("yuyv422", "yuv422p"), ("pal8", "rgb24"), ("rgb0", "rgb24")]
)
def test_formats_without_separate_samples_are_converted_without_loss(pix_fmt: str, becomes: str) -> None:
    picture = np.array([[0, 85], [170, 255]], np.uint8).repeat(24, axis=0).repeat(32, axis=1)
    if pix_fmt == "pal8":
        palette = np.arange(256, dtype=np.uint8)[:, None].repeat(4, axis=1)
        palette[:, 0] = 255
        frame = av.VideoFrame.from_ndarray((picture, palette), format="pal8")  # type: ignore[arg-type]
    else:
        frame = frame_of(picture[..., None].repeat(3, axis=2), "rgb24").reformat(format=pix_fmt)
    frame.pts, frame.time_base, frame.duration = 7, Fraction(1, 25), 2
    planes = FramePlanes(frame)
    assert planes.frame.format.name == becomes
    assert (planes.frame.pts, planes.frame.time_base, planes.frame.duration) == (7, Fraction(1, 25), 2)
    shown = planes.sample(np.array([[1.0, 0, 0], [0, 1.0, 0]]), 48)
    assert np.abs(shown[..., 0] - picture[:, :48]).max() < 3


def test_a_frame_without_times_is_converted_all_the_same() -> None:
    frame = frame_of(smooth_picture((64, 48)), "yuyv422")
    assert FramePlanes(frame).frame.format.name == "yuv422p"


def test_a_format_that_cannot_be_addressed_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        MediaError, match="pixel format rgb565le is not supported: convert the file to yuv420p"
    ):
        FramePlanes(av.VideoFrame(64, 48, "rgb565le"))


def test_frames_that_a_decoder_still_reads_are_copied_before_they_are_changed(tmp_path: Path) -> None:
    clip = FaceClip(codec="libx264", options={"preset": "veryfast", "crf": "20", "g": "100", "bf": "2"})
    path = write_clip(tmp_path / "a.mp4", face_views(16), clip)
    untouched = [samples(frame) for frame in decoded(path)]
    for frame, expected in zip(edited_while_decoding(path), untouched, strict=True):
        for one, other in zip(samples(frame), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def edited_while_decoding(path: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            as_decoded = av.VideoFrame(frame.width, frame.height, frame.format.name)
            for ours, theirs in zip(as_decoded.planes, frame.planes, strict=True):
                ours.update(cut(theirs, ours.line_size))
            yield as_decoded
            planes = FramePlanes(frame)
            assert planes.add(masked(90, -90, 90), placed(planes.size, side=200))


def cut(plane: Any, line_size: int) -> bytes:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    wide = np.zeros((len(rows), line_size), np.uint8)
    wide[:, : min(line_size, plane.line_size)] = rows[:, :line_size]
    return wide.tobytes()


def test_the_frame_that_was_given_is_not_changed_and_the_copy_keeps_its_properties() -> None:
    frame = noise_frame("yuv420p", (64, 48))
    frame.pts, frame.time_base, frame.duration = 7, Fraction(1, 25), 2
    frame.colorspace, frame.color_range, frame.color_trc, frame.color_primaries = 1, 2, 13, 1
    before = samples(frame)
    planes = FramePlanes(frame)
    assert planes.add(masked(90, 90, 90), placed(planes.size))
    for one, other in zip(before, samples(frame), strict=True):
        np.testing.assert_array_equal(one, other)
    assert planes.frame is not frame
    for name in (
        *("pts", "time_base", "duration", "time", "pict_type", "key_frame"),
        *("colorspace", "color_range", "color_trc", "color_primaries", "width", "height"),
    ):
        assert getattr(planes.frame, name) == getattr(frame, name), name


def test_a_changed_frame_keeps_its_side_data(tmp_path: Path) -> None:
    clip = FaceClip(codec="libx264", rotation=90, options={"preset": "ultrafast"})
    frame = decoded(write_clip(tmp_path / "a.mp4", face_views(1), clip))[0]
    planes = FramePlanes(frame, rotation=90)
    assert planes.add(masked(90, 90, 90), placed(planes.size))
    assert planes.frame.rotation == frame.rotation == 90


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "nv12", "p010le"])
def test_chroma_lies_at_the_left_and_midway_between_rows(pix_fmt: str) -> None:
    _, cb, cr = components(av.VideoFrame(64, 48, pix_fmt))
    for component in (cb, cr):
        places = np.array([[0, 0.5, 1], [2, 0.5, 1], [0, 2.5, 1], [62, 46.5, 1]]) @ component.from_luma.T
        np.testing.assert_allclose(places, [[0, 0], [1, 0], [0, 1], [31, 23]])
