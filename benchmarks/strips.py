"""Frames of a clip before and after edits, as one picture to look at: what no figure tells.

    python benchmarks/strips.py CLIP OUT.png [--attr Eyeglasses=1 --attr Smiling=1] [--frames 6] [--model DIR]
    python benchmarks/strips.py CLIP OUT.png --first 40      # frames 40 to 45: does an edit stay where it is?

The upper row is the clip, each further one an edit. Frames are evenly spaced, or one after the other, and cut
to what the edits touch.
"""

from itertools import islice
from pathlib import Path
from typing import Annotated

import av
import cv2
import numpy as np
import typer
from following import Picture, edited_pairs
from numpy.typing import NDArray

from fader.image import sheet, write_image
from fader.runtime import Editor

MARGIN = 0.15
"""Of the touched part, kept around it."""
MOST_WIDE = 2400
"""Pixels of the picture."""
EDITS = ["Eyeglasses=1", "Smiling=1"]


def frames_in(clip: Path) -> int:
    """Return how many frames a clip has, by decoding it."""
    with av.open(clip) as container:
        return sum(1 for _ in container.decode(video=0))


def touched(pairs: list[tuple[Picture, Picture]]) -> tuple[slice, slice]:
    """Return the rows and columns that hold everything that the edits changed, with a margin."""
    changed: NDArray[np.bool_] = np.any([(one != other).any(axis=2) for one, other in pairs], axis=0)
    if not changed.any():
        raise typer.BadParameter("nothing was edited: no face was found, or the values change nothing")
    spans = []
    for axis in (1, 0):
        inside = np.flatnonzero(changed.any(axis=axis))
        margin = round(MARGIN * (inside[-1] - inside[0]))
        spans.append(slice(max(0, inside[0] - margin), inside[-1] + margin + 1))
    return spans[0], spans[1]


def values_of(option: str) -> dict[str, float]:
    """Return what NAME=VALUE says."""
    name, _, value = option.partition("=")
    try:
        return {name: float(value)}
    except ValueError:
        raise typer.BadParameter(f"{option!r}: expected NAME=VALUE, such as Eyeglasses=1") from None


def scaled(picture: Picture, scale: float) -> Picture:
    """Return a smaller picture."""
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def main(
    clip: Annotated[Path, typer.Argument(exists=True, help="Video.")],
    out: Annotated[Path, typer.Argument(help="Picture, made.")],
    attr: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, one row each.")] = None,
    frames: Annotated[int, typer.Option(help="Columns.")] = 6,
    first: Annotated[
        int | None, typer.Option(min=0, help="Show consecutive frames from this one on.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Bundle; default: the shipped one.")] = None,
) -> None:
    """Write the picture."""
    edits = attr or EDITS
    n = frames_in(clip)
    if first is None:
        wanted = set(np.linspace(0, n - 1, frames).round().astype(int).tolist())
    elif first + frames <= n:
        wanted = set(range(first, first + frames))
    else:
        raise typer.BadParameter(
            f"--first {first}: expected at most {n - frames}, since {clip} has {n} frames"
        )
    rows: list[list[tuple[Picture, Picture]]] = []
    with Editor.open(model) as editor:
        for option in edits:
            pairs = islice(edited_pairs(editor, clip, values_of(option)), max(wanted) + 1)
            rows.append([pair for i, pair in enumerate(pairs) if i in wanted])
    box = touched([pair for row in rows for pair in row])
    pictures = [[before[box] for before, _ in rows[0]], *([after[box] for _, after in row] for row in rows)]
    scale = min(1.0, MOST_WIDE / sum(picture.shape[1] for picture in pictures[0]))
    write_image(out, sheet([[scaled(picture, scale) for picture in row] for row in pictures]))
    print(f"{out}: {clip.name} as it is, then {', '.join(edits)}")


if __name__ == "__main__":
    typer.run(main)
