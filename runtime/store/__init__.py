"""The store of latents on disk: what was found out about a video once is read back at its next edit.

folder.py is the folder with its bound, keys.py says when two edits may share what is stored, database.py is
the file of one source, records.py its rows, memory.py the two stages that read and write it.
"""

from fader.runtime.store.folder import DEFAULT_BYTES, LatentStore, StoreEntry, parse_bytes
from fader.runtime.store.memory import VideoMemory

__all__ = ["DEFAULT_BYTES", "LatentStore", "StoreEntry", "VideoMemory", "parse_bytes"]
