"""The similarity transform and the warp: right place, right scale, no reflection."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fader.runtime.faces.alignment import (
    CELEBA_TIGHT,
    anchors,
    compose,
    fit_error,
    fit_similarity,
    invert,
    template_at,
    warp_crop,
)

Matrix = NDArray[np.float64]

COORDINATES = st.floats(-500, 500)
POINTS = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=2, max_size=6).map(
    lambda p: np.array(p, np.float64)
)


def similarity(scale: float, angle: float, x: float, y: float) -> Matrix:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


MATRICES = st.builds(similarity, st.floats(0.05, 20), st.floats(-math.pi, math.pi), COORDINATES, COORDINATES)


def moved(matrix: Matrix, points: Matrix) -> Matrix:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


@given(MATRICES, POINTS)
def test_a_similarity_is_recovered_from_points_that_it_moved(matrix: Matrix, points: Matrix) -> None:
    assume(np.ptp(points, axis=0).max() > 1)
    found = fit_similarity(points, moved(matrix, points))
    np.testing.assert_allclose(found, matrix, rtol=1e-6, atol=1e-5)
    assert fit_error(found, points, moved(matrix, points)) < 1e-5


@given(POINTS, st.data())
def test_the_fit_is_the_best_of_all_similarities_and_never_reflects(
    points: Matrix, data: st.DataObject
) -> None:
    assume(np.ptp(points, axis=0).max() > 1)
    target = np.array([data.draw(st.tuples(COORDINATES, COORDINATES)) for _ in points])
    found = fit_similarity(points, target)
    assert np.linalg.det(found[:, :2]) >= 0
    np.testing.assert_allclose(found[:, 0], [found[1, 1], -found[0, 1]], atol=1e-9)
    error = np.sum((moved(found, points) - target) ** 2)
    for _ in range(3):
        nearby = found.copy()
        a, b, x, y = data.draw(st.tuples(*[st.floats(-0.1, 0.1)] * 4))
        nearby += np.array([[a, -b, x], [b, a, y]])
        assert np.sum((moved(nearby, points) - target) ** 2) >= error * (1 - 1e-9) - 1e-6


def test_a_mirrored_face_is_not_reflected_but_fitted_badly() -> None:
    template = np.array(template_at(CELEBA_TIGHT, 64))
    mirrored = template[[1, 0, 2]]
    matrix = fit_similarity(mirrored, template)
    assert np.linalg.det(matrix[:, :2]) >= 0
    assert fit_error(matrix, mirrored, template) > 5


def test_points_that_are_all_equal_give_a_finite_matrix() -> None:
    assert np.isfinite(fit_similarity(np.full((3, 2), 7.0), np.array(template_at(CELEBA_TIGHT, 64)))).all()


@given(MATRICES, MATRICES, POINTS)
def test_compose_applies_the_first_and_then_the_second(first: Matrix, second: Matrix, points: Matrix) -> None:
    expected = moved(second, moved(first, points))
    np.testing.assert_allclose(moved(compose(second, first), points), expected, rtol=1e-6, atol=1e-6)


@given(MATRICES, POINTS)
def test_invert_undoes_a_matrix(matrix: Matrix, points: Matrix) -> None:
    np.testing.assert_allclose(moved(compose(invert(matrix), matrix), points), points, rtol=1e-6, atol=1e-5)


def test_anchors_are_the_eyes_and_the_middle_of_the_mouth() -> None:
    landmarks = np.array([[10, 20], [30, 21], [20, 30], [12, 40], [28, 42]], np.float32)
    np.testing.assert_array_equal(anchors(landmarks), [[10, 20], [30, 21], [20, 41]])


def test_the_template_is_the_same_place_at_every_size() -> None:
    small, large = (np.array(template_at(CELEBA_TIGHT, size)) for size in (64, 256))
    np.testing.assert_allclose((small + 0.5) * 4, large + 0.5)
    assert small[0, 1] == small[1, 1]


def test_the_template_is_the_published_one_in_its_box() -> None:
    side = np.add(template_at(CELEBA_TIGHT, 102), (38, 82))
    np.testing.assert_allclose(side, [[69.745, 111], [107.237, 111], [88.432, 152.514]], atol=1e-9)


def waves(size: int = 200) -> NDArray[np.float32]:
    """A smooth picture in which every place has its own value."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    return np.stack([wave(x, y), wave(y, x), wave(x + 40, y - 30)], axis=-1).astype(np.float32)


