"""The finished segments of a video that is being written: a hidden folder beside it.

A segment is a file of encoded packets, one after the other, and a small JSON file that says what they are.
The JSON appears, by a rename, when the packets are all there, and holds their digest: a segment without it,
or whose bytes are not those that were written, does not exist.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from av.packet import Packet
from av.video.stream import VideoStream

from fader.errors import MediaError

__all__ = ["Parts", "Segment", "SegmentWriter", "warn_of_parts"]

_log = logging.getLogger(__name__)
SCHEMA = 1
_JOB = "job.json"
_OURS = re.compile(r"\d{6,}\.(json|packets|new)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One finished segment, as its JSON file says."""

    number: int
    """From 0, in the order of the video."""
    edited: tuple[int, ...]
    """For each of its frames the faces whose pixels changed."""
    header: str
    """Hex of what the encoder puts into the file's header."""
    packets: tuple[tuple[int, int, int, int, bool], ...]
    """Of each packet: bytes; pts, dts and duration in the encoder's time base; whether it is a key frame."""
    sha256: str
    """Hex digest of the packets' bytes."""

    @classmethod
    def read(cls, path: Path, number: int) -> "Segment | None":
        """Read a segment's JSON file and verify its packets; None where either is not what was written."""
        try:
            fields = json.loads(path.read_bytes())
            digest = fields.pop("digest")
            if fields.pop("schema") != SCHEMA or digest != _digest_of(fields):
                return None
            packets = tuple((int(n), int(p), int(d), int(t), bool(k)) for n, p, d, t, k in fields["packets"])
            segment = cls(**{**fields, "edited": tuple(fields["edited"]), "packets": packets})
            with path.with_suffix(".packets").open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == segment.sha256
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return segment if whole and segment.number == number else None


class Parts:
    """The folder of one target's segments; one process at a time has it."""

    folder: Path
    """Where they are."""

    def __init__(self, target: Path) -> None:
        """Make the folder, or take over the one that a stopped run has left.

        Args:
            target: The finished video.

        Raises:
            MediaError: another process has it, or it cannot be made.
        """
        self.folder = _folder_of(target)
        try:
            self._lock = _locked(self.folder)
        except BlockingIOError:
            raise MediaError(
                f"{target}: another process is writing it; wait for that one, or name another target"
            ) from None
        except OSError as error:
            raise MediaError(
                f"{self.folder}: cannot be used for finished parts ({error.strerror}); "
                "remove it, or write elsewhere"
            ) from error

    def claim(self, job: Mapping[str, Any]) -> list[str]:
        """Say what is being written; the segments of anything else are removed.

        Args:
            job: What the video's frames depend on, by name, as JSON takes it.

        Returns:
            Names of what has changed since the folder was left; none where it is new or the same.

        Raises:
            OSError: the folder cannot be written to.
        """
        wanted = {"schema": SCHEMA, **json.loads(json.dumps(job))}
        try:
            found = dict(json.loads((self.folder / _JOB).read_bytes()))
        except (OSError, ValueError, TypeError):
            found = {}
        if found == wanted:
            return []
        for path in self.folder.iterdir():
            if _OURS.fullmatch(path.name):
                path.unlink()
        _write(self.folder / _JOB, wanted)
        names = found.keys() | wanted.keys() if found else set()
        return sorted(name for name in names if found.get(name) != wanted.get(name))

    def segments(self) -> dict[int, Segment]:
        """Return the segments that are whole, by their numbers; what is left of others is removed."""
        ours = [path for path in self.folder.iterdir() if _OURS.fullmatch(path.name)]
        found = {}
        for path in ours:
            if path.suffix == ".json" and (segment := Segment.read(path, int(path.stem))) is not None:
                found[segment.number] = segment
        for path in ours:
            if int(path.stem) not in found:
                path.unlink()
        return found

    def write(self, number: int) -> "SegmentWriter":
        """Begin a segment.

        Raises:
            OSError: the folder cannot be written to.
        """
        return SegmentWriter(self._json(number), number)

    def packets(
        self, segment: Segment, stream: VideoStream, unit: Fraction
    ) -> "Iterator[Packet[VideoStream]]":
        """Read a segment's packets.

        Args:
            segment: One of this folder's.
            stream: What they will be written to.
            unit: The encoder's time base, seconds.

        Raises:
            OSError: they cannot be read.
        """
        with self._json(segment.number).with_suffix(".packets").open("rb") as file:
            for size, pts, dts, duration, is_key in segment.packets:
                packet = cast("Packet[VideoStream]", Packet(file.read(size)))
                packet.stream, packet.time_base = stream, unit
                packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, is_key
                yield packet

    def remove(self) -> None:
        """Remove the folder: the video is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let others have the folder; does nothing the second time."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _json(self, number: int) -> Path:
        return self.folder / f"{number:06}.json"


class SegmentWriter:
    """A segment that is being written."""

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number
        self._file = path.with_suffix(".packets").open("wb")
        self._digest = hashlib.sha256()
        self._packets: list[tuple[int, int, int, int, bool]] = []

    def add(self, packet: "Packet[VideoStream]") -> None:
        """Append a packet."""
        content = bytes(packet)
        self._file.write(content)
        self._digest.update(content)
        pts = packet.pts or 0
        dts = pts if packet.dts is None else packet.dts
        self._packets.append((len(content), pts, dts, packet.duration or 0, packet.is_keyframe))

    def finish(self, edited: Sequence[int], header: bytes) -> Segment:
        """Make the segment one that exists.

        Args:
            edited: For each frame the faces whose pixels changed.
            header: What the encoder puts into the file's header.

        Raises:
            OSError: it cannot be written.
        """
        self._file.close()
        segment = Segment(
            number=self._number,
            edited=tuple(edited),
            header=header.hex(),
            packets=tuple(self._packets),
            sha256=self._digest.hexdigest(),
        )
        fields = asdict(segment)
        _write(self._path, {"schema": SCHEMA, "digest": _digest_of(fields), **fields})
        return segment

    def close(self) -> None:
        """Stop writing; what was not finished does not exist."""
        with suppress(OSError):
            self._file.close()


def warn_of_parts(target: Path) -> None:
    """Say that a run with --resume has left finished parts, for a run without it: nobody else would."""
    folder = _folder_of(target.resolve())
    if folder.is_dir():
        _log.warning(
            "%s: %s holds finished parts of a run with --resume; the same command with --resume goes on from "
            "them, and takes them away; else remove it",
            target,
            folder.name,
        )


def _folder_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.fader-parts")


def _locked(folder: Path) -> int:
    """Return the descriptor that holds a folder's lock; the kernel lets go of it when the process ends."""
    path = folder / "lock"
    while True:
        folder.mkdir(exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the folder since: then the lock is of a file without a name.
            if path.exists() and path.stat().st_ino == os.fstat(lock).st_ino:
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _digest_of(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _write(path: Path, fields: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(fields), encoding="utf-8")
    partial.replace(path)
