"""An evaluation's folder: metrics.json, metrics.md, grids/<attribute>.png and grids/portrait-<n>.png."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fader.errors import ConfigError
from fader.image import write_image
from fader.models import Checkpoint
from fader.train.data.dataset import Subset
from fader.train.evaluation.grids import faces_for, interpolation, portraits
from fader.train.evaluation.report import Report
from fader.train.evaluation.tables import markdown

__all__ = ["EvaluationFolder"]

N_PORTRAITS = 3


class EvaluationFolder:
    """Writes figures and pictures."""

    def __init__(self, path: Path) -> None:
        """Make the folder, before the work that is to be written into it.

        Raises:
            ConfigError: it cannot be made.
        """
        self.path = path
        try:
            (path / "grids").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make the folder {path} ({error.strerror}): choose another") from error

    def write_figures(self, report: Report) -> None:
        """Write metrics.json and metrics.md, over those of an earlier evaluation.

        Raises:
            ConfigError: they cannot be written.
        """
        try:
            (self.path / "metrics.json").write_text(report.to_json(), encoding="utf-8")
            (self.path / "metrics.md").write_text(markdown(report), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"cannot write into {self.path} ({error.strerror}): choose another") from error

    def draw(self, checkpoint: Checkpoint, subset: Subset, *, rows: int, alphas: Sequence[float]) -> None:
        """Draw a grid of each attribute, and sheets of single images with all their sliders.

        Args:
            checkpoint: The model.
            subset: Images that it has not seen.
            rows: Images in a grid.
            alphas: Strengths; see `fader.train.evaluation.grids`.

        Raises:
            MediaError: a picture cannot be written.
        """
        autoencoder, attributes = checkpoint.autoencoder, checkpoint.attributes
        for k, name in enumerate(attributes.names):
            faces = faces_for(subset, k, rows)
            picture = interpolation(autoencoder, subset, attributes, name, positions=faces, alphas=alphas)
            write_image(self.path / "grids" / f"{_file_name(name)}.png", picture)
        spread = np.unique(np.linspace(0, len(subset) - 1, N_PORTRAITS).astype(np.int64))
        sheets = portraits(autoencoder, subset, attributes, positions=spread, alphas=alphas)
        for number, picture in enumerate(sheets, start=1):
            write_image(self.path / "grids" / f"portrait-{number}.png", picture)


def _file_name(name: str) -> str:
    return re.sub(r"[^\w-]", "_", name)
