"""What is found and edited in real video: faces, frames, tracks, and how steadily the crop follows.

    python benchmarks/media.py FOLDER_OR_FILES... [--attr Eyeglasses=1] [--model BUNDLE]

Jitter is that of jitter.py: of the alignment as measured, and of the smoothed one that the edit uses.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from following import followed
from jitter import jitter_and_slip

from fader.errors import FaderError
from fader.runtime import Editor, edit_video

SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".gif"}


def main(
    inputs: Annotated[list[Path], typer.Argument(exists=True, help="Videos, or folders of videos.")],
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
                raw, smooth = (
                    jitter_and_slip(editor, followed(editor, path, smoothing))[0]
                    for smoothing in ("none", "zero-phase")
                )
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
