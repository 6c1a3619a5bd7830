"""What the store saves: a first edit, a second one with another value, and a plain transcode, in one run.

    python benchmarks/store.py CLIP [--height 1080] [--loops 1] [--attr Eyeglasses=1] [--preset veryfast]

The clip is brought to the height and encoded as H.264 first. Then each kind is run `--rounds` times in turn,
and the least time counts, wall clock and CPU. The last lines say where the second edit's time goes, stage by
stage in one thread, and what storing something else would cost and save.
"""

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer

from fader.image import to_model
from fader.runtime import Editor, EncodeOptions, LatentStore, edit_video
from fader.runtime.latents import Latents
from fader.runtime.stages import FaceFrame, paste, render
from fader.runtime.store import VideoMemory
from fader.runtime.video import VideoSource, VideoTarget


def enlarge(clip: Path, target: Path, height: int, loops: int) -> int:
    """Write the clip at another height, several times over; return the number of frames."""
    with av.open(clip) as source, av.open(target, "w") as container:
        shape = source.streams.video[0]
        rate = shape.average_rate or Fraction(25)
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "18"})
        stream.height, stream.width = height, round(shape.width * height / shape.height / 2) * 2
        stream.pix_fmt = "yuv420p"
        n_frames = 0
        for _ in range(loops):
            source.seek(0)
            for frame in source.decode(video=0):
                large = frame.reformat(stream.width, height, "yuv420p", interpolation="BICUBIC")
                large.pts, large.time_base = n_frames, 1 / rate
                container.mux(stream.encode(large))
                n_frames += 1
        container.mux(stream.encode(None))
    return n_frames


def transcode(source: Path, target: Path, encoding: EncodeOptions) -> None:
    """Decode and encode, nothing else."""
    with VideoSource(source) as reading, VideoTarget.open(target, reading, encoding) as writing:
        for item in reading.items():
            writing.write(item)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds of wall clock and of CPU."""
    began, before = time.perf_counter(), _cpu_s()
    work()
    return time.perf_counter() - began, _cpu_s() - before


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def stages(editor: Editor, source: Path, store: LatentStore, name: str, value: float) -> dict[str, float]:
    """Return seconds that a second edit spends in each stage, in one thread."""
    spent: dict[str, float] = {}

    def through(kind: str, items: Iterator[object]) -> list[object]:
        began = time.perf_counter()
        done = list(items)
        spent[kind] = spent.get(kind, 0) + time.perf_counter() - began
        return done

    with VideoSource(source) as reading, VideoMemory(store, reading, editor.model) as memory:
        tracker, decoder = editor.tracker(), reading.items()
        # A few frames at a time: all of them would not fit in memory.
        while batch := through("decode the video", islice(decoder, 16)):
            frames = [item for item in batch if isinstance(item, av.VideoFrame)]
            known = through("read the store, cut the crops", memory.recall(frames, tracker))
            found = [item for item in known if isinstance(item, FaceFrame)]
            rendered = through("draw both pictures", render(found, editor.model, {name: value}))
            through("paste", paste(item for item in rendered if isinstance(item, FaceFrame)))
    return spent


def forms(editor: Editor, source: Path, values: dict[str, float]) -> str:
    """Say what a latent in half precision would change, and what storing more would cost and save."""
    with VideoSource(source) as reading:
        frames = islice(reading.items(), 64)
        crops = [editor.crops(f.to_ndarray(format="rgb24")) for f in frames if isinstance(f, av.VideoFrame)]
    pixels = np.concatenate(crops)[:64]
    latents = editor.model.encode(pixels, remember=False)
    halved = Latents(
        tensors=tuple(t.astype(np.float16).astype(np.float32) for t in latents.tensors[:1])
        + latents.tensors[1:],
        source_NA=latents.source_NA,
        bundle_id=latents.bundle_id,
    )
    wanted_NA = editor.attributes.apply(values, latents.source_NA)
    began = time.perf_counter()
    full = editor.model.render(latents, wanted_NA, latents.source_NA)
    drawing_ms = (time.perf_counter() - began) / len(pixels) * 1e3
    small = editor.model.render(halved, wanted_NA, latents.source_NA)
    change = float(np.abs(full - small).max()) * 127.5
    is_image = [np.array_equal(t, to_model(pixels)) for t in latents.tensors]
    kept = sum(t[0].nbytes for t, image in zip(latents.tensors, is_image, strict=True) if not image)
    return (
        f"a face in a frame: {kept >> 10} KiB of latents; half of it as float16, which would change the "
        f"drawing by up to {change:.3f} of 255 levels; the crop would add {pixels[0].nbytes >> 10} KiB as "
        f"uint8; the drawing at the source's values {full[0].nbytes >> 10} KiB, and save {drawing_ms:.1f} ms"
    )


def table(kinds: dict[str, Callable[[], object]], rounds: int, n_frames: int) -> None:
    """Run every kind in turn and print the least times, and their ratios to the first kind's."""
    times: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, work in kinds.items():
            times[kind].append(timed(work))
    least = {kind: tuple(map(min, zip(*runs, strict=True))) for kind, runs in times.items()}
    floor = next(iter(least.values()))
    print("| | ms a frame | CPU ms a frame | of the transcode | of its CPU |\n|---|---|---|---|---|")
    for kind, (wall, cpu) in least.items():
        print(
            f"| {kind} | {wall / n_frames * 1e3:.1f} | {cpu / n_frames * 1e3:.1f} "
            f"| {wall / floor[0]:.2f} | {cpu / floor[1]:.2f} |"
        )


