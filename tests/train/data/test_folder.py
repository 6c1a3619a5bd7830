"""A folder that is filled once: whole or not at all, and by one process at a time."""

import contextlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from fader.train.data.folder import fill_once


def is_whole(folder: Path) -> bool:
    return (folder / "done").exists()


def fill(work: Path, *, seconds: float = 0.0) -> None:
    assert not list(work.iterdir())
    (work / "begun").touch()
    time.sleep(seconds)
    with (work.parent / "fillings").open("a") as file:
        file.write(f"{os.getpid()}\n")
    (work / "done").touch()


def fill_slowly(folder: Path) -> None:
    fill_once(folder, lambda: is_whole(folder), lambda work: fill(work, seconds=0.5))


def test_a_folder_is_filled_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    for _ in range(2):
        fill_once(folder, lambda: is_whole(folder), fill)
    assert len((folder.parent / "fillings").read_text().splitlines()) == 1
    assert sorted(path.name for path in folder.parent.iterdir()) == ["fillings", "folder"]


def test_a_folder_that_is_not_whole_is_filled_anew(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").touch()
    fill_once(folder, lambda: is_whole(folder), fill)
    assert sorted(path.name for path in folder.iterdir()) == ["begun", "done"]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fail(work: Path) -> None:
        (work / "begun").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_once(tmp_path / "folder", lambda: False, fail)
    assert not list(tmp_path.iterdir())


def test_processes_that_want_the_same_folder_wait_for_the_first(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=fill_slowly, args=(tmp_path / "folder",)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len((tmp_path / "fillings").read_text().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fillings", "folder"]


def fail_slowly(folder: Path) -> None:
    def fail(work: Path) -> None:
        (work / "begun").touch()
        time.sleep(1.5)
        raise FileExistsError("for this test")

    with contextlib.suppress(FileExistsError):
        fill_once(folder, lambda: is_whole(folder), fail)


def test_a_process_that_waited_fills_the_folder_if_the_first_fails(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    first = spawn.Process(target=fail_slowly, args=(tmp_path / "folder",))
    first.start()
    while not (tmp_path / ".folder.partial" / "begun").exists():
        time.sleep(0.01)
    fill_once(tmp_path / "folder", lambda: is_whole(tmp_path / "folder"), fill)
    first.join()
    assert first.exitcode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fillings", "folder"]


def test_what_a_killed_process_left_is_neither_kept_nor_waited_for(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=fill_slowly, args=(tmp_path / "folder",))
    process.start()
    left = tmp_path / ".folder.partial" / "begun"
    while not left.exists():
        time.sleep(0.01)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert left.exists()
    fill_once(tmp_path / "folder", lambda: is_whole(tmp_path / "folder"), fill)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fillings", "folder"]
