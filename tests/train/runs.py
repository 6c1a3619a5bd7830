"""The run on drawn shapes that several files look at: see the fixture `run`."""

from pathlib import Path

from tests.train.shapes import make_shapes

from fader.train import Progress

__all__ = ["ABOUT", "DATA", "Run"]

DATA = make_shapes(40)
Run = tuple[Path, dict[str, float], list[Progress]]
"""A run's folder, its figures, and the progress it told."""
ABOUT = {"data": "shapes", "licence": "CC0", "command": "fader-train shapes"}
