"""Variants of a graph that hold no weights of their own: they point into the file of the graph they vary.

ONNX lets a weight name a file, an offset and a length in it ("external data"). The graphs of a bundle store
large weights as float16, which are the very bytes that a float16 graph wants. So such a graph takes a few
kilobytes.
"""

import hashlib
from pathlib import Path

import onnx
from onnx import TensorProto
from onnx.external_data_helper import ExternalDataInfo, set_external_data

from fader.errors import BundleError

__all__ = ["read_graph", "share_weights"]

LARGE_BYTES = 2048


def share_weights(content: bytes, donor: bytes, location: str) -> bytes:
    """Replace weights whose bytes another file holds by references to it.

    Args:
        content: A self-contained ONNX file.
        donor: What the other file holds.
        location: Its name, in the folder where `content` will lie.

    Returns:
        The ONNX file; `content` itself where nothing can be shared. References carry the donor's SHA-1, as
        ONNX proposes: graphs that differ in their weights alone differ in their bytes, too, for caches.
    """
    model = onnx.load_from_string(content)
    checksum = hashlib.sha1(donor, usedforsecurity=False).hexdigest()
    shared = False
    for tensor in model.graph.initializer:
        weights = tensor.raw_data
        if len(weights) < LARGE_BYTES or (offset := donor.find(weights)) < 0:
            continue
        set_external_data(tensor, location, offset, len(weights), checksum)
        tensor.ClearField("raw_data")
        shared = True
    referring: bytes = model.SerializeToString(deterministic=True)
    return referring if shared else content


def read_graph(path: Path) -> bytes:
    """Return a graph of a bundle as a self-contained ONNX file, wherever its weights lie.

    Args:
        path: The graph's file.

    Raises:
        BundleError: its weights lie in another folder, or are not there.
    """
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.raw_data = _external(tensor, path)
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _external(tensor: TensorProto, path: Path) -> bytes:
    # onnx's own reader refuses files with several hard links, as package managers install them.
    info = ExternalDataInfo(tensor)
    offset, length = info.offset or 0, info.length or 0
    source = path.parent / info.location
    beside = source.parent == path.parent and source.is_file()
    weights = source.read_bytes()[offset : offset + length] if beside else b""
    if not length or len(weights) != length:
        raise BundleError(
            f"{path} wants {length} bytes at {offset} of {info.location!r}, which its folder does not hold: "
            "export the bundle again"
        )
    return weights
