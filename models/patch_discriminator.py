"""The adversary on images: it asks whether a patch looks real, and whether it looks like its attributes.

Source: PatchGAN (Isola et al. 2017), with the strides of the published Fader Networks; the attribute input is
RelGAN's idea.
"""

import torch
from torch import Tensor, nn

from fader.models.layers import LEAK, attribute_maps

__all__ = ["PatchDiscriminator"]

STRIDES = (2, 2, 2, 1, 1)


class PatchDiscriminator(nn.Module):
    """Five 4 x 4 convolutions to one logit for each patch."""

    def __init__(self, *, init_fm: int = 32, max_fm: int = 512, n_columns: int = 0) -> None:
        super().__init__()
        channels = 3 + n_columns
        layers: list[nn.Module] = []
        for i, stride in enumerate(STRIDES):
            last = i == len(STRIDES) - 1
            outputs = 1 if last else min(init_fm * 2**i, max_fm)
            layers.append(nn.Conv2d(channels, outputs, 4, stride, 1))
            if i > 0 and not last:
                layers.append(nn.BatchNorm2d(outputs))
            if not last:
                layers.append(nn.LeakyReLU(LEAK))
            channels = outputs
        self.layers = nn.Sequential(*layers)
        self.conditional = n_columns > 0

    def forward(self, images_NCHW: Tensor, values_NA: Tensor | None = None) -> Tensor:
        """Return one logit for each patch; the published models' score is the mean of their sigmoids.

        Args:
            images_NCHW: (N, 3, H, W) in [-1, 1], H and W at least 32.
            values_NA: (N, n_columns), read only by a discriminator made with columns.

        Returns:
            (N, 1, h, w) logits, positive for real.
        """
        if self.conditional:
            if values_NA is None:
                raise ValueError("this patch discriminator reads attributes: pass values_NA")
            images_NCHW = torch.cat([images_NCHW, attribute_maps(values_NA, images_NCHW)], dim=1)
        logits: Tensor = self.layers(images_NCHW)
        return logits
