"""The adversary on the latent: it tries to read the attributes that the encoder must remove.

Source: Lample et al. 2017, section 3.
"""

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
    ) -> None:
        """Make the layers.

        Args:
            config: Of the autoencoder whose latent is read.
            hidden: Width of the layer before the output.
            dropout: Probability after each convolution's activation.
            n_outputs: Outputs; by default one for each attribute column.
        """
        super().__init__()
        channels, size, _ = config.latent_shape(config.n_skip)
        layers: list[nn.Module] = []
        while size > 1:
            outputs = min(channels * 2, config.max_fm)
            layers.append(downsample(channels, outputs, norm="batch", dropout=dropout))
            channels, size = outputs, size // 2
        self.layers = nn.Sequential(*layers, head(channels, hidden, n_outputs or config.n_columns))

    def forward(self, latent_NCHW: Tensor) -> Tensor:
        """Return (N, n_outputs) logits for the latent that `AutoEncoder.discriminated` names."""
        logits_NA: Tensor = self.layers(latent_NCHW)
        return logits_NA
