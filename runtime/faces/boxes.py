"""Arithmetic on boxes. A box is (x1, y1, x2, y2) in pixels; arrays are (N, 4) float32."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["box_matrix", "keep_best", "overlap", "square"]


def square(boxes_N4: NDArray[Any]) -> NDArray[np.float32]:
    """Return squares of the longer side around the same centres."""
    centre = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2
    half = np.max(boxes_N4[:, 2:] - boxes_N4[:, :2], axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def overlap(box_4: NDArray[Any], boxes_N4: NDArray[Any], *, of_smaller: bool = False) -> NDArray[np.float32]:
    """Return each box's intersection with one box over their union, or over the smaller: (N,), 0 to 1."""
    corner = np.maximum(box_4[:2], boxes_N4[:, :2])
    opposite = np.minimum(box_4[2:], boxes_N4[:, 2:])
    intersection = np.prod(np.clip(opposite - corner, 0, None), axis=1)
    area = np.prod(box_4[2:] - box_4[:2])
    areas = np.prod(boxes_N4[:, 2:] - boxes_N4[:, :2], axis=1)
    whole = np.minimum(area, areas) if of_smaller else area + areas - intersection
    return np.asarray(intersection / np.maximum(whole, 1e-9), dtype=np.float32)


def keep_best(
    boxes_N4: NDArray[Any], scores_N: NDArray[Any], *, limit: float, of_smaller: bool = False
) -> NDArray[np.int64]:
    """Return the indices that non-maximum suppression keeps, best first.

    Args:
        boxes_N4: Boxes.
        scores_N: Their scores.
        limit: A box that overlaps a better one by more than this is dropped.
        of_smaller: Measure the overlap by the smaller box, not by the union.
    """
    order = np.argsort(-scores_N, kind="stable")
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[overlap(boxes_N4[best], boxes_N4[rest], of_smaller=of_smaller) <= limit]
    return np.array(kept, dtype=np.int64)


def box_matrix(box_4: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Return the (2, 3) matrix from the frame to a (size, size) crop of a square box."""
    scale = size / float(box_4[2] - box_4[0])
    # box edges lie between pixels, pixel centres half a pixel inside
    return np.array(
        [
            [scale, 0, (0.5 - float(box_4[0])) * scale - 0.5],
            [0, scale, (0.5 - float(box_4[1])) * scale - 0.5],
        ]
    )
