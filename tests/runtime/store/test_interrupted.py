"""Killed processes, full disks, and two edits of the same video at once."""

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.runtime.scenes import FaceClip, face_views, write_clip
from tests.runtime.store.edits import (
    LOSSLESS,
    SIZE,
    SMILE,
    copy_store,
    databases,
    digest_of,
    edit,
    plain_edit,
    start_edit,
)

from fader.runtime import Editor, LatentStore, VideoReport, edit_video
from fader.runtime.store.database import remove

N = 100
KILLS = 6


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = FaceClip(codec="libx264", options={"preset": "ultrafast"})
    return write_clip(tmp_path_factory.mktemp("clips") / "long.mp4", face_views(N, SIZE), clip)


def test_after_a_kill_at_any_moment_the_next_edit_goes_on_and_gives_the_same(
    editor: Editor, tiny_bundle: Path, long: Path, tmp_path: Path
) -> None:
    expected = plain_edit(editor, long, tmp_path)
    moments, n_stored = np.random.default_rng(0).uniform(0, 0.5, KILLS), [0]
    for moment in (*moments, 1, 2, 4):  # the later ones for slow machines
        if moment >= 1 and n_stored[-1]:
            break
        with start_edit(tiny_bundle, long, tmp_path / "out.mkv", tmp_path / "store") as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(moment)
            child.kill()
        report, pictures = edit(editor, long, tmp_path, copy_store(tmp_path / "store", tmp_path / "copy"))
        assert pictures == expected
        n_stored.append(report.frames_from_store)
    assert n_stored == sorted(n_stored)
    assert n_stored[-1] > 0


def test_a_full_disk_stops_the_storing_and_not_the_edit(
    editor: Editor, tiny_bundle: Path, tmp_path: Path
) -> None:
    # Frames so small that the edited video stays below the limit, which the latents go beyond.
    source = write_clip(tmp_path / "a.mkv", face_views(N, (96, 72)))
    expected = plain_edit(editor, source, tmp_path)
    limit = (tmp_path / "edited.mkv").stat().st_size * 5 // 4
    child = start_edit(tiny_bundle, source, tmp_path / "out.mkv", tmp_path / "store", limit_bytes=limit)
    out, err = child.communicate(timeout=60)
    assert out.splitlines() == ["ready", f"{N} 0"], err
    assert err.count("goes on without the store") == 1
    assert len(err.splitlines()) == 1
    assert (tmp_path / "out.mkv").stat().st_size <= limit
    report, pictures = edit(editor, source, tmp_path, LatentStore(tmp_path / "store"))
    assert pictures == expected
    assert 0 < report.frames_from_store < N


def test_a_disk_with_little_room_is_not_filled(
    editor: Editor,
    long: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    usage = SimpleNamespace(free=2**20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    expected = plain_edit(editor, long, tmp_path)
    with caplog.at_level(logging.WARNING):
        report, pictures = edit(editor, long, tmp_path, LatentStore(tmp_path / "store"))
    assert (report.frames_from_store, pictures) == (0, expected)
    assert len(caplog.records) == 1
    assert "is full" in caplog.text


def test_a_store_that_somebody_holds_locked_stops_the_storing_and_not_the_edit(
    editor: Editor,
    long: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = plain_edit(editor, long, tmp_path)
    store = LatentStore(tmp_path / "store")
    edit(editor, long, tmp_path, store)
    monkeypatch.setattr("fader.runtime.store.database.WAIT_S", 0.1)
    (database,) = databases(tmp_path / "store")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with caplog.at_level(logging.WARNING):
            report, pictures = edit(editor, long, tmp_path, store)
        other.execute("ROLLBACK")
    assert (report.frames_from_store, pictures) == (0, expected)
    assert len(caplog.records) == 1
    assert "goes on without the store" in caplog.text
    report, pictures = edit(editor, long, tmp_path, store)
    assert (report.frames_from_store, pictures) == (N, expected)


def test_two_processes_edit_the_same_video_at_once_and_one_of_them_stores_it(
    editor: Editor, tiny_bundle: Path, long: Path, tmp_path: Path
) -> None:
    expected = plain_edit(editor, long, tmp_path)
    store = tmp_path / "store"
    children = [start_edit(tiny_bundle, long, tmp_path / f"{i}.mkv", store) for i in range(2)]
    for child in children:
        out, err = child.communicate(timeout=120)
        assert child.returncode == 0, err
        assert out.startswith(f"ready\n{N} ")
        assert not err
    for i in range(2):
        assert digest_of(tmp_path / f"{i}.mkv") == expected
    assert len(databases(store)) == 1
    report, pictures = edit(editor, long, tmp_path, LatentStore(store))
    assert (report.frames_from_store, pictures) == (N, expected)


def test_an_edit_that_meets_another_ones_frames_stops_storing_without_a_word(
    editor: Editor, long: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = LatentStore(tmp_path / "store")
    inner: list[tuple[VideoReport, str]] = []

    def other(progress: object) -> None:
        if not inner:
            inner.append(edit(editor, long, tmp_path, store))

    expected = plain_edit(editor, long, tmp_path)
    with caplog.at_level(logging.WARNING):
        report = edit_video(editor, long, tmp_path / "b.mkv", SMILE, store=store, on_progress=other)
    assert inner[0][1] == expected
    assert report.frames_from_store == 0
    assert not caplog.records
    assert store.entries()[0].frames == N


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_source_that_is_evicted_while_it_is_read_or_written_gives_the_same(
    editor: Editor, long: Path, tmp_path: Path, *, is_stored: bool
) -> None:
    expected = plain_edit(editor, long, tmp_path)
    store = LatentStore(tmp_path / "store")
    if is_stored:
        edit(editor, long, tmp_path, store)

    def evict(progress: object) -> None:
        for path in databases(store.folder):
            remove(path)

    edit_video(editor, long, tmp_path / "b.mkv", SMILE, encoding=LOSSLESS, store=store, on_progress=evict)
    assert digest_of(tmp_path / "b.mkv") == expected
