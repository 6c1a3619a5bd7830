"""The two kinds of files that torch.save writes: pickle, storages, and nothing else of them is read.

Until 2020 a file was a row of pickles: a magic number, the protocol 1001, facts about the machine, the
object, the list of storage keys; then for each key an int64 count and the raw numbers. Since then it is a
zip archive, uncompressed, with <name>/data.pkl, <name>/data/<key> and <name>/byteorder.
"""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

from fader.models.published.objects import TorchMeaning
from fader.models.published.pickles import Meaning, read_pickle
from fader.models.published.refusal import Refusal, shown

__all__ = ["PickledFile", "read_container"]

ZIP_START = b"PK\x03\x04"
ZIP_ENTRY = b"PK\x01\x02"
MAX_ENTRIES = 5000
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""All that the standard library says of damaged archives."""

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little")
LEGACY_PROTOCOL = 1001


@dataclass(frozen=True, kw_only=True, slots=True)
class PickledFile:
    """What torch.save wrote."""

    root: object
    """The saved object, as `TorchMeaning` reads it."""
    storages: dict[str, bytes]
    """Little-endian numbers by key, each as long as the pickle says."""


def read_container(content: bytes) -> PickledFile:
    """Read a whole file.

    Args:
        content: The file's bytes.

    Raises:
        Refusal: the file is damaged, or something else than a saved model of PyTorch.
    """
    if content.startswith(ZIP_START):
        return _read_zip(content)
    if content.startswith(LEGACY_START):
        return _read_legacy(content)
    raise Refusal("it is not a file of torch.save")


def _read_legacy(content: bytes) -> PickledFile:
    position = 0
    plain = Meaning()
    header = []
    for _ in range(3):
        value, position = read_pickle(content, position, plain)
        header.append(value)
    match header:
        case [int(magic), int(protocol), {"little_endian": True}]:
            if (magic, protocol) != (LEGACY_MAGIC, LEGACY_PROTOCOL):
                raise Refusal(f"it has the protocol {shown(protocol)}")
        case _:
            raise Refusal("it does not come from a little-endian machine")
    meaning = TorchMeaning()
    root, position = read_pickle(content, position, meaning)
    keys, position = read_pickle(content, position, plain)
    storages: dict[str, bytes] = {}
    for key in keys if isinstance(keys, list) else ():
        if not isinstance(key, str) or key in storages or key not in meaning.storages:
            raise Refusal(f"it lists the storage {shown(key)}, which its model does not have or has already")
        dtype, length = meaning.storages[key]
        start = position + struct.calcsize("<q")
        position = start + length * dtype.itemsize
        if position > len(content):
            raise Refusal("it ends in the middle of its numbers")
        if struct.unpack_from("<q", content, start - struct.calcsize("<q")) != (length,):
            raise Refusal(f"its storage {shown(key)} has another length than its model says")
        storages[key] = content[start:position]
    _require_all(storages, meaning)
    return PickledFile(root=root, storages=storages)


def _read_zip(content: bytes) -> PickledFile:
    entries = _read_entries(content)
    folders = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
    if len(folders) != 1:
        raise Refusal("its zip archive does not have one data.pkl")
    folder = folders[0]
    if entries.get(f"{folder}byteorder", b"little") != b"little":
        raise Refusal("it does not come from a little-endian machine")
    meaning = TorchMeaning()
    root, _ = read_pickle(entries[f"{folder}data.pkl"], 0, meaning)
    storages = {key: entries.get(f"{folder}data/{key}", b"") for key in meaning.storages}
    _require_all(storages, meaning)
    return PickledFile(root=root, storages=storages)


def _read_entries(content: bytes) -> dict[str, bytes]:
    # Counted before the archive is opened, which takes memory for every entry.
    if content.count(ZIP_ENTRY) > MAX_ENTRIES:
        raise Refusal(f"its zip archive has more than {MAX_ENTRIES} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
                raise Refusal("its zip archive is compressed")
            # Then reading takes no more memory than the file has bytes.
            if sum(entry.file_size for entry in entries.values()) > len(content):
                raise Refusal("its zip archive has entries that overlap")
            return {name: archive.read(entry) for name, entry in entries.items()}
    except ZIP_ERRORS as error:
        raise Refusal(f"its zip archive is damaged: {shown(str(error))}") from error


def _require_all(storages: dict[str, bytes], meaning: TorchMeaning) -> None:
    for key, (dtype, length) in meaning.storages.items():
        if len(storages.get(key, b"")) != length * dtype.itemsize:
            raise Refusal(f"its storage {shown(key)} is missing or has another length than its model says")
