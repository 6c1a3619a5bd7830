"""Random changes to images that the classifier and the judge must not mind.

A classifier that never saw a shifted, blurred, noisy or tinted image is easily satisfied by a pattern that
people don't see.
"""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augment", "chroma", "flip", "low_pass"]

MAX_SHIFT = 0.04
MAX_NOISE = 0.12
MAX_GAIN = 0.25
MAX_TINT = 0.2
LUMA = (0.299, 0.587, 0.114)


def flip(images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image with probability 1/2."""
    chosen_N = torch.rand(len(images_NCHW), generator=generator) < 0.5
    return torch.where(chosen_N[:, None, None, None], images_NCHW.flip(3), images_NCHW)


def low_pass(images_NCHW: Tensor, factor: float) -> Tensor:
    """Shrink by `factor` (1 or more) and enlarge again, which leaves coarse detail only."""
    size = images_NCHW.shape[-1]
    small = functional.interpolate(
        images_NCHW, size=max(8, round(size / factor)), mode="bilinear", antialias=True
    )
    return functional.interpolate(small, size=size, mode="bilinear")


def chroma(images_NCHW: Tensor) -> Tensor:
    """Return what is left of (N, 3, H, W) images when their luma (N, 1, H, W) is taken away."""
    weights = torch.tensor(LUMA, dtype=images_NCHW.dtype)[None, :, None, None]
    return images_NCHW - (images_NCHW * weights).sum(dim=1, keepdim=True)


def augment(images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, low-pass, change the colours, brighten and add noise, with gradients to the images.

    Args:
        images_NCHW: (N, 3, S, S) in [-1, 1].
        generator: Source of randomness; one shift and one low-pass factor are drawn for the batch, the rest
            for each image.
    """
    n, _, size, _ = images_NCHW.shape
    span = max(1, round(MAX_SHIFT * size))
    dy, dx = torch.randint(0, 2 * span + 1, (2,), generator=generator).tolist()
    padded = functional.pad(images_NCHW, (span, span, span, span), mode="replicate")
    shifted = padded[:, :, dy : dy + size, dx : dx + size]
    factor = 1 + 2 * torch.rand((), generator=generator).item()
    smooth = low_pass(shifted, factor) if factor > 1.5 else shifted
    # From gray to full colour, and each channel by itself: an attribute is no matter of tint.
    smooth = smooth - torch.rand((n, 1, 1, 1), generator=generator) * chroma(smooth)
    smooth = smooth * (1 + MAX_TINT * (2 * torch.rand((n, 3, 1, 1), generator=generator) - 1))
    gain = 1 + MAX_GAIN * (2 * torch.rand((n, 1, 1, 1), generator=generator) - 1)
    offset = MAX_GAIN * (2 * torch.rand((n, 1, 1, 1), generator=generator) - 1)
    noise = MAX_NOISE * torch.rand((n, 1, 1, 1), generator=generator)
    return smooth * gain + offset + noise * torch.randn(images_NCHW.shape, generator=generator)
