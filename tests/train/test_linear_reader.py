"""What straight lines can read of a code: found however little it varies, shrunk, and erased."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.shapes import ATTRIBUTES, make_shapes, tiny_config
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.models import AutoEncoder
from fader.models.eraser import Eraser
from fader.train.adversary import LatentAdversary
from fader.train.erasure import erase_linearly
from fader.train.evaluation.probe import probe
from fader.train.linear_reader import LinearReader, leace

N = 400


def codes_that_hide(labels_N: Tensor, *, amount: float, n: int = 8, seed: int = 0) -> Tensor:
    """Return codes that tell the label only in a difference of two numbers that vary almost alike."""
    generator = torch.Generator().manual_seed(seed)
    codes_ND = torch.randn(len(labels_N), n, generator=generator)
    codes_ND[:, 1] = codes_ND[:, 0] + amount * (2 * labels_N - 1)
    return codes_ND


def labels(n: int = N, seed: int = 1) -> Tensor:
    return torch.randint(0, 2, (n,), generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("amount", [1.0, 0.1, 0.03])
def test_an_attribute_is_read_however_little_the_code_varies_with_it(amount: float) -> None:
    reader, labels_N = LinearReader(8, 1), labels()
    codes_ND = codes_that_hide(labels_N, amount=amount)
    for rows in torch.split(torch.arange(N), 20):
        reader.observe(codes_ND[rows], labels_N[rows, None])
    assert reader(codes_ND).item() > 0.4


def test_two_processes_learn_from_the_whole_batch() -> None:
    labels_N = labels(40)
    codes_ND = codes_that_hide(labels_N, amount=0.5)
    alone = LinearReader(8, 1)
    together = [LinearReader(8, 1), LinearReader(8, 1)]
    meeting, given = Barrier(2), [torch.empty(0), torch.empty(0)]

    def observe(rank: int) -> None:
        def average(tensor: Tensor) -> Tensor:
            given[rank] = tensor
            meeting.wait(10)
            mean = (given[0] + given[1]) / 2
            meeting.wait(10)
            return mean

        for start in range(0, 40, 8):
            rows = slice(start + 4 * rank, start + 4 * rank + 4)
            together[rank].observe(codes_ND[rows], labels_N[rows, None], average)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(observe, range(2)))
    for start in range(0, 40, 8):
        alone.observe(codes_ND[start : start + 8], labels_N[start : start + 8, None])
    for reader in together:
        assert torch.allclose(reader.mean, alone.mean, atol=1e-6)
        assert torch.allclose(reader.covariance, alone.covariance, atol=1e-6)


def test_a_code_that_tells_nothing_costs_almost_nothing() -> None:
    reader, labels_N = LinearReader(8, 1), labels(4000)
    codes_ND = torch.randn(4000, 8, generator=torch.Generator().manual_seed(3))
    for rows in torch.split(torch.arange(4000), 40):
        reader.observe(codes_ND[rows], labels_N[rows, None])
    assert reader(codes_ND).item() < 0.02


def test_an_encoder_that_follows_the_reader_tells_less() -> None:
    labels_N = labels()
    codes_ND = codes_that_hide(labels_N, amount=0.1).requires_grad_()
    reader = LinearReader(8, 1)
    losses = []
    for _ in range(60):
        reader.observe(codes_ND.detach(), labels_N[:, None])
        loss = reader(codes_ND)
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, codes_ND)
        codes_ND = (codes_ND - 0.02 * gradient / gradient.norm()).detach().requires_grad_()
    assert losses[-1] < 0.5 * max(losses)


@settings(deadline=None, max_examples=30)
@given(n=st.integers(2, 12), categories=st.integers(2, 4), seed=st.integers(0, 1000))
def test_erased_codes_have_the_same_mean_for_every_category(n: int, categories: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels_N = torch.randint(0, categories, (N,), generator=generator)
    codes_ND = torch.randn(N, n, generator=generator) @ torch.randn(n, n, generator=generator)
    codes_ND[:, 0] += labels_N
    indicators_NT = torch.nn.functional.one_hot(labels_N, categories)[:, :-1].float()
    centre_D, read_TD, write_DT = leace(codes_ND, indicators_NT)
    erased_ND = codes_ND - (codes_ND - centre_D) @ read_TD.T @ write_DT.T
    scale = codes_ND.std().item()
    for category in range(categories):
        difference_D = erased_ND[labels_N == category].mean(dim=0) - erased_ND.mean(dim=0)
        assert difference_D.abs().max().item() < 1e-3 * scale


def test_what_is_erased_is_the_attribute_and_nothing_else() -> None:
    labels_N = labels()
    codes_ND = torch.randn(N, 6, generator=torch.Generator().manual_seed(2))
    codes_ND[:, 2] += 3 * labels_N
    centre_D, read_TD, write_DT = leace(codes_ND, labels_N[:, None])
    erased_ND = codes_ND - (codes_ND - centre_D) @ read_TD.T @ write_DT.T
    others = [0, 1, 3, 4, 5]
    assert (erased_ND - codes_ND)[:, others].abs().max().item() < 0.5
    tasks = AttributeSet([Attribute(name="Hidden")])
    before, after = (
        probe(codes.numpy(), labels_N[:, None].numpy(), tasks)["Hidden"].score.value
        for codes in (codes_ND, erased_ND)
    )
    assert before > 0.85
    assert after < 0.6


def test_a_new_eraser_erases_nothing() -> None:
    code_NCHW = torch.randn(3, 4, 2, 2)
    assert torch.equal(Eraser(16, 2)(code_NCHW), code_NCHW)


@pytest.mark.parametrize("n_skip", [0, 1])
def test_a_finished_encoder_has_equal_means_in_all_that_the_decoder_reads(n_skip: int) -> None:
    data = make_shapes(200)
    adversary = LatentAdversary(ATTRIBUTES, data.labels_NK)
    config = tiny_config(n_skip=n_skip, mask=False).autoencoder(ATTRIBUTES.n_columns, erased=2)
    autoencoder = AutoEncoder(config).eval()
    everything = data.subset(np.arange(200))

    def gap() -> float:
        images_NCHW, labels_NK = everything.batch(np.arange(200))
        with torch.no_grad():
            codes_ND = autoencoder.discriminated(autoencoder.encode(images_NCHW)).flatten(1)
        means = [codes_ND[labels_NK[:, 0] == value].mean(dim=0) for value in (0, 1)]
        return ((means[0] - means[1]).abs() / (codes_ND.std(dim=0) + 1e-6)).max().item()

    before = gap()
    erase_linearly(autoencoder, everything, adversary)
    assert before > 0.5
    assert gap() < 0.05
    erase_linearly(autoencoder, everything, adversary)
    assert gap() < 0.05


def test_indicators_name_the_category_or_bin_but_the_last_one() -> None:
    attributes = AttributeSet(
        [
            Attribute(name="Smiling"),
            Attribute(name="Hair", categories=("black", "fair", "grey")),
            Attribute(name="Age", span=(20.0, 70.0)),
        ]
    )
    order = attributes.names
    rows = {"Smiling": [0, 1, 1, 0], "Hair": [0, 1, 2, 2], "Age": [0.1, 0.4, 0.6, 0.9]}
    labels_NK = np.array([rows[name] for name in order], np.float32).T
    bins = LatentAdversary(attributes, labels_NK, n_bins=2).indicators(torch.from_numpy(labels_NK))
    assert bins.shape == (4, 1 + 2 + 1)
    value = LatentAdversary(attributes, labels_NK, continuous="regression")
    assert value.n_indicators == 4
    columns = value.indicators(torch.from_numpy(labels_NK)).T.tolist()
    assert pytest.approx(rows["Age"]) in columns
    assert [1.0, 0.0, 0.0, 1.0] in columns
