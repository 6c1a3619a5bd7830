"""The bundle: what export writes and the runtime reads.

A folder with manifest.json, the graphs, the detector's graphs and a model card. Opening one verifies every
file's size and SHA-256, reads nothing outside the folder, and unpickles nothing.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from fader.attributes import Attribute, AttributeSet
from fader.errors import BundleError, FaderError

__all__ = [
    "GRAPHS",
    "INT8_GRAPHS",
    "MANIFEST",
    "VARIANTS",
    "Bundle",
    "LatentSpec",
    "Manifest",
    "bundle_id",
    "file_record",
    "is_older",
    "shipped_bundle",
]

SCHEMA = 2
MANIFEST = "manifest.json"
GRAPHS = ("encoder", "decoder", "classifier", "detector_p", "detector_r", "detector_o")
"""Names that every manifest's `graphs` has."""
VARIANTS = (
    *("encoder-fp16", "decoder-fp16", "classifier-fp16", "decoder-shuffle"),
    *("encoder-uint8", "decoder-uint8", "classifier-uint8"),
    *("encoder-fp16-uint8", "decoder-fp16-uint8", "classifier-fp16-uint8"),
)
"""Names that a manifest's `graphs` may have beside: the same inputs, outputs and results in another form.

Those with -fp16 are computed in float16 inside: for CUDA and TensorRT. decoder-shuffle has no transposed
convolutions: for OpenVINO, which computes those in float32 alone. Those with -uint8 take pixels and give
renderings as (N, S, S, 3) uint8 RGB: for GPUs, to which a quarter of the bytes then goes. A variant may keep
its weights in another file of the bundle (ONNX external data), so engines must open it by its path.
"""
INT8_GRAPHS = ("encoder-int8", "decoder-int8")
"""Names that it has beside if it was exported with photographs to calibrate on: convolutions are computed in
int8, inputs and outputs stay float32. For OpenVINO."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentSpec:
    """One of the tensors that hold an image's code."""

    name: str
    """The encoder graph's output and the decoder graph's input."""
    shape: tuple[int, int, int]
    """(C, H, W) for one image, float32."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What manifest.json says."""

    name: str
    """The model's name."""
    image_size: int
    """Height and width of the model's images, pixels; values are in [-1, 1], RGB, NCHW."""
    attributes: AttributeSet
    """The sliders."""
    latents: tuple[LatentSpec, ...]
    """The code's tensors, in the graphs' order."""
    relative: bool
    """Whether the decoder graph reads by how much the attributes' columns change, instead of what they
    become."""
    template: tuple[tuple[float, float], ...]
    """Where alignment puts image-left eye, image-right eye and mouth centre: (x, y) pixels, 0-based at their
    centres."""
    graphs: Mapping[str, str]
    """Name (see GRAPHS, VARIANTS and INT8_GRAPHS) to the file's path, relative to the bundle, with forward
    slashes."""
    files: Mapping[str, Mapping[str, Any]]
    """Path to {"sha256", "bytes"} for every file of the bundle but the manifest."""
    verified_batch_sizes: tuple[int, ...]
    """Batch sizes at which parity with PyTorch was asserted."""
    parity: Mapping[str, Mapping[str, float]]
    """Graph name to the worst measured {"max_abs", "psnr_db", "cosine"}. INT8_GRAPHS have those of what both
    draw together, against float32, and {"worst_levels", "faces", "calibration_faces"} beside."""

    def to_json(self) -> str:
        """Return the manifest's text; the same manifest always gives the same text."""
        fields = {
            "schema": SCHEMA,
            "id": bundle_id(self.files),
            "name": self.name,
            "image_size": self.image_size,
            "value_range": [-1, 1],
            "attributes": [a.to_fields() for a in self.attributes],
            "latents": [{"name": latent.name, "shape": list(latent.shape)} for latent in self.latents],
            "relative": self.relative,
            "template": [list(point) for point in self.template],
            "graphs": dict(self.graphs),
            "verified_batch_sizes": list(self.verified_batch_sizes),
            "parity": {name: dict(figures) for name, figures in self.parity.items()},
            "files": {path: dict(record) for path, record in sorted(self.files.items())},
        }
        return json.dumps(fields, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, where: str) -> "Manifest":
        """Parse a manifest.

        Args:
            text: What `to_json` returned.
            where: The file's name, for messages.

        Raises:
            BundleError: the text is not a manifest of this schema.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{where} is not JSON ({error}): export the bundle again") from error
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
            raise BundleError(
                f"{where} has schema {found!r}, expected {SCHEMA}: export the bundle with this version"
            )
        try:
            manifest = cls._from_fields(raw)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, FaderError) as error:
            raise BundleError(f"{where} is not a manifest ({error!r}): export the bundle again") from error
        if raw.get("id") != bundle_id(manifest.files):
            raise BundleError(
                f"{where} was changed by hand: its id does not fit its files; export the bundle again"
            )
        return manifest

    @classmethod
    def _from_fields(cls, raw: Mapping[str, Any]) -> "Manifest":
        template = tuple((float(x), float(y)) for x, y in raw["template"])
        if len(template) != 3 or not all(math.isfinite(value) for point in template for value in point):
            raise ValueError("template must be three finite points")
        if missing := [name for name in GRAPHS if name not in raw["graphs"]]:
            raise ValueError(f"graphs lack {missing}")
        if not 8 <= int(raw["image_size"]) <= 4096:
            raise ValueError("image_size must be 8 to 4096")
        return cls(
            name=str(raw["name"]),
            image_size=int(raw["image_size"]),
            attributes=AttributeSet([Attribute.from_fields(fields) for fields in raw["attributes"]]),
            latents=tuple(
                LatentSpec(name=str(entry["name"]), shape=_shape(entry["shape"])) for entry in raw["latents"]
            ),
            relative=bool(raw["relative"]),
            template=template,
            graphs={str(name): str(path) for name, path in raw["graphs"].items()},
            files={
                str(path): {"sha256": str(record["sha256"]), "bytes": int(record["bytes"])}
                for path, record in raw["files"].items()
            },
            verified_batch_sizes=tuple(int(n) for n in raw["verified_batch_sizes"]),
            parity={str(name): dict(figures) for name, figures in raw["parity"].items()},
        )


def is_older(text: str) -> bool:
    """Return whether a manifest is one of an earlier version, which can be replaced but not read."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(raw, dict) and raw.get("schema") in range(1, SCHEMA) and "graphs" in raw


