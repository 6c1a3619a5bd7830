"""Edits whose result is known: faces with drawn glasses and without.

Shapes: N images of a batch, M examples, K attributes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fader.train.draws import Draws
from fader.train.glasses import plain_glasses, various_glasses, wear, yaws_of

__all__ = ["SHARE", "Examples", "drawn_glasses"]

SHARE = 4
"""One image in so many gets drawn glasses, if it shows none."""
LEAST, MOST = 0.2, 1.5
"""Slider values at which glasses are put on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """M edits and their results."""

    images_MCHW: Tensor
    """(M, 3, S, S) in [-1, 1]: what is edited."""
    labels_MK: Tensor
    """(M, K): what the result shall show; see `fader.train.objectives`."""
    targets_MCHW: Tensor
    """(M, 3, S, S) in [-1, 1]: what it looks like."""

    def __len__(self) -> int:
        return len(self.labels_MK)

    def to(self, device: torch.device) -> "Examples":
        """Return them on another device."""
        return Examples(
            images_MCHW=self.images_MCHW.to(device),
            labels_MK=self.labels_MK.to(device),
            targets_MCHW=self.targets_MCHW.to(device),
        )


def drawn_glasses(
    images_NCHW: Tensor, labels_NK: Tensor, landmarks_N52: Tensor, k: int, draws: Draws
) -> Examples:
    """Draw glasses on some of the faces without: one plain pair to put on, various ones to take off.

    Args:
        images_NCHW: (N, 3, S, S) in [-1, 1], faces aligned to CelebA's tight template.
        labels_NK: (N, K).
        landmarks_N52: (N, 5, 2) pixels, see `fader.runtime.faces.portrait.Portrait`.
        k: The attribute that means glasses, a boolean one.
        draws: Source of randomness.
    """
    # By place in the whole batch, so that several processes make the examples that one would.
    places_N = torch.arange(draws.total)[draws.rows]
    rows_M = ((labels_NK[:, k] == 0) & (places_N % SHARE == 0)).nonzero()[:, 0]
    mirror_M = draws.uniform()[rows_M] < 0.5
    bare_MCHW, off_MK = images_NCHW[rows_M], labels_NK[rows_M]
    bare_MCHW = torch.where(mirror_M[:, None, None, None], bare_MCHW.flip(3), bare_MCHW)
    yaws_M = yaws_of(landmarks_N52[rows_M]) * torch.where(mirror_M, -1, 1)
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
