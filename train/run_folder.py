"""A run's folder: settings, checkpoints, a log for people and one for TensorBoard, pictures.

config.json  log.csv  tensorboard/  grids/<iteration>.png
checkpoints/last  checkpoints/best  checkpoints/best-reconstruction
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from fader.errors import ConfigError
from fader.image import write_image
from fader.train.config import TrainConfig
from fader.train.settings import config_from

__all__ = ["RunFolder", "read_config", "require_new"]

CONFIG = "config.json"


def require_new(folder: Path) -> None:
    """Refuse a folder in which a run lies.

    Raises:
        ConfigError: one does.
    """
    if (folder / CONFIG).exists():
        raise ConfigError(f"{folder} holds a run already: choose another folder, or go on with --resume")


def read_config(folder: Path) -> TrainConfig:
    """Return the settings of the run in a folder.

    Raises:
        ConfigError: no run lies there, or its settings were changed by hand.
    """
    try:
        raw = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} holds no run ({error}): name one that fader-train made") from error
    return config_from(raw)


class RunFolder:
    """Writes what a run makes."""

    def __init__(self, path: Path) -> None:
        """Make the folder, if it is not there."""
        self.path = path
        try:
            (path / "grids").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make the run's folder {path} ({error.strerror}): choose another"
            ) from error
        self._board: SummaryWriter | None = None

    def checkpoint(self, name: str) -> Path:
        """Return where the checkpoint "last", "best" or "best-reconstruction" lies."""
        return self.path / "checkpoints" / name

    def write_config(self, config: TrainConfig) -> None:
        """Write the settings."""
        (self.path / CONFIG).write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")

    def rows(self) -> list[dict[str, float]]:
        """Return the log's rows; an alarm's words are left out."""
        if not (self.path / "log.csv").exists():
            return []
        with (self.path / "log.csv").open(newline="") as file:
            return [
                {name: float(value) for name, value in row.items() if name != "alarm" and value}
                for row in csv.DictReader(file)
            ]

    def forget_after(self, iteration: int) -> None:
        """Drop the log's rows of iterations that a killed run lost and that will be done again."""
        path = self.path / "log.csv"
        if not path.exists():
            return
        header, *lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and int(line.split(",", 1)[0]) <= iteration]
        path.write_text("".join([header, *kept]))

    def log(self, row: Mapping[str, Any], picture: NDArray[np.uint8]) -> None:
        """Append an evaluation: a row that begins with "iteration", and the grid, (H, W, 3) uint8 RGB."""
        step = row["iteration"]
        path = self.path / "log.csv"
        # A run that an older version began goes on with the columns that it began with.
        header = path.read_text().partition("\n")[0] if path.exists() else ""
        with path.open("a", newline="") as file:
            columns = next(csv.reader([header]), None) or list(row)
            writer = csv.DictWriter(file, fieldnames=columns, extrasaction="ignore")
            if not header:
                writer.writeheader()
            writer.writerow(row)
        write_image(self.path / "grids" / f"{step:07d}.png", picture)
        if self._board is None:
            self._board = SummaryWriter(str(self.path / "tensorboard"), purge_step=step)
        for name, value in row.items():
            if isinstance(value, int | float):
                self._board.add_scalar(name, value, step)
        self._board.add_image("grid", picture, step, dataformats="HWC")
        self._board.flush()

    def close(self) -> None:
        """Close TensorBoard's log."""
        if self._board is not None:
            self._board.close()
