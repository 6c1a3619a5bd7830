"""Storages and tensors of a pickle: what they say of themselves is checked, their numbers are NumPy views."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fader.models.published.refusal import Refusal, shown

__all__ = ["Storage", "Tensor", "make_storage", "make_tensor"]

MAX_DIMENSIONS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A stretch of numbers outside the pickle."""

    key: str
    """Of the file's storage in which they lie."""
    dtype: np.dtype[Any]
    """Of one number; little-endian."""
    start: int
    """First number, counted from the beginning of the file's storage."""
    length: int
    """How many numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A strided view that lies within its storage."""

    storage: Storage
    """Where its numbers are."""
    offset: int
    """First number, counted from the start of `storage`."""
    shape: tuple[int, ...]
    """Extents, none of them 0."""
    strides: tuple[int, ...]
    """Steps in numbers, none of them negative."""

    @property
    def size(self) -> int:
        """How many numbers it shows."""
        return math.prod(self.shape)

    def read(self, storages: Mapping[str, bytes]) -> NDArray[Any]:
        """Return the numbers, in the storage's dtype and this shape; a read-only view.

        Args:
            storages: The file's storages by key, each as long as the pickle says.
        """
        numbers = np.frombuffer(storages[self.storage.key], self.storage.dtype)
        first = self.storage.start + self.offset
        strides = [stride * numbers.itemsize for stride in self.strides]
        return as_strided(numbers[first:], self.shape, strides, writeable=False)


def make_storage(key: str, dtype: np.dtype[Any], length: int, view: list[object]) -> Storage:
    """Return the storage, or the part of it, that a persistent identifier names.

    Args:
        key: Of the file's storage.
        dtype: Of its numbers.
        length: How many it has.
        view: What follows in the identifier: nothing, None, or (in files of 2017) a part's key, start and
            length.

    Raises:
        Refusal: the part is not within the storage, or described in another way.
    """
    match view:
        case [] | [None]:
            return Storage(key, dtype, 0, length)
        case [(str(), int(start), int(size))] if start >= 0 and 0 < size <= length - start:
            return Storage(key, dtype, start, size)
    raise Refusal(f"it has a storage with {shown(view[0])} as its part")


def make_tensor(storage: object, offset: object, shape: object, strides: object) -> Tensor:
    """Return the view that the arguments of a tensor's pickle describe.

    Raises:
        Refusal: they are of other kinds, or reach beyond the storage, or show more numbers than it has.
    """
    if not (
        isinstance(storage, Storage)
        and isinstance(offset, int)
        and _counts(shape, least=1)
        and _counts(strides, least=0)
        and len(shape) == len(strides)
    ):
        raise Refusal("it has a tensor that is described in another way")
    # A step that is never taken may be any number.
    steps = tuple(stride if extent > 1 else 0 for extent, stride in zip(shape, strides, strict=True))
    last = offset + sum((extent - 1) * step for extent, step in zip(shape, steps, strict=True))
    tensor = Tensor(storage, offset, shape, steps)
    if not (0 <= offset <= last < storage.length and tensor.size <= storage.length):
        raise Refusal("it has a tensor that reaches beyond its numbers")
    return tensor


def _counts(value: object, *, least: int) -> TypeGuard[tuple[int, ...]]:
    return (
        isinstance(value, tuple)
        and len(value) <= MAX_DIMENSIONS
        and all(isinstance(count, int) and count >= least for count in value)
    )
