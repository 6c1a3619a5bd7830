"""Whatever happens to the bytes of a store, the pictures are those of an edit without one."""

import logging
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runtime.scenes import face_views, write_clip
from tests.runtime.store.edits import SMILE, copy_store, databases, through_the_stages

from fader.runtime import Editor, LatentStore
from fader.runtime.store import VideoMemory
from fader.runtime.video import VideoSource

N = 6
SIZE = (96, 72)


@dataclass(frozen=True, slots=True)
class Stored:
    """A short clip, a store that holds all of it, and what an edit without a store gives."""

    source: Path
    closed: Path
    """The store after an edit: one file."""
    open: Path
    """The store as a process that was killed leaves it: rows are still in the journal."""
    expected: str


@pytest.fixture(scope="module")
def stored(editor: Editor, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    folder = tmp_path_factory.mktemp("damage")
    source = write_clip(folder / "face.mkv", face_views(N, SIZE))
    expected, _ = through_the_stages(editor, source, None)
    assert through_the_stages(editor, source, LatentStore(folder / "closed")) == (expected, 0)
    (path,) = databases(folder / "closed")
    # Held open here, the database keeps its journal while the copy is taken.
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE rows AS SELECT * FROM frames")
        connection.execute("DELETE FROM frames")
        connection.execute("INSERT INTO frames SELECT * FROM rows")
        connection.execute("DROP TABLE rows")
        shutil.copytree(folder / "closed", folder / "open")
    assert (folder / "open" / f"{path.name}-wal").stat().st_size > 10_000
    return Stored(source, folder / "closed", folder / "open", expected)


places = st.floats(0, 1, exclude_max=True) | st.integers(0, 20_000).map(lambda i: -i - 1)
"""Shares of the file, and offsets from its beginning: headers lie there."""
damages = st.lists(st.tuples(places, st.binary(min_size=1, max_size=64)), min_size=1, max_size=6)


def strike(path: Path, damage: list[tuple[float, bytes]]) -> None:
    content = bytearray(path.read_bytes())
    for place, new in damage:
        at = int(place * len(content)) if place >= 0 else min(int(-place) - 1, len(content) - 1)
        content[at : at + len(new)] = new[: len(content) - at]
    path.write_bytes(content)


bounded = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@bounded
@given(damage=damages)
def test_overwritten_bytes_never_change_the_pictures(
    editor: Editor,
    stored: Stored,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: list[tuple[float, bytes]],
) -> None:
    caplog.clear()
    store = copy_store(stored.closed, tmp_path / "store")
    strike(databases(store.folder)[0], damage)
    assert through_the_stages(editor, stored.source, store)[0] == stored.expected
    assert len(caplog.records) <= 1


@settings(bounded, max_examples=50)
@given(damage=damages, in_journal=st.booleans())
def test_overwritten_bytes_of_a_killed_process_never_change_the_pictures(
    editor: Editor, stored: Stored, tmp_path: Path, damage: list[tuple[float, bytes]], *, in_journal: bool
) -> None:
    store = copy_store(stored.open, tmp_path / "store")
    (path,) = databases(store.folder)
    strike(path.with_name(f"{path.name}-wal") if in_journal else path, damage)
    for _ in range(3):
        pictures, n_stored = through_the_stages(editor, stored.source, store)
        assert pictures == stored.expected
    assert n_stored == N


@settings(bounded, max_examples=30)
@given(share=st.floats(0, 1))
def test_a_file_that_was_cut_off_never_changes_the_pictures(
    editor: Editor, stored: Stored, tmp_path: Path, share: float
) -> None:
    store = copy_store(stored.closed, tmp_path / "store")
    (path,) = databases(store.folder)
    with path.open("r+b") as file:
        file.truncate(int(share * path.stat().st_size))
    assert through_the_stages(editor, stored.source, store)[0] == stored.expected


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE frames SET latents = zeroblob(length(latents)) WHERE number = 3",
        "UPDATE frames SET faces = (SELECT faces FROM frames WHERE number = 2) WHERE number = 3",
        "UPDATE frames SET pts = pts + 1 WHERE number = 3",
        "UPDATE frames SET images = 0 WHERE number = 3",
        "UPDATE frames SET tracker = zeroblob(length(tracker)) WHERE number = 3",
        "UPDATE frames SET latents = 'text' WHERE number = 3",
        "UPDATE frames SET digest = 1.5 WHERE number = 3",
        "DELETE FROM frames WHERE number = 3",
        "UPDATE frames SET number = number + 1 WHERE number = 5",
    ],
)
def test_a_changed_row_is_noticed_said_once_and_computed_again(
    editor: Editor, stored: Stored, tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    store = copy_store(stored.closed, tmp_path / "store")
    change(databases(store.folder)[0], statement)
    with caplog.at_level(logging.WARNING):
        assert through_the_stages(editor, stored.source, store)[0] == stored.expected
    assert len(caplog.records) == 1
    assert "computed again" in caplog.text
    assert not databases(store.folder)
    assert through_the_stages(editor, stored.source, store) == (stored.expected, 0)
    assert through_the_stages(editor, stored.source, store) == (stored.expected, N)
    assert len(caplog.records) == 1


def test_rows_before_the_damage_are_used_where_they_were_read_earlier(
    editor: Editor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_clip(tmp_path / "long.mkv", face_views(40, SIZE))
    expected, _ = through_the_stages(editor, source, None)
    store = LatentStore(tmp_path / "store")
    through_the_stages(editor, source, store)
    change(databases(store.folder)[0], "UPDATE frames SET latents = x'00' WHERE number = 37")
    assert through_the_stages(editor, source, store) == (expected, 32)
    assert len(caplog.records) == 1


def test_the_database_of_another_video_under_this_ones_name_is_refused(
    editor: Editor, stored: Stored, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = write_clip(tmp_path / "other.mkv", list(face_views(2 * N, SIZE))[N:])
    store = LatentStore(tmp_path / "store")
    through_the_stages(editor, other, store)
    (theirs,), (ours,) = databases(store.folder), databases(stored.closed)
    theirs.rename(theirs.with_name(ours.name))
    assert through_the_stages(editor, stored.source, store) == (stored.expected, 0)
    assert "not what was written" in caplog.text


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_database_is_replaced_by_one(
    editor: Editor, stored: Stored, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / databases(stored.closed)[0].name).write_bytes(content)
    store = LatentStore(tmp_path)
    assert through_the_stages(editor, stored.source, store) == (stored.expected, 0)
    assert through_the_stages(editor, stored.source, store) == (stored.expected, N)


def test_the_name_of_a_video_may_hold_any_bytes(editor: Editor, stored: Stored, tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"caf\xe9.mkv")
    shutil.copy(stored.source, source)
    store = LatentStore(tmp_path / "store")
    assert through_the_stages(editor, source, store) == (stored.expected, 0)
    assert through_the_stages(editor, source, store) == (stored.expected, N)
    assert store.entries()[0].frames == N


def test_a_folder_that_cannot_be_made_is_said_once_and_the_edit_goes_on(
    editor: Editor, stored: Stored, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        caplog.clear()
        assert through_the_stages(editor, stored.source, LatentStore(folder)) == (stored.expected, 0)
        assert len(caplog.records) == 1
        assert "goes on without the store" in caplog.text


def test_a_memory_that_is_not_used_leaves_an_empty_database(
    editor: Editor, stored: Stored, tmp_path: Path
) -> None:
    store = LatentStore(tmp_path)
    with VideoSource(stored.source) as source, VideoMemory(store, source, editor.model):
        pass
    assert [entry.frames for entry in store.entries()] == [0]
    assert through_the_stages(editor, stored.source, store, SMILE) == (stored.expected, 0)
