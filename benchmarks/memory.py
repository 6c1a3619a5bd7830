"""Peak memory of an edit, for a clip and for the same clip looped: it must not grow with the length.

    python benchmarks/memory.py CLIP [--loops 10] [--attr Eyeglasses=1]

Each edit runs in a process of its own; the figure is that process's peak resident set (Linux).
"""

import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
import typer

CHILD = """
import re, sys
from pathlib import Path
from fader.runtime import Editor, edit_video
source, target, name, value = sys.argv[1:]
with Editor.open() as editor:
    report = edit_video(editor, source, target, {name: float(value)})
# not getrusage: its peak is inherited from the process that started this one
peak_kib = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(report.frames, report.faces_edited, peak_kib / 1024)
"""


def loop(clip: Path, target: Path, times: int) -> None:
    """Write the clip's frames several times over, as H.264."""
    with av.open(clip) as source, av.open(target, "w") as container:
        shape = source.streams.video[0]
        rate = shape.average_rate or Fraction(25)
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, "yuv420p"
        count = 0
        for _ in range(times):
            source.seek(0)
            for frame in source.decode(video=0):
                frame.pts, frame.time_base = count, 1 / rate
                container.mux(stream.encode(frame))
                count += 1
        container.mux(stream.encode(None))


def edit(clip: Path, target: Path, attr: str) -> tuple[int, int, float]:
    """Edit a clip in a process of its own; return frames, faces edited and the peak in MiB."""
    command = [sys.executable, "-c", CHILD, str(clip), str(target), *attr.split("=")]
    frames, faces, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
    return int(frames), int(faces), float(peak)


def main(
    clip: Annotated[Path, typer.Argument(exists=True, help="A video with a face.")],
    loops: Annotated[int, typer.Option(help="How many times the long one holds it.")] = 10,
    attr: Annotated[str, typer.Option(help="The edit.")] = "Eyeglasses=1",
) -> None:
    """Print a table and the ratio."""
    peaks = []
    print("| clip | frames | faces edited | peak RSS |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, loops):
            looped = Path(folder) / f"{times}.mp4"
            loop(clip, looped, times)
            frames, faces, peak = edit(looped, Path(folder) / "edited.mp4", attr)
            peaks.append(peak)
            print(f"| {clip.name} x {times} | {frames} | {faces} | {peak:.0f} MiB |")
    print(f"\nthe long one takes {peaks[1] / peaks[0]:.3f} times the memory of the short one")


if __name__ == "__main__":
    typer.run(main)
