"""What a run was started with beside its settings, kept in its folder so that --resume needs nothing else."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fader.errors import ConfigError

__all__ = ["Inputs"]

FILE = "inputs.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """Where a run's images come from and what its model card says of them."""

    images: Path
    """Folder or archive."""
    labels: Path
    """Label file."""
    cache: Path | None = None
    """Folder for aligned images, None for the user's cache."""
    detector: Path | None = None
    """Bundle whose detector finds the faces, None for the shipped one."""
    licence: str = "not stated"
    """Source and licence of the images."""
    command: str = ""
    """The command line, without the places of files."""

    def write(self, run: Path) -> None:
        """Write them into a run's folder; paths become absolute."""
        fields: dict[str, Any] = {"licence": self.licence, "command": self.command}
        for name in ("images", "labels", "cache", "detector"):
            path = getattr(self, name)
            fields[name] = None if path is None else str(path.resolve())
        (run / FILE).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, run: Path) -> "Inputs":
        """Read them back.

        Raises:
            ConfigError: the run has none, or they were changed by hand.
        """
        path = run / FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                images=Path(raw["images"]),
                labels=Path(raw["labels"]),
                cache=Path(raw["cache"]) if raw["cache"] else None,
                detector=Path(raw["detector"]) if raw["detector"] else None,
                licence=str(raw["licence"]),
                command=str(raw["command"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"cannot read {path} ({error}): name the folder of a run that fader-train made"
            ) from error
