"""Where the time goes: the slowest of a chain of stages works, the others wait for it."""

import time
from collections.abc import Iterable, Iterator

import pytest

from fader.runtime.prefetch import prefetch
from fader.runtime.timings import Clock, StageTime

N = 12
SLOW_S = 0.02


def stage(items: Iterable[int], seconds: float) -> Iterator[int]:
    for item in items:
        time.sleep(seconds)
        yield item


def run(first_s: float, second_s: float) -> tuple[StageTime, ...]:
    clock = Clock()
    with (
        prefetch(stage(range(N), first_s), 2, name="first", clock=clock) as first,
        prefetch(stage(first, second_s), 2, name="second", clock=clock) as second,
    ):
        assert list(second) == list(range(N))
    return clock.read()


def test_a_stage_after_a_slow_one_waits_for_its_input() -> None:
    slow, quick = run(SLOW_S, 0.0)
    assert slow.working >= N * SLOW_S
    assert quick.for_input >= 0.7 * N * SLOW_S
    assert quick.working < 0.5 * slow.working
    assert slow.for_output < 0.5 * slow.working


def test_a_stage_before_a_slow_one_waits_to_hand_on() -> None:
    quick, slow = run(0.0, SLOW_S)
    assert slow.working >= N * SLOW_S
    assert quick.for_output >= 0.5 * N * SLOW_S
    assert quick.working < 0.5 * slow.working


def test_stages_come_in_the_order_of_the_chain_and_the_first_has_no_input() -> None:
    first, second = run(0.0, 0.0)
    assert (first.stage, second.stage) == ("first", "second")
    assert first.for_input == pytest.approx(0.0)
