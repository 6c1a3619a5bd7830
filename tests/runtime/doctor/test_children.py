"""Probes in children: whatever they do, the doctor lives and says what came of them."""

import signal
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.doctor.outcomes import stand_in

from fader.runtime.doctor.children import Child, Ending, Outcome, read_outcome, start_probe

CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


def run(script: str, timeout_s: float = 60.0) -> Outcome:
    with Child([sys.executable, "-c", script]) as child:
        return child.outcome(timeout_s)


def probe(*arguments: str, timeout_s: float = 60.0) -> Outcome:
    with start_probe(*arguments) as child:
        return child.outcome(timeout_s)


def test_a_value_comes_back() -> None:
    assert run("""print('{"value": [1, "a"]}')""") == Outcome(ending=Ending.DONE, value=[1, "a"])


def test_a_crash_is_an_outcome_with_its_signal() -> None:
    assert run(CRASH) == Outcome(ending=Ending.CRASHED, message="crashed by SIGSEGV")


def test_a_crash_after_the_work_is_done_is_a_crash_all_the_same() -> None:
    assert run("""print('{"value": 1}', flush=True); """ + CRASH).ending is Ending.CRASHED


def test_a_child_that_ends_without_a_word_of_ours_is_quoted() -> None:
    outcome = run("import sys; sys.exit('no luck')")
    assert outcome == Outcome(ending=Ending.FAILED, message="ended with code 1: no luck")
    assert "it said nothing" in run("raise SystemExit(3)").message


def test_a_child_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    grandchild = f"import time, pathlib; time.sleep(4); pathlib.Path({str(mark)!r}).touch()"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    began = time.monotonic()
    outcome = run(script, timeout_s=1.5)
    assert time.monotonic() - began < 4
    assert outcome == Outcome(ending=Ending.TIMED_OUT, message="not done after 1.5 s")
    time.sleep(max(0.0, began + 5 - time.monotonic()))
    assert not mark.exists()


def test_leaving_early_ends_the_child() -> None:
    began = time.monotonic()
    with Child([sys.executable, "-c", "import time; time.sleep(60)"]):
        pass
    assert time.monotonic() - began < 30


@given(st.integers(-64, 255), st.text(max_size=20), st.text(max_size=20))
def test_no_output_of_a_child_is_an_error_of_the_doctor(code: int, out: str, err: str) -> None:
    outcome = read_outcome(code, out, err)
    assert (outcome.ending is Ending.CRASHED) == (code < 0)
    assert "\n" not in outcome.message


def test_signals_without_a_name_have_a_number() -> None:
    assert read_outcome(-signal.SIGILL, "", "").message == "crashed by SIGILL"
    assert read_outcome(-63, "", "").message == "crashed by signal 63"


def test_every_library_answers_its_probe() -> None:
    with start_probe("numpy") as numpy, start_probe("opencv") as opencv, start_probe("pyav") as pyav:
        outcomes = [child.outcome(60) for child in (numpy, opencv, pyav)]
    assert [outcome.ending for outcome in outcomes] == [Ending.DONE] * 3, outcomes
    value = outcomes[2].value
    assert value["libraries"]["libavcodec"]
    assert {"libx264", "h264"} <= set(value["codecs"])


def test_a_missing_library_and_a_broken_one_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, cv2="raise ImportError('libGL.so.1: cannot open\\nshared object file')")
    outcome = probe("opencv")
    assert outcome.message == "ImportError: libGL.so.1: cannot open shared object file"
    assert outcome.ending is Ending.FAILED


def test_what_a_library_prints_is_not_taken_for_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "import os; print('hello'); os.write(1, b'hello'); __version__ = '5'; warpAffine = print"
    stand_in(tmp_path, monkeypatch, cv2=source)
    assert probe("opencv") == Outcome(ending=Ending.DONE, value={"version": "5"})


def test_files_of_the_folder_that_the_doctor_is_called_in_take_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('mine')")
    monkeypatch.chdir(tmp_path)
    assert probe("numpy").ending is Ending.DONE


def test_an_engine_that_hangs_is_a_time_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, openvino="import time; time.sleep(60)")
    began = time.monotonic()
    assert probe("engine", "openvino", timeout_s=4).ending is Ending.TIMED_OUT
    assert time.monotonic() - began < 30


def test_an_engine_says_how_fast_it_is() -> None:
    outcome = probe("engine", "onnxruntime-cpu")
    assert outcome.value["engine"] == "onnxruntime-cpu"
    assert 0.05 < outcome.value["ms"] < 5000


def test_an_engine_that_is_not_installed_says_so_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, openvino="raise ImportError('not here')")
    outcome = probe("engine", "openvino")
    assert outcome.ending is Ending.REFUSED
    assert outcome.message == "OpenVINO is not installed: pip install 'fader[cpu]'"
