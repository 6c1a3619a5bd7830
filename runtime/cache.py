"""A memory cache of latents, bounded in bytes: an image that was encoded before is not encoded again."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fader.runtime.latents import Latents

__all__ = ["LatentCache", "image_key"]


def image_key(image: NDArray[np.uint8]) -> bytes:
    """Return a digest of an image's pixels."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


class LatentCache:
    """Latents of single images by their pixels, least recently used out first. Threads may share it."""

    def __init__(self, max_bytes: int) -> None:
        """Start empty.

        Args:
            max_bytes: Bound on the latents held; 0 keeps none.
        """
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self._entries: OrderedDict[bytes, Latents] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, keys: Sequence[bytes]) -> list[Latents | None]:
        """Return the entries, None for those that are not held."""
        with self._lock:
            for key in keys:
                if key in self._entries:
                    self._entries.move_to_end(key)
            return [self._entries.get(key) for key in keys]

    def put(self, key: bytes, latents: Latents) -> None:
        """Hold one image's latents (batch 1), and let go of the least recently used beyond the bound."""
        with self._lock:
            if key in self._entries or latents.n_bytes > self.max_bytes:
                return
            self._entries[key] = latents
            self.n_bytes += latents.n_bytes
            while self.n_bytes > self.max_bytes:
                _, dropped = self._entries.popitem(last=False)
                self.n_bytes -= dropped.n_bytes
