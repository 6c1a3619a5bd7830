"""Alarms: a collapse that the reconstruction hides, an adversary that never saw anything, and no others."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fader.train.alarms import alarm


def row(iteration: int, **figures: float) -> dict[str, Any]:
    usual = {"edits seen": 0.8, "psnr_db": 28.0, "latent_discriminator": 1.5, "latent_baseline": 2.0}
    return {"iteration": iteration, **usual, **figures}


def test_edits_that_vanish_while_the_reconstruction_is_fine_are_a_collapse() -> None:
    words = alarm([row(1000), row(2000, **{"edits seen": 0.85}), row(3000, **{"edits seen": 0.4})])
    assert words.startswith("collapse: the judge saw 85% of the edits at iteration 2000 and sees 40% now")
    assert "checkpoints/best" in words


def test_edits_that_vanish_with_the_reconstruction_are_no_collapse_of_that_kind() -> None:
    assert not alarm([row(1000), row(2000, **{"edits seen": 0.4, "psnr_db": 20.0})])


def test_a_discriminator_that_knows_frequencies_only_is_named_once() -> None:
    blind = [row(1000 * i, latent_discriminator=1.99) for i in range(1, 5)]
    assert "it does not teach the encoder anything" in alarm(blind[:3])
    assert not alarm(blind[:2])
    assert not alarm(blind)


def test_a_discriminator_that_once_knew_more_has_been_fooled_which_is_the_aim() -> None:
    rows = [row(1000, latent_discriminator=1.2), *(row(i, latent_discriminator=2.0) for i in (2000, 3000))]
    assert not alarm(rows)


@given(st.lists(st.floats(0.7, 0.8), min_size=1, max_size=20))
def test_edits_that_waver_are_no_reason_to_worry(seen: list[float]) -> None:
    assert not alarm([row(i, **{"edits seen": share}) for i, share in enumerate(seen)])
