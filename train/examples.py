"""Edits whose result is known, made from a batch: glasses drawn on faces, features borrowed from other faces.

Shapes: N images of a batch, M examples, K attributes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.train.borrowing import Bank, Region
from fader.train.config import TrainConfig
from fader.train.data.dataset import Subset
from fader.train.draws import Draws
from fader.train.glasses import plain_glasses, various_glasses, wear, yaws_of

__all__ = ["BORROWED_SHARE", "DRAWN_SHARE", "ExampleMaker", "Examples"]

DRAWN_SHARE, BORROWED_SHARE = 4, 2
"""One image in so many gets drawn glasses, if it shows none; one in so many borrows features, if some fit."""
LEAST, MOST = 0.2, 1.5
"""Slider values at which glasses are put on."""
MIRROR = (1, 0, 2, 4, 3)
"""Landmarks of a mirrored face."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """M edits and their results."""

    images_MCHW: Tensor
    """(M, 3, S, S) in [-1, 1]: what is edited."""
    labels_MK: Tensor
    """(M, K): what the result shall show; see `fader.train.objectives`."""
    targets_MCHW: Tensor
    """(M, 3, S, S) in [-1, 1]: what it looks like."""

    def to(self, device: torch.device) -> "Examples":
        """Return them on another device."""
        return Examples(
            images_MCHW=self.images_MCHW.to(device),
            labels_MK=self.labels_MK.to(device),
            targets_MCHW=self.targets_MCHW.to(device),
        )


class ExampleMaker:
    """Makes the examples that a run's settings ask for."""

    def __init__(self, config: TrainConfig, training: Subset) -> None:
        """Look at the faces that may lend.

        Args:
            config: Settings.
            training: Aligned faces with landmarks, if any examples are asked for.
        """
        self._config, self._training = config, training
        regions: dict[Region, tuple[str, ...]] = {
            "mouth": config.borrowed_mouths,
            "mouth and brows": config.borrowed_features,
        }
        names = training.parent.attributes.names if config.makes_examples else ()
        self._banks = [
            (names.index(name), bank)
            for region, wanted in regions.items()
            if config.borrows and wanted
            for bank in [Bank(training, region, seed=config.seed)]
            for name in wanted
        ]

    def make(
        self, positions: NDArray[np.int64], images_NCHW: Tensor, labels_NK: Tensor, draws: Draws
    ) -> dict[str, Examples]:
        """Return a batch's examples by the names of their losses; a name without any is left out.

        Args:
            positions: (N,) where in the training set the images are.
            images_NCHW: (N, 3, S, S) in [-1, 1].
            labels_NK: (N, K).
            draws: Source of randomness.
        """
        landmarks_N52 = self._training.parent.landmarks_N52
        if not self._config.makes_examples or landmarks_N52 is None:
            return {}
        marks_N52 = torch.from_numpy(landmarks_N52[self._training.indices[positions]])
        images_NCHW, marks_N52 = mirrored(images_NCHW, marks_N52, draws)
        made = {}
        if self._config.draws_glasses:
            k = self._training.parent.attributes.names.index(self._config.drawn_glasses)
            made["drawn"] = drawn(images_NCHW, labels_NK, marks_N52, k, draws)
        if self._banks:
            made["borrowed"] = self._borrowed(images_NCHW, labels_NK, marks_N52, draws)
        return {name: examples for name, examples in made.items() if len(examples.images_MCHW)}

    def _borrowed(self, images_NCHW: Tensor, labels_NK: Tensor, marks_N52: Tensor, draws: Draws) -> Examples:
        kind_N = draws.choice([1.0] * len(self._banks))
        images, labels, targets = [images_NCHW[:0]], [labels_NK[:0]], [images_NCHW[:0]]
        for i, (k, bank) in enumerate(self._banks):
            rows_M = ((_places(draws) % BORROWED_SHARE == 1) & (kind_N == i)).nonzero()[:, 0]
            if not len(rows_M):
                continue
            own_MK = labels_NK[rows_M]
            own_L, lent_LCHW = bank.lend(images_NCHW[rows_M], own_MK, marks_N52[rows_M], k)
            own_LK, bare_LCHW = own_MK[own_L], images_NCHW[rows_M][own_L]
            other_LK = own_LK.clone()
            other_LK[:, k] = 1 - own_LK[:, k]
            # Not back: a face's own mouth, which the code tells little of, would be learnt as a blur.
            images.append(bare_LCHW)
            labels.append(other_LK)
            targets.append(lent_LCHW)
        return Examples(
            images_MCHW=torch.cat(images), labels_MK=torch.cat(labels), targets_MCHW=torch.cat(targets)
        )


def drawn(images_NCHW: Tensor, labels_NK: Tensor, marks_N52: Tensor, k: int, draws: Draws) -> Examples:
    """Draw glasses on some of the faces without: one plain pair to put on, various ones to take off.

    Args:
        images_NCHW: (N, 3, S, S) in [-1, 1].
        labels_NK: (N, K).
        marks_N52: (N, 5, 2) landmarks, pixels.
        k: The attribute that means glasses.
        draws: Source of randomness.
    """
    rows_M = ((labels_NK[:, k] == 0) & (_places(draws) % DRAWN_SHARE == 0)).nonzero()[:, 0]
    bare_MCHW, off_MK = images_NCHW[rows_M], labels_NK[rows_M]
    yaws_M = yaws_of(marks_N52[rows_M])
    slider_M = LEAST + (MOST - LEAST) * draws.uniform()[rows_M]
    plain = plain_glasses(len(rows_M)).exaggerated(slider_M)
    opacity_M111 = slider_M.clamp(max=1)[:, None, None, None]
    on_MK = off_MK.clone()
    on_MK[:, k] = slider_M
    return Examples(
        images_MCHW=torch.cat([bare_MCHW, wear(bare_MCHW, various_glasses(draws).of(rows_M), yaws_M)]),
        labels_MK=torch.cat([on_MK, off_MK]),
        targets_MCHW=torch.cat(
            [torch.lerp(bare_MCHW, wear(bare_MCHW, plain, yaws_M), opacity_M111), bare_MCHW]
        ),
    )


def mirrored(images_NCHW: Tensor, marks_N52: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Mirror each image, and its landmarks, with probability 1/2."""
    mirror_N = draws.uniform() < 0.5
    flipped_N52 = marks_N52[:, MIRROR] * torch.tensor([-1.0, 1.0])
    flipped_N52[:, :, 0] += images_NCHW.shape[-1] - 1
    return (
        torch.where(mirror_N[:, None, None, None], images_NCHW.flip(3), images_NCHW),
        torch.where(mirror_N[:, None, None], flipped_N52, marks_N52),
    )


def _places(draws: Draws) -> Tensor:
    # By place in the whole batch, so that several processes make the examples that one would.
    return torch.arange(draws.total)[draws.rows]
