"""Files that are broken or of another kind: each one ends in one line, or is a model after all."""

import io
import struct
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.models.published_files import (
    MAGIC,
    PROTOCOL,
    Name,
    New,
    Outside,
    Raw,
    file_of_2017,
    legacy_file,
    stand_in,
    stream,
    zip_file,
)
from tests.models.published_refusals import CONTAINERS, MEBIBYTE, MODULE, refusal, storage, tensor

from fader.errors import BundleError
from fader.models.published import PublishedModel, load_published


def load_or_refuse(content: bytes, path: Path) -> PublishedModel | None:
    path.write_bytes(content)
    lines = []
    try:
        return load_published(path)
    except BundleError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
    return None


@cache
def small(container: str) -> bytes:
    network = stand_in(n_layers=2, init_fm=1, max_fm=2, img_sz=4)
    return file_of_2017(network, zipped=container == "zip")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ([MAGIC, 1002, {"little_endian": True}], "protocol 1002"),
        ([MAGIC, PROTOCOL, {"little_endian": False}], "little-endian"),
        ([MAGIC, PROTOCOL, None], "little-endian"),
        ([MAGIC, PROTOCOL, Name("os", "system")], "it names os.system"),
        ([MAGIC, PROTOCOL, Outside("x")], "refers to 'x' outside the pickle"),
    ],
)
def test_another_header_is_refused(header: list[Any], reason: str, tmp_path: Path) -> None:
    assert reason in refusal(b"".join(map(stream, [*header, None, []])), tmp_path)


def legacy(root: Any, keys: Any, tail: bytes) -> bytes:
    header = [MAGIC, PROTOCOL, {"little_endian": True}]
    return b"".join(map(stream, [*header, root, keys])) + tail


@pytest.mark.parametrize(
    ("keys", "tail", "reason"),
    [
        ([], b"", "is missing"),
        (None, b"", "is missing"),
        (["1"], b"", "which its model does not have"),
        (["0", "0"], struct.pack("<q4f", 4, 1, 2, 3, 4) * 2, "or has already"),
        ([[]], b"", "lists the storage a list"),
        (["0"], struct.pack("<q4f", 5, 1, 2, 3, 4), "another length"),
        (["0"], struct.pack("<q4f", -1, 1, 2, 3, 4), "another length"),
        (["0"], struct.pack("<q3f", 4, 1, 2, 3), "in the middle of its numbers"),
        (["0"], b"", "in the middle of its numbers"),
    ],
)
def test_storages_that_are_not_as_the_model_says_are_refused(
    keys: Any, tail: bytes, reason: str, tmp_path: Path
) -> None:
    assert reason in refusal(legacy(storage(), keys, tail), tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_archive_is_refused_before_it_grows(method: int, tmp_path: Path) -> None:
    bomb = zip_file(storage(5_000_000), {"0": np.zeros(5_000_000, np.float32)}, compression=method)
    assert len(bomb) < MEBIBYTE
    assert "is compressed" in refusal(bomb, tmp_path, limit=4 * MEBIBYTE)


def test_an_archive_of_very_many_entries_is_refused_before_it_is_listed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i in range(6000):
            archive.writestr(str(i), b"")
    assert "more than 5000 entries" in refusal(buffer.getvalue(), tmp_path, limit=MEBIBYTE)


def test_an_archive_whose_entries_overlap_is_refused_before_it_is_read(tmp_path: Path) -> None:
    content = small("zip")
    start = content.rindex(b"PK\x05\x06")
    size, offset = struct.unpack("<2I", content[start + 12 : start + 20])
    # The same bytes under ever new names would take memory for all of them.
    entries = [content[offset:start].replace(b"archive", f"arch{i:03}".encode()) for i in range(20)]
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, 20 * size, offset, 0)
    text = refusal(content[:offset] + b"".join(entries) + end, tmp_path)
    assert "has entries that overlap" in text


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "does not have one data.pkl"),
        ({"archive/data.pkl": b"", "other/data.pkl": b""}, "does not have one data.pkl"),
        ({"archive/data.pkl": b"", "archive/byteorder": b"big"}, "little-endian"),
        ({"archive/data.pkl": b""}, "ends in the middle"),
        ({"archive/data.pkl": stream(storage()), "archive/data/0": b"123"}, "another length"),
        ({"archive/data.pkl": stream(storage())}, "is missing"),
        ({"constants.pkl": b"", "archive/code/x.py": b"import os"}, "does not have one data.pkl"),
    ],
)
def test_an_archive_of_other_contents_is_refused(
    entries: dict[str, bytes], reason: str, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("first", b"")
        for name, content in entries.items():
            archive.writestr(name, content)
    assert reason in refusal(buffer.getvalue(), tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", bytes(1000)], ids=repr
)
def test_files_of_other_kinds_are_refused(content: bytes, tmp_path: Path) -> None:
    assert "cannot import" in refusal(content, tmp_path)


def module(package: str, kind: str, **state: Any) -> New:
    return New(Name(f"torch.nn.modules.{package}", kind), state)


def parts(kind: str, *children: New) -> New:
    return module("container", kind, _modules={str(i): child for i, child in enumerate(children)})


def layer(convolution: str, key: str, shape: tuple[int, ...], bias: Any, last: New) -> New:
    """Convolution and activation, with all that the reader asks for and nothing else."""
    strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(4))
    weight = tensor(storage(int(np.prod(shape)), key), 0, shape, strides)
    pairs = {"kernel_size": 4, "stride": 2, "padding": 1, "output_padding": 0, "dilation": 1}
    numbers = {name: (value, value) for name, value in pairs.items()}
    tables = {"_parameters": {"weight": weight, "bias": bias}, "_buffers": {}}
    return parts("Sequential", module("conv", convolution, groups=1, **numbers, **tables), last)


