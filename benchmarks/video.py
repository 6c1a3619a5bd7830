"""What an edit of a video costs, against a plain transcode and against the loop that people write first.

    python benchmarks/video.py CLIP [--preset veryfast] [--height 1080] [--loops 3]
        [--engine NAME] [--network shipped-256] [--edits-only]

Of the clip, with one face, a part of 16:9 around that is brought to the height and encoded as H.264, so that
the face is as large as asked. The transcode decodes and encodes with PyAV and the same settings; a plain one,
as PyAV comes, stands beside it. The loop is the one of obvious_loop.py. All take turns in every round; the
least time counts. "asked" is what this project holds itself to, with the shipped model and with a 256 px one
of the same recipe (--network shipped-256). The paper's own network (--network paper) has four times the
arithmetic of the latter's encoder and no mask; the published checkpoints' (--network published) has three
times the paper's.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import av
import numpy as np
import typer
from av.video.frame import PictureType
from engines import PAPER, PUBLISHED, SHIPPED_256, untrained
from obvious_loop import obvious_loop
from store import timed

from fader.bundle import shipped_bundle
from fader.export import write_bundle
from fader.export.arithmetic import count_flop
from fader.export.graphs import DecoderGraph, EncoderGraph
from fader.models import AutoEncoderConfig
from fader.runtime import Editor, EncodeOptions, LatentStore, edit_variants, edit_video
from fader.runtime.engines.session import threads_beside_video
from fader.runtime.faces.alignment import invert
from fader.runtime.video.planes import FramePlanes

Work = Callable[[], object]
Network = Literal["shipped", "shipped-256", "paper", "paper-masked", "published"]
UNTRAINED: Mapping[str, AutoEncoderConfig] = {
    "shipped-256": SHIPPED_256,
    "paper": PAPER,
    "paper-masked": replace(PAPER, mask=True, relative=True),
    "published": PUBLISHED,
}
WIDE, FACE_PX = 16 / 9, 300
"""Shape of the frames, and side of the face from forehead to chin."""
ASKED: Mapping[str, Mapping[str, float]] = {
    "veryfast": {"first edit": 1.30, "second edit": 1.15, "first edit, four faces": 1.8},
    "medium": {"first edit": 1.15, "second edit": 1.08},
}
ASKED_LOOP, ASKED_MIB, ASKED_START_S = 4.0, 700, 1.5
SWEEP = 5
CHILD = """
import re, sys, time
from pathlib import Path
from fader.runtime import Editor, edit_video
from fader.runtime.engines.session import threads_beside_video
source, target, model, engine, name = sys.argv[1:]
first = []
with Editor.open(model, engine=engine, threads=threads_beside_video()) as editor:
    edit_video(editor, source, target, {name: 1.0}, on_progress=lambda _: first or first.append(time.time()))
