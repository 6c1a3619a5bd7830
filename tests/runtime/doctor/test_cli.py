"""The command, run for real: its report, its exit code, and that nothing takes it down."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.runtime.doctor.outcomes import stand_in

from fader.runtime.doctor import Finding, Level, Report
from fader.runtime.doctor.table import show

COMMAND = [sys.executable, "-c", "from fader.runtime.doctor.cli import main; main()"]
CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
MISSING = "raise ImportError('not here')"


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100", **environment},
    )


def by_name(done: "subprocess.CompletedProcess[str]") -> dict[str, dict[str, Any]]:
    assert done.stderr == ""
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_the_doctor_s_report_of_this_machine() -> None:
    done = run("--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["can_edit"]) == (0, True), done.stdout
    findings = by_name(done)
    assert findings["auto"]["found"] == f"takes {report['engine']}"
    assert report["engine"] in findings
    assert findings["onnxruntime-cpu"]["found"].endswith("ms an image, one at a time")
    # The shipped model may have int8 graphs or not.
    assert findings["openvino-int8"]["level"] in {"ok", "note"}
    assert re.search("an image, one at a time$|has no encoder-int8 ", findings["openvino-int8"]["found"])
    assert findings["an edit"]["found"].startswith("5 frames of libx264 in ")
    assert {"Python", "NumPy", "PyAV", "model", "encoders", "folder", "shipped model"} <= set(findings)
    levels = {finding["level"] for finding in report["findings"]}
    assert levels <= {str(level) for level in Level}


def test_an_engine_that_crashes_takes_neither_the_report_nor_the_edit_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, openvino=CRASH)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # no engine is remembered
    done = run("--json")
    findings = by_name(done)
    assert done.returncode == 0
    assert (findings["openvino-bf16"]["level"], findings["openvino-bf16"]["found"]) == (
        "warning",
        "crashed by SIGSEGV",
    )
    assert findings["auto"]["level"] == "error"
    assert findings["auto"]["remedy"] == "fader-run --engine onnxruntime-cpu"
    assert findings["an edit"]["found"].endswith("by onnxruntime-cpu")


def test_without_pyav_there_is_no_edit_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, av=CRASH, openvino=MISSING)
    done = run()
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "does not work: crashed by SIGSEGV → pip install --force-reinstall av" in text
    assert "note openvino OpenVINO is not installed → pip install 'fader[cpu]'" in text
    assert "No edit can be made here: 2 errors" in text
    assert "trying the engine openvino" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_numpy_everything_else_is_still_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, numpy=CRASH)
    done = run("--json")
    findings = by_name(done)
    assert done.returncode == 1
    assert json.loads(done.stdout)["engine"] is None
    for name in ("NumPy", "OpenCV", "shipped model", "all engines", "an edit"):
        assert findings[name]["level"] == "error", name
    assert findings["cores"]["level"] in {"ok", "warning"}


def test_ctrl_c_ends_the_doctor_and_the_probe_that_is_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "pid"
    hang = (
        f"import os, pathlib, time; pathlib.Path({str(mark)!r}).write_text(str(os.getpid())); time.sleep(99)"
    )
    stand_in(tmp_path, monkeypatch, openvino=hang)
    doctor = subprocess.Popen(
        COMMAND,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 60
    while not (mark.exists() and mark.read_text()):
        assert doctor.poll() is None, doctor.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    doctor.send_signal(signal.SIGINT)
    out, err = doctor.communicate(timeout=30)
    assert (doctor.returncode, out) == (130, b"")
    assert err.endswith(b"interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_help_shows_examples_and_loads_nothing_heavy() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "fader-doctor --json > report.json" in done.stdout
    script = (
        "import fader.runtime.doctor.cli, fader.runtime.doctor.examine, fader.runtime.doctor.table, sys; "
    )
    script += "print({'numpy', 'cv2', 'av', 'onnxruntime', 'torch'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout == "set()\n"


def test_wrong_usage_exits_with_2() -> None:
    assert run("--nonesuch").returncode == 2


def finding(level: Level, **texts: str) -> Finding:
    return Finding(
        section="Part", name=texts.get("name", "thing"), level=level, found="f", remedy=texts.get("remedy")
    )


def shown(*findings: Finding, can_edit: bool, capsys: pytest.CaptureFixture[str]) -> str:
    show(Report(findings=findings, engine=None, can_edit=can_edit), Console(width=60))
    return capsys.readouterr().out


def test_remedies_are_printed_as_they_are_to_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    remedy = "pip install 'fader[cpu]'"
    text = shown(finding(Level.NOTE, remedy=remedy), can_edit=True, capsys=capsys)
    assert f"→ {remedy}" in text
    assert text.rstrip().endswith("Edits can be made here: nothing to mend.")


def test_the_verdict_counts_errors_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [finding(Level.WARNING), finding(Level.ERROR), finding(Level.WARNING)]
    text = shown(*findings, can_edit=False, capsys=capsys)
    assert "No edit can be made here: 1 error, 2 warnings." in text
