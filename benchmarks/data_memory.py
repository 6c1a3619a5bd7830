"""Memory of preparing a training set and drawing batches from it: it must not hold the images.

    python benchmarks/data_memory.py [--images 20000] [--size 256] [--form zip] [--workers 1]

Makes a data set of CelebA's form (JPEGs of 178 x 218, 40 attributes, a partition), prepares it in a process
of its own and draws batches. The figure is the peak of the anonymous resident memory of that process and its
workers (Linux): what they hold for themselves. Pages of the cached file, which the system keeps while it has
room and takes back when it has not, are shown beside it.
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import psutil
import typer

CELEBA = 202_599
ATTRIBUTES = 40
BATCHES, BATCH_SIZE = 200, 32
DIFFERENT = 64
"""Different JPEG files; each is there many times, under other names."""


def jpegs() -> list[bytes]:
    """Return small real JPEG files."""
    random = np.random.default_rng(0)
    files = []
    for _ in range(DIFFERENT):
        coarse = random.integers(0, 256, (7, 6, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, (178, 218), interpolation=cv2.INTER_CUBIC)
        files.append(cv2.imencode(".jpg", picture)[1].tobytes())
    return files


def make(folder: Path, n: int, form: str) -> tuple[Path, Path]:
    """Write a data set; return its images and its label file."""
    files, names = jpegs(), [f"{i + 1:06d}.jpg" for i in range(n)]
    images = folder / ("img_align_celeba.zip" if form == "zip" else "img_align_celeba")
    if form == "zip":
        with zipfile.ZipFile(images, "w") as archive:
            for i, name in enumerate(names):
                archive.writestr(f"img_align_celeba/{name}", files[i % DIFFERENT])
    else:
        images.mkdir()
        for i, name in enumerate(names):
            (images / name).write_bytes(files[i % DIFFERENT])
    random = np.random.default_rng(1)
    labels = folder / "list_attr_celeba.txt"
    with labels.open("w") as file:
        file.write(f"{n}\n{' '.join(f'Attribute_{k}' for k in range(ATTRIBUTES))}\n")
        for name in names:
            file.write(f"{name} {' '.join(random.choice(['-1', ' 1'], ATTRIBUTES))}\n")
    parts = "".join(f"{name} {min(2, i * 10 // n // 4)}\n" for i, name in enumerate(names))
    (folder / "list_eval_partition.txt").write_text(parts)
    return images, labels


def resident() -> tuple[int, int]:
    """Return the bytes that this process and its children hold: anonymous, and of files."""
    anonymous = of_files = 0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:  # it ended
            continue
        found = {key: int(kib) for key, kib in re.findall(r"Rss(Anon|File):\s+(\d+) kB", status)}
        anonymous += found.get("Anon", 0) * 1024
        of_files += found.get("File", 0) * 1024
    return anonymous, of_files


@contextmanager
def watched(phase: str, peaks: dict[str, tuple[int, int, float]]) -> Iterator[None]:
    """Write down the peaks and the seconds of what the body does."""
    highest, over, start = list(resident()), threading.Event(), time.monotonic()

    def watch() -> None:
        while not over.wait(0.02):
            highest[:] = map(max, highest, resident())

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    over.set()
    thread.join()
    peaks[phase] = (highest[0], highest[1], time.monotonic() - start)


def measure(images: Path, labels: Path, size: int, workers: int) -> None:
    """Do what fader-train does with data, and print the peaks as JSON."""
    peaks: dict[str, tuple[int, int, float]] = {}
    with watched("import", peaks):
        from fader.train import prepare, read_labels  # noqa: PLC0415
        from fader.train.data.dataset import Batches  # noqa: PLC0415
    with watched("read the labels", peaks):
        read = read_labels(labels)
    with watched("prepare", peaks):
        prepared = prepare(read, images, size=size, cache=images.parent / "cache", workers=workers)
    with watched(f"draw {BATCHES} batches of {BATCH_SIZE}", peaks):
        subset = prepared.data.subset(np.arange(len(prepared.data)))
        batches = Batches(subset, np.ones(len(subset)), batch_size=BATCH_SIZE, seed=0)
        for number in range(BATCHES):
            batches.batch(number)
    print(json.dumps({"peaks": peaks, "n": len(prepared.data), "on_disk": prepared.data.images_NHWC.nbytes}))


def main(
    images: Annotated[int, typer.Option(help="How many.")] = 20_000,
    size: Annotated[int, typer.Option(help="Height and width of the prepared images.")] = 256,
    form: Annotated[str, typer.Option(help="zip or folder.")] = "zip",
    workers: Annotated[int, typer.Option(help="Processes that decode.")] = 1,
) -> None:
    """Print a table, and what follows for the whole of CelebA."""
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder), images, form)
        command = [sys.executable, __file__, "--child", *map(str, (*made, size, workers))]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    result = json.loads(done.stdout)
    peaks = result["peaks"]
    print(f"{result['n']:,} images of {size} px in a {form}, {workers} worker(s)\n")
    print("| phase | peak anonymous | pages of files | seconds |\n|---|---|---|---|")
    for phase, (anonymous, of_files, seconds) in peaks.items():
        print(f"| {phase} | {anonymous / 2**20:.0f} MiB | {of_files / 2**20:.0f} MiB | {seconds:.0f} |")
    base, read, written, drawn = (anonymous for anonymous, _, _ in peaks.values())
    each, batches = (max(read, written) - base) / result["n"], max(0, drawn - base)
    total = base + each * CELEBA + batches
    on_disk = ", ".join(f"{CELEBA * side * side * 3 / 1e9:.1f} GB at {side} px" for side in (64, 128, 256))
    print(f"\n{base / 2**20:.0f} MiB are the libraries', at most {batches / 2**20:.0f} MiB the batches',")
    print(f"{each:.0f} bytes an image's: names, labels, an archive's index.")
    print(f"So for {CELEBA:,} images at most {total / 2**20:.0f} MiB.")
    print(f"On disk lie {result['on_disk'] / 1e9:.2f} GB; for {CELEBA:,} images {on_disk}.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        measure(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        typer.run(main)