# not getrusage: its peak is inherited from the process that started this one
peak_kib = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(first[0], peak_kib / 1024)
"""


def close_up(clip: Path, target: Path, height: int, loops: int) -> int:
    """Write the part of a clip around its face, so that this is `FACE_PX` large, several times over.

    Args:
        clip: A video with one face.
        target: An MP4.
        height: Of its frames, pixels; they are 16:9.
        loops: How often the clip is played.

    Returns:
        The number of frames.
    """
    with av.open(clip) as source:
        frames = list(source.decode(video=0))
        rate = source.streams.video[0].average_rate or Fraction(25)
    with Editor.open() as editor:
        face, *_ = editor.tracker().update(FramePlanes(frames[0]), 0.0)
        from_crop, size = invert(face.matrix), editor.image_size
    centre, scale = from_crop @ (size / 2, size / 2, 1), np.hypot(*from_crop[:, 0])
    rows = min(round(size * scale * height / FACE_PX), frames[0].height)
    columns = min(round(rows * WIDE), frames[0].width)
    x, y = (
        min(max(round(middle - part / 2), 0), whole - part)
        for middle, part, whole in zip(
            centre, (columns, rows), (frames[0].width, frames[0].height), strict=True
        )
    )
    with av.open(target, "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = round(height * WIDE / 2) * 2, height, "yuv420p"
        for i in range(loops * len(frames)):
            whole = frames[i % len(frames)].reformat(format="rgb24").to_ndarray()
            part = whole[y : y + rows, x : x + columns].astype(np.uint8)
            large = av.VideoFrame.from_ndarray(part, format="rgb24").reformat(
                stream.width, stream.height, "yuv420p", interpolation="BICUBIC"
            )
            large.pts, large.time_base = i, 1 / rate
            container.mux(stream.encode(large))
        container.mux(stream.encode(None))
    return loops * len(frames)


def four(clip: Path, target: Path) -> None:
    """Write the clip four times into each frame of its own size."""
    with av.open(clip) as source, av.open(target, "w") as container:
        shape = source.streams.video[0]
        stream = container.add_stream("libx264", rate=shape.average_rate, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, "yuv420p"
        for i, frame in enumerate(source.decode(video=0)):
            quarter = frame.reformat(shape.width // 2, shape.height // 2, "rgb24").to_ndarray()
            pixels = np.tile(quarter, (2, 2, 1)).astype(np.uint8, copy=False)
            tiled = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            tiled.pts, tiled.time_base = i, 1 / (shape.average_rate or Fraction(25))
            container.mux(stream.encode(tiled))
        container.mux(stream.encode(None))


def transcode(source: Path, target: Path, encoding: EncodeOptions, *, plain: bool = False) -> None:
    """Decode and encode with PyAV, nothing else.

    Args:
        source: A video.
        target: An MP4.
        encoding: Preset and quality.
        plain: As a few lines of PyAV do it, which hand x264 the source's choice of frame types and let it
            cut frames into slices. Otherwise with the very settings of an edit and of ffmpeg's own program:
            x264 chooses frame types, which is a tenth of its work at the medium preset, and has threads for
            whole frames.
    """
    options = {"preset": str(encoding.preset), "crf": str(encoding.crf)}
    with av.open(source) as reading, av.open(target, "w") as writing:
        pictures = reading.streams.video[0]
        pictures.thread_type = "AUTO"
        stream = writing.add_stream("libx264", rate=pictures.average_rate, options=options)
        stream.width, stream.height, stream.pix_fmt = pictures.width, pictures.height, "yuv420p"
        if not plain:
            stream.thread_type = "AUTO"
        for frame in reading.decode(pictures):
            if not plain:
                frame.pict_type = PictureType.NONE
            writing.mux(stream.encode(frame))
        writing.mux(stream.encode(None))


def least(kinds: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Run every kind in turn; return the least seconds of wall clock of each."""
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, work in kinds.items():
            times[kind].append(timed(work)[0])
    return {kind: min(seconds) for kind, seconds in times.items()}


