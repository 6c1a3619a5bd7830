"""What the judge says of images, and of copies of them that keep what people see.

An edit that only a network sees is gone, or no longer there for sure, in a copy that was shrunk, made noisy
or compressed; one that people see is still there.

Shapes: N images, K attributes, A attribute columns, F features, C kinds of copies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fader.attributes import AttributeSet
from fader.image import decode_rgb, from_model, to_model
from fader.models import Classifier
from fader.train.augment import low_pass

__all__ = ["COPIES", "ORIGINAL", "PLAIN", "Reading", "estimates", "read", "softmax_columns"]

LOW_PASS = 2.0
NOISE = 16 / 255
"""Deviation in [-1, 1] units: 8 levels of 255."""
JPEG_QUALITY = 50
PLAIN = "plain"

Copies = Mapping[str, Callable[[Tensor], Tensor]]
"""Kind to what makes it of (N, 3, S, S) images in [-1, 1]; the first one is PLAIN."""


def estimates(logits_NA: Tensor, attributes: AttributeSet) -> Tensor:
    """Return (N, K) float32: the index of the likeliest category; of a continuous attribute, its position.

    Args:
        logits_NA: (N, A) of a classifier.
        attributes: Its columns.
    """
    parts = []
    for attribute in attributes:
        own_NC = logits_NA[:, attributes.slice(attribute.name)]
        continuous = attribute.kind == "continuous"
        parts.append(own_NC.softmax(dim=1)[:, 1] if continuous else own_NC.argmax(dim=1).float())
    return torch.stack(parts, dim=1)


def softmax_columns(logits_NA: Tensor, attributes: AttributeSet) -> Tensor:
    """Return (N, A) the decoder's columns as the runtime estimates them for an image that it edits."""
    parts = [logits_NA[:, attributes.slice(attribute.name)].softmax(dim=1) for attribute in attributes]
    return torch.cat(parts, dim=1)


def _noised(images_NCHW: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(images_NCHW.shape, generator=generator).to(images_NCHW.device)
    return (images_NCHW + NOISE * noise).clamp(-1, 1)


def _compressed(images_NCHW: Tensor) -> Tensor:
    pictures = from_model(images_NCHW.cpu().numpy())
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    files = [cv2.imencode(".jpg", picture[:, :, ::-1], options)[1] for picture in pictures]
    again = [decode_rgb(file.tobytes(), name="copy.jpg") for file in files]
    return torch.from_numpy(to_model(np.stack(again))).to(images_NCHW)


def _low_passed(images_NCHW: Tensor) -> Tensor:
    return low_pass(images_NCHW, LOW_PASS)


ORIGINAL: Copies = {PLAIN: lambda images_NCHW: images_NCHW}
"""No copies, but the images themselves."""
COPIES: Copies = {**ORIGINAL, "low-passed": _low_passed, "noised": _noised, "JPEG": _compressed}
"""The images themselves, and every kind of copy; the same images always make the same copies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What the judge says of N images."""

    estimates_CNK: NDArray[np.float32]
    """Its estimates for each kind of copy, in their order; see `estimates`."""
    logits_NA: NDArray[np.float32]
    """Its outputs for the images themselves."""
    features_NF: NDArray[np.float32]
    """Its penultimate layer for the images themselves."""

    @property
    def plain_NK(self) -> NDArray[np.float32]:
        """(N, K) estimates for the images themselves."""
        plain_NK: NDArray[np.float32] = self.estimates_CNK[0]
        return plain_NK

    @classmethod
    def joined(cls, parts: "Sequence[Reading]") -> "Reading":
        """Return the readings of several batches as one."""
        return cls(
            estimates_CNK=np.concatenate([part.estimates_CNK for part in parts], axis=1),
            logits_NA=np.concatenate([part.logits_NA for part in parts]),
            features_NF=np.concatenate([part.features_NF for part in parts]),
        )


def read(
    judge: Classifier, images_NCHW: Tensor, attributes: AttributeSet, copies: Copies = COPIES
) -> Reading:
    """Ask the judge about images and their copies.

    Args:
        judge: In eval mode, on the images' device.
        images_NCHW: (N, 3, S, S) in [-1, 1].
        attributes: The judge's columns.
        copies: Which copies.
    """
    features: list[Tensor] = []

    def remember(_: nn.Module, inputs: tuple[Tensor]) -> None:
        features.append(inputs[0])

    last = [layer for layer in judge.modules() if isinstance(layer, nn.Linear)][-1]
    with last.register_forward_pre_hook(remember):
        logits = [judge(make(images_NCHW)) for make in copies.values()]
    said = [estimates(logits_NA, attributes).cpu().numpy() for logits_NA in logits]
    return Reading(
        estimates_CNK=np.stack(said),
        logits_NA=logits[0].cpu().numpy(),
        features_NF=features[0].cpu().numpy(),
    )
