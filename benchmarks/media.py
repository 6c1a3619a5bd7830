"""What is found and edited in real video: faces, frames, tracks, and how steadily the crop follows.

    python benchmarks/media.py FOLDER_OR_FILES... [--attr Eyeglasses=1] [--model BUNDLE]

Jitter is the second difference of the eyes' mid-point, in per cent of the distance between the eyes (root
mean square over a track's frames): of the raw landmarks, and of the smoothed alignment that the edit uses. A
second difference also holds the head's and the camera's own acceleration, so a hand-held clip has some.
"""

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer
from numpy.typing import NDArray

from fader.errors import FaderError
from fader.runtime import Editor, edit_video
from fader.runtime.faces.alignment import anchors, invert
from fader.runtime.stages import FaceFrame, find_faces
from fader.runtime.video import VideoSource

SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".gif"}


def jitter(editor: Editor, path: Path) -> tuple[float, float]:
    """Return the jitter in per cent of the inter-ocular distance: (raw, smoothed)."""
    raw: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
    smooth: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
    spans: dict[int, list[float]] = defaultdict(list)
    template = editor.model.template
    with VideoSource(path) as source:
        frames = (item for item in source.items() if isinstance(item, av.VideoFrame))
        for item in find_faces(frames, editor.tracker(), editor.image_size, rotation=source.rotation):
            for face in item.faces if isinstance(item, FaceFrame) else ():
                eyes = anchors(face.landmarks)[:2]
                back = invert(face.matrix)
                raw[face.track].append(eyes.mean(axis=0))
                smooth[face.track].append(back[:, :2] @ template[:2].mean(axis=0) + back[:, 2])
                spans[face.track].append(float(np.linalg.norm(eyes[1] - eyes[0])))
    return _second_difference(raw, spans), _second_difference(smooth, spans)


def _second_difference(points: dict[int, list[NDArray[np.float64]]], spans: dict[int, list[float]]) -> float:
    parts = [
        np.linalg.norm(np.diff(np.array(track), n=2, axis=0), axis=1) / np.median(spans[number])
        for number, track in points.items()
        if len(track) > 2
    ]
    return float(100 * np.sqrt(np.mean(np.concatenate(parts) ** 2))) if parts else float("nan")


def main(
    inputs: Annotated[list[Path], typer.Argument(help="Videos, or folders of videos.")],
    attr: Annotated[str, typer.Option(help="The edit.")] = "Eyeglasses=1",
    model: Annotated[Path | None, typer.Option(help="Bundle; default: the shipped one.")] = None,
) -> None:
    """Print a table, a line for each video."""
    name, _, value = attr.partition("=")
    paths = [path for entry in inputs for path in (sorted(entry.iterdir()) if entry.is_dir() else [entry])]
    print("| video | frames edited | faces edited | tracks | jitter, raw | jitter, smoothed |")
    print("|---|---|---|---|---|---|")
    with Editor.open(model) as editor, tempfile.TemporaryDirectory() as folder:
        for path in (path for path in paths if path.suffix.lower() in SUFFIXES):
            try:
                report = edit_video(editor, path, Path(folder) / "out.mkv", {name: float(value)})
                raw, smooth = jitter(editor, path)
            except FaderError as error:
                print(f"| {path.name} | {error} | | | | |")
                continue
            print(
                f"| {path.name} | {report.frames_edited} of {report.frames} "
                f"| {report.faces_edited} of {report.faces} | {report.tracks} "
                f"| {raw:.1f} % | {smooth:.1f} % |"
            )


if __name__ == "__main__":
    typer.run(main)
