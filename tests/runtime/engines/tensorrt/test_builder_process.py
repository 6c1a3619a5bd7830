"""The build's process: what it gives, how it ends, and what is said of that in one line."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.runtime.engines.tensorrt.stand_in import put_in_the_way

from fader.errors import EngineError
from fader.runtime.engines.tensorrt.builder_process import PLAN, TIMINGS, BuildOrder, build_in_child

WAIT = "open(os.path.join(here, 'began'), 'w').close()\ntime.sleep(60)"


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.01)


def test_the_child_builds_and_tells_its_progress(order: BuildOrder) -> None:
    events: list[tuple[float, str]] = []
    build_in_child(order, on_progress=lambda share, phase: events.append((share, phase)))
    assert {path.name for path in Path(order.folder).iterdir()} == {PLAN, TIMINGS}
    assert (Path(order.folder) / PLAN).stat().st_size > 1000
    assert len(events) > 10
    assert events[0] == (0, "Building engine, 0 of 6")


def test_progress_need_not_be_watched(order: BuildOrder) -> None:
    build_in_child(order)
    assert (Path(order.folder) / PLAN).exists()


def test_errors_of_the_child_are_the_callers(order: BuildOrder) -> None:
    with pytest.raises(EngineError, match=r"^unknown TensorRT module 'abacus': expected one of"):
        build_in_child(dataclasses.replace(order, library="abacus"))
    with pytest.raises(EngineError, match=r"^cannot build the engine of nowhere\.onnx: .*No such file"):
        build_in_child(dataclasses.replace(order, graph="nowhere.onnx"))


def test_a_graph_that_was_changed_meanwhile_is_refused(order: BuildOrder) -> None:
    with pytest.raises(EngineError, match=r"encoder\.onnx was changed while its engine was to be built"):
        build_in_child(dataclasses.replace(order, graph_sha256="0" * 64))
    assert not list(Path(order.folder).iterdir())


def test_a_module_in_the_working_directory_does_not_take_anothers_place(
    order: BuildOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorrt_rtx.py").write_text("raise SystemExit('taken')")
    order = dataclasses.replace(order, graph=str(Path(order.graph).absolute()))
    sources = [
        str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path
    ]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sources))
    monkeypatch.chdir(tmp_path)
    build_in_child(order)


@pytest.mark.parametrize(
    ("last_act", "expected"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL, as happens when memory runs out"),
        ("import ctypes; ctypes.string_at(0)", "was ended by SIGSEGV"),
        ("os.abort()", "was ended by SIGABRT"),
        ("os._exit(9)", "ended with exit code 9"),
    ],
)
def test_a_child_that_ends_early_gives_one_line_with_its_last_words(
    order: BuildOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_act: str, expected: str
) -> None:
    words = "print('out of luck', flush=True)\nprint(file=sys.stderr, flush=True)"
    put_in_the_way(monkeypatch, tmp_path / "stand-in", f"{words}\n{last_act}")
    with pytest.raises(EngineError) as caught:
        build_in_child(order)
    assert str(caught.value) == f"building the engine of {order.graph} {expected}: out of luck"


def test_an_unforeseen_exception_in_the_child_is_one_line(
    order: BuildOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_the_way(monkeypatch, tmp_path / "stand-in", "raise LookupError('what?')")
    with pytest.raises(EngineError, match=r"ended with exit code 1: LookupError: what\?$"):
        build_in_child(order)


def test_an_exception_of_the_caller_ends_the_child(order: BuildOrder) -> None:
    def cancel(share: float, phase: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_in_child(order, on_progress=cancel)
    assert not psutil.Process().children()
    assert not (Path(order.folder) / PLAN).exists()


PARENT = """
import json, sys
from fader.runtime.engines.tensorrt.builder_process import BuildOrder, build_in_child
build_in_child(BuildOrder(**json.loads(sys.argv[1])))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_child_does_not_outlive_its_parent(
    order: BuildOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    put_in_the_way(monkeypatch, tmp_path / "stand-in", WAIT)
    fields = json.dumps(dataclasses.asdict(order))
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, fields],
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as parent:
        wait_for(tmp_path / "stand-in" / "began")
        children = psutil.Process(parent.pid).children()
        parent.send_signal(number)
        parent.communicate(timeout=20)
    assert len(children) == 1
    assert not psutil.wait_procs(children, timeout=10)[1]
