"""What a sweep costs against as many single second edits, in wall and processor time of one process.

python benchmarks/sweep.py CLIP [OUTPUTS]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fader.runtime import Editor, LatentStore, edit_variants, edit_video


def measured(title: str, work: Callable[[], object]) -> tuple[float, float]:
    """Print and return seconds of wall and of processor time; other processes hardly change the latter."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{title:40} {wall:7.2f} s  {cpu:7.2f} s of processors")
    return wall, cpu


def main(clip: Path, n: int) -> None:
    """Print the times, and those of the sweeps as shares of the single edits'."""
    values = [{"Eyeglasses": i / (n - 1)} for i in range(n)]
    with tempfile.TemporaryDirectory() as name, Editor.open() as editor:
        folder = Path(name)
        store = LatentStore(folder / "store")
        targets = [folder / f"{i}{clip.suffix}" for i in range(n)]
        outputs = dict(zip(targets, values, strict=True))

        def singly() -> None:
            for target, own in outputs.items():
                edit_video(editor, clip, target, own, store=store)

        def swept(kept: LatentStore | None) -> None:
            edit_variants(editor, clip, outputs, store=kept)

        edit_video(editor, clip, targets[0], values[0], store=store)  # fills the store
        single = measured(f"{n} second edits", singly)
        for title, kept in (("with the store", store), ("without it", None)):
            wall, cpu = measured(f"a sweep of {n} {title}", partial(swept, kept))
            print(f"  = {wall / single[0]:.2f} of their time, {cpu / single[1]:.2f} of their processor time")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
