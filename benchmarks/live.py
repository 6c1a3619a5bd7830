"""Latency that live editing adds, and growth of memory, at 720p with one face.

    python benchmarks/live.py [--minutes 1] [--fps 30] [--attr Eyeglasses=1]

A process of its own sends a moving portrait as H.264 in MPEG-TS over UDP on this machine, each frame at its
time; fader edits it and sends it on over UDP. Latency is counted from a frame's decoding until its data
has been written.
"""

import socket
import subprocess
import sys
import threading
import time
from fractions import Fraction
from typing import Annotated, Any

import av
import cv2
import numpy as np
import psutil
import skimage.data
import typer

from fader.runtime import Editor
from fader.runtime.live import LiveProgress, LiveReport, edit_live
from fader.runtime.video.live_source import LiveSource

SIZE = (1280, 720)
FACE_SHARE = 0.4
"""The face's height to the picture's: about 300 px at 720p."""
LOOP_S = 2


def send(url: str, seconds: float, fps: int) -> None:
    """Send the moving portrait."""
    portrait, n = skimage.data.astronaut(), LOOP_S * fps
    scale = FACE_SHARE * SIZE[1] / 100
    frames = []
    for i in range(n):
        t = 2 * np.pi * i / n
        x, y = SIZE[0] / 2 + 60 * np.sin(t), SIZE[1] / 2 + 20 * np.cos(t)
        matrix = np.array([[scale, 0, x - scale * 224], [0, scale, y - scale * 118]])
        picture = cv2.warpAffine(portrait, matrix, SIZE, borderMode=cv2.BORDER_REPLICATE)
        frames.append(
            av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), "rgb24").reformat(format="yuv420p")
        )
    with av.open(url, "w", format="mpegts") as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "thread_type": "slice", "g": str(fps)}
        stream: Any = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        began = time.monotonic()
        for i in range(round(seconds * fps)):
            time.sleep(max(0.0, began + i / fps - time.monotonic()))
            frames[i % n].pts, frames[i % n].time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frames[i % n]))


def free_port() -> int:
    """Find a UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def receive(editor: Editor, port: int, attr: str, memory: list[tuple[float, float]]) -> LiveReport:
    """Edit what comes, and note the resident set in MiB every second."""
    process, began = psutil.Process(), time.monotonic()

    def watch(_: LiveProgress) -> None:
        now = time.monotonic() - began
        if not memory or now - memory[-1][0] >= 1:
            memory.append((now, process.memory_info().rss / 2**20))

    name, value = attr.split("=")
    url = f"udp://127.0.0.1:{port}?timeout=3000000&fifo_size=20000&overrun_nonfatal=1"
    source = LiveSource(url, stop=threading.Event(), reconnects=0)
    target = f"udp://127.0.0.1:{free_port()}?pkt_size=1316"
    return edit_live(editor, source, target, {name: float(value)}, on_progress=watch)


def main(
    minutes: Annotated[float, typer.Option(help="How long.")] = 1.0,
    fps: Annotated[int, typer.Option(help="Frames a second.")] = 30,
    attr: Annotated[str, typer.Option(help="The edit.")] = "Eyeglasses=1",
    sender: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print a table."""
    if sender is not None:
        send(sender, minutes * 60, fps)
        return
    port = free_port()
    memory: list[tuple[float, float]] = []
    url = f"udp://127.0.0.1:{port}?pkt_size=1316"
    command = [sys.executable, __file__, "--sender", url, "--minutes", str(minutes), "--fps", str(fps)]
    with Editor.open() as editor, subprocess.Popen(command) as process:  # noqa: S603
        report = receive(editor, port, attr, memory)
        process.kill()
    settled = [mib for _, mib in memory[len(memory) // 5 :]]
    print(
        "| frames received | written | dropped | edited | latency p50 | p95 | memory, settled | at the end |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {report.frames_received} | {report.frames} | {report.frames_dropped} | {report.frames_edited} "
        f"| {report.latency_p50_ms:.0f} ms | {report.latency_p95_ms:.0f} ms "
        f"| {settled[0]:.0f} MiB | {settled[-1]:.0f} MiB |"
    )
    print(f"\n{minutes:g} minutes of {SIZE[0]}x{SIZE[1]} at {fps} frames/s, {attr}, on {report.engine}")


if __name__ == "__main__":
    typer.run(main)
