"""The probes' two ways to learn: how the linear one chooses its penalty, and what the network adds."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fader.train.evaluation import learners
from fader.train.evaluation.learners import linear, network

N, WIDTH = 200, 190


def noisy_hyperplane() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training and test codes with about as many numbers as images, and noisy signs of a sum."""
    random = np.random.default_rng(0)
    direction = random.normal(size=WIDTH) / np.sqrt(WIDTH)
    codes = random.normal(size=(N + 2000, WIDTH))
    signs = np.sign(codes @ direction + random.normal(size=N + 2000))[:, None]
    here, there, target, truth = (
        torch.from_numpy(x.astype(np.float32)) for x in (codes[:N], codes[N:], signs[:N], signs[N:])
    )
    return here, there, target, truth


def right(answer: Tensor, truth: Tensor) -> float:
    return float((answer.sign() == truth).float().mean())


def test_the_penalty_is_one_that_does_well_on_images_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there, target, truth = noisy_hyperplane()
    counts = {sign: int((target == sign).sum()) for sign in (-1, 1)}
    weight = torch.tensor([N / 2 / counts[int(sign)] for sign in target[:, 0].tolist()])
    chosen = right(linear(here, there, [target], [weight])[0], truth)
    each = []
    for penalty in learners.PENALTIES:
        monkeypatch.setattr(learners, "PENALTIES", (penalty,))
        each.append(right(linear(here, there, [target], [weight])[0], truth))
    assert chosen > max(each) - 0.02
    assert chosen > min(each) + 0.03, "others read less"


def test_the_answers_of_the_dual_form_are_those_of_ridge_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there, target, _ = noisy_hyperplane()
    weight = torch.linspace(0.5, 1.5, N)
    monkeypatch.setattr(learners, "PENALTIES", (0.1,))
    (answer,) = linear(here, there, [target], [weight])
    with_1, there_1 = (
        torch.cat([codes / np.sqrt(WIDTH), torch.ones(len(codes), 1)], dim=1).double()
        for codes in (here, there)
    )
    square = with_1.T @ (weight[:, None] * with_1) + 0.1 * torch.eye(WIDTH + 1, dtype=torch.float64)
    expected = there_1 @ torch.linalg.solve(square, with_1.T @ (weight[:, None] * target).double())
    torch.testing.assert_close(answer, expected.float(), rtol=1e-3, atol=1e-3)


def test_each_attribute_has_its_own_answers() -> None:
    random = np.random.default_rng(1)
    codes = torch.from_numpy(random.normal(size=(400, 8)).astype(np.float32))
    targets = [codes[:, :1].sign(), torch.cat([codes[:, 1:2].sign(), -codes[:, 1:2].sign()], dim=1)]
    weights = [torch.ones(200)] * 2
    for learn in (linear, network):
        answers = learn(codes[:200], codes[200:], [target[:200] for target in targets], weights)
        assert [tuple(answer.shape) for answer in answers] == [(200, 1), (200, 2)]
        assert all(right(a, t[200:]) > 0.9 for a, t in zip(answers, targets, strict=True))
