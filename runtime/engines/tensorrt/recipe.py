"""What decides an engine: two recipes with the same key give engines that may stand in for each other."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Recipe"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Everything that matters to an engine."""

    graph: str
    """What people call the graph, for example "faces/decoder"; not part of the key."""
    graph_sha256: str
    """Digest of the ONNX file, in hex."""
    library: str
    """The module's name, "tensorrt" or "tensorrt_rtx"."""
    library_version: str
    """For example "11.4.0.106"."""
    device: Mapping[str, str]
    """GPU name, compute capability, driver and CUDA version: see `describe_device`."""
    buckets: tuple[int, ...]
    """Batch sizes of the optimisation profiles, in order."""
    flags: Mapping[str, Any]
    """Other settings of the build: see `build.FLAGS`."""

    def identity(self) -> dict[str, Any]:
        """Return what the key is made of, as JSON has it."""
        return {
            "graph_sha256": self.graph_sha256,
            "library": self.library,
            "library_version": self.library_version,
            "device": dict(self.device),
            "buckets": list(self.buckets),
            "flags": dict(self.flags),
        }

    @property
    def key(self) -> str:
        """SHA-256 of the identity, in hex."""
        return _digest(self.identity())

    @property
    def timings_key(self) -> str:
        """Digest, in hex, of library and device: builds that agree in these share their timing cache."""
        return _digest([self.library, self.library_version, dict(self.device)])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
