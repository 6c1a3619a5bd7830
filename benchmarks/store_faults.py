"""Kills edits at random moments and looks whether the next edit is still the same to the bit.

    python benchmarks/store_faults.py CLIP [--tries 200] [--seed 0]

Each try starts fader-run on the store that the try before left, kills it (SIGKILL) after a random time, and
edits from a copy of the store without encoding. Once a store holds the whole clip, a new one is begun.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from fader.runtime import Editor, LatentStore
from fader.runtime.delay import look_ahead
from fader.runtime.stages import Edited, find_faces, paste, render
from fader.runtime.store import VideoMemory
from fader.runtime.video import VideoSource

CHILD = "from fader.runtime.cli import main; main()"


def edited(editor: Editor, clip: Path, store: LatentStore) -> tuple[str, int, int]:
    """Return a digest of the edited frames, how many came from the store, and how many there are."""
    digest, n_frames = hashlib.sha256(), 0
    with VideoSource(clip) as reading, VideoMemory(store, reading, editor.model) as memory:
        tracker = editor.tracker()
        known = memory.recall(reading.items(), tracker)
        found = find_faces(known, tracker, None, rotation=reading.rotation)
        settled = look_ahead(found, editor.image_size)
        for done in paste(memory.record(render(settled, editor.model, {"Smiling": 1.0}))):
            if isinstance(done, Edited):
                n_frames += 1
                digest.update(done.frame.to_ndarray().tobytes())
        return digest.hexdigest(), memory.n_recalled, n_frames


def killed_edit(clip: Path, folder: Path, after_s: float) -> None:
    """Start an edit in a child and kill it so long after its output file appeared."""
    target = folder / "out.mkv"
    command = [
        str(clip),
        "--attr",
        "Smiling=1",
        "-o",
        str(target),
        "--cache-dir",
        str(folder / "store"),
        "-q",
    ]
    with subprocess.Popen([sys.executable, "-c", CHILD, *command]) as child:  # noqa: S603
        while child.poll() is None and not list(folder.glob(".out.*.partial")):
            time.sleep(0.005)
        time.sleep(after_s)
        child.kill()
    for left in [*folder.glob(".out.*.partial"), *folder.glob("out.mkv")]:
        left.unlink()


def main(
    clip: Annotated[Path, typer.Argument(exists=True, help="A video with a face; a short one.")],
    tries: Annotated[int, typer.Option(help="Kills.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
) -> None:
    """Print how many kills there were, and how many edits came out otherwise; exit with 1 if any did."""
    rng, seen = np.random.default_rng(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name, Editor.open(threads=1) as editor:
        folder = Path(name)
        began = time.perf_counter()
        expected, _, n_frames = edited(editor, clip, LatentStore(folder / "whole"))
        whole_s = time.perf_counter() - began
        for _ in range(tries):
            killed_edit(clip, folder, rng.uniform(0, whole_s / 2))
            copy = folder / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            (folder / "store").mkdir(exist_ok=True)
            shutil.copytree(folder / "store", copy)
            pictures, n_stored, _ = edited(editor, clip, LatentStore(copy))
            seen["other pictures" if pictures != expected else "same pictures"] += 1
            seen["nothing stored" if not n_stored else "all" if n_stored == n_frames else "a part"] += 1
            if n_stored == n_frames:
                shutil.rmtree(folder / "store")
    print(f"{tries} kills: {dict(seen)}")
    sys.exit(int(seen["other pictures"] > 0))


if __name__ == "__main__":
    typer.run(main)
