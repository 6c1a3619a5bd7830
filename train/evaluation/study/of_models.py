"""Questions about models: held-out faces as they are, reconstructed, and with an attribute swapped."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import AttributeSet
from fader.errors import ConfigError
from fader.image import from_model
from fader.models import AutoEncoder
from fader.train.data.dataset import Subset
from fader.train.evaluation.study.questions import Question, study_questions
from fader.train.objectives import columns

__all__ = ["questions_about"]


@torch.no_grad()
def questions_about(
    models: Mapping[str, AutoEncoder], held_out: Subset, names: Sequence[str], *, faces: int, seed: int
) -> list[Question]:
    """Ask about some boolean attributes of some models.

    Args:
        models: Name to autoencoder in eval mode; the first one's reconstructions are asked about, too, and
            the others' swaps are compared with its own side by side.
        held_out: Images that no model was trained on, of the models' size and attributes.
        names: Attributes.
        faces: Images for each attribute, half of them with it as far as there are so many.
        seed: Of the choice.

    Raises:
        ConfigError: an attribute is unknown or not boolean, or there are too few images.
    """
    attributes = held_out.parent.attributes
    random = np.random.default_rng(seed)
    questions: list[Question] = []
    for name in names:
        if attributes[name].kind != "boolean":
            raise ConfigError(f"{name} is {attributes[name].kind}: a study asks about boolean attributes")
        k = attributes.names.index(name)
        chosen = _balanced_choice(held_out.labels_NK[:, k] == 1, faces, random)
        questions += _about(models, held_out, chosen, attributes, k)
    return questions


def _balanced_choice(present_N: NDArray[np.bool_], n: int, random: np.random.Generator) -> NDArray[np.int64]:
    if not 1 <= n <= len(present_N):
        raise ConfigError(
            f"{n} faces for each attribute: expected 1 to {len(present_N)}, the held-out images"
        )
    having, lacking = (random.permutation(np.flatnonzero(some)) for some in (present_N, ~present_N))
    n_having = min(len(having), max(n // 2, n - len(lacking)))
    return np.sort(np.concatenate([having[:n_having], lacking[: n - n_having]])).astype(np.int64)


def _about(
    models: Mapping[str, AutoEncoder],
    held_out: Subset,
    chosen: NDArray[np.int64],
    attributes: AttributeSet,
    k: int,
) -> list[Question]:
    images_NCHW, labels_NK = held_out.batch(chosen)
    swapped_NK = labels_NK.clone()
    swapped_NK[:, k] = 1 - swapped_NK[:, k]
    first, *others = models
    pictures = {"real": _pictures(images_NCHW)}
    shown_NA, swapped_NA = columns(labels_NK, attributes), columns(swapped_NK, attributes)
    pictures["reconstruction"] = _decoded(models[first], images_NCHW, shown_NA, shown_NA)
    for name, model in models.items():
        pictures[name] = _decoded(model, images_NCHW, swapped_NA, shown_NA)
    return study_questions(
        attributes.names[k],
        labels=[bool(label) for label in labels_NK[:, k]],
        sources=[str(index) for index in np.sort(held_out.indices[chosen])],
        pictures=pictures,
        swapped=list(models),
        pairs=[(first, other) for other in others],
    )


def _decoded(
    model: AutoEncoder, images_NCHW: Tensor, wanted_NA: Tensor, shown_NA: Tensor
) -> NDArray[np.uint8]:
    return _pictures(model.decode(model.encode(images_NCHW), model.asked(wanted_NA, shown_NA)))


def _pictures(images_NCHW: Tensor) -> NDArray[np.uint8]:
    return from_model(images_NCHW.contiguous().numpy())
