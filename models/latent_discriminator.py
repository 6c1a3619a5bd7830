"""The adversary on the latent: it tries to read the attributes that the encoder must remove.

Source: Lample et al. 2017, section 3.
"""

import torch
from torch import Tensor, nn

from fader.models.config import AutoEncoderConfig
from fader.models.layers import downsample, head

__all__ = ["LatentDiscriminator"]


class LatentDiscriminator(nn.Module):
    """Convolutions down to 1 x 1, then a fully connected head with a logit for each column, or others."""

    def __init__(
        self,
        config: AutoEncoderConfig,
        *,
        hidden: int = 512,
        dropout: float = 0.3,
        n_outputs: int | None = None,
        standardise: bool = False,
    ) -> None:
        """Make the layers.

        Args:
            config: Of the autoencoder whose latent is read.
            hidden: Width of the layer before the output.
            dropout: Probability after each convolution's activation.
            n_outputs: Outputs; by default one for each attribute column.
            standardise: Whether to bring every number of the latent to mean 0 and variance 1 first. The
                published discriminator does not, and overlooks what lies in numbers that vary little.
        """
        super().__init__()
        channels, size, _ = config.latent_shape(config.n_skip)
        layers: list[nn.Module] = [_Standardised(channels * size * size)] if standardise else []
        while size > 1:
            outputs = min(channels * 2, config.max_fm)
            layers.append(downsample(channels, outputs, norm="batch", dropout=dropout))
            channels, size = outputs, size // 2
        self.layers = nn.Sequential(*layers, head(channels, hidden, n_outputs or config.n_columns))

    def forward(self, latent_NCHW: Tensor) -> Tensor:
        """Return (N, n_outputs) logits for the latent that `AutoEncoder.discriminated` names."""
        # In half precision a small difference beside a large mean would be rounded away.
        with torch.autocast(latent_NCHW.device.type, enabled=False):
            logits_NA: Tensor = self.layers(latent_NCHW.float())
        return logits_NA


class _Standardised(nn.Module):
    """Brings every number of a map to mean 0 and variance 1 over the images."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(n, affine=False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        standardised: Tensor = self.norm(x_NCHW.flatten(1)[:, :, None, None])
        return standardised.reshape(x_NCHW.shape)
