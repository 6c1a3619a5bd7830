"""Erasing from a finished encoder what a linear reader would still read: once, from training images."""

import numpy as np
import torch

from fader.models import AutoEncoder
from fader.train.adversary import LatentAdversary
from fader.train.data.dataset import Subset
from fader.train.evaluation.evaluate import on_device
from fader.train.linear_reader import leace

__all__ = ["erase_linearly"]

IMAGES, TIMES = 8192, 4
"""So many, or so many times the numbers of a code, are enough that what they teach holds for others."""


@torch.no_grad()
def erase_linearly(autoencoder: AutoEncoder, training: Subset, adversary: LatentAdversary) -> None:
    """Fit the autoencoder's eraser.

    Args:
        autoencoder: In eval mode, made with an eraser.
        training: Images that it was trained on; at most 8,192 of them, or 4 for each number of the code,
            evenly, are looked at.
        adversary: Knows the indicators of the labels.
    """
    eraser = autoencoder.eraser
    if eraser is None:
        return
    eraser.write_DT.zero_()
    step = max(1, -(-len(training) // max(IMAGES, TIMES * len(eraser.centre_D))))
    some = Subset(parent=training.parent, indices=training.indices[np.arange(0, len(training), step)])
    codes, indicators = [], []
    for images_NCHW, labels_NK in on_device(some, autoencoder):
        codes.append(autoencoder.discriminated(autoencoder.encode(images_NCHW)).flatten(1))
        indicators.append(adversary.indicators(labels_NK))
    centre_D, read_TD, write_DT = leace(torch.cat(codes), torch.cat(indicators))
    eraser.centre_D.copy_(centre_D)
    eraser.read_TD.copy_(read_TD)
    eraser.write_DT.copy_(write_DT)
