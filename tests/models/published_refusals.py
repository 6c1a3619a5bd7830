"""How broken and hostile published files are looked at, and what several of their tests build them of."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.models.published_files import Call, Name, Outside, legacy_file, zip_file

from fader.errors import BundleError
from fader.models.published import load_published

MEBIBYTE = 2**20
MODULE = Name("src.model", "AutoEncoder")
TENSOR = Name("torch._utils", "_rebuild_tensor")
ORDERED = Name("collections", "OrderedDict")
CONTAINERS: dict[str, Callable[[Any], bytes]] = {
    "legacy": lambda root: legacy_file(root, {}),
    "zip": lambda root: zip_file(root, {}),
}


@contextmanager
def little_memory(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def refusal(content: bytes, folder: Path, *, limit: int = 64 * MEBIBYTE) -> str:
    """Return the one line by which a file is refused, within a limit of memory beside the file itself."""
    path = folder / "model.pth"
    path.write_bytes(content)
    with little_memory(limit + 3 * len(content)), pytest.raises(BundleError) as caught:
        load_published(path)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert len(text) < 600 + len(str(folder))
    return text


def storage(numel: int = 4, key: str = "0", *view: object) -> Outside:
    return Outside(("storage", Name("torch", "FloatStorage"), key, "cpu", numel, *view))


def tensor(*arguments: Any) -> Call:
    return Call(TENSOR, arguments)