def _shape(raw: Any) -> tuple[int, int, int]:
    channels, height, width = (int(n) for n in raw)
    if min(channels, height, width) < 1:
        raise ValueError(f"latent shape {raw} must be positive")
    return channels, height, width


class Bundle:
    """A bundle on disk whose files have been verified."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest and verify every file.

        Args:
            folder: The bundle's folder.

        Raises:
            BundleError: a file is missing, damaged, or lies outside the folder.
        """
        self.folder = folder
        path = folder / MANIFEST
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise BundleError(f"cannot read {path}: expected a bundle as fader-export writes it") from error
        self.manifest = Manifest.from_json(text, where=str(path))
        for relative, record in self.manifest.files.items():
            self._verify(relative, record)
        for name, relative in self.manifest.graphs.items():
            if relative not in self.manifest.files:
                raise BundleError(
                    f"{path} names graph {name} in {relative!r} without its digest; export it again"
                )

    @cached_property
    def id(self) -> str:
        """SHA-256 over the files' digests, in hex; latents carry it."""
        return bundle_id(self.manifest.files)

    def graph(self, name: str) -> Path:
        """Return the path of a graph.

        Args:
            name: One of GRAPHS, or a variant that this bundle has.

        Raises:
            BundleError: it has no such graph.
        """
        if not self.has(name):
            raise BundleError(
                f"the bundle {self.folder} has no graph {name!r}, only {', '.join(self.manifest.graphs)}: "
                "export it again"
            )
        return self.folder / self.manifest.graphs[name]

    def has(self, name: str) -> bool:
        """Whether the bundle has a graph: one of GRAPHS, which all have, or of VARIANTS or INT8_GRAPHS."""
        return name in self.manifest.graphs

    def _verify(self, relative: str, record: Mapping[str, Any]) -> None:
        pure = PurePosixPath(relative)
        path = self.folder / pure
        try:
            inside = path.resolve().is_relative_to(self.folder.resolve())
            if pure.is_absolute() or ".." in pure.parts or not inside:
                raise BundleError(
                    f"the bundle {self.folder} names {relative!r}, outside its folder: do not use it"
                )
            found = file_record(path)
        except (OSError, ValueError, RuntimeError) as error:  # missing, no name of a file, a loop of links
            raise BundleError(
                f"the bundle {self.folder} lacks {relative!r}: export or download it again"
            ) from error
        if found != record:
            raise BundleError(
                f"{path} is damaged: {found['bytes']} bytes of SHA-256 {found['sha256'][:12]}…, expected "
                f"{record['bytes']} of {record['sha256'][:12]}…; export or download the bundle again"
            )


def file_record(path: Path) -> dict[str, Any]:
    """Return {"sha256": hex, "bytes": size} of a file."""
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": file.tell()}


def bundle_id(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the digest of the graphs' digests, in hex: a changed model card does not change the model."""
    graphs = {path: record["sha256"] for path, record in files.items() if path.endswith(".onnx")}
    return hashlib.sha256(json.dumps(graphs, sort_keys=True).encode()).hexdigest()


def shipped_bundle(name: str = "faces") -> Path:
    """Return the folder of a bundle that comes with the package.

    Raises:
        BundleError: this installation has no such bundle.
    """
    folder = Path(__file__).parent / "models" / "pretrained" / name
    if not folder.is_dir():
        raise BundleError(f"this installation has no bundle {name!r} at {folder}: name one with --model")
    return folder
