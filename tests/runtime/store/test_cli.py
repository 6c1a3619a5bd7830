"""fader-cache, and fader-run's options for the store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.runtime.store.edits import databases
from typer.testing import CliRunner

from fader.runtime.cli import app as run_app
from fader.runtime.store.cli import app as cache_app

N = 24


def command(app: object, *arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])  # type: ignore[arg-type]
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


@pytest.fixture
def run_arguments(tiny_bundle: Path, face_mp4: Path, tmp_path: Path) -> list[object]:
    return [face_mp4, "--model", tiny_bundle, "--attr", "Smiling=3", "--threads", 1, "-o", tmp_path / "b.mp4"]


def test_the_second_run_says_what_came_from_the_store(run_arguments: list[object], tmp_path: Path) -> None:
    arguments = [*run_arguments, "--cache-dir", tmp_path / "store"]
    assert "from the store" not in command(run_app, *arguments)
    assert f"{N} frames from the store" in command(run_app, *arguments)
    (report,) = json.loads(command(run_app, *arguments, "--json"))
    assert (report["frames"], report["frames_from_store"]) == (N, N)


def test_no_cache_neither_reads_nor_writes(run_arguments: list[object], tmp_path: Path) -> None:
    arguments = [*run_arguments, "--cache-dir", tmp_path / "store", "--json"]
    command(run_app, *arguments, "--no-cache")
    assert not (tmp_path / "store").exists()
    command(run_app, *arguments)
    (report,) = json.loads(command(run_app, *arguments, "--no-cache"))
    assert report["frames_from_store"] == 0


def test_the_store_is_in_the_users_cache_unless_told_otherwise(
    run_arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command(run_app, *run_arguments)
    assert len(databases(tmp_path / "fader" / "latents")) == 1
    (entry,) = json.loads(command(cache_app, "list", "--json"))
    assert entry["frames"] == N


def test_a_size_that_is_none_is_refused_in_one_line(run_arguments: list[object]) -> None:
    done = CliRunner().invoke(run_app, [*map(str, run_arguments), "--cache-size", "much"])
    assert "expected a size such as 2GB" in str(done.exception)


def test_the_cache_is_listed_pruned_and_cleared(
    run_arguments: list[object], face_mp4: Path, tmp_path: Path
) -> None:
    folder = ("--cache-dir", tmp_path / "store")
    assert command(cache_app, "list", *folder) == ""
    assert json.loads(command(cache_app, "list", *folder, "--json")) == []
    command(run_app, *run_arguments, *folder)
    assert command(cache_app, "list", *folder).endswith(f"MiB  {N} frames of {face_mp4}\n")
    (entry,) = json.loads(command(cache_app, "list", *folder, "--json"))
    assert (entry["source"], entry["frames"]) == (str(face_mp4), N)
    assert entry["n_bytes"] == sum(path.stat().st_size for path in (tmp_path / "store").iterdir())
    assert command(cache_app, "prune", "--max-size", "2GB", *folder).startswith("0 removed, 1 left")
    pruned = json.loads(command(cache_app, "prune", "--max-size", "1kB", *folder, "--json"))
    assert pruned == {"removed": 1, "left": 0, "bytes": 0}
    command(run_app, *run_arguments, *folder)
    assert command(cache_app, "clear", *folder) == "1 removed, 0 left in 0.0 MiB\n"
    assert json.loads(command(cache_app, "clear", *folder, "--json"))["removed"] == 0


def test_a_damaged_database_is_listed_as_such(tmp_path: Path) -> None:
    (tmp_path / f"{'c' * 64}.sqlite").write_bytes(b"damaged")
    assert command(cache_app, "list", "--cache-dir", tmp_path).endswith("0.0 MiB  damaged\n")


def test_the_command_does_not_load_what_it_does_not_need_for_its_help() -> None:
    script = (
        "import fader.runtime.store.cli, sys\n"
        "print({'numpy', 'cv2', 'av', 'sqlite3', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_store_with_nothing_in_it_says_where_it_looked(tmp_path: Path) -> None:
    done = CliRunner().invoke(cache_app, ["list", "--cache-dir", str(tmp_path / "none")])
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"nothing is stored in {tmp_path / 'none'}\n"


def test_a_store_that_is_a_file_is_told_in_plain_words(
    run_arguments: list[object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    command(run_app, *run_arguments, "--cache-dir", tmp_path / "file", "-q")
    (record,) = caplog.records
    said = f"{tmp_path / 'file'}: File exists; this edit goes on without the store"
    assert record.getMessage() == said
