"""Kills edits, damages stores, and looks whether the next edit is still the same to the bit.

    python benchmarks/store_faults.py CLIP [--kills 200] [--damages 200] [--seed 0]

Each kill starts fader-run on the store that the try before left, kills it (SIGKILL) after a random time, and
edits from a copy of the store without encoding. Once a store holds the whole clip, a new one is begun. Each
damage overwrites up to six runs of up to 64 random bytes in a copy of a store that holds the whole clip, half
of them in its first 20,000 bytes, where headers lie.
"""

import hashlib
import logging
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


def damage(path: Path, rng: np.random.Generator) -> None:
    """Overwrite parts of a file."""
    content = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 7)):
        at = int(rng.integers(0, len(content) if rng.uniform() < 0.5 else min(20_000, len(content))))
        new = rng.bytes(int(rng.integers(1, 65)))[: len(content) - at]
        content[at : at + len(new)] = new
    path.write_bytes(content)


def main(
    clip: Annotated[Path, typer.Argument(exists=True, help="A video with a face; a short one.")],
    kills: Annotated[int, typer.Option(min=0, help="Edits that are killed.")] = 200,
    damages: Annotated[int, typer.Option(min=0, help="Stores that are damaged.")] = 200,
    seed: Annotated[int, typer.Option(help="Of moments, places and bytes.")] = 0,
) -> None:
    """Print how many faults there were, and how many edits came out otherwise; exit with 1 if any did."""
    rng, seen, struck = np.random.default_rng(seed), Counter[str](), Counter[str]()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name, Editor.open(threads=1) as editor:
        folder = Path(name)
        began = time.perf_counter()
        expected, _, n_frames = edited(editor, clip, LatentStore(folder / "whole"))
        whole_s = time.perf_counter() - began
        for _ in range(kills):
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
        for _ in range(damages):
            copy = folder / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder / "whole", copy)
            (database,) = copy.glob("*.sqlite")
            damage(database, rng)
            pictures, n_stored, _ = edited(editor, clip, LatentStore(copy))
            struck["other pictures" if pictures != expected else "same pictures"] += 1
            struck["all" if n_stored == n_frames else "a part" if n_stored else "nothing"] += 1
    print(f"{kills} kills: {dict(seen)}")
    print(f"{damages} damages: {dict(struck)}")
    sys.exit(int(seen["other pictures"] + struck["other pictures"] > 0))


if __name__ == "__main__":
    typer.run(main)
