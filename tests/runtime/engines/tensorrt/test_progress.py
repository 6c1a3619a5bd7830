"""Progress never falls, never ends early, and names what is being done."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fader.runtime.engines.tensorrt.progress import Phases

Tree: st.SearchStrategy[Any] = st.recursive(
    st.integers(1, 4).map(lambda steps: (steps, [])),
    lambda inner: st.tuples(st.integers(1, 4), st.lists(inner, max_size=4)),
    max_leaves=12,
)


def follow(phases: Phases, tree: tuple[int, list[Any]], name: str = "all", parent: str | None = None) -> None:
    steps, inner = tree
    phases.start(name, parent, steps)
    for i in range(steps):
        for j, child in enumerate(inner):
            follow(phases, child, f"{name}.{j}", name)
        phases.step(name, i)
    phases.finish(name)


@given(Tree)
def test_shares_rise_from_nothing_to_all(tree: tuple[int, list[Any]]) -> None:
    shares: list[float] = []
    follow(Phases(lambda share, _: shares.append(share)), tree)
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert sum(share == 1 for share in shares) == 1


def test_phases_of_one_step_each_take_half_of_what_is_left() -> None:
    told: list[tuple[float, str]] = []
    phases = Phases(lambda share, phase: told.append((share, phase)))
    phases.start("build", None, 1)
    for name in ("optimise", "time"):
        phases.start(name, "build", 2)
        phases.step(name, 0)
        phases.step(name, 1)
        phases.finish(name)
    assert [share for share, _ in told] == [0, 0, 0.25, 0.5, 0.5, 0.625, 0.75]
    assert told[-1][1] == "time, 2 of 2"


def test_steps_of_unknown_phases_and_ends_without_beginnings_are_ignored() -> None:
    phases = Phases(lambda *_: None)
    phases.step("never started", 0)
    phases.finish("never started")
