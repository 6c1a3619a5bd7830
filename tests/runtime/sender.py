"""Sends pictures over a local socket at the pace of a camera, from a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["Sender", "free_port"]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Sender:
    """Encodes pictures as H.264 and sends them, each at its time; stops with the block.

    Args:
        url: For the writing side, such as udp://127.0.0.1:1234; it is tried until somebody listens.
        form: FFmpeg's name of the container.
        pictures: (H, W, 3) uint8 RGB; sent over and over.
        folder: For a file in which the process finds them.
        seconds: How long it sends.
        fps: Frames a second.
        sound: Whether there is a tone.
        options: Of the container.
    """

    def __init__(
        self,
        url: str,
        form: str,
        pictures: Sequence[NDArray[np.uint8]],
        folder: Path,
        *,
        seconds: float,
        fps: int = 30,
        sound: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> None:
        path = folder / f"{form}-{time.monotonic_ns()}.npy"
        np.save(path, np.stack(pictures))
        settings = [f"{key}={value}" for key, value in (options or {}).items()]
        self._command = [
            *(sys.executable, __file__, url, form, str(path), str(seconds), str(fps), str(int(sound))),
            *settings,
        ]
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it where it is."""
        self._process.kill()
        self._process.wait(10)


def send(url: str, form: str, path: str, seconds: str, fps: str, sound: str, *options: str) -> None:
    pictures, rate, began = np.load(path), int(fps), time.monotonic()
    while time.monotonic() < began + float(seconds):
        try:
            _send(
                url, form, pictures, float(seconds), rate, sound == "1", dict(o.split("=") for o in options)
            )
        except (av.FFmpegError, OSError):  # nobody listens yet, or the listener has gone
            time.sleep(0.1)
        else:
            return


def _send(
    url: str,
    form: str,
    pictures: NDArray[np.uint8],
    seconds: float,
    fps: int,
    has_sound: bool,
    options: dict[str, str],
) -> None:
    with av.open(url, "w", format=form, options=options) as container:
        encoder = {"preset": "ultrafast", "tune": "zerolatency", "g": str(fps // 2), "thread_type": "slice"}
        video: Any = container.add_stream("libx264", rate=fps, options=encoder)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        tone: Any = container.add_stream("aac", rate=48000, layout="mono") if has_sound else None
        container.start_encoding()
        began, n_samples = time.monotonic(), 0
        for i in range(round(seconds * fps)):
            time.sleep(max(0.0, began + i / fps - time.monotonic()))
            frame = av.VideoFrame.from_ndarray(pictures[i % len(pictures)], "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(video.encode(frame))
            while tone is not None and n_samples < (i + 1) * 48000 // fps:
                wave = np.sin(np.arange(n_samples, n_samples + 1024) * 0.05).astype(np.float32)[None]
                sound = av.AudioFrame.from_ndarray(wave, "fltp", layout="mono")
                sound.sample_rate, sound.pts, sound.time_base = 48000, n_samples, Fraction(1, 48000)
                container.mux(tone.encode(sound))
                n_samples += 1024
        container.mux(video.encode(None))


if __name__ == "__main__":
    send(*sys.argv[1:])
