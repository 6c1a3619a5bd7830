"""Peak memory of an edit, for a minute and for ten of the same clip: it must not grow with the length.

    python benchmarks/memory.py CLIP [--height 1080] [--minutes 1 --minutes 10] [--attr Eyeglasses=1]

The clip is brought to the height and repeated. Each edit is fader-run's, with a store of its own; the figure
is the peak resident set of its process (Linux).
"""

import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import av
import typer

CHILD = """
import re, sys
from pathlib import Path
from fader.runtime.cli import main
try:
    main()
finally:
    # not getrusage: its peak is inherited from the process that started this one
    print("peak", re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def repeat(clip: Path, target: Path, height: int, minutes: float) -> None:
    """Write a clip's frames again and again, as H.264 of a height."""
    with av.open(clip) as source, av.open(target, "w") as container:
        shape = source.streams.video[0]
        rate = shape.average_rate or Fraction(25)
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "18"})
        stream.height, stream.width = height, round(shape.width * height / shape.height / 2) * 2
        stream.pix_fmt = "yuv420p"
        planes = [
            frame.reformat(stream.width, height, "yuv420p").to_ndarray() for frame in source.decode(video=0)
        ]
        n = round(60 * minutes * rate)
        for i, pixels in enumerate(islice(cycle(planes), n)):
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
            frame.pts, frame.time_base = i, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def edit(clip: Path, folder: Path, attr: str) -> tuple[dict[str, Any], float]:
    """Edit a clip in a process of its own; return fader-run's report, and the peak in MiB."""
    words = [str(clip), "--attr", attr, "-o", str(folder / "edited.mp4"), "--json", "-q"]
    words += ["--cache-dir", str(folder / f"store-{clip.stem}")]
    # What it says on stderr is for the one who waits.
    command = [sys.executable, "-c", CHILD, *words]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    reports, _, peak_kib = said.stdout.rpartition("peak ")
    return json.loads(reports)[0], int(peak_kib) / 1024


def main(
    clip: Annotated[Path, typer.Argument(exists=True, help="A video with a face.")],
    height: Annotated[int, typer.Option(help="Of the frames that are edited.")] = 1080,
    minutes: Annotated[list[float] | None, typer.Option(help="Lengths.", show_default="1 and 10")] = None,
    attr: Annotated[str, typer.Option(help="The edit.")] = "Eyeglasses=1",
) -> None:
    """Print a table, and how much more the longest takes than the shortest."""
    peaks = []
    print("| minutes | frames | faces edited | peak RSS |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for length in sorted(minutes or [1.0, 10.0]):
            long = Path(folder) / f"{length:g}.mp4"
            repeat(clip, long, height, length)
            report, peak = edit(long, Path(folder), attr)
            peaks.append(peak)
            row = f"{length:g} | {report['frames']} | {report['faces_edited']} | {peak:.0f} MiB"
            print(f"| {row} |", flush=True)
    print(f"\nthe longest takes {peaks[-1] / peaks[0]:.3f} times the memory of the shortest")


if __name__ == "__main__":
    typer.run(main)
