"""The adversary on images: it asks whether a patch looks real, and whether it looks like its attributes.

Source: PatchGAN (Isola et al. 2017), by default with strides and norm of the published Fader Networks; the
attribute input is RelGAN's idea, spectral norm that of Miyato et al. 2018.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from fader.models.layers import LEAK, attribute_maps

__all__ = ["PatchDiscriminator"]

HALVINGS = 3


class PatchDiscriminator(nn.Module):
    """4 x 4 convolutions to one logit for each patch: some halve the resolution, the last two do not."""

    def __init__(
        self,
        *,
        init_fm: int = 32,
        max_fm: int = 512,
        n_columns: int = 0,
        halvings: int = HALVINGS,
        spectral: bool = False,
    ) -> None:
        """Make the layers.

        Args:
            init_fm: Feature maps after the first layer; each layer doubles them.
            max_fm: Feature maps at most.
            n_columns: Attribute columns to read, 0 for none.
            halvings: Layers of stride 2; a patch is 16, 34, 70, 142 pixels wide for 1, 2, 3, 4.
            spectral: Whether weights are divided by their largest singular value, instead of batch norm.
        """
        super().__init__()
        channels = 3 + n_columns
        layers: list[nn.Module] = []
        strides = (2,) * halvings + (1, 1)
        for i, stride in enumerate(strides):
            last = i == len(strides) - 1
            outputs = 1 if last else min(init_fm * 2**i, max_fm)
            layer: nn.Module = nn.Conv2d(channels, outputs, 4, stride, 1)
            layers.append(spectral_norm(layer) if spectral else layer)
            if i > 0 and not last and not spectral:
                layers.append(nn.BatchNorm2d(outputs))
            if not last:
                layers.append(nn.LeakyReLU(LEAK))
            channels = outputs
        self.layers = nn.Sequential(*layers)
        self.conditional = n_columns > 0

    def forward(self, images_NCHW: Tensor, values_NA: Tensor | None = None) -> Tensor:
        """Return one logit for each patch; the published models' score is the mean of their sigmoids.

        Args:
            images_NCHW: (N, 3, H, W) in [-1, 1], H and W at least 4 * 2 ** halvings.
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