def wave(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(127.5 + 60 * np.sin(x / 17) + 60 * np.cos(y / 23), np.float32)


@given(st.floats(0.9, 4), st.floats(-math.pi, math.pi), st.floats(70, 130), st.floats(70, 130))
def test_a_crop_shows_the_right_place_to_a_fraction_of_a_pixel(
    scale: float, angle: float, x: float, y: float
) -> None:
    linear = similarity(scale, angle, 0, 0)[:, :2]
    matrix = np.column_stack([linear, np.array([15.5, 15.5]) - linear @ np.array([x, y])])
    crop = warp_crop(waves(), matrix, 32)
    v, u = np.mgrid[:32, :32]
    there = moved(invert(matrix), np.stack([u.ravel(), v.ravel()], axis=1).astype(np.float64)).astype(
        np.float32
    )
    expected = wave(there[:, 0], there[:, 1]).reshape(32, 32)
    # The picture's slope is at most 5 levels a pixel: half a level is a tenth of a pixel.
    assert np.abs(crop[:, :, 0] - expected).max() < 0.5


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_crop_that_shows_more_than_it_has_pixels_averages_them(factor: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32 * factor, 32 * factor), np.uint8)
    shift = (1 / factor - 1) / 2
    matrix = np.array([[1 / factor, 0, shift], [0, 1 / factor, shift]])
    blocks = noise.reshape(32, factor, 32, factor).mean(axis=(1, 3))
    np.testing.assert_allclose(warp_crop(noise, matrix, 32), blocks, atol=0.6)


def test_a_crop_beyond_the_border_repeats_the_edge() -> None:
    plane = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10
    crop = warp_crop(plane, np.array([[1.0, 0, 2], [0, 1.0, 2]]), 8)
    assert (crop[:2, :3] == plane[0, 0]).all()
    assert (crop[6:, 6:] == plane[3, 3]).all()
    np.testing.assert_array_equal(crop[2:6, 2:6], plane)


@given(MATRICES.filter(lambda m: 0.2 < np.linalg.norm(m[0, :2]) < 5))
def test_float_planes_and_byte_planes_give_the_same_crop(matrix: Matrix) -> None:
    centre = moved(matrix, np.array([[100.0, 100.0]]))[0]
    matrix = matrix + np.column_stack([np.zeros((2, 2)), 16 - centre])
    plane = np.rint(waves()).astype(np.uint8)
    fine, rough = warp_crop(plane.astype(np.float32), matrix, 32), warp_crop(plane, matrix, 32)
    assert np.abs(fine - rough).max() <= 1.0
    wide = warp_crop(plane.astype(np.uint16) * 257, matrix, 32)
    assert np.abs(wide / 257 - fine).max() <= 0.1


def test_planes_that_are_not_contiguous_are_read_as_they_look() -> None:
    picture = np.rint(waves()).astype(np.uint8)
    matrix = similarity(0.7, 0.3, -20, -30)
    strided = picture[::2, ::2, 1]
    np.testing.assert_array_equal(
        warp_crop(strided, matrix, 16), warp_crop(np.ascontiguousarray(strided), matrix, 16)
    )


def test_the_warp_agrees_with_opencvs_own_at_scale_one() -> None:
    matrix = similarity(1.0, 0.4, 10, 5)
    expected = cv2.warpAffine(
        waves(), matrix, (32, 32), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    np.testing.assert_array_equal(warp_crop(waves(), matrix, 32), expected)
