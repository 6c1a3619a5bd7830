"""The autoencoder of Fader Networks: an encoder, and a decoder that reads the attributes in every layer.

Source: Lample et al. 2017, section 3 and appendix. The learned mask is SAGAN's (Zhang et al. 2018).
Shapes: N images, C channels, H height, W width, A attribute columns.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fader.models.config import AutoEncoderConfig
from fader.models.eraser import Eraser
from fader.models.layers import attribute_maps, downsample, normalise, upsample

__all__ = ["AutoEncoder", "Rendering"]

INNERMOST = 3


class Rendering(NamedTuple):
    """What the decoder draws."""

    image: Tensor
    """(N, 3, H, W) in [-1, 1]: the result."""
    drawing: Tensor
    """(N, 3, H, W) in [-1, 1]: the decoder's own picture; the result itself where there is no mask."""
    mask: Tensor | None
    """(N, 1, H, W) in [0, 1]: where the result takes the drawing; None without a mask."""


class AutoEncoder(nn.Module):
    """Encoder to latents, and decoder from latents and attribute values to images."""

    def __init__(self, config: AutoEncoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.encoder = nn.ModuleList(
            downsample(inputs, outputs, norm=config.norm if i else None)
            for i, (inputs, outputs) in enumerate(zip((3, *widths[:-1]), widths, strict=True))
        )
        self.decoder = nn.ModuleList(self._decoder_layer(j) for j in range(config.n_layers))
        narrow = config.detail_widths
        self.details = nn.ModuleList(
            downsample(inputs, outputs, norm=config.norm) if i else nn.Sequential(nn.Conv2d(3, outputs, 2, 2))
            for i, (inputs, outputs) in enumerate(zip((3, *narrow[:-1]), narrow, strict=False))
        )
        """What brings the image to the size of the decoder's layers, outermost first."""
        self.eraser: Eraser | None = None
        """At the end of what the latent discriminator reads, before what is deeper."""
        if config.erased:
            self.eraser = Eraser(math.prod(config.latent_shape(config.n_skip)), config.erased)

    def _decoder_layer(self, j: int) -> nn.Sequential:
        config = self.config
        width = config.widths[-1 - j]
        inputs = width + config.n_columns + (width if 1 <= j <= config.n_skip else 0)
        from_outermost = config.n_layers - 1 - j
        if from_outermost < config.n_details:
            inputs += config.detail_widths[from_outermost]
        if j == config.n_layers - 1:
            return nn.Sequential(*upsample(config.upsampling, inputs, 4 if config.mask else 3))
        outputs = config.widths[-2 - j]
        layers = [*upsample(config.upsampling, inputs, outputs), normalise(config.norm, outputs)]
        # The reference counts decoder layers from the outside: its "i >= n_layers - 3 and i > 0" are these.
        if config.dropout and j < min(INNERMOST, config.n_layers - 1):
            layers.append(nn.Dropout(config.dropout))
        return nn.Sequential(*layers, nn.ReLU())

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of the tensors that `encode` returns, in order."""
        skips = tuple(f"skip_{j}" for j in range(1, self.config.n_skip + 1))
        return ("latent", *skips, *(("image",) if self.config.mask else ()))

    @property
    def latent_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(C, H, W) of the tensors that `encode` returns, in order."""
        size = self.config.image_size
        shapes = [self.config.latent_shape(depth) for depth in range(self.config.n_skip + 1)]
        return (*shapes, *(((3, size, size),) if self.config.mask else ()))

    def encode(self, images_NCHW: Tensor) -> tuple[Tensor, ...]:
        """Return the latents of images.

        Args:
            images_NCHW: (N, 3, image_size, image_size) in [-1, 1].

        Returns:
            The innermost latent; then a tensor for each skip, innermost first; then, with a mask, the images.
        """
        outputs = []
        hidden = images_NCHW
        for i, layer in enumerate(self.encoder):
            hidden = layer(hidden)
            if self.eraser is not None and i == self.config.n_layers - 1 - self.config.n_skip:
                hidden = self.eraser(hidden)
            outputs.append(hidden)
        latents = tuple(outputs[-1 - depth] for depth in range(self.config.n_skip + 1))
        return (*latents, images_NCHW) if self.config.mask else latents

    def discriminated(self, latents: Sequence[Tensor]) -> Tensor:
        """Return the latent that the discriminator must read: the shallowest one that the decoder reads."""
        return latents[self.config.n_skip]

    def asked(self, wanted_NA: Tensor, shown_NA: Tensor) -> Tensor:
        """Return the values that the decoder must read.

        Args:
            wanted_NA: (N, n_columns) of the result; a boolean slider at alpha is [1 - alpha, alpha].
            shown_NA: (N, n_columns) of the images as they are.
        """
        return wanted_NA - shown_NA if self.config.relative else wanted_NA

    def render(self, latents: Sequence[Tensor], values_NA: Tensor) -> Rendering:
        """Draw latents with attribute values, keeping drawing and mask apart.

        Args:
            latents: As `encode` returns them.
            values_NA: (N, n_columns), see `asked`.
        """
        hidden, details = latents[0], self._details(latents)
        for j, layer in enumerate(self.decoder):
            inputs = [hidden, attribute_maps(values_NA, hidden)]
            if 1 <= j <= self.config.n_skip:
                inputs.append(latents[j])
            if j in details:
                inputs.append(details[j])
            hidden = layer(torch.cat(inputs, dim=1))
        # A slice of interleaved channels takes the slow way through tanh.
        drawing = torch.tanh(hidden[:, :3].contiguous())
        if not self.config.mask:
            return Rendering(drawing, drawing, None)
        mask = torch.sigmoid(hidden[:, 3:])
        return Rendering(mask * drawing + (1 - mask) * latents[-1], drawing, mask)

    def _details(self, latents: Sequence[Tensor]) -> dict[int, Tensor]:
        """Return what decoder layers read of the image, by layer."""
        found, outermost = {}, self.config.n_layers - 1
        hidden = latents[-1]
        for depth, layer in enumerate(self.details):
            hidden = found[outermost - depth] = layer(hidden)
        return found

    def decode(self, latents: Sequence[Tensor], values_NA: Tensor) -> Tensor:
        """Return (N, 3, H, W) images in [-1, 1]; arguments as for `render`."""
        return self.render(latents, values_NA).image

    def forward(self, images_NCHW: Tensor, values_NA: Tensor) -> Tensor:
        """Encode and decode."""
        return self.decode(self.encode(images_NCHW), values_NA)
