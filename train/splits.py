"""Which images train what, and how often each is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fader.attributes import AttributeSet
from fader.errors import DataError
from fader.train.data.dataset import AlignedSet, Subset

__all__ = ["Splits", "draw_weights"]

TRAINING, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """Who sees which images."""

    training: Subset
    """The autoencoder's and the discriminators'."""
    feedback: Subset
    """The guide's: one half of the training images."""
    judging: Subset
    """The judge's: the other half."""
    held_out: Subset
    """Nobody's; figures come from these."""

    @classmethod
    def of(cls, data: AlignedSet, held_out: int) -> "Splits":
        """Split a set as its own partition says, or else hold out its last images.

        Args:
            data: With or without a partition; of one, the validation images are held out, without any the
                test images.
            held_out: Images to hold out where the data do not say which; at most so many where they do.

        Raises:
            DataError: not enough images are left for training, or none to be held out.
        """
        training, rest = _parts(data, held_out)
        if len(training) < 2 or not len(rest):
            raise DataError(
                f"{len(data)} images, {len(rest)} of them held out: too few to train; lower held_out"
            )
        return cls(
            training=data.subset(training),
            feedback=data.subset(training[::2]),
            judging=data.subset(training[1::2]),
            held_out=data.subset(rest),
        )


def _parts(data: AlignedSet, held_out: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    indices = np.arange(len(data), dtype=np.int64)
    if data.split_N is None:
        return indices[: max(0, len(data) - held_out)], indices[max(0, len(data) - held_out) :]
    rest = next(
        (found for part in (VALIDATION, TEST) if len(found := indices[data.split_N == part])), indices[:0]
    )
    return indices[data.split_N == TRAINING], rest[:held_out]


def draw_weights(
    subset: Subset, attributes: AttributeSet, oversample: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return (n,) weights: the product of the factors of the boolean attributes that an image has."""
    weights = np.ones(len(subset))
    for name, factor in oversample.items():
        weights[subset.labels_NK[:, attributes.names.index(name)] == 1] *= factor
    return weights
