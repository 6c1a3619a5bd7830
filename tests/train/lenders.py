"""Faces that lend and borrow mouths: skin of one shade, and a mouth that tells the label."""

from dataclasses import replace

import numpy as np
import torch
from tests.train.shapes import NAMES, make_shapes
from torch import Tensor

from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train.data.dataset import AlignedSet

RED = NAMES.index("Red")


def skin(level: float, size: int = 64) -> Tensor:
    return torch.full((1, 3, size, size), level)


def with_mouth(image: Tensor, level: float) -> Tensor:
    image, (x, y) = image.clone(), template_at(CELEBA_TIGHT, image.shape[-1])[2]
    image[:, :, round(y) - 3 : round(y) + 4, round(x) - 6 : round(x) + 7] = level
    return image


def faces(n: int, size: int) -> AlignedSet:
    """Return faces of many shades, of which those with label 1 have a light mouth, the others a dark one."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (n, 2)).astype(np.float32)
    images = [
        with_mouth(skin(random.uniform(-0.4, 0.4), size), 0.9 if label else -0.9) for label in labels[:, RED]
    ]
    pixels = ((torch.cat(images) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    data = make_shapes(n, size)
    return replace(
        data,
        images_NHWC=pixels,
        labels_NK=labels,
    )
