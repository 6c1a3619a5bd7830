"""Work in progress: hidden and locked while somebody writes it, removed when its writer died."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fader.workfile import WorkFile, remove_dead

WRITER = """
import sys, time
from pathlib import Path
from fader.workfile import WorkFile
works = [WorkFile.beside(Path(sys.argv[1]), kind=kind, is_folder=is_folder)
         for kind, is_folder in (("", False), (".waiting", False), ("", True))]
(works[2].path / "00001.png").write_bytes(b"half")
print("ready", flush=True)
time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_goes_and_what_a_live_one_writes_stays(tmp_path: Path) -> None:
    target = tmp_path / "out %05d [ü].mp4"
    with subprocess.Popen([sys.executable, "-c", WRITER, target], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        made = names(tmp_path)
        remove_dead(target)
        left = names(tmp_path)
        writer.kill()
    assert len(made) == 3
    assert left == made
    remove_dead(tmp_path / "other.mp4")
    assert names(tmp_path) == made
    remove_dead(target)
    assert names(tmp_path) == []


def test_a_process_keeps_its_own(tmp_path: Path) -> None:
    work = WorkFile.beside(tmp_path / "a.mp4")
    remove_dead(tmp_path / "a.mp4")
    assert work.path.exists()
    work.path.write_bytes(b"whole")
    work.publish(tmp_path / "a.mp4")
    work.discard()
    assert (tmp_path / "a.mp4").read_bytes() == b"whole"
    assert names(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize(
    "name",
    [
        "a.mp4",
        ".a.mp4",
        ".a.partial",
        ".a.0123456.partial",
        ".a.0123abcd.new.partial",
        ".ab.0123abcd.partial",
    ],
)
def test_other_names_are_never_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    (tmp_path / ".a.0123abcd.partial").symlink_to(tmp_path / name)
    remove_dead(tmp_path / "a.mp4")
    assert (tmp_path / name).read_text() == "mine"


@given(
    stem=st.text(min_size=1).filter(lambda text: not set(text) & set("/\0") and len(os.fsencode(text)) < 250)
)
def test_every_name_that_a_file_can_have_has_a_hidden_one(
    tmp_path_factory: pytest.TempPathFactory, stem: str
) -> None:
    target = tmp_path_factory.mktemp("names") / f"{stem}.mp4"
    work = WorkFile.beside(target)
    assert work.path.parent == target.parent
    work.discard()
    assert names(target.parent) == []
