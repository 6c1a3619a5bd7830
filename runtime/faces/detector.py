"""Faces and five landmarks in an image, by MTCNN's three graphs.

Source: Zhang et al. 2016, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks"; weights of the mtcnn package (MIT), converted by fader.export.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.runtime.engines.session import open_session, run_session
from fader.runtime.faces.alignment import warp_crop
from fader.runtime.faces.boxes import box_matrix, keep_best, square

__all__ = ["Detection", "FaceDetector", "Sampler"]

Sampler = Callable[[NDArray[np.float64], int], NDArray[np.float32]]
"""Takes a (2, 3) matrix from frame to crop, and the crop's size; returns (size, size, 3) RGB, 0 to 255."""

CELL = 12
STRIDE = 2
PYRAMID = 0.709
P_THRESHOLD, R_THRESHOLD, O_THRESHOLD = 0.6, 0.7, 0.8
MAX_CANDIDATES = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """One face in one image."""

    box: NDArray[np.float32]
    """(4,) x1, y1, x2, y2 in pixels of the displayed image."""
    score: float
    """The detector's probability, 0 to 1."""
    landmarks: NDArray[np.float32]
    """(5, 2) x, y: image-left eye, image-right eye, nose, image-left and image-right mouth corner."""


class FaceDetector:
    """MTCNN on the CPU; one thread, since its graphs are small. Not for use from two threads at once."""

    def __init__(self, p_net: Path, r_net: Path, o_net: Path) -> None:
        """Load the graphs.

        Raises:
            EngineError: ONNX Runtime is missing or refuses a graph.
        """
        self._p, self._r, self._o = (open_session(graph, threads=1) for graph in (p_net, r_net, o_net))

    def detect(self, image: NDArray[np.uint8], *, min_size: float = 40) -> list[Detection]:
        """Find all faces.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            min_size: Side of the smallest face, pixels, 12 or more.

        Returns:
            Faces, best first.
        """
        boxes_N4 = self._propose(image, min_size)

        def sample(matrix: NDArray[np.float64], size: int) -> NDArray[np.float32]:
            return warp_crop(image, matrix, size)

        if len(boxes_N4):
            probability, offsets = run_session(self._r, {"image": _crops(sample, boxes_N4, 24)})
            good = probability > R_THRESHOLD
            boxes_N4 = _moved(boxes_N4[good], offsets[good])
            boxes_N4 = square(boxes_N4[keep_best(boxes_N4, probability[good], limit=0.7)])
        found = [face for face in self.refine(sample, boxes_N4) if face.score > O_THRESHOLD]
        if not found:
            return []
        boxes = np.stack([face.box for face in found])
        scores = np.array([face.score for face in found])
        return [found[i] for i in keep_best(boxes, scores, limit=0.7, of_smaller=True)]

    def refine(self, sample: Sampler, boxes_N4: NDArray[Any]) -> list[Detection]:
        """Run the last stage alone on square boxes: the face's box, score and landmarks near each.

        Args:
            sample: Reads crops of the frame.
            boxes_N4: (N, 4) squares that each hold a face or did in the last frame.

        Returns:
            One detection a box, however low its score.
        """
        if not len(boxes_N4):
            return []
        probability, offsets, landmarks = run_session(self._o, {"image": _crops(sample, boxes_N4, 48)})
        corner, side = boxes_N4[:, None, :2], (boxes_N4[:, 2:] - boxes_N4[:, :2])[:, None]
        points = corner + side * landmarks.reshape(-1, 2, 5).transpose(0, 2, 1) - 0.5
        moved = _moved(boxes_N4, offsets)
        return [
            Detection(box=box, score=float(score), landmarks=point.astype(np.float32))
            for box, score, point in zip(moved, probability, points, strict=True)
        ]

    def _propose(self, image: NDArray[np.uint8], min_size: float) -> NDArray[np.float32]:
        boxes, scores = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
        for scale, small in _pyramid(image, CELL / max(float(min_size), CELL)):
            level_boxes, level_scores = self._level(small, scale)
            kept = keep_best(level_boxes, level_scores, limit=0.5)
            boxes.append(level_boxes[kept])
            scores.append(level_scores[kept])
        all_boxes, all_scores = np.concatenate(boxes), np.concatenate(scores)
        kept = keep_best(all_boxes, all_scores, limit=0.7)[:MAX_CANDIDATES]
        return square(all_boxes[kept])

    def _level(
        self, small: NDArray[np.uint8], scale: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        probability, offsets = run_session(self._p, {"image": _normalised(small[None].astype(np.float32))})
        rows, columns = np.nonzero(probability[0] > P_THRESHOLD)
        scores = probability[0, rows, columns]
        order = np.argsort(-scores, kind="stable")[: 4 * MAX_CANDIDATES]
        rows, columns, scores = rows[order], columns[order], scores[order]
        corner = np.stack([columns, rows, columns, rows], axis=1) * STRIDE + np.array([0, 0, CELL, CELL])
        boxes = (corner + CELL * offsets[0][:, rows, columns].T) / scale
        return boxes.astype(np.float32), scores


def _pyramid(image: NDArray[np.uint8], scale: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield scales and the image at each, from the first scale down, as long as a face could be in it."""
    levels: list[NDArray[Any]] = [image, image]
    while min(image.shape[:2]) * scale >= CELL:
        height, width = (max(CELL, round(side * scale)) for side in image.shape[:2])
        # From two levels before, twice as large: averaging the whole image each time costs more than the
        # search itself.
        levels.append(cv2.resize(levels[-2], (width, height), interpolation=cv2.INTER_AREA))
        yield scale, levels[-1]
        scale *= PYRAMID


def _normalised(images_NHWC: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray((images_NHWC.transpose(0, 3, 1, 2) - np.float32(127.5)) / np.float32(128))


def _crops(sample: Sampler, boxes_N4: NDArray[Any], size: int) -> NDArray[np.float32]:
    return _normalised(np.stack([sample(box_matrix(box, size), size) for box in boxes_N4]))


def _moved(boxes_N4: NDArray[Any], offsets_N4: NDArray[Any]) -> NDArray[np.float32]:
    sides = boxes_N4[:, 2:] - boxes_N4[:, :2]
    return np.asarray(boxes_N4 + offsets_N4 * np.concatenate([sides, sides], axis=1), dtype=np.float32)
