"""PSNR and SSIM against scikit-image."""

import numpy as np
import pytest
import skimage.data
import skimage.metrics
import torch
from torch import Tensor

from fader.train.evaluation.reconstruction import psnr, ssim


def photographs() -> tuple[Tensor, Tensor]:
    """Return three crops of a photograph, and noisy, dark, and slightly shifted versions of them."""
    picture = skimage.data.astronaut().astype(np.float32) / 127.5 - 1
    crops = np.stack([picture[y : y + 48, y : y + 40] for y in (0, 100, 300)])
    random = np.random.default_rng(0)
    changed = np.stack(
        [crops[0] + random.normal(0, 0.1, crops[0].shape), crops[1] * 0.5 - 0.5, np.roll(crops[2], 1, axis=0)]
    )
    to_tensor = [torch.from_numpy(np.moveaxis(x, 3, 1).astype(np.float32)) for x in (changed, crops)]
    return to_tensor[0], to_tensor[1]


def test_psnr_is_scikit_images() -> None:
    drawn, images = photographs()
    expected = [
        skimage.metrics.peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=2)
        for a, b in zip(drawn, images, strict=True)
    ]
    assert psnr(drawn, images) == pytest.approx(expected, abs=1e-3)


def test_ssim_is_scikit_images_with_wangs_window() -> None:
    drawn, images = photographs()
    expected = [
        skimage.metrics.structural_similarity(
            a.numpy() / 2 + 0.5,
            b.numpy() / 2 + 0.5,
            channel_axis=0,
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(drawn, images, strict=True)
    ]
    assert ssim(drawn, images) == pytest.approx(expected, abs=1e-4)


def test_equal_images_have_the_best_figures() -> None:
    _, images = photographs()
    assert psnr(images, images) == pytest.approx([100.0] * 3)
    assert ssim(images, images) == pytest.approx([1.0] * 3)
