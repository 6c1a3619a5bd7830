"""Training of the attribute classifiers: the guide that gives feedback, and the judge that never does."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import AttributeSet
from fader.models import Classifier, ClassifierConfig
from fader.train.augment import augment, flip
from fader.train.config import TrainConfig
from fader.train.data.dataset import Batches, Subset
from fader.train.objectives import attribute_loss, ramp

__all__ = ["balanced_accuracy", "fit_classifier"]

MAX_FM = 128
HIDDEN = 128
CLASSIFIER_SIZE = 64
"""Images are averaged down to about this size: what people see is visible there, at a quarter of the cost."""


def fit_classifier(
    subset: Subset,
    attributes: AttributeSet,
    config: TrainConfig,
    *,
    seed: int,
    attack: float,
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
) -> Classifier:
    """Train a classifier on a subset, on augmented images.

    Args:
        subset: Its images.
        attributes: Columns of the output.
        config: Sizes, epochs, batch size and learning rate.
        seed: Of its weights, order and augmentation; the judge's must differ from the guide's.
        attack: Largest change of a value by which images are attacked, 0 for none.
        on_step: Called with steps done and in all.

    Returns:
        The classifier in eval mode.
    """
    random = torch.Generator().manual_seed(seed)
    shape = ClassifierConfig(
        image_size=config.image_size,
        n_columns=attributes.n_columns,
        init_fm=config.init_fm,
        max_fm=MAX_FM,
        hidden=HIDDEN,
        shrink=_shrink(config.image_size),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        classifier = Classifier(shape)
        classifier.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = max(1, config.classifier_epochs * len(subset) // config.batch_size)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=1e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=2e-3, total_steps=steps + 1)
    batches = Batches(subset, _balanced(subset), batch_size=config.batch_size, seed=seed)
    classifier.train()
    for step, (images_NCHW, labels_NK) in zip(range(steps), batches, strict=False):
        changed_NCHW = augment(flip(images_NCHW, random), random)
        # Attacked from the start, a classifier learns to say what is most frequent.
        size = ramp(attack, step, steps // 2)
        hard_NCHW = attacked(classifier, changed_NCHW, labels_NK, attributes, size, random)
        loss = attribute_loss(classifier(hard_NCHW), labels_NK, attributes)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        on_step(step + 1, steps)
    return classifier.eval()


def attacked(
    classifier: Classifier,
    images_NCHW: Tensor,
    labels_NK: Tensor,
    attributes: AttributeSet,
    size: float,
    generator: torch.Generator,
) -> Tensor:
    """Change images so that the classifier errs, by one step from a random start.

    Args:
        classifier: Attacked as it is; keeps its weights.
        images_NCHW: (N, 3, S, S) in [-1, 1].
        labels_NK: (N, K) the right categories.
        attributes: The classifier's columns.
        size: Largest change of a value; 0 returns the images.
        generator: Of the random start.

    Source: Wong, Rice, Kolter 2020, "Fast is better than free: revisiting adversarial training"; that
    features which survive it are those that people see: Ilyas et al. 2019.
    """
    if not size:
        return images_NCHW
    start = size * (2 * torch.rand(images_NCHW.shape, generator=generator) - 1)
    start.requires_grad_(True)
    loss = attribute_loss(classifier(images_NCHW + start), labels_NK, attributes)
    (slope,) = torch.autograd.grad(loss, start)
    return images_NCHW + (start.detach() + 1.25 * size * slope.sign()).clamp(-size, size)


def _balanced(subset: Subset) -> NDArray[np.float64]:
    """Return (n,) weights that are higher the rarer the categories of an image are."""
    labels_NK = subset.labels_NK
    weights = np.zeros(len(subset))
    for labels_N in labels_NK.T:
        counts = np.bincount(labels_N)
        weights += 1 / counts[labels_N]
    return weights


def _shrink(image_size: int) -> int:
    factor = max(1, image_size // CLASSIFIER_SIZE)
    return factor if image_size % factor == 0 else 1


@torch.no_grad()
def balanced_accuracy(classifier: Classifier, subset: Subset, attributes: AttributeSet) -> dict[str, float]:
    """Return each attribute's mean recall (0 to 1) over the categories that the subset's images have."""
    guesses = []
    for images_NCHW, _ in subset.in_order(64):
        logits_NA = classifier(images_NCHW)
        guesses.append(
            torch.stack([logits_NA[:, attributes.slice(a.name)].argmax(1) for a in attributes], dim=1)
        )
    guessed_NK = torch.cat(guesses).numpy()
    result = {}
    for k, attribute in enumerate(attributes):
        truth = subset.labels_NK[:, k]
        recalls = [np.mean(guessed_NK[truth == c, k] == c) for c in np.unique(truth)]
        result[attribute.name] = float(np.mean(recalls))
    return result
