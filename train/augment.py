"""Random changes to images that the guide and the judge must not mind.

A classifier that never saw a shifted, blurred, noisy or tinted image is easily satisfied by a pattern that
people don't see.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from fader.train.draws import Draws

__all__ = ["augment", "blurred", "chroma", "flip", "low_pass", "luma"]

MAX_SHIFT = 0.04
MAX_NOISE = 0.12
MAX_GAIN = 0.25
MAX_TINT = 0.2
LUMA = (0.299, 0.587, 0.114)


def flip(images_NCHW: Tensor, draws: Draws) -> Tensor:
    """Mirror each image with probability 1/2."""
    return torch.where(draws.uniform(1, 1, 1) < 0.5, images_NCHW.flip(3), images_NCHW)


def low_pass(images_NCHW: Tensor, factor: float) -> Tensor:
    """Shrink by `factor` (1 or more) and enlarge again, which leaves coarse detail only."""
    size = images_NCHW.shape[-1]
    small = functional.interpolate(
        images_NCHW, size=max(8, round(size / factor)), mode="bilinear", antialias=True
    )
    return functional.interpolate(small, size=size, mode="bilinear")


def blurred(images_NCHW: Tensor, sigma: float) -> Tensor:
    """Return images after a Gaussian blur of a deviation in pixels; their borders go on beyond them."""
    reach, channels = math.ceil(3 * sigma), images_NCHW.shape[1]
    taps = torch.arange(-reach, reach + 1, dtype=images_NCHW.dtype, device=images_NCHW.device)
    taps = torch.exp(-((taps / sigma) ** 2) / 2)
    taps = (taps / taps.sum()).repeat(channels, 1, 1, 1)
    padded = functional.pad(images_NCHW, (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, taps, groups=channels)
    return functional.conv2d(across, taps.transpose(2, 3), groups=channels)


def luma(images_NCHW: Tensor) -> Tensor:
    """Return the (N, 1, H, W) luma of (N, 3, H, W) images."""
    weights = torch.tensor(LUMA, dtype=images_NCHW.dtype, device=images_NCHW.device)[None, :, None, None]
    return (images_NCHW * weights).sum(dim=1, keepdim=True)


def chroma(images_NCHW: Tensor) -> Tensor:
    """Return what is left of (N, 3, H, W) images when their luma is taken away."""
    return images_NCHW - luma(images_NCHW)


def augment(images_NCHW: Tensor, draws: Draws) -> Tensor:
    """Shift, low-pass, change the colours, brighten and add noise, with gradients to the images.

    Args:
        images_NCHW: (N, 3, S, S) in [-1, 1].
        draws: Source of randomness; one shift and one low-pass factor are drawn for the batch, the rest for
            each image.
    """
    size = images_NCHW.shape[-1]
    span = max(1, round(MAX_SHIFT * size))
    dy, dx = (int((2 * span + 1) * draws.number()) for _ in range(2))
    padded = functional.pad(images_NCHW, (span, span, span, span), mode="replicate")
    shifted = padded[:, :, dy : dy + size, dx : dx + size]
    factor = 1 + 2 * draws.number()
    smooth = low_pass(shifted, factor) if factor > 1.5 else shifted
    # From gray to full colour, and each channel by itself: an attribute is no matter of tint.
    smooth = smooth - draws.uniform(1, 1, 1) * chroma(smooth)
    smooth = smooth * (1 + MAX_TINT * (2 * draws.uniform(3, 1, 1) - 1))
    gain = 1 + MAX_GAIN * (2 * draws.uniform(1, 1, 1) - 1)
    offset = MAX_GAIN * (2 * draws.uniform(1, 1, 1) - 1)
    noise = MAX_NOISE * draws.uniform(1, 1, 1)
    return smooth * gain + offset + noise * draws.normal(*images_NCHW.shape[1:])
