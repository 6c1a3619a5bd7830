"""How many outputs one call may have: told before any work, with nothing half-written."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runtime.commands import Run, files, refused

from fader.runtime import room

COMMAND = [sys.executable, "-c", "from fader.runtime.cli import main; main()"]


def bounded(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def swept(
    folder: Path, model: Path, count: int, bound: Callable[[], None]
) -> "subprocess.CompletedProcess[str]":
    call = ["clip.mp4", "--sweep", f"Smiling=0:1:{count}", "-q", "--no-cache", "--model", str(model)]
    return subprocess.run(
        [*COMMAND, *call],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=bound,
    )


def test_a_sweep_raises_the_bound_that_a_process_may_raise(tiny_bundle: Path, folder: Path) -> None:
    done = swept(folder, tiny_bundle, 40, bounded(soft=80, hard=512))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(files(folder)) == 41


def test_a_sweep_beyond_what_may_be_open_is_one_line(tiny_bundle: Path, folder: Path) -> None:
    done = swept(folder, tiny_bundle, 100, bounded(soft=128, hard=256))
    assert done.returncode == 1
    assert done.stderr.startswith("error: found 100 outputs of one video, expected ")
    assert "raise that with ulimit -n" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["clip.mp4"]


def test_the_number_that_is_said_to_be_possible_is(tiny_bundle: Path, folder: Path) -> None:
    bound = bounded(soft=96, hard=160)
    said = swept(folder, tiny_bundle, 100, bound).stderr
    possible = int(said.partition("expected ")[2].partition(" at most")[0])
    assert swept(folder, tiny_bundle, possible, bound).returncode == 0
    assert len(files(folder)) == 1 + possible


def test_a_sweep_beyond_the_free_memory_is_refused(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 160x120 pixels of 12 bits, 90 of them for each output
    monkeypatch.setattr(room, "free_bytes", lambda: 10 * 90 * 28800)
    refused(
        run(folder / "clip.mp4", "--sweep", "Smiling=0:1:11"),
        "found 11 outputs of one video, expected 10 at most here: each takes about 3 MB",
    )
    assert [path.name for path in folder.iterdir()] == ["clip.mp4"]
    assert run(folder / "clip.mp4", "--sweep", "Smiling=0:1:10", "-q").code == 0


def test_a_sweep_of_more_values_than_names_is_refused(run: Run, folder: Path) -> None:
    for count in (1001, 10**12):
        refused(run(folder / "clip.mp4", "--sweep", f"Smiling=0:1:{count}"), f"found {count} outputs")


@pytest.mark.parametrize(
    ("bound", "expected"), [("max", 4096000), ("3000000", 2500000), ("100", 0)], ids=["none", "lower", "full"]
)
def test_the_free_memory_is_the_least_of_the_systems_and_the_containers(
    tmp_path: Path, bound: str, expected: int
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n")
    (tmp_path / "memory.max").write_text(bound)
    (tmp_path / "memory.current").write_text("800000")
    (tmp_path / "memory.stat").write_text("anon 500000\nfile 300000\n")
    assert room.free_bytes(tmp_path / "meminfo", tmp_path) == expected


def test_a_system_that_does_not_tell_has_no_bound(tmp_path: Path) -> None:
    assert room.free_bytes(tmp_path / "missing", tmp_path) is None
