"""Training of the attribute classifiers: the guide that gives feedback, and the judge that never does."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.models import Classifier, ClassifierConfig
from fader.train.augment import augment, flip
from fader.train.config import TrainConfig
from fader.train.data.dataset import Batches, Subset
from fader.train.draws import Draws, seed_of
from fader.train.objectives import attribute_loss, ramp

__all__ = ["attacked", "balanced_accuracy", "classifier_shape", "fit_classifier"]

MAX_FM = 128
HIDDEN = 128
CLASSIFIER_SIZE = 64
"""Images are averaged down to about this size: what people see is visible there, at a quarter of the cost."""


def classifier_shape(config: TrainConfig, attributes: AttributeSet) -> ClassifierConfig:
    """Return the sizes of a run's guide and judge."""
    factor = max(1, config.image_size // CLASSIFIER_SIZE)
    return ClassifierConfig(
        image_size=config.image_size,
        n_columns=attributes.n_columns,
        init_fm=config.init_fm,
        max_fm=MAX_FM,
        hidden=HIDDEN,
        shrink=factor if config.image_size % factor == 0 else 1,
    )


def fit_classifier(
    subset: Subset,
    shape: ClassifierConfig,
    config: TrainConfig,
    *,
    seed: int,
    attack: float,
    on_step: Callable[[int, int], None] = lambda _done, _total: None,
) -> Classifier:
    """Train a classifier on a subset, on augmented images, on the CPU.

    Args:
        subset: Its images.
        shape: Its sizes.
        config: Epochs and batch size.
        seed: Of its weights, order and augmentation; the judge's must differ from the guide's.
        attack: Largest change of a value by which images are attacked, 0 for none.
        on_step: Called with steps done and in all.

    Returns:
        The classifier in eval mode.
    """
    attributes = subset.parent.attributes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Classifier(shape)
        classifier.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = max(1, config.classifier_epochs * len(subset) // config.batch_size)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=1e-3, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=2e-3, total_steps=steps + 1)
    batches = Batches(subset, _balanced(subset), batch_size=config.batch_size, seed=seed)
    classifier.train()
    for step in range(steps):
        images_NCHW, labels_NK = batches.batch(step)
        draws = Draws.for_images(seed_of(seed, step), len(images_NCHW))
        changed_NCHW = augment(flip(images_NCHW, draws), draws)
        # Attacked from the start, a classifier learns to say what is most frequent.
        size = ramp(attack, step, steps // 2)
        hard_NCHW = attacked(classifier, changed_NCHW, labels_NK, attributes, size, draws)
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
    draws: Draws,
) -> Tensor:
    """Change images so that the classifier errs, by one step from a random start.

    Args:
        classifier: Attacked as it is; keeps its weights.
        images_NCHW: (N, 3, S, S) in [-1, 1].
        labels_NK: (N, K) what is right.
        attributes: The classifier's columns.
        size: Largest change of a value; 0 returns the images.
        draws: Of the random start.

    Source: Wong, Rice, Kolter 2020, "Fast is better than free: revisiting adversarial training"; that
    features which survive it are those that people see: Ilyas et al. 2019.
    """
    if not size:
        return images_NCHW
    start = size * (2 * draws.uniform(*images_NCHW.shape[1:]) - 1)
    start.requires_grad_(True)
    loss = attribute_loss(classifier(images_NCHW + start), labels_NK, attributes)
    (slope,) = torch.autograd.grad(loss, start)
    return images_NCHW + (start.detach() + 1.25 * size * slope.sign()).clamp(-size, size)


def _balanced(subset: Subset) -> NDArray[np.float64]:
    """Return (n,) weights that are higher the rarer the categories of an image are."""
    weights = np.zeros(len(subset))
    for labels_N, attribute in zip(subset.labels_NK.T, subset.parent.attributes, strict=True):
        if attribute.kind == "continuous":
            weights += 1 / len(labels_N)
        else:
            counts = np.bincount(labels_N.astype(int))
            weights += 1 / counts[labels_N.astype(int)]
    return weights


@torch.no_grad()
def balanced_accuracy(classifier: Classifier, subset: Subset, attributes: AttributeSet) -> dict[str, float]:
    """Return each attribute's mean recall (0 to 1) over the categories that the subset's images have.

    Of a continuous attribute, the two categories are above and below the subset's median.
    """
    device = next(classifier.parameters()).device
    logits = [classifier(images_NCHW.to(device)).cpu() for images_NCHW, _ in subset.in_order(64)]
    logits_NA = torch.cat(logits)
    result = {}
    for labels_N, attribute in zip(subset.labels_NK.T, attributes, strict=True):
        own_NC = logits_NA[:, attributes.slice(attribute.name)]
        truth, guess = _classes(labels_N, own_NC, attribute)
        recalls = [np.mean(guess[truth == c] == c) for c in np.unique(truth)]
        result[attribute.name] = float(np.mean(recalls))
    return result


def _classes(
    labels_N: NDArray[np.float32], logits_NC: Tensor, attribute: Attribute
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if attribute.kind != "continuous":
        return labels_N.astype(np.int64), logits_NC.argmax(1).numpy()
    middle = float(np.median(labels_N))
    estimate_N = logits_NC.softmax(1)[:, 1].numpy()
    return (labels_N > middle).astype(np.int64), (estimate_N > middle).astype(np.int64)
