"""What keeping finished segments costs, in size, time and quality, against writing the file in one go.

    python benchmarks/segments.py CLIP [--preset veryfast] [--size 1920x1080] [--frames 1500] [--rounds 3]

The clip is enlarged and played forth and back up to the number of frames; frames and sound pass unedited from
that file to another, both ways in turn. Processor time is of the whole process, with the encoder's threads.
"""

import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer
from av.video.frame import PictureType

from fader.runtime.video import EncodeOptions, VideoSource, VideoTarget
from fader.runtime.video.segmented import SEGMENT_FRAMES, SegmentedTarget


def long_clip(clip: Path, path: Path, size: tuple[int, int], n_frames: int) -> None:
    """Write the clip, enlarged and repeated, at a high quality."""
    with av.open(clip) as source:
        frames = [f.reformat(*size, format="yuv420p") for f in source.decode(video=0)]
    turns = cycle([*frames, *frames[-2:0:-1]])
    with av.open(path, "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"crf": "14", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for i, frame in enumerate(islice(turns, n_frames)):
            frame.pts, frame.time_base, frame.pict_type = i, Fraction(1, 25), PictureType.NONE
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def passed(source: Path, path: Path, preset: str, *, in_segments: bool) -> tuple[float, float]:
    """Pass a video through; the seconds on the clock, and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    kind = SegmentedTarget if in_segments else VideoTarget
    options = EncodeOptions(codec="libx264", preset=preset)
    with VideoSource(source) as reading, kind.open(path, reading, options) as writing:
        if isinstance(writing, SegmentedTarget):
            writing.claim({})
        for item in reading.items():
            if isinstance(writing, SegmentedTarget) and isinstance(item, av.VideoFrame):
                writing.note(0)
            writing.write(item)
    return time.perf_counter() - wall, time.process_time() - cpu


def lumas(path: Path) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Yield every 7th frame's luma as (H, W) float32."""
    with av.open(path) as container:
        for frame in islice(container.decode(video=0), None, None, 7):
            yield frame.to_ndarray(format="gray").astype(np.float32)


def psnr(one: Path, other: Path) -> float:
    """Return the mean over frames, in dB."""
    errors = [float(np.mean((a - b) ** 2)) for a, b in zip(lumas(one), lumas(other), strict=True)]
    return float(np.mean(10 * np.log10(255**2 / np.maximum(errors, 1e-9))))


def main(
    clip: Annotated[Path, typer.Argument(exists=True, help="A video.")],
    preset: Annotated[str, typer.Option(help="x264's.")] = "veryfast",
    size: Annotated[str, typer.Option(help="Width x height.")] = "1920x1080",
    frames: Annotated[int, typer.Option(help="Length.")] = 1500,
    rounds: Annotated[int, typer.Option(help="The least of so many times counts.")] = 3,
) -> None:
    """Print both, and the ratios."""
    width, height = map(int, size.split("x"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.mp4"
        long_clip(clip, source, (width, height), frames)
        outs = {False: folder / "whole.mp4", True: folder / "segments.mp4"}
        turns = [
            {way: passed(source, out, preset, in_segments=way) for way, out in outs.items()}
            for _ in range(rounds)
        ]
        best = {way: np.min([turn[way] for turn in turns], axis=0) for way in outs}
        sizes = {way: out.stat().st_size for way, out in outs.items()}
        for way, out in outs.items():
            said = f"segments of {SEGMENT_FRAMES}" if way else "in one go"
            print(
                f"{said}: {best[way][0]:.2f} s, processor {best[way][1]:.2f} s, {sizes[way]} bytes, "
                f"PSNR {psnr(source, out):.3f} dB"
            )
        print(
            f"ratios: {best[True][0] / best[False][0]:.3f} s, "
            f"processor {best[True][1] / best[False][1]:.3f}, "
            f"bytes {sizes[True] / sizes[False]:.4f}"
        )


if __name__ == "__main__":
    typer.run(main)