@cache
def smallest(container: str) -> bytes:
    """One layer of one feature map, written by hand."""
    tables: dict[str, Any] = {"_parameters": {}, "_buffers": {}}
    leaky = module("activation", "LeakyReLU", negative_slope=0.2, **tables)
    bias = tensor(storage(1, "1"), 0, (1,), (1,))
    encoder = layer("Conv2d", "0", (1, 3, 4, 4), bias, leaky)
    decoder = layer("ConvTranspose2d", "2", (3, 3, 4, 4), None, module("activation", "Tanh", **tables))
    sizes = {"img_sz": 2, "img_fm": 3, "init_fm": 1, "max_fm": 1, "n_layers": 1, "n_skip": 0, "n_attr": 2}
    options = {"deconv_method": "convtranspose", "instance_norm": False, "dropout": 0.0, "attr": [("A", 2)]}
    halves = {"enc_layers": parts("ModuleList", encoder), "dec_layers": parts("ModuleList", decoder)}
    root = New(MODULE, {**sizes, **options, "_modules": halves})
    numbers = {"0": np.ones(48, np.float32), "1": np.ones(1, np.float32), "2": np.ones(144, np.float32)}
    return zip_file(root, numbers) if container == "zip" else legacy_file(root, numbers)


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_prefix_of_a_file_is_refused(container: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    content = smallest(container)
    assert load_or_refuse(content, path) is not None
    for size in range(len(content)):
        assert load_or_refuse(content[:size], path) is None, size


@pytest.mark.parametrize("container", CONTAINERS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_give_one_line_or_a_model(container: str, data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(data.draw(st.sampled_from([small, smallest]))(container))
    flips = st.tuples(st.integers(0, len(content) - 1), st.integers(1, 255))
    for position, mask in data.draw(st.lists(flips, min_size=1, max_size=4)):
        content[position] ^= mask
    model = load_or_refuse(bytes(content), tmp_path / "model.pth")
    if model is not None:
        config = model.autoencoder.config
        size = config.image_size
        with torch.no_grad():
            model.autoencoder(torch.zeros(1, 3, size, size), torch.zeros(1, config.n_columns))


@pytest.mark.parametrize("container", CONTAINERS)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(opcodes=st.binary(max_size=60))
@example(opcodes=b"cos\nsystem\n")
def test_random_operations_give_one_line(container: str, opcodes: bytes, tmp_path: Path) -> None:
    assert load_or_refuse(CONTAINERS[container](Raw(opcodes)), tmp_path / "model.pth") is None


def test_reading_imports_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    before = set(sys.modules)
    path = tmp_path / "model.pth"
    assert load_or_refuse(legacy_file(Raw(b"cantigravity\nfly\n"), {}), path) is None
    assert load_or_refuse(small("legacy"), path) is not None
    assert not {name for name in set(sys.modules) - before if name.split(".")[0] in {"src", "antigravity"}}
    assert list(tmp_path.iterdir()) == [path]
