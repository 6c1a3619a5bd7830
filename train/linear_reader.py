"""The adversary that a network is slow to become: the best linear reader of the code, in closed form.

The latent discriminator learns by gradients, so it overlooks directions in which codes vary little, and the
encoder hides attributes there. Least squares does not care how little a direction varies. So the encoder also
shrinks what the best linear reader of the latest codes says, and what is left is erased exactly from finished
encoders.

Source: ridge regression; Belrose et al. 2023 (LEACE) for the erasure.
Shapes: N images, D numbers of a code, T indicators of the attributes (see `LatentAdversary.indicators`).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["MOST_NUMBERS", "LinearReader", "leace"]

MOST_NUMBERS = 1024
"""Of a code that can be read: the time of an update grows with their cube."""
MOMENTUM = 0.01
RIDGE = 1e-4
OUTLIER = 3.0
FLATTEST = 1e-7
"""Directions of less variance than this share of the largest one's are rounding errors."""


class LinearReader(nn.Module):
    """Least squares from codes to indicators, over the latest few thousand images."""

    mean: Tensor
    covariance: Tensor
    weights_DT: Tensor
    updates: Tensor

    def __init__(self, n: int, indicators: int) -> None:
        """Begin without knowledge.

        Args:
            n: Numbers of a code.
            indicators: Of the attributes.
        """
        super().__init__()
        self.n = n
        self.register_buffer("mean", torch.zeros(n + indicators))
        self.register_buffer("covariance", 1e-3 * torch.eye(n + indicators))
        self.register_buffer("weights_DT", torch.zeros(n, indicators))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def observe(
        self, codes_ND: Tensor, indicators_NT: Tensor, average: Callable[[Tensor], Tensor] = lambda x: x
    ) -> None:
        """Learn from a batch.

        Args:
            codes_ND: Float32.
            indicators_NT: Float32.
            average: Means over the processes that share the batch.
        """
        joint = torch.cat([codes_ND.float(), indicators_NT], dim=1)
        # The first batches count as if there were no others: a young average must forget its start.
        share = max(MOMENTUM, 1 / (2 + int(self.updates)))
        self.updates += 1
        self.mean.lerp_(average(joint.mean(dim=0)), share)
        centred = joint - self.mean
        self.covariance.lerp_(average(centred.T @ centred / len(joint)), share)
        deviation = self.covariance.diagonal().clamp_min(1e-10).sqrt()
        correlation = self.covariance / deviation[:, None] / deviation
        own = correlation[: self.n, : self.n] + RIDGE * torch.eye(self.n, device=joint.device)
        weights = torch.linalg.solve(own.double(), correlation[: self.n, self.n :].double()).float()
        self.weights_DT.copy_(weights / deviation[: self.n, None])

    def forward(self, codes_ND: Tensor) -> Tensor:
        """Return the encoder's loss: the mean square of what is read, in the indicators' variances, summed.

        An indicator adds 0 if it cannot be read, and 1 if it is read exactly.
        """
        read_NT = (codes_ND.float() - self.mean[: self.n]) @ self.weights_DT
        # Codes that moved since they were observed must not outweigh all others.
        return read_NT.clamp(-OUTLIER, OUTLIER).square().mean(dim=0).sum()


def leace(codes_ND: Tensor, indicators_NT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return (D,), (T, D) and (D, T): the centre, and what to read and write to erase the indicators.

    `codes - (codes - centre) @ read.T @ write.T` has the same mean for all values of an indicator, and is as
    close to the codes as can be.

    Args:
        codes_ND: Many more than D.
        indicators_NT: Float.
    """
    codes, indicators = codes_ND.double(), indicators_NT.double()
    centre_D = codes.mean(dim=0)
    codes, indicators = codes - centre_D, indicators - indicators.mean(dim=0)
    variances_D, axes_DD = torch.linalg.eigh(codes.T @ codes / len(codes))
    spread_D = variances_D.clamp_min(FLATTEST * float(variances_D.max()) + 1e-30).sqrt()
    whiten_DD, colour_DD = (axes_DD * spread_D**power @ axes_DD.T for power in (-1, 1))
    cross_DT = whiten_DD @ codes.T @ indicators / len(codes)
    basis_DT, strength_T, _ = torch.linalg.svd(cross_DT, full_matrices=False)
    basis_DT = basis_DT * (strength_T > 1e-9)
    return centre_D.float(), (basis_DT.T @ whiten_DD).float(), (colour_DD @ basis_DT).float()
