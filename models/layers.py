"""Layers that several networks share.

Shapes: N images, C channels, H height, W width, A attribute columns.
"""

import torch
from torch import Tensor, nn

from fader.models.config import Norm, Upsampling

__all__ = ["attribute_maps", "downsample", "head", "normalise", "upsample"]

LEAK = 0.2


def normalise(kind: Norm, channels: int) -> nn.Module:
    """Return the normalisation layer of a kind; instance norm is affine and keeps no running statistics."""
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels, affine=True)


def downsample(inputs: int, outputs: int, *, norm: Norm | None, dropout: float = 0.0) -> nn.Sequential:
    """Return a layer that halves the resolution: Conv k4 s2 p1, norm unless None, LeakyReLU 0.2, dropout."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 4, 2, 1)]
    if norm is not None:
        layers.append(normalise(norm, outputs))
    layers.append(nn.LeakyReLU(LEAK))
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def upsample(kind: Upsampling, inputs: int, outputs: int) -> list[nn.Module]:
    """Return the layers that double the resolution, without norm and activation."""
    if kind == "convtranspose":
        return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
    if kind == "nearest":
        return [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(inputs, outputs, 3, 1, 1)]
    conv = nn.Conv2d(inputs, 4 * outputs, 3, 1, 1)
    # The four pixels that a shuffle spreads start equal (ICNR, Aitken et al. 2017): else a checkerboard is
    # there from the start.
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(parameter[::4].repeat_interleave(4, dim=0))
    return [conv, nn.PixelShuffle(2)]


def head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Return the fully connected head of the discriminator and the classifier, for (N, C, 1, 1) inputs."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, outputs)
    )


def attribute_maps(values_NA: Tensor, like_NCHW: Tensor) -> Tensor:
    """Broadcast attribute values over space, (N, A) to (N, A, H, W)."""
    height, width = like_NCHW.shape[2:]
    return values_NA[:, :, None, None].expand(-1, -1, height, width).to(like_NCHW.dtype)