def in_a_process_of_its_own(*arguments: object) -> tuple[float, float]:
    """Return seconds from the start of a process to its first frame, and the peak of its memory in MiB."""
    began = time.time()
    command = [sys.executable, "-c", CHILD, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    first, peak = map(float, re.findall(r"[\d.]+", done.stdout))
    return first - began, peak


def main(
    clip: Annotated[Path, typer.Argument(exists=True, help="A video with one face.")],
    preset: Annotated[str, typer.Option(help="Of x264: veryfast or medium.")] = "veryfast",
    height: Annotated[int, typer.Option(help="Of the frames that are measured.")] = 1080,
    loops: Annotated[int, typer.Option(help="How often the clip is played.")] = 3,
    rounds: Annotated[int, typer.Option(help="The least time of so many counts.")] = 3,
    engine: Annotated[str, typer.Option(help="Of the edits; the loop has ONNX Runtime.")] = "auto",
    edits_only: Annotated[bool, typer.Option("--edits-only", help="Without sweep and loop.")] = False,
    network: Annotated[
        Network, typer.Option(help="The shipped model, or an untrained 256 px network.")
    ] = "shipped",
) -> None:
    """Print a table of ratios, with what is asked."""
    encoding = EncodeOptions(codec="libx264", crf=20, preset=preset)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = shipped_bundle()
        if network != "shipped":
            model = folder / network
            checkpoint = untrained(1, UNTRAINED[network])
            write_bundle(checkpoint, model, name=network)
            encoder, decoder = EncoderGraph(checkpoint.autoencoder), DecoderGraph(checkpoint.autoencoder)
            words = f"{count_flop(encoder) / 1e9:.2f} and {count_flop(decoder) / 1e9:.2f} GFLOP an image"
            print(f"{network} network, 256 px, encoder and decoder {words}")
        single, fourfold, target = (folder / f"{part}.mp4" for part in ("single", "four", "target"))
        n_frames = close_up(clip, single, height, loops)
        four(single, fourfold)
        store = LatentStore(folder / "store")
        with (
            Editor.open(model, engine=engine, threads=threads_beside_video()) as editor,
            Editor.open(model, engine="onnxruntime-cpu") as plain,
        ):
            slider = editor.attributes.names[0]

            def edit(source: Path, value: float = 1.0) -> Work:
                return lambda: edit_video(
                    editor, source, target, {slider: value}, encoding=encoding, store=store
                )

            def first(source: Path) -> None:
                store.prune(0)
                edit(source)()

            outputs = {folder / f"{i}.mp4": {slider: i / (SWEEP - 1)} for i in range(SWEEP)}
            kinds: dict[str, Work] = {
                "transcode": lambda: transcode(single, target, encoding),
                "plain transcode": lambda: transcode(single, target, encoding, plain=True),
                "first edit, four faces": lambda: first(fourfold),
                "first edit": lambda: first(single),
                "second edit": edit(single, 0.5),
            }
            others: dict[str, Work] = {
                f"sweep of {SWEEP}": lambda: edit_variants(
                    editor, single, outputs, encoding=encoding, store=store
                ),
                "the loop": lambda: obvious_loop(plain, single, target, {slider: 1.0}),
                "the loop, faces of 40 px": lambda: obvious_loop(
                    plain, single, target, {slider: 1.0}, min_face=40
                ),
            }
            seconds = least(kinds if edits_only else kinds | others, rounds)
            report = edit_video(editor, single, target, {slider: 0.7}, encoding=encoding)
            print(f"{clip.name} at {height} lines, a face of {FACE_PX} px, {n_frames} frames, x264 {preset}")
            print(f"{network} network, {report.engine}\n")
        _table(seconds, preset)
        for part in report.timings:
            print(
                f"- {part.stage}: working {part.working:.2f} s, waiting {part.for_input:.2f} s for input, "
                f"{part.for_output:.2f} s to hand on"
            )
        start_s, peak = in_a_process_of_its_own(single, target, model, engine, slider)
        print(f"- first frame {start_s:.2f} s after the process began (asked: {ASKED_START_S} s)")
        print(f"- peak memory of a process {peak:.0f} MiB (asked: {ASKED_MIB} MiB)")


def _table(seconds: Mapping[str, float], preset: str) -> None:
    print("| | of the transcode's time | of the plain one's | asked |\n|---|---|---|---|")
    for kind, value in seconds.items():
        asked = ASKED.get(preset, {}).get(kind)
        shares = " | ".join(f"{value / seconds[floor]:.2f}" for floor in ("transcode", "plain transcode"))
        print(f"| {kind} | {shares} | {f'at most {asked:.2f}' if asked else ''} |")
    for kind in filter(seconds.__contains__, ("the loop", "the loop, faces of 40 px")):
        times = seconds[kind] / seconds["first edit"]
        print(f"\n- {kind}: {times:.1f} times as long as a first edit (asked: {ASKED_LOOP} or more)")
    if (sweep := seconds.get(f"sweep of {SWEEP}")) is not None:
        share = sweep / (SWEEP * seconds["second edit"])
        print(f"- a sweep of {SWEEP} takes {share:.2f} of {SWEEP} second edits (asked: below 1)")


if __name__ == "__main__":
    typer.run(main)
