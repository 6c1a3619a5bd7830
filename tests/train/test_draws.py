"""Random numbers that depend on the seed alone, and that processes share."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fader.train.draws import Draws, seed_of


@settings(deadline=None)
@given(seed=st.integers(0, 2**63 - 1), total=st.integers(2, 12), data=st.data())
def test_the_parts_of_several_processes_make_the_whole(seed: int, total: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, total - 1))

    def everything(rows: slice) -> list[torch.Tensor]:
        draws = Draws(seed, rows, total)
        return [draws.uniform(2), draws.normal(3, 1), draws.choice([1.0, 2.0]).float()]

    whole, first, second = (everything(rows) for rows in (slice(None), slice(0, cut), slice(cut, total)))
    for together, one, other in zip(whole, first, second, strict=True):
        assert torch.equal(together, torch.cat([one, other]))


def test_all_processes_draw_the_same_number_for_a_batch() -> None:
    assert Draws(5, slice(0, 2), 4).number() == Draws(5, slice(2, 4), 4).number()


def test_seeds_of_different_numbers_differ() -> None:
    seeds = {seed_of(a, b) for a in range(20) for b in range(20)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_choices_follow_their_weights() -> None:
    chosen = Draws.for_images(1, 8000).choice([1.0, 3.0, 0.0])
    assert torch.bincount(chosen, minlength=3).div(8000).tolist() == pytest.approx([0.25, 0.75, 0], abs=0.02)
