"""Arithmetic on boxes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fader.runtime.faces.boxes import box_matrix, keep_best, overlap, square

Boxes = NDArray[np.float32]


def box(x: float, y: float, width: float, height: float) -> list[float]:
    return [x, y, x + width, y + height]


BOXES = st.lists(
    st.builds(box, st.floats(-50, 50), st.floats(-50, 50), st.floats(1, 60), st.floats(1, 60)),
    min_size=1,
    max_size=12,
).map(lambda rows: np.array(rows, np.float32))


@given(BOXES)
def test_squares_have_the_longer_side_and_the_same_centre(boxes: Boxes) -> None:
    squares = square(boxes)
    sides = squares[:, 2:] - squares[:, :2]
    np.testing.assert_allclose(sides[:, 0], sides[:, 1], rtol=1e-4)
    np.testing.assert_allclose(sides[:, 0], (boxes[:, 2:] - boxes[:, :2]).max(axis=1), rtol=1e-4)
    np.testing.assert_allclose(squares[:, :2] + squares[:, 2:], boxes[:, :2] + boxes[:, 2:], atol=1e-3)


@given(BOXES)
def test_overlap_is_symmetric_between_0_and_1_and_1_with_itself(boxes: Boxes) -> None:
    for of_smaller in (False, True):
        first = overlap(boxes[0], boxes, of_smaller=of_smaller)
        np.testing.assert_allclose(first[0], 1, atol=1e-5)
        assert ((first >= 0) & (first <= 1 + 1e-5)).all()
        back = [overlap(other, boxes[:1], of_smaller=of_smaller)[0] for other in boxes]
        np.testing.assert_allclose(first, back, atol=1e-5)


def test_overlap_of_known_boxes() -> None:
    ten = np.array([0, 0, 10, 10], np.float32)
    others = np.array([[5, 0, 15, 10], [2, 2, 4, 4], [10, 10, 20, 20]], np.float32)
    np.testing.assert_allclose(overlap(ten, others), [50 / 150, 4 / 100, 0])
    np.testing.assert_allclose(overlap(ten, others, of_smaller=True), [0.5, 1, 0])


@given(BOXES, st.data())
def test_suppression_keeps_the_best_and_nothing_that_overlaps_it(boxes: Boxes, data: st.DataObject) -> None:
    scores = np.array(
        data.draw(st.lists(st.floats(0, 1), min_size=len(boxes), max_size=len(boxes))), np.float32
    )
    kept = keep_best(boxes, scores, limit=0.4)
    assert scores[kept[0]] == scores.max()
    assert (np.diff(scores[kept]) <= 0).all()
    for i, j in zip(*np.triu_indices(len(kept), 1), strict=True):
        assert overlap(boxes[kept[i]], boxes[kept[j]][None])[0] <= 0.4
    for dropped in set(range(len(boxes))) - set(kept.tolist()):
        better = [k for k in kept if scores[k] >= scores[dropped]]
        assert max(overlap(boxes[dropped], boxes[better])) > 0.4


def test_suppression_of_no_boxes_keeps_none() -> None:
    assert len(keep_best(np.empty((0, 4), np.float32), np.empty(0, np.float32), limit=0.5)) == 0


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(1, 300), st.integers(8, 64))
def test_a_boxs_edges_become_the_edges_of_its_crop(x: float, y: float, side: float, size: int) -> None:
    matrix = box_matrix(np.array([x, y, x + side, y + side]), size)
    # Pixel centres are at whole numbers, so pictures and crops of n pixels reach from -0.5 to n - 0.5.
    corners = np.array([[x - 0.5, y - 0.5], [x + side - 0.5, y + side - 0.5]])
    found = corners @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(found, [[-0.5, -0.5], [size - 0.5, size - 0.5]], atol=1e-3)
