"""When two edits may share what is stored: same pictures, found by the same code, read by the same model."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import cv2

from fader.bundle import file_record
from fader.runtime.faces.tracking import FaceOptions
from fader.runtime.model import Model
from fader.runtime.video import VideoSource

__all__ = ["key_parts", "store_key"]

SCHEMA = 2
"""Of the tables and of the rows' bytes."""
ENGINE_LIBRARIES = ("onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt-cu13", "tensorrt-rtx-cu13")
"""Distributions that compute latents, or landmarks: another version may round differently."""


def store_key(source: VideoSource, model: Model, faces: FaceOptions) -> str:
    """Return the digest of `key_parts`, in hex; arguments and errors are the same."""
    return hashlib.sha256(json.dumps(key_parts(source, model, faces), sort_keys=True).encode()).hexdigest()


def key_parts(source: VideoSource, model: Model, faces: FaceOptions) -> dict[str, Any]:
    """Return everything that the stored numbers depend on, by name, as JSON takes it.

    Args:
        source: Its whole file is read, since a size and a time can stay while the content changes.
        model: Its bundle, template and engine count.
        faces: How faces are searched for.

    Raises:
        OSError: the file cannot be read.
    """
    manifest = model.bundle.manifest
    return {
        "schema": SCHEMA,
        "code": _code_digest(),
        "libraries": [av.__version__, cv2.__version__, *map(_version, ENGINE_LIBRARIES)],
        "file": file_record(source.path),
        "stream": source.stream.index,
        "bundle": model.bundle.id,
        "template": manifest.template,
        "image_size": manifest.image_size,
        "engine": model.engine.name,
        "faces": asdict(faces),
    }


@cache
def _code_digest() -> str:
    """Return a digest of the code that finds, aligns, cuts out and encodes faces.

    A version number would have to be raised by hand; forgotten once, old crops would come back.
    """
    runtime = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted([*runtime.rglob("*.py"), runtime.parent / "image.py"]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


@cache
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
