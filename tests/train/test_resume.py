"""A run that is interrupted, by a signal or by force, and goes on: it ends as if nothing had happened."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from tests.train.shapes import make_shapes, tiny_config

from fader.errors import BundleError, ConfigError
from fader.models import load_checkpoint
from fader.train import Progress, Session, resume, train

DATA = make_shapes(40)
ABOUT = {"data": "shapes"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of six iterations that nothing interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(tiny_config(), DATA, folder, about=ABOUT)
    return folder


def assert_same_runs(one: Path, other: Path) -> None:
    for name in ("best", "best-reconstruction", "last"):
        weights = f"checkpoints/{name}/weights.safetensors"
        assert (one / weights).read_bytes() == (other / weights).read_bytes(), name
    rows = [
        [
            {name: value for name, value in row.items() if name != "minutes"}
            for row in csv.DictReader((folder / "log.csv").read_text().splitlines())
        ]
        for folder in (one, other)
    ]
    assert rows[0] == rows[1]


def signalled_at(iteration: int, number: int) -> Any:
    """Return an observer that sends this process a signal."""

    def observe(progress: Progress) -> None:
        if progress.phase == "autoencoder" and progress.done == iteration:
            os.kill(os.getpid(), number)

    return observe


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_ends_a_run_after_a_whole_iteration_and_it_goes_on_as_if_nothing_had_happened(
    whole: Path, tmp_path: Path, number: int, raised: type[BaseException]
) -> None:
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(raised):
        train(tiny_config(), DATA, tmp_path, about=ABOUT, session=Session(observe=signalled_at(4, number)))
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    last = load_checkpoint(tmp_path / "checkpoints" / "last").training
    assert last["iterations"] == 5
    assert last["metrics"] == {}, "nobody has measured these weights"
    assert load_checkpoint(tmp_path / "checkpoints" / "best").training["iterations"] == 3
    seen: list[Progress] = []
    resume(DATA, tmp_path, about=ABOUT, session=Session(observe=seen.append))
    assert [step.done for step in seen] == [6], "neither the classifiers nor the five iterations again"
    assert_same_runs(whole, tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
from tests.train.shapes import make_shapes, tiny_config
from fader.train import Progress, Session, train

def observe(progress: Progress) -> None:
    if (progress.phase, progress.done) == (sys.argv[2], int(sys.argv[3])):
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)  # as in these tests; the last bits depend on it
session = Session(observe=observe)
train(tiny_config(), make_shapes(40), Path(sys.argv[1]), about={"data": "shapes"}, session=session)
"""


@pytest.mark.parametrize(("phase", "step"), [("judge", 1), ("autoencoder", 2), ("autoencoder", 5)])
def test_a_run_that_was_killed_at_any_moment_ends_as_if_it_had_not_been(
    whole: Path, tmp_path: Path, phase: str, step: int
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "run"), phase, str(step)],
        cwd=Path(__file__).parents[2],
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    resume(DATA, tmp_path / "run", about=ABOUT)
    assert_same_runs(whole, tmp_path / "run")


def test_a_finished_run_that_is_gone_on_with_stays_as_it_is(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    figures = resume(DATA, tmp_path / "copy", about=ABOUT)
    assert figures == load_checkpoint(whole / "checkpoints" / "best").training["metrics"]
    assert_same_runs(whole, tmp_path / "copy")


def test_a_run_without_the_optimisers_state_is_not_gone_on_with(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    shutil.rmtree(copy / "checkpoints" / "last")
    shutil.copytree(copy / "checkpoints" / "best", copy / "checkpoints" / "last")
    with pytest.raises(BundleError, match="holds no state to go on from"):
        resume(DATA, copy, about=ABOUT)


def test_going_on_where_no_run_lies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run"):
        resume(DATA, tmp_path, about=ABOUT)


@pytest.mark.parametrize("prototypes", [{}, {"Red": (1.0, 1.0)}])
def test_a_run_with_a_frozen_encoder_goes_on_as_well(
    whole: Path, tmp_path: Path, prototypes: dict[str, tuple[float, float]]
) -> None:
    config = tiny_config(encoder_frozen=True, prototypes=prototypes)
    start = whole / "checkpoints" / "last"
    train(config, DATA, tmp_path / "through", about=ABOUT, start=start)
    session = Session(observe=signalled_at(4, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(config, DATA, tmp_path / "stopped", about=ABOUT, start=start, session=session)
    resume(DATA, tmp_path / "stopped", about=ABOUT)
    assert_same_runs(tmp_path / "through", tmp_path / "stopped")


def stopped_before_its_first_checkpoint(whole: Path, folder: Path) -> Path:
    """Leave a run with a frozen encoder in a folder; return what it began with."""

    def stop(_: Progress) -> None:
        raise KeyboardInterrupt

    config, start = tiny_config(encoder_frozen=True), whole / "checkpoints" / "last"
    with pytest.raises(KeyboardInterrupt):
        train(config, DATA, folder, about=ABOUT, start=start, session=Session(observe=stop))
    assert not (folder / "checkpoints" / "last").exists()
    return start


def test_a_run_that_had_no_checkpoint_yet_begins_again_with_what_it_began_with(
    whole: Path, tmp_path: Path
) -> None:
    start = stopped_before_its_first_checkpoint(whole, tmp_path / "stopped")
    resume(DATA, tmp_path / "stopped", about=ABOUT, start=start)
    train(tiny_config(encoder_frozen=True), DATA, tmp_path / "through", about=ABOUT, start=start)
    assert_same_runs(tmp_path / "through", tmp_path / "stopped")


def test_a_frozen_encoder_is_never_a_random_one(whole: Path, tmp_path: Path) -> None:
    stopped_before_its_first_checkpoint(whole, tmp_path)
    with pytest.raises(ConfigError, match="stopped before its first checkpoint"):
        resume(DATA, tmp_path, about=ABOUT)


def test_a_run_whose_checkpoint_lacks_the_guide_is_not_gone_on_with(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    weights = copy / "checkpoints" / "last" / "weights.safetensors"
    kept = {name: value for name, value in load_file(weights).items() if not name.startswith("guide.")}
    save_file(kept, weights)
    with pytest.raises(BundleError, match="holds no guide, which these settings need: begin a new run with"):
        resume(DATA, copy, about=ABOUT)
