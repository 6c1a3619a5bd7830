"""From landmarks to the model's crop: the similarity transform, and the warp that training and runtime share.

Coordinates are (x, y) pixels, 0-based at pixel centres. A matrix is (2, 3) and maps frame to crop
coordinates.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CELEBA_TIGHT",
    "anchors",
    "compose",
    "fit_error",
    "fit_similarity",
    "invert",
    "template_at",
    "warp_crop",
]

CELEBA_POINTS = ((69.745, 111.0), (107.237, 111.0), (88.432, 152.514))
TIGHT_BOX = (38.0, 82.0, 102.0)

CELEBA_TIGHT = tuple(
    ((x - TIGHT_BOX[0] + 0.5) / TIGHT_BOX[2], (y - TIGHT_BOX[1] + 0.5) / TIGHT_BOX[2])
    for x, y in CELEBA_POINTS
)
"""Image-left eye, image-right eye and mouth centre in the box (38, 82, 140, 184) of an aligned CelebA image,
as fractions of the box's side: forehead to chin, without hair."""


def template_at(fractions: tuple[tuple[float, float], ...], size: int) -> tuple[tuple[float, float], ...]:
    """Return a template's points in pixels of a (size, size) crop."""
    return tuple((x * size - 0.5, y * size - 0.5) for x, y in fractions)


def anchors(landmarks_52: NDArray[Any]) -> NDArray[np.float64]:
    """Return the three points that alignment uses.

    Args:
        landmarks_52: (5, 2): image-left eye, image-right eye, nose, image-left and image-right mouth corner.

    Returns:
        (3, 2): image-left eye, image-right eye, mouth centre.
    """
    return np.stack([landmarks_52[0], landmarks_52[1], (landmarks_52[3] + landmarks_52[4]) / 2]).astype(
        np.float64
    )


def fit_similarity(points: NDArray[np.float64], template: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit scale, rotation and shift by least squares, without reflection.

    Args:
        points: (K, 2) in the frame, K >= 2, not all equal.
        template: (K, 2) in the crop.

    Returns:
        (2, 3) from frame to crop.
    """
    from_centre, to_centre = points.mean(axis=0), template.mean(axis=0)
    a = (points - from_centre) @ np.array([1, 1j])
    b = (template - to_centre) @ np.array([1, 1j])
    turn = np.vdot(a, b) / max(np.vdot(a, a).real, 1e-12)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, to_centre - linear @ from_centre])


def fit_error(
    matrix: NDArray[np.float64], points: NDArray[np.float64], template: NDArray[np.float64]
) -> float:
    """Return how far the transformed points miss the template at most, in pixels of the crop."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return float(np.max(np.linalg.norm(moved - template, axis=1)))


def invert(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (2, 3) matrix of the opposite direction."""
    # Written out: these two run dozens of times a frame, where a general inverse is mostly overhead.
    (a, b, x), (c, d, y) = matrix.tolist()
    scale = 1 / (a * d - b * c)
    a, b, c, d = d * scale, -b * scale, -c * scale, a * scale
    return np.array([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]])


def compose(second: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (2, 3) matrix that applies `first`, then `second`."""
    (a, b, x), (c, d, y) = second.tolist()
    (e, f, u), (g, h, v) = first.tolist()
    return np.array(
        [
            [a * e + b * g, a * f + b * h, a * u + b * v + x],
            [c * e + d * g, c * f + d * h, c * u + d * v + y],
        ]
    )


def warp_crop(plane: NDArray[Any], matrix: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """Sample a crop out of a plane; where the crop is smaller than what it shows, pixels are averaged.

    Args:
        plane: (H, W) or (H, W, C), uint8, uint16 or float32.
        matrix: (2, 3) from the plane's coordinates to the crop's.
        size: Height and width of the crop.

    Returns:
        (size, size) or (size, size, C) float32, in the plane's own units; beyond the border the edge is
        repeated.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    oversampling = max(1, round(1 / scale))
    enlarge = np.array(
        [[oversampling, 0, (oversampling - 1) / 2], [0, oversampling, (oversampling - 1) / 2]],
        dtype=np.float64,
    )
    crop = cv2.warpAffine(
        plane,
        compose(enlarge, matrix),
        (size * oversampling, size * oversampling),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    fine = np.asarray(crop, dtype=np.float32)
    if oversampling == 1:
        return fine
    return np.asarray(cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA), dtype=np.float32)
