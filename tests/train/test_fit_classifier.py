"""Classifiers: they learn, they are attacked, and their score counts every category alike."""

import numpy as np
import torch
from tests.train.shapes import ATTRIBUTES, make_shapes, tiny_config
from torch import Tensor

from fader.models import Classifier, ClassifierConfig
from fader.train.data.dataset import AlignedSet
from fader.train.draws import Draws
from fader.train.fit_classifier import attacked, balanced_accuracy, classifier_shape, fit_classifier
from fader.train.objectives import attribute_loss


def test_balanced_accuracy_is_the_mean_recall_of_the_categories() -> None:
    class AlwaysRed(Classifier):
        def forward(self, images_NCHW: Tensor) -> Tensor:
            shown = (images_NCHW[:, 2, 0, 0] > 0).float() * 20 - 10
            return torch.stack([0 * shown, 0 * shown + 1, -shown, shown], dim=1)

    pictures = np.zeros((4, 2, 2, 3), dtype=np.uint8)
    pictures[[1, 3]] = 255
    labels = np.array([[0, 0], [1, 1], [1, 0], [1, 1]], dtype=np.float32)
    data = AlignedSet(images_NHWC=pictures, labels_NK=labels, attributes=ATTRIBUTES)
    judge = AlwaysRed(ClassifierConfig(image_size=2, n_columns=4, init_fm=1, max_fm=1, hidden=1))
    assert balanced_accuracy(judge, data.subset(np.arange(4)), ATTRIBUTES) == {"Red": 0.5, "Round": 1.0}


def test_a_classifier_learns_the_shapes() -> None:
    data = make_shapes(160)
    steps: list[tuple[int, int]] = []
    classifier = fit_classifier(
        data.subset(np.arange(128)),
        classifier_shape(tiny_config(), ATTRIBUTES),
        tiny_config(classifier_epochs=20, batch_size=16),
        seed=5,
        attack=0.0,
        on_step=lambda *step: steps.append(step),
    )
    assert steps == [(i + 1, 160) for i in range(160)]
    assert not classifier.training
    held_out = data.subset(np.arange(128, 160))
    assert min(balanced_accuracy(classifier, held_out, ATTRIBUTES).values()) > 0.85


def test_a_classifier_depends_on_its_seed_alone_and_leaves_the_callers_randomness() -> None:
    subset, before = make_shapes(16).subset(np.arange(16)), torch.get_rng_state()
    shape = classifier_shape(tiny_config(), ATTRIBUTES)
    one, same, other = (
        fit_classifier(subset, shape, tiny_config(), seed=seed, attack=0.02).state_dict()
        for seed in (5, 5, 6)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_attack_stays_within_its_size_and_makes_the_classifier_err_more() -> None:
    torch.manual_seed(0)
    config = ClassifierConfig(image_size=32, n_columns=4, init_fm=4, max_fm=8, hidden=8)
    classifier = Classifier(config).eval()
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    data = make_shapes(8)
    images, labels = data.subset(np.arange(8)).batch(np.arange(8))
    hard = attacked(classifier, images, labels, ATTRIBUTES, 0.06, Draws.for_images(0, 8))
    assert 0.03 < (hard - images).abs().max() <= 0.06 + 1e-6
    assert not hard.requires_grad
    losses = [attribute_loss(classifier(seen), labels, ATTRIBUTES).item() for seen in (images, hard)]
    assert losses[1] > losses[0]
    assert attacked(classifier, images, labels, ATTRIBUTES, 0, Draws.for_images(0, 8)) is images
    assert all(torch.equal(before[name], tensor) for name, tensor in classifier.state_dict().items())
    assert all(parameter.grad is None for parameter in classifier.parameters())
