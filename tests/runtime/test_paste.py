"""The change that goes back into the frame: kept to the face, freed of noise, nothing where nothing moved."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fader.image import from_model
from fader.runtime.paste import delta, face_mask

Rendering = NDArray[np.float32]


def drawn(rendering: Rendering) -> NDArray[np.uint8]:
    """Return the crop that a rendering draws exactly, to half a level."""
    crop: NDArray[np.uint8] = from_model(rendering[None])[0]
    return crop


RENDERINGS = arrays(
    np.float32, (3, 32, 32), elements=st.floats(-1, 1, width=32), fill=st.floats(-1, 1, width=32)
)


@settings(max_examples=20)
@given(RENDERINGS)
def test_equal_renderings_give_exactly_nothing(rendering: Rendering) -> None:
    assert not delta(rendering, rendering.copy(), np.zeros((32, 32, 3), np.uint8)).any()


@settings(max_examples=20)
@given(RENDERINGS, RENDERINGS)
def test_the_border_is_never_changed(edited: Rendering, source: Rendering) -> None:
    change = delta(edited, source, drawn(source))
    assert change.shape == (3, 32, 32)
    assert change.dtype == np.float32
    for edge in (change[:, 0], change[:, -1], change[..., 0], change[..., -1]):
        assert not edge.any()
    assert np.abs(change).max() <= 255


def test_the_middle_gets_the_whole_difference() -> None:
    source = np.full((3, 64, 64), -0.2, np.float32)
    change = delta(np.full((3, 64, 64), 0.2, np.float32), source, drawn(source))
    np.testing.assert_allclose(change[:, 32, 32], 0.4 * 127.5, rtol=1e-5)


def test_what_hardly_differs_is_taken_for_noise() -> None:
    levels = np.array([1.0, 1.5, 3.0, 6.0, 20.0], np.float32)
    source = np.zeros((3, 64, 64), np.float32)
    changes = [delta(np.full((3, 64, 64), x / 127.5, np.float32), source, drawn(source)) for x in levels]
    found = np.array([change[0, 32, 32] for change in changes])
    assert found[0] == found[1] == 0
    assert 0 < found[2] < 3
    np.testing.assert_allclose(found[3:], levels[3:], rtol=1e-4)


def test_the_gate_looks_at_the_colour_that_differs_most() -> None:
    edited = np.zeros((3, 64, 64), np.float32)
    edited[0] = 20 / 127.5
    edited[1] = 1 / 127.5
    source = np.zeros_like(edited)
    change = delta(edited, source, drawn(source))
    np.testing.assert_allclose(change[:, 32, 32], [20, 1, 0], rtol=1e-4, atol=1e-6)


@given(st.floats(0, 1))
def test_strength_scales_the_change(strength: float) -> None:
    edited, source = np.full((3, 16, 16), 0.5, np.float32), np.zeros((3, 16, 16), np.float32)
    np.testing.assert_allclose(
        delta(edited, source, drawn(source), strength=strength),
        delta(edited, source, drawn(source)) * strength,
        rtol=1e-5,
        atol=1e-9,
    )


def test_what_the_decoder_could_not_draw_goes_where_the_edit_is_strong_and_stays_elsewhere() -> None:
    source = np.zeros((3, 64, 64), np.float32)
    edited = source.copy()
    edited[:, :, :32] = 80 / 127.5  # the left half is edited strongly
    crop = drawn(source)
    crop[30:34] = 20  # a bar, as of glasses, that no drawing has
    edit = crop + np.moveaxis(delta(edited, source, crop), 0, 2)
    np.testing.assert_allclose(edit[24:40, 16:28], 207.5, atol=1)
    np.testing.assert_allclose(edit[24:40, 40:48], crop[24:40, 40:48], atol=1e-3)


def test_skin_detail_stays_under_a_strong_edit() -> None:
    source = np.zeros((3, 64, 64), np.float32)
    crop = (drawn(source) + np.random.default_rng(0).integers(-8, 8, (64, 64, 1))).astype(np.uint8)
    edit = crop + np.moveaxis(delta(source + np.float32(80 / 127.5), source, crop), 0, 2)
    np.testing.assert_allclose(edit[20:44, 20:44], crop[20:44, 20:44] + 80.0, atol=1e-3)


@pytest.mark.parametrize("size", [16, 64, 128, 256])
def test_the_mask_is_whole_inside_fades_and_is_the_same_from_all_sides(size: int) -> None:
    mask = face_mask(size)
    assert mask.dtype == np.float32
    assert ((mask >= 0) & (mask <= 1)).all()
    low, high = round(size * 0.2), round(size * 0.8)
    assert (mask[low:high, low:high] == 1).all()
    for turned in (mask.T, mask[::-1], mask[:, ::-1]):
        np.testing.assert_array_equal(mask, turned)
    assert (np.diff(mask[size // 2, size // 2 :]) <= 0).all()


def test_nobody_can_change_the_mask_that_all_share() -> None:
    with pytest.raises(ValueError, match="read-only"):
        face_mask(64)[0, 0] = 1
