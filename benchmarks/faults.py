"""Kills edits with --resume at random moments, and edits damaged files: nothing lost, no hang, no traceback.

    python benchmarks/faults.py CLIP... [--kills 200] [--mutants 200] [--segment 25] [--seed 0]

Kills: fader-run edits the first clip in segments of so many frames and is killed (SIGKILL) after a random
time, again and again until the file is whole; then all begins anew. Each whole file must have the frames,
times and packets of a run that nobody killed. Mutants: copies of the clips with bytes flipped, the end cut
off, or parts swapped are edited by fader-run in a child; each must end in time with code 0 or 1, without a
traceback, and leave a file under the target's name only with code 0.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer

SEGMENTS = "from fader.runtime.video import segmented; segmented.SEGMENT_FRAMES = {segment}; "
COMMAND = "from fader.runtime.cli import main; main()"
# Mutants come to one process by the line: starting it takes longer than editing one.
LINES = """
import contextlib, sys
from fader.console import run
from fader.runtime.cli import app
for line in sys.stdin:
    sys.argv = ["fader-run", *line.rstrip("\\n").split("\\t")]
    try:
        run(app)
    except SystemExit as stopped:
        print("code", stopped.code, flush=True)
"""
OPTIONS = ["--attr", "Smiling=1", "--engine", "onnxruntime-cpu", "--threads", "1", "--no-cache", "-q"]


def contents(path: Path) -> str:
    """Return a digest of a video's frames, and of the packets of its other streams, with their times."""
    digest = hashlib.sha256()
    with av.open(path) as container:
        main = container.streams.video[0]
        for packet in container.demux():
            if packet.stream_index != main.index:
                digest.update(repr((packet.stream_index, packet.pts, packet.dts)).encode() + bytes(packet))
                continue
            for frame in packet.decode():
                assert isinstance(frame, av.VideoFrame)  # noqa: S101
                digest.update(repr((frame.pts, frame.duration)).encode() + frame.to_ndarray().tobytes())
    return digest.hexdigest()


class Killer:
    """Edits of one clip that are killed."""

    def __init__(self, clip: Path, folder: Path, segment: int) -> None:
        self._target = folder / f"out{'.mp4' if clip.suffix == '.gif' else clip.suffix}"
        code = SEGMENTS.format(segment=segment) + COMMAND
        self._command = [
            sys.executable, "-c", code, str(clip), *OPTIONS, "--resume", "-o", str(self._target)
        ]  # fmt: skip
        began = time.perf_counter()
        subprocess.run(self._command, check=True)  # noqa: S603
        self.whole_s = time.perf_counter() - began
        self._expected = contents(self._target)
        self._target.unlink()

    def run(self, after_s: float) -> str:
        """Go on, and kill after a time; what is there then."""
        with subprocess.Popen(self._command, stderr=subprocess.PIPE) as child:  # noqa: S603
            try:
                _, said = child.communicate(timeout=after_s)
            except subprocess.TimeoutExpired:
                child.kill()
                _, said = child.communicate()
        if b"Traceback" in said:
            return "a traceback"
        if not self._target.exists():
            return "nothing yet"
        same = contents(self._target) == self._expected
        self._target.unlink()
        return "the same file" if same else "another file"


def mutant(content: bytes, rng: np.random.Generator) -> bytes:
    """Return damaged bytes: flipped, cut off, or with two parts swapped."""
    kind, size = rng.integers(3), len(content)
    if kind == 0:
        flipped = bytearray(content)
        # Headers are at the beginning or at the end; most other places are pictures.
        places = rng.integers(0, size, rng.integers(1, 30)).tolist()
        places += [int(p) for p in rng.integers(0, min(size, 3000), rng.integers(0, 5))]
        places += [size - 1 - int(p) for p in rng.integers(0, min(size, 3000), rng.integers(0, 5))]
        for place in places:
            flipped[place] ^= int(rng.integers(1, 256))
        return bytes(flipped)
    if kind == 1:
        return content[: int(rng.integers(0, size))]
    a, b, c = sorted(int(i) for i in rng.integers(0, size, 3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


class Examiner:
    """A child that edits one file after the other, and is replaced when it dies or hangs."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-c", LINES]
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._child = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )

    def edit(self, source: Path, target: Path) -> str:
        """Return how it ended: `code 0`, `code 1`, or what is wrong."""
        assert self._child.stdin is not None  # noqa: S101
        assert self._child.stdout is not None  # noqa: S101
        hung = threading.Timer(self._limit_s, self._child.kill)
        hung.start()
        print(*[source, *OPTIONS, "-o", target], sep="\t", file=self._child.stdin, flush=True)
        said = self._child.stdout.readline().strip()
        is_late = not hung.is_alive()
        hung.cancel()
        if not said:
            self._child.wait()
            self._errors.seek(0)
            is_traceback = b"Traceback" in self._errors.read()
            self.close()
            self._start()
            return "hang" if is_late else "traceback" if is_traceback else "crash"
        left = target.exists()
        target.unlink(missing_ok=True)
        return f"{said}, but a file" if left and said != "code 0" else said

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.communicate()
        self._errors.close()


def main(
    clips: Annotated[list[Path], typer.Argument(exists=True, help="Videos with a face; short ones.")],
    kills: Annotated[int, typer.Option(help="Of the first clip's edit.")] = 200,
    mutants: Annotated[int, typer.Option(help="Damaged copies of the clips.")] = 200,
    segment: Annotated[int, typer.Option(help="Frames of a segment.")] = 25,
    limit_s: Annotated[float, typer.Option(help="An edit that takes longer hangs.")] = 120,
    seed: Annotated[int, typer.Option(help="Of moments and damages.")] = 0,
    keep: Annotated[Path | None, typer.Option(help="Where mutants that went wrong are kept.")] = None,
) -> None:
    """Print how the edits ended; exit with 1 if any ended otherwise than it must."""
    rng, ends = np.random.default_rng(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kills:
            killer = Killer(clips[0], folder, segment)
            ends.update(killer.run(rng.uniform(0, 0.8 * killer.whole_s)) for _ in range(kills))
            ends[killer.run(600)] += 1
            print(f"{kills} kills: {dict(ends)}", flush=True)
        found, examiner = Counter[str](), Examiner(limit_s)
        for i in range(mutants):
            clip = clips[i % len(clips)]
            source = folder / f"mutant{i}{clip.suffix}"
            source.write_bytes(mutant(clip.read_bytes(), rng))
            end = examiner.edit(source, folder / "mutant.mkv")
            found[end] += 1
            if end not in {"code 0", "code 1"}:
                print(source.name, end, flush=True)
                if keep is not None:
                    shutil.copy(source, keep)
            source.unlink()
        examiner.close()
        left = [path.name for path in folder.iterdir()]
        print(f"{mutants} mutants: {dict(found)}; left behind: {left or 'nothing'}")
    good = {"nothing yet", "the same file"}, {"code 0", "code 1"}
    sys.exit(int(bool(left or ends.keys() - good[0] or found.keys() - good[1])))


if __name__ == "__main__":
    typer.run(main)
