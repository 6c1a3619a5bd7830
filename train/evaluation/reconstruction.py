"""How close a drawing is to its image. N images of C channels, values in [-1, 1]."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["psnr", "ssim"]

BEST_DB = 100.0
WINDOW, DEVIATION = 11, 1.5


def psnr(drawn_NCHW: Tensor, images_NCHW: Tensor) -> NDArray[np.float32]:
    """Return (N,) peak signal-to-noise ratios in dB, at most 100."""
    error_N = ((drawn_NCHW - images_NCHW) / 2).pow(2).mean(dim=(1, 2, 3))
    psnr_N: NDArray[np.float32] = (-10 * error_N.clamp(min=10 ** (-BEST_DB / 10)).log10()).cpu().numpy()
    return psnr_N


def ssim(drawn_NCHW: Tensor, images_NCHW: Tensor) -> NDArray[np.float32]:
    """Return (N,) structural similarities, 1 for equal images: the mean over places and channels.

    Args:
        drawn_NCHW: (N, C, H, W); H and W are 11 or more.
        images_NCHW: The same shape.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, with their Gaussian window of 11 pixels.
    """
    x, y = (images / 2 + 0.5 for images in (drawn_NCHW, images_NCHW))
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (var_x + var_y + 0.03**2)
    ssim_N: NDArray[np.float32] = (luminance * structure).mean(dim=(1, 2, 3)).cpu().numpy()
    return ssim_N


def _blurred(images_NCHW: Tensor) -> Tensor:
    """Return weighted means around every pixel whose window lies inside the image."""
    channels = images_NCHW.shape[1]
    offsets = torch.arange(WINDOW, device=images_NCHW.device) - WINDOW // 2
    weights = torch.softmax(-(offsets**2) / (2 * DEVIATION**2), dim=0)
    rows = weights[None, None, :, None].expand(channels, 1, -1, 1)
    columns = weights[None, None, None, :].expand(channels, 1, 1, -1)
    down = functional.conv2d(images_NCHW, rows, groups=channels)
    return functional.conv2d(down, columns, groups=channels)
