"""After kill -9 and one ordinary run, the output's folder holds the output alone."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.runtime.commands import SIZE, Run
from tests.runtime.scenes import FaceClip, face_views, write_clip

COMMAND = [sys.executable, "-c", "from fader.runtime.cli import main; main()"]


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoding = FaceClip(codec="libx264", options={"preset": "ultrafast", "crf": "35"})
    return write_clip(tmp_path_factory.mktemp("long") / "long.mp4", [*face_views(48, SIZE)] * 25, encoding)


def everything(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def begun(arguments: list[str], folder: Path, model: Path, n_partial: int) -> "subprocess.Popen[bytes]":
    """Start fader-run, and return when it has begun so many files."""
    process = subprocess.Popen([*COMMAND, *arguments, "--model", model], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while sum(name.endswith(".partial") for name in everything(folder)) < n_partial:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def killed(process: "subprocess.Popen[bytes]") -> None:
    assert process.poll() is None
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("edit", "target", "made"),
    [
        (["--attr", "Smiling=3"], "out.mp4", {"out.mp4"}),
        (["--attr", "Smiling=3"], "out.gif", {"out.gif"}),
        (["--attr", "Smiling=3"], "%03d.png", {"001.png", "002.png"}),
        (["--sweep", "Smiling=1:3:2"], "out.mkv", {"out.Smiling=1.mkv", "out.Smiling=3.mkv"}),
    ],
)
def test_the_next_run_removes_what_a_killed_one_left(
    run: Run, tiny_bundle: Path, long_clip: Path, tmp_path: Path, edit: list[str], target: str, made: set[str]
) -> None:
    arguments = [str(long_clip), *edit, "-o", str(tmp_path / target), "--no-cache"]
    killed(begun(arguments, tmp_path, tiny_bundle, n_partial=len(made) if "--sweep" in edit else 1))
    assert any(name.endswith(".partial") for name in everything(tmp_path))
    assert run(*arguments, "--frames", "0:2", "-q").code == 0
    assert everything(tmp_path) == made


def test_what_another_run_is_writing_is_left_alone(
    run: Run, tiny_bundle: Path, long_clip: Path, tmp_path: Path
) -> None:
    arguments = [str(long_clip), "--attr", "Smiling=3", "-o", str(tmp_path / "out.mp4"), "--no-cache"]
    process = begun(arguments, tmp_path, tiny_bundle, n_partial=1)
    before = everything(tmp_path)
    assert run(*arguments, "--frames", "0:2", "-q").code == 0
    assert everything(tmp_path) == {*before, "out.mp4"}
    killed(process)


def test_finished_parts_are_kept_and_told_of(
    run: Run, long_clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".out.mp4.fader-parts").mkdir()
    arguments = (long_clip, "--attr", "Smiling=3", "-o", tmp_path / "out.mp4", "--no-cache", "-q")
    assert run(*arguments, "--frames", "0:2").code == 0
    assert everything(tmp_path) == {"out.mp4", ".out.mp4.fader-parts"}
    (record,) = caplog.records
    assert "holds finished parts of a run with --resume" in record.getMessage()
