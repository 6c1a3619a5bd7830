"""A classifier that sees another crop of the face than the model it is to serve.

The published models see the whole of CelebA's square crop; a classifier of fader-train sees forehead to chin,
and often fewer pixels. Both crops are aligned on the same three points, so one is a part of the other, at
another scale. Cutting and scaling are linear: two matrix products with fixed matrices, which every engine
has, and which average where the picture gets smaller.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fader.errors import BundleError
from fader.models.classifier import Classifier
from fader.models.config import ClassifierConfig

__all__ = ["Points", "reframe"]

Points = tuple[tuple[float, float], ...]
"""An alignment template: (x, y) in pixels, 0-based at pixel centres."""
TOLERANCE = 0.02
"""As a share of the picture: how far templates may differ, and a part may reach over the edge."""

TINY = 1e-12


class _Cut(nn.Module):
    """Takes a square part of square pictures at another size."""

    def __init__(self, rows: NDArray[np.float32], columns: NDArray[np.float32]) -> None:
        super().__init__()
        self.rows: Tensor
        self.columns: Tensor
        self.register_buffer("rows", torch.from_numpy(rows))
        self.register_buffer("columns", torch.from_numpy(columns.T.copy()))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.rows @ images_NCHW @ self.columns


class _Choice(nn.Module):
    """Takes some of the columns."""

    def __init__(self, columns: tuple[int, ...]) -> None:
        super().__init__()
        self.columns: Tensor
        self.register_buffer("columns", torch.tensor(columns))

    def forward(self, logits_NA: Tensor) -> Tensor:
        return logits_NA[:, self.columns]


def reframe(
    classifier: Classifier, template: Points, *, image_size: int, target: Points, columns: tuple[int, ...]
) -> Classifier:
    """Make a classifier read a model's pictures.

    Args:
        classifier: A part of the result afterwards.
        template: Its alignment template, in pixels of its own image size.
        image_size: Of the model's pictures.
        target: The model's alignment template, in pixels of `image_size`.
        columns: Which of the classifier's columns the model's are.

    Returns:
        A classifier for (N, 3, image_size, image_size) pictures, in eval mode.

    Raises:
        BundleError: the templates differ by more than size and place, or the classifier sees what is outside
            the model's pictures.
    """
    size = classifier.config.image_size
    scale, shift = _fit(np.array(template), np.array(target), size, image_size)
    rows, columns_x = (_resampling(size, image_size, scale, float(start)) for start in shift[::-1])
    reframed = Classifier(
        ClassifierConfig(image_size=image_size, n_columns=len(columns), init_fm=1, max_fm=1, hidden=1)
    )
    reframed.layers = nn.Sequential(_Cut(rows, columns_x), classifier, _Choice(columns))
    return reframed.eval()


def _fit(
    points: NDArray[np.float64], target: NDArray[np.float64], size: int, image_size: int
) -> tuple[float, NDArray[np.float64]]:
    """Return the scale and shift that take (K, 2) points of the classifier's pictures to the model's."""
    wrong = 1.0
    if points.shape == target.shape:
        centred = points - points.mean(axis=0)
        scale = float(np.sum(centred * target) / max(np.sum(centred**2), TINY))
        shift = target.mean(axis=0) - scale * points.mean(axis=0)
        missed = np.abs(scale * points + shift - target).max()
        corners = np.stack([shift - scale / 2, shift + scale * (size - 0.5)])
        outside = np.abs(corners - (image_size - 1) / 2).max() - image_size / 2
        wrong = float(max(missed, outside)) / image_size
    if wrong > TOLERANCE:
        raise BundleError(
            f"the classifier's faces are aligned differently, by {wrong:.0%} of the picture, expected eyes "
            "and mouth in the same proportions and nothing outside of CelebA's crop: take another run's"
        )
    return scale, shift


def _resampling(outputs: int, inputs: int, scale: float, shift: float) -> NDArray[np.float32]:
    """Return (outputs, inputs): triangular averages around scale * i + shift, as wide as a pixel gets."""
    centres = np.clip(scale * np.arange(outputs) + shift, 0, inputs - 1)
    distances = np.abs(centres[:, None] - np.arange(inputs)) / max(scale, 1)
    weights = np.maximum(0, 1 - distances).astype(np.float32)
    normalised: NDArray[np.float32] = weights / weights.sum(axis=1, keepdims=True)
    return normalised
