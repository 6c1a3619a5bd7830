"""How steadily the crop follows a face, and what that does to an edit: no smoothing, One Euro, zero-phase.

    python benchmarks/jitter.py CLIP... [--attr Eyeglasses=1] [--model DIR]

Jitter is the second difference of the eyes' mid-point under the alignment, in per cent of the distance
between the eyes, root mean square; the head's and the camera's own acceleration is in it. Slip leaves that
out: how far the face moves inside the crop from one frame to the next (optical flow between the two crops,
median over the middle), in the same unit: both lag and noise let the edit slide on the face. Flicker is the
excess warp error of flicker.py, in levels of 255.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from flicker import flicker_of, flow_between
from following import SMOOTHINGS, Picture, edited_pairs, followed
from numpy.typing import NDArray

from fader.runtime import Editor
from fader.runtime.faces.alignment import invert
from fader.runtime.stages import FaceFrame

__all__ = ["jitter_and_slip"]

Points = list[NDArray[np.float64]]


def jitter_and_slip(editor: Editor, frames: Iterable[FaceFrame]) -> tuple[float, float]:
    """Return both in per cent of the distance between the eyes; NaN where no face is followed."""
    left, right = editor.model.template[:2]
    span = float(np.linalg.norm(right - left))
    places: dict[int, Points] = defaultdict(list)
    scales: dict[int, list[float]] = defaultdict(list)
    last: dict[int, Picture] = {}
    slips: list[float] = []
    for frame in frames:
        crops = {face.track: crop for face, crop in zip(frame.faces, frame.crops, strict=True)}
        slips += [slip(last[track], crop) / span for track, crop in crops.items() if track in last]
        last = crops
        for face in frame.faces:
            back = invert(face.matrix)
            places[face.track].append(back[:, :2] @ ((left + right) / 2) + back[:, 2])
            scales[face.track].append(span * float(np.hypot(back[0, 0], back[1, 0])))
    bends = [
        np.linalg.norm(np.diff(np.array(points), n=2, axis=0), axis=1) / np.median(scales[track])
        for track, points in places.items()
        if len(points) > 2
    ]
    return root_mean_square(np.concatenate(bends or [[]])), root_mean_square(np.array(slips))


def slip(first: Picture, second: Picture) -> float:
    """Return how far the middle of a crop moves to the next one, pixels of the crop."""
    size = len(first)
    inner = slice(size // 5, -(size // 5))
    flow, _ = flow_between(first, second)
    return float(np.linalg.norm(np.median(flow[inner, inner].reshape(-1, 2), axis=0)))


def root_mean_square(values: NDArray[np.floating]) -> float:
    """Return it in per cent; NaN of nothing."""
    return 100 * float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")


def main(
    clips: Annotated[list[Path], typer.Argument(exists=True, help="Videos.")],
    attr: Annotated[str, typer.Option(help="The edit that may flicker.")] = "Eyeglasses=1",
    model: Annotated[Path | None, typer.Option(help="Bundle; default: the shipped one.")] = None,
) -> None:
    """Print a line for each clip, with the three smoothings side by side."""
    name, _, value = attr.partition("=")
    print(f"{' → '.join(SMOOTHINGS)}; flicker of {attr}\n")
    print("| clip | jitter, % | slip, % | flicker, levels |")
    print("|---|---|---|---|")
    with Editor.open(model) as editor:
        for clip in clips:
            figures = []
            for smoothing in SMOOTHINGS:
                jitter, slipped = jitter_and_slip(editor, followed(editor, clip, smoothing))
                pairs = edited_pairs(editor, clip, {name: float(value)}, smoothing)
                before, after = flicker_of(pairs) or (np.nan, np.nan)
                figures.append((f"{jitter:.1f}", f"{slipped:.1f}", f"{after - before:+.2f}"))
            columns = [" → ".join(column) for column in zip(*figures, strict=True)]
            print(f"| {clip.name} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
