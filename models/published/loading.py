"""Import of the published Fader Networks: a file that torch.save wrote, read without unpickling it.

The files hold whole modules, so PyTorch's own loader either refuses them or runs whatever they say. Here
their pickles only ever become plain data, and anything that is not part of a published model is an error.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fader.attributes import AttributeSet
from fader.errors import BundleError
from fader.models.autoencoder import AutoEncoder
from fader.models.checkpoint import Checkpoint
from fader.models.published.containers import read_container
from fader.models.published.network import read_network
from fader.models.published.reframing import Points, reframe
from fader.models.published.refusal import Refusal

__all__ = ["PublishedModel", "celeba_template", "load_published", "with_classifier"]

MAX_FILE_BYTES = 512 * 2**20
"""A published model has some 56 MB."""
ORIGIN = ("data", "licence", "command")
CELEBA_POINTS = ((69.745, 111.0), (107.237, 111.0), (88.432, 152.514))
CELEBA_TOP, CELEBA_SIDE = 20, 178
"""CelebA's aligned images are 178 x 218; the published models see rows 20 to 198."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedModel:
    """A published autoencoder; what lacks to a checkpoint is a classifier."""

    autoencoder: AutoEncoder
    """On the CPU and in eval mode."""
    attributes: AttributeSet
    """The sliders; the categories of one that is not boolean are called "0", "1", ..."""
    template: Points
    """Where alignment puts the image-left eye, image-right eye and mouth centre: (x, y) in pixels of the
    image size, 0-based at pixel centres. The file does not say it: CelebA's, on which they were trained."""
    training: Mapping[str, Any]
    """For the model card."""


def load_published(path: Path) -> PublishedModel:
    """Read a published autoencoder's .pth file, of the containers of 2017 and of today.

    Args:
        path: The file; nothing in it is executed, imported or written, whatever it holds.

    Raises:
        BundleError: it cannot be read, is damaged, or is not an autoencoder as the reference saves it.
    """
    content = _read(path)
    try:
        autoencoder, attributes = read_network(read_container(content))
    except Refusal as refusal:
        raise BundleError(
            f"cannot import {path}: {refusal}; expected an autoencoder as the reference implementation saves "
            "it: take a published file, or train a model with fader-train"
        ) from refusal
    return PublishedModel(
        autoencoder=autoencoder,
        attributes=attributes,
        template=celeba_template(autoencoder.config.image_size),
        training={
            "data": "not stated in the file; alignment as for CelebA",
            "licence": "its publisher's; the reference implementation is under CC BY-NC 4.0",
            "command": f"imported from {path.name}, SHA-256 {hashlib.sha256(content).hexdigest()}",
        },
    )


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BundleError(
                f"{path} has more than {MAX_FILE_BYTES >> 20} MiB, expected a published model's 60 or so: "
                "take the published file"
            )
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise BundleError(f"cannot read {path} ({error.strerror}): expected a model's .pth file") from error


def celeba_template(size: int) -> Points:
    """Return CelebA's eyes and mouth centre in its square crop at a size, as in `PublishedModel.template`."""
    return tuple(
        ((x + 0.5) * size / CELEBA_SIDE - 0.5, (y - CELEBA_TOP + 0.5) * size / CELEBA_SIDE - 0.5)
        for x, y in CELEBA_POINTS
    )


def with_classifier(model: PublishedModel, checkpoint: Checkpoint) -> Checkpoint:
    """Add the classifier that a published file lacks, and without which nothing can be exported.

    It estimates the values that an image has, from which edits start and at which all unnamed attributes
    stay; a constant in its place would change faces unasked.

    Args:
        model: The published model.
        checkpoint: One of ours. It must know the model's attributes, and may know more; its faces may be cut
            more tightly, and its images may have another size.

    Returns:
        The model with the checkpoint's classifier.

    Raises:
        BundleError: the checkpoint lacks an attribute, or its faces are aligned on other points.
    """
    known = checkpoint.attributes
    columns: list[int] = []
    for attribute in model.attributes:
        if attribute not in tuple(known):
            raise BundleError(
                f"the classifier reads {', '.join(known.names)}, expected {attribute.name} ("
                f"{attribute.describe()}) as the published model has it: take another run's"
            )
        part = known.slice(attribute.name)
        columns += range(part.start, part.stop)
    classifier = reframe(
        checkpoint.classifier,
        checkpoint.template,
        image_size=model.autoencoder.config.image_size,
        target=model.template,
        columns=tuple(columns),
    )
    return Checkpoint(
        autoencoder=model.autoencoder,
        classifier=classifier,
        attributes=model.attributes,
        template=model.template,
        training={
            **model.training,
            "classifier": {key: checkpoint.training.get(key, "not stated") for key in ORIGIN},
        },
    )
