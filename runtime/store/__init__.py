"""The store of latents on disk: what was found out about a video once is read back at its next edit.

folder.py is the folder with its bound, keys.py says when two edits may share what is stored, database.py is
the file of one source, records.py its rows, memory.py the two stages that read and write it. Names are loaded
when they are first used, so that a command line answers at once.
"""

from typing import TYPE_CHECKING

from fader.lazy import lazy_names

if TYPE_CHECKING:
    from fader.runtime.store.folder import LatentStore, StoreEntry, parse_bytes
    from fader.runtime.store.memory import VideoMemory

__all__ = ["LatentStore", "StoreEntry", "VideoMemory", "parse_bytes"]

_HOMES = {"LatentStore": "folder", "StoreEntry": "folder", "VideoMemory": "memory", "parse_bytes": "folder"}


__getattr__ = lazy_names(__name__, _HOMES)
