"""The store's folder: bounded, least recently used sources out first, nobody else's files touched."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.scenes import face_views, write_clip
from tests.runtime.store.edits import databases, through_the_stages

from fader.errors import ConfigError
from fader.runtime import Editor, LatentStore
from fader.runtime.store import parse_bytes

SIZE = (96, 72)
N = 4


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, views = tmp_path_factory.mktemp("clips"), list(face_views(5 * N, SIZE))
    return [write_clip(folder / f"{i}.mkv", views[i * N : (i + 1) * N]) for i in range(5)]


def fill(editor: Editor, clips: list[Path], store: LatentStore) -> None:
    for i, clip in enumerate(clips):
        through_the_stages(editor, clip, store)
        age(store, clip, seconds=1000 - i)


def age(store: LatentStore, clip: Path, *, seconds: float) -> None:
    """Make a clip's last use lie so long ago."""
    (entry,) = (entry for entry in store.entries() if entry.source == str(clip))
    now = entry.used.timestamp()
    os.utime(entry.path, (now - seconds, now - seconds))


def names(store: LatentStore) -> list[str]:
    return [Path(str(entry.source)).stem for entry in store.entries()]


def test_entries_tell_what_is_stored_the_most_recently_used_first(
    editor: Editor, clips: list[Path], tmp_path: Path
) -> None:
    store = LatentStore(tmp_path / "store")
    assert store.entries() == []
    fill(editor, clips, store)
    assert names(store) == ["4", "3", "2", "1", "0"]
    through_the_stages(editor, clips[1], store)
    assert names(store) == ["1", "4", "3", "2", "0"]
    assert {entry.frames for entry in store.entries()} == {N}
    assert sum(entry.n_bytes for entry in store.entries()) == sum(
        path.stat().st_size for path in (tmp_path / "store").iterdir()
    )


def test_beyond_the_bound_the_least_recently_used_sources_go(
    editor: Editor, clips: list[Path], tmp_path: Path
) -> None:
    store = LatentStore(tmp_path / "store")
    fill(editor, clips[:4], store)
    through_the_stages(editor, clips[0], store)
    size = store.entries()[0].n_bytes
    # A database that is being written has its journal beside it.
    tight = LatentStore(store.folder, max_bytes=5 * size)
    through_the_stages(editor, clips[4], tight)
    assert names(store)[:2] == ["4", "0"]
    assert "1" not in names(store)
    assert sum(entry.n_bytes for entry in store.entries()) <= 5 * size
    for clip in (clips[0], clips[4]):
        assert through_the_stages(editor, clip, store)[1] == N
    assert through_the_stages(editor, clips[1], store)[1] == 0


def test_a_source_larger_than_the_bound_keeps_what_fits(
    editor: Editor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = write_clip(tmp_path / "long.mkv", face_views(120, SIZE))
    expected, _ = through_the_stages(editor, clip, None)
    store = LatentStore(tmp_path / "store", max_bytes=900_000)
    assert through_the_stages(editor, clip, store) == (expected, 0)
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "is full" in caplog.text
    pictures, n_stored = through_the_stages(editor, clip, store)
    assert pictures == expected
    assert 0 < n_stored < 120
    assert sum(entry.n_bytes for entry in store.entries()) < 1_500_000


def test_prune_and_clear_remove_the_oldest_and_nobody_elses_files(
    editor: Editor, clips: list[Path], tmp_path: Path
) -> None:
    foreign = [tmp_path / name for name in ("notes.txt", "my.sqlite", f"{'a' * 64}.sqlite.bak")]
    for path in foreign:
        path.write_bytes(bytes(10_000))
    (tmp_path / f"{'b' * 64}.sqlite-wal").write_bytes(b"left behind")
    store = LatentStore(tmp_path)
    fill(editor, clips, store)
    sizes = [entry.n_bytes for entry in store.entries()]
    assert store.prune(sum(sizes[:2])) == 4
    assert names(store) == ["4", "3"]
    assert store.prune(10**9) == 0
    assert store.prune(0) == 2
    assert sorted(tmp_path.iterdir()) == sorted(foreign)


def test_a_database_that_cannot_be_read_is_listed_and_can_be_removed(tmp_path: Path) -> None:
    (tmp_path / f"{'c' * 64}.sqlite").write_bytes(b"damaged")
    store = LatentStore(tmp_path)
    assert [(entry.source, entry.frames, entry.n_bytes) for entry in store.entries()] == [(None, 0, 7)]
    assert store.prune(0) == 1
    assert store.entries() == []


def test_a_new_folder_is_private(editor: Editor, clips: list[Path], tmp_path: Path) -> None:
    store = LatentStore(tmp_path / "new" / "store")
    through_the_stages(editor, clips[0], store)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert len(databases(store.folder)) == 1


def test_the_default_folder_is_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert LatentStore().folder == tmp_path / "fader" / "latents"
    assert LatentStore().max_bytes == 4 * 2**30


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("0", 0),
        ("1000", 1000),
        ("2GB", 2 * 10**9),
        ("1.5 GiB", 3 * 2**29),
        ("500m", 5 * 10**8),
        ("1tib", 2**40),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, n_bytes: int) -> None:
    assert parse_bytes(text) == n_bytes


@given(text=st.text())
def test_a_text_is_a_size_or_a_config_error(text: str) -> None:
    with suppress(ConfigError):
        assert parse_bytes(text) >= 0


@pytest.mark.parametrize("text", ["", "GB", "-1", "2 XB", "1e3", "1IB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a size"):
        parse_bytes(text)


def test_a_bound_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected 1 or more"):
        LatentStore(max_bytes=0)