def main(
    clip: Annotated[Path, typer.Argument(exists=True, help="A video with a face.")],
    height: Annotated[int, typer.Option(help="Of the frames that are measured.")] = 1080,
    loops: Annotated[int, typer.Option(help="How many times the clip is repeated.")] = 1,
    attr: Annotated[str, typer.Option(help="The second edit; the first is Smiling=1.")] = "Eyeglasses=1",
    preset: Annotated[str, typer.Option(help="Of x264, for all three.")] = "veryfast",
    rounds: Annotated[int, typer.Option(help="The least time of so many counts.")] = 3,
) -> None:
    """Print times and ratios."""
    name, _, value = attr.partition("=")
    encoding = EncodeOptions(codec="libx264", crf=20, preset=preset)
    with tempfile.TemporaryDirectory() as folder_name, Editor.open() as editor:
        folder = Path(folder_name)
        source, target = folder / "source.mp4", folder / "target.mp4"
        n_frames = enlarge(clip, source, height, loops)
        store = LatentStore(folder / "store")

        def edit(values: dict[str, float], kept: LatentStore | None) -> Callable[[], object]:
            return lambda: edit_video(editor, source, target, values, encoding=encoding, store=kept)

        def first() -> None:
            store.prune(0)
            edit({"Smiling": 1.0}, store)()

        kinds: dict[str, Callable[[], object]] = {
            "plain transcode": lambda: transcode(source, target, encoding),
            "edit without a store": edit({"Smiling": 1.0}, None),
            "first edit, stores": first,
            "second edit, from the store": edit({name: float(value)}, store),
        }
        print(f"{clip.name} at {height} lines, {n_frames} frames, x264 {preset}, {editor.engine_name}\n")
        table(kinds, rounds, n_frames)
        (entry,) = store.entries()
        print(f"\n{entry.n_bytes / n_frames / 1024:.1f} KiB a frame stored")
        for stage, seconds in stages(editor, source, store, name, float(value)).items():
            print(f"- {stage}: {seconds / n_frames * 1e3:.1f} ms a frame")
        print(forms(editor, source, {name: float(value)}))


if __name__ == "__main__":
    typer.run(main)
