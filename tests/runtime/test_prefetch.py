"""A generator in a thread: its order, its exceptions, its end, and how far it runs ahead."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fader.runtime.prefetch import prefetch

NAME = "prefetch-test"


def threads_alive() -> int:
    return sum(thread.name == f"fader-{NAME}" for thread in threading.enumerate())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(), max_size=30), st.integers(1, 5))
def test_items_come_in_order_and_all_of_them(items: list[int], depth: int) -> None:
    with prefetch(items, depth, name=NAME) as ahead:
        assert list(ahead) == items
    assert threads_alive() == 0


def test_items_are_made_in_another_thread() -> None:
    def made() -> Iterator[str]:
        yield threading.current_thread().name

    with prefetch(made(), 1, name=NAME) as ahead:
        assert next(ahead) == f"fader-{NAME}"


def test_an_exception_crosses_with_its_cause_after_what_came_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        try:
            raise KeyError("the cause")
        except KeyError as error:
            raise RuntimeError("what went wrong") from error

    with prefetch(failing(), 4, name=NAME) as ahead:
        assert next(ahead) == 1
        with pytest.raises(RuntimeError, match="what went wrong") as caught:
            next(ahead)
    assert isinstance(caught.value.__cause__, KeyError)
    assert any(entry.name == "failing" for entry in caught.traceback)
    assert threads_alive() == 0


def test_items_before_an_exception_are_delivered() -> None:
    def failing() -> Iterator[int]:
        yield from (1, 2)
        raise RuntimeError("late")

    with prefetch(failing(), 1, name=NAME) as ahead:
        assert [next(ahead), next(ahead)] == [1, 2]
        with pytest.raises(RuntimeError, match="late"):
            next(ahead)


def test_an_exception_passes_through_a_chain_of_stages() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("deep down")

    def doubled(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            yield 2 * item

    with prefetch(failing(), 1, name=NAME) as first, prefetch(doubled(first), 1, name=NAME) as second:
        assert next(second) == 2
        with pytest.raises(ValueError, match="deep down"):
            next(second)
    assert threads_alive() == 0


@pytest.mark.parametrize("n_read", [0, 1, 5])
def test_leaving_early_stops_the_thread_and_closes_the_generator_there(n_read: int) -> None:
    closed_in: list[str] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed_in.append(threading.current_thread().name)

    with prefetch(endless(), 2, name=NAME) as ahead:
        for _ in range(n_read):
            next(ahead)
    assert threads_alive() == 0
    assert closed_in == [f"fader-{NAME}"]


def test_an_exception_in_the_reader_stops_the_thread() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 1

    def read() -> None:
        with prefetch(endless(), 2, name=NAME) as ahead:
            next(ahead)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read()
    assert threads_alive() == 0


@pytest.mark.parametrize("depth", [1, 3, 8])
def test_it_never_runs_further_ahead_than_depth_and_two(depth: int) -> None:
    made = 0

    def counted() -> Iterator[int]:
        nonlocal made
        for i in range(100):
            made = i + 1
            yield i

    with prefetch(counted(), depth, name=NAME) as ahead:
        for n_read in range(1, 30):
            next(ahead)
            time.sleep(0.002)
            assert made <= n_read + depth + 2
    assert made <= 29 + depth + 2


def test_the_end_stays_the_end() -> None:
    with prefetch([1], 1, name=NAME) as ahead:
        assert list(ahead) == [1]
        assert list(ahead) == []
