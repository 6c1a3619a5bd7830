"""What a run was started with beside its settings, kept in its folder so that --resume needs nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fader.attributes import Kind
from fader.errors import ConfigError

__all__ = ["Inputs"]

FILE = "inputs.json"
PATHS = ("images", "labels", "partition", "cache", "detector", "start")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Where a run's images come from, how they are read, and what its model card says of them."""

    images: Path
    """Folder or archive."""
    labels: Path
    """Label file or folder."""
    partition: Path | None = None
    """CelebA's partition, None where it lies beside the labels or there is none."""
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """Columns of a table whose kind the cells do not tell."""
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest value of continuous columns whose cells do not tell."""
    align: bool = True
    """Whether the images show faces that shall be found and aligned."""
    skip_bad_rows: bool = False
    """Whether bad rows are left out instead of stopping the run."""
    cache: Path | None = None
    """Folder for aligned images, None for the user's cache."""
    detector: Path | None = None
    """Bundle whose detector finds the faces, None for the shipped one."""
    start: Path | None = None
    """Checkpoint whose weights it begins with."""
    keep_classifiers: bool = False
    """Whether guide and judge come from there as well."""
    licence: str = "not stated"
    """Source and licence of the images."""
    command: str = ""
    """The command line, without the places of files."""

    def write(self, run: Path) -> None:
        """Write them into a run's folder; paths become absolute."""
        raw: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in PATHS:
            raw[name] = None if raw[name] is None else str(raw[name].resolve())
        (run / FILE).write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, run: Path) -> "Inputs":
        """Read them back.

        Raises:
            ConfigError: the run has none, or they were changed by hand.
        """
        path = run / FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            for name in PATHS:
                raw[name] = Path(raw[name]) if raw.get(name) else None
            raw["spans"] = {name: (float(low), float(high)) for name, (low, high) in raw["spans"].items()}
            return cls(**raw)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"cannot read {path} ({error}): name the folder of a run that fader-train made"
            ) from error
