"""Pictures of one shape on grey, as a training set: it is light red or dark blue, and round or square."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fader.attributes import Attribute, AttributeSet
from fader.models import Classifier, ClassifierConfig
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train import TrainConfig
from fader.train.adversary import LatentAdversary
from fader.train.data.dataset import AlignedSet
from fader.train.trainer import Trainer

NAMES = ("Red", "Round")
ATTRIBUTES = AttributeSet([Attribute(name=name) for name in NAMES])


def draw(size: int, *, red: bool, is_round: bool, random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one picture."""
    y, x = np.mgrid[:size, :size] - size / 2 - random.uniform(-0.1, 0.1, (2, 1, 1)) * size
    inside = np.hypot(x, y) < 0.32 * size if is_round else np.maximum(abs(x), abs(y)) < 0.28 * size
    picture = np.full((size, size, 3), random.integers(90, 160), dtype=np.uint8)
    picture[inside] = (250, 130, 110) if red else (20, 20, 90)
    return picture


def make_shapes(n: int, size: int = 32, *, seed: int = 0) -> AlignedSet:
    """Return n pictures with labels in the order of NAMES."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, (n, 2))
    pictures = [draw(size, red=bool(red), is_round=bool(is_round), random=random) for red, is_round in labels]
    return AlignedSet(
        images_NHWC=np.stack(pictures),
        labels_NK=labels.astype(np.float32),
        attributes=ATTRIBUTES,
        landmarks_N52=np.tile(face_landmarks(size), (n, 1, 1)),
    )


def face_landmarks(size: int) -> NDArray[np.float32]:
    """Return (5, 2): where a face that looks at the camera has its landmarks."""
    left, right, mouth = np.array(template_at(CELEBA_TIGHT, size))
    nose, side = (left + right + mouth) / 3, (right - left) * 0.4
    return np.array([left, right, nose, mouth - side, mouth + side], dtype=np.float32)


def tiny_config(**options: Any) -> TrainConfig:
    """Return settings of a run of seconds."""
    defaults: dict[str, Any] = {
        "attributes": NAMES,
        "image_size": 32,
        "init_fm": 4,
        "max_fm": 16,
        "n_layers": 3,
        "iterations": 6,
        "batch_size": 4,
        "latent_ramp": 4,
        "held_out": 8,
        "classifier_epochs": 1,
        "evaluate_every": 3,
    }
    return TrainConfig(**{**defaults, **options})


def make_trainer(config: TrainConfig) -> Trainer:
    """Return a trainer with an untrained guide; the same seed makes the same networks."""
    torch.manual_seed(config.seed)
    classifier = make_classifier(config.image_size)
    labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    guide = classifier if config.guided else None
    return Trainer(config, ATTRIBUTES, guide, LatentAdversary(ATTRIBUTES, labels))


def make_classifier(size: int = 32) -> Classifier:
    """Return an untrained guide."""
    shape = ClassifierConfig(image_size=size, n_columns=4, init_fm=4, max_fm=8, hidden=8)
    return Classifier(shape).eval()
