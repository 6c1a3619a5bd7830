"""The database of one source: an SQLite file with a row for each frame, committed some frames at a time.

Every process that edits the source may read; the first to commit a frame is the one that writes. A process
that is killed leaves the frames that it had committed.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from fader.errors import StoreError
from fader.runtime.store.records import Record

__all__ = ["DamagedStoreError", "SourceDatabase", "describe", "remove"]

WAIT_S = 30
"""For another process that is writing: a commit of a busy disk takes seconds."""

TABLES = """
CREATE TABLE IF NOT EXISTS source (path TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS frames (
    number INTEGER PRIMARY KEY,
    pts INTEGER NOT NULL,
    faces BLOB NOT NULL,
    images INTEGER NOT NULL,
    latents BLOB NOT NULL,
    tracker BLOB NOT NULL,
    cut INTEGER NOT NULL,
    digest BLOB NOT NULL
);
"""
PAGE_BYTES = 16384
COLUMNS = "number, pts, faces, images, latents, tracker, cut"
# SQLite's codes for a disk, a folder or a neighbour that is in the way; all others mean damaged bytes.
OUTER_CAUSES = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY,
    }
)  # fmt: skip


class DamagedStoreError(StoreError):
    """Bytes of a database are not those that were written."""


class SourceDatabase:
    """One source's database, open; for one thread at a time."""

    def __init__(self, path: Path, key: str, source: str) -> None:
        """Open or create it.

        Args:
            path: The file.
            key: What it is stored under, part of every row's digest.
            source: Path of the video, for people.

        Raises:
            DamagedStoreError: it is no database of ours.
            StoreError: it cannot be opened.
        """
        self._path, self._key = path, key
        with _explained(path):
            self._connection = sqlite3.connect(
                path, timeout=WAIT_S, isolation_level=None, check_same_thread=False
            )
        try:
            with _explained(path):
                self._connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                self._to_write_ahead()
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.executescript(TABLES)
                with self._transaction():
                    self._connection.execute("DELETE FROM source")
                    readable = source.encode("utf-8", "backslashreplace").decode()
                    self._connection.execute("INSERT INTO source VALUES (?)", (readable,))
        except BaseException:
            self.close()
            raise

    def _to_write_ahead(self) -> None:
        # SQLite does not wait here for another process that does the same at this moment: it says so at once.
        give_up = time.monotonic() + WAIT_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(0.02)
            else:
                return

    def read(self, first: int, count: int) -> list[Record]:
        """Return up to `count` frames from number `first` on, each verified; none after the last.

        Raises:
            DamagedStoreError: a row is not what was written.
            StoreError: the file cannot be read.
        """
        query = f"SELECT {COLUMNS}, digest FROM frames WHERE number >= ? ORDER BY number LIMIT ?"  # noqa: S608
        with _explained(self._path):
            rows = self._connection.execute(query, (first, count)).fetchall()
        return [self._verified(row, first + i) for i, row in enumerate(rows)]

    def append(self, records: Sequence[Record]) -> bool:
        """Commit the frames that follow the last one.

        Returns:
            False, and nothing is written, where another process has committed the first of them already.

        Raises:
            DamagedStoreError: the file is damaged.
            StoreError: the disk is full, or the file cannot be written.
        """
        rows = [
            (r.number, r.pts, r.faces, r.images, r.latents, r.tracker, r.cut, r.digest(self._key))
            for r in records
        ]
        with _explained(self._path), self._transaction():
            (last,) = self._connection.execute("SELECT max(number) FROM frames").fetchone()
            if records[0].number != (0 if last is None else last + 1):
                return False
            self._connection.executemany(
                f"INSERT INTO frames ({COLUMNS}, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                rows,
            )
        return True

    def close(self) -> None:
        """Close the file; a failure to tidy up at the end loses nothing."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _verified(self, row: tuple[object, ...], number: int) -> Record:
        found, pts, faces, images, latents, tracker, cut, digest = row
        if (
            isinstance(pts, int)
            and isinstance(images, int)
            and isinstance(faces, bytes)
            and isinstance(latents, bytes)
            and isinstance(tracker, bytes)
            and isinstance(cut, int)
            and found == number
        ):
            record = Record(
                number=number, pts=pts, faces=faces, images=images, latents=latents, tracker=tracker, cut=cut
            )
            if record.digest(self._key) == digest:
                return record
        raise DamagedStoreError(f"{self._path}: frame {number} is not what was written")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            # SQLite has already rolled back by itself where the disk is full.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def describe(path: Path) -> tuple[str, int] | None:
    """Return the video's path and the number of its frames that are stored, None where it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (source,) = connection.execute("SELECT path FROM source").fetchone()
            (last,) = connection.execute("SELECT max(number) FROM frames").fetchone()
            return str(source), 0 if last is None else int(last) + 1
    except (sqlite3.Error, TypeError, ValueError):
        return None


def remove(path: Path) -> None:
    """Remove a database with its journals; who has it open keeps reading it."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise StoreError(f"{path}: no memory left to read it") from error
    except (sqlite3.Error, UnicodeError) as error:  # damaged names come back in SQLite's messages
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        kind = StoreError if code in OUTER_CAUSES else DamagedStoreError
        raise kind(f"{path}: {error}") from error
