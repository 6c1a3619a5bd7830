"""Components and RGB: by the stream's matrix, range and depth."""

from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fader.runtime.video.colour import Colour


def colour(**changes: Any) -> Colour:
    return Colour(
        **{"model": "yuv", "kr": 0.2126, "kb": 0.0722, "full": False, "bits": 8, "step": 1, **changes}
    )


COLOURS = st.builds(
    lambda model, full, bits, weights: colour(
        model=model, full=full, bits=bits, kr=weights[0], kb=weights[1]
    ),
    st.sampled_from(["yuv", "rgb"]),
    st.booleans(),
    st.sampled_from([8, 10, 12, 16]),
    st.sampled_from([(0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)]),
)
LEVELS = st.tuples(*[st.floats(40, 215)] * 3)
CHANGES = st.tuples(*[st.floats(-40, 40)] * 3)


def codes_of(colour: Colour, rgb: tuple[float, float, float]) -> list[Any]:
    """Components of one pixel, from the definition: black's codes plus the change to the colour."""
    zero = [colour._luma[0], colour._chroma[0], colour._chroma[0]]
    black = [0.0, 0.0, 0.0] if colour.model == "rgb" else zero
    changes = colour.changes(np.array(rgb, np.float32).reshape(3, 1, 1))
    return [np.float32(start) + change for start, change in zip(black, changes, strict=True)]


@given(COLOURS, LEVELS, CHANGES)
def test_a_change_of_rgb_is_read_back_as_it_was_added(
    colour: Colour, rgb: tuple[float, float, float], change: tuple[float, float, float]
) -> None:
    codes = codes_of(colour, rgb)
    np.testing.assert_allclose(colour.to_rgb(codes)[0, 0], rgb, atol=0.01)
    moved = [
        c + d
        for c, d in zip(codes, colour.changes(np.array(change, np.float32).reshape(3, 1, 1)), strict=True)
    ]
    np.testing.assert_allclose(colour.to_rgb(moved)[0, 0], np.add(rgb, change), atol=0.01)


@pytest.mark.parametrize(
    ("found", "black", "white"),
    [
        (colour(), (16, 128, 128), (235, 128, 128)),
        (colour(full=True), (0, 128, 128), (255, 128, 128)),
        (colour(bits=10), (64, 512, 512), (940, 512, 512)),
        (colour(bits=10, step=64), (64 << 6, 512 << 6, 512 << 6), (940 << 6, 512 << 6, 512 << 6)),
        (colour(model="rgb", full=True), (0, 0, 0), (255, 255, 255)),
        (colour(model="rgb", full=True, bits=16), (0, 0, 0), (65535, 65535, 65535)),
    ],
)
def test_black_and_white_have_the_standards_codes(
    found: Colour, black: tuple[int, ...], white: tuple[int, ...]
) -> None:
    for codes, level in ((black, 0), (white, 255)):
        channels = [np.full((1, 1), code, np.float32) for code in codes]
        np.testing.assert_allclose(found.to_rgb(channels)[0, 0], level, atol=1e-3)


def test_pure_red_of_bt709_has_the_codes_that_the_standard_gives() -> None:
    # ITU-R BT.709, 8 bits, 100 % red: Y 63, Cb 102, Cr 240.
    np.testing.assert_allclose(np.ravel(codes_of(colour(), (255, 0, 0))), [63, 102, 240], atol=0.6)


def test_gray_is_the_same_in_all_three_colours_and_takes_only_luma() -> None:
    gray = colour(model="gray", full=True, kr=0.299, kb=0.114)
    np.testing.assert_allclose(gray.to_rgb([np.full((1, 1), 77, np.float32)])[0, 0], 77, atol=1e-3)
    (luma,) = gray.changes(np.array([10, 20, 30], np.float32).reshape(3, 1, 1))
    assert luma[0, 0] == pytest.approx(0.299 * 10 + 0.587 * 20 + 0.114 * 30, rel=1e-5)


def test_colours_out_of_gamut_are_clipped() -> None:
    channels = [np.full((1, 1), code, np.float32) for code in (235, 240, 240)]
    rgb = colour().to_rgb(channels)[0, 0]
    assert rgb.min() >= 0
    assert rgb.max() == 255


@pytest.mark.parametrize(
    ("pix_fmt", "height", "matrix", "extent", "expected"),
    [
        ("yuv420p", 480, 2, 0, ("yuv", 0.299, False)),
        ("yuv420p", 720, 2, 0, ("yuv", 0.2126, False)),
        ("yuv420p", 480, 1, 0, ("yuv", 0.2126, False)),
        ("yuv420p", 1080, 6, 0, ("yuv", 0.299, False)),
        ("yuv420p", 1080, 9, 2, ("yuv", 0.2627, True)),
        ("yuvj420p", 480, 5, 0, ("yuv", 0.299, True)),
        ("gray", 480, 2, 0, ("gray", 0.299, True)),
        ("gray", 480, 2, 1, ("gray", 0.299, False)),
        ("gbrp", 480, 0, 0, ("rgb", 0.299, True)),
    ],
)
def test_a_frames_description_is_read(
    pix_fmt: str, height: int, matrix: int, extent: int, expected: tuple[str, float, bool]
) -> None:
    frame = av.VideoFrame(64, height, pix_fmt)
    frame.colorspace, frame.color_range = matrix, extent
    found = Colour.of(frame)
    assert (found.model, found.kr, found.full) == expected


def test_ten_bits_in_the_upper_part_of_sixteen_have_their_own_step() -> None:
    found = Colour.of(av.VideoFrame(64, 48, "p010le"))
    assert (found.bits, found.step, found.maximum) == (10, 64, 65472)
