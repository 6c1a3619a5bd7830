"""Live: real sockets of this machine, a sender in a process of its own, and the newest frame wins."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.runtime.scenes import decoded, face_views
from tests.runtime.sender import Sender, free_port

from fader.errors import ConfigError, MediaError
from fader.runtime import Editor
from fader.runtime.live import LiveReport, edit_live
from fader.runtime.video.live_source import LiveSource, _Clock, is_live, stem_of

SIZE = (160, 120)
STRONG = {"Smiling": 3.0}
VIEWER = """
import sys, av
options = dict(option.split("=") for option in sys.argv[2:])
with av.open(sys.argv[1], options=options, timeout=(30, 5)) as container:
    try:
        for frame in container.decode(video=0):
            print(container.streams.video[0].codec.name, frame.width, frame.height, flush=True)
    except (av.FFmpegError, OSError):  # the sender has gone
        pass
"""
LISTEN = {"rtsp_flags": "listen", "listen_timeout": "30"}


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    return list(face_views(24, SIZE))


def source_of(name: str, stop: threading.Event | None = None, reconnects: int = 0) -> LiveSource:
    options = LISTEN if name.startswith("rtsp") else None
    return LiveSource(name, stop=stop or threading.Event(), reconnects=reconnects, options=options)


@pytest.mark.parametrize(
    ("form", "send_to", "read_from"),
    [
        ("mpegts", "udp://127.0.0.1:{}?pkt_size=1316", "udp://127.0.0.1:{}?timeout=5000000"),
        ("mpegts", "tcp://127.0.0.1:{}", "tcp://127.0.0.1:{}?listen=1"),
        ("rtsp", "rtsp://127.0.0.1:{}/x", "rtsp://127.0.0.1:{}/x"),
    ],
)
def test_a_stream_over_a_socket_becomes_an_edited_file(
    editor: Editor,
    tmp_path: Path,
    pictures: list[NDArray[np.uint8]],
    form: str,
    send_to: str,
    read_from: str,
) -> None:
    port = free_port()
    options = {"rtsp_transport": "tcp"} if form == "rtsp" else {}
    with Sender(send_to.format(port), form, pictures, tmp_path, seconds=5, sound=True, options=options):
        report = edit_live(editor, source_of(read_from.format(port)), str(tmp_path / "out.mkv"), STRONG)
    assert report.frames + report.frames_dropped == report.frames_received
    assert report.frames > 5
    assert report.frames_edited > 0
    assert 0 <= report.latency_p50_ms <= report.latency_p95_ms
    frames = decoded(tmp_path / "out.mkv")
    assert len(frames) == report.frames
    times = np.array([frame.time for frame in frames], float)
    assert times[0] == pytest.approx(0, abs=0.002)
    assert (np.diff(times) > 0).all()
    # however many were dropped, those that are there have their own times
    assert np.diff(times) * 30 == pytest.approx(np.rint(np.diff(times) * 30), abs=0.1)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert sum(packet.size > 0 for packet in container.demux(audio=0)) > 20
        assert "Smiling=3" in container.metadata["COMMENT"]


@pytest.mark.parametrize(
    ("send_to", "read_from"),
    [
        ("udp://127.0.0.1:{}?pkt_size=1316", "udp://127.0.0.1:{}?timeout=5000000"),
        ("tcp://127.0.0.1:{}", "tcp://127.0.0.1:{}?listen=1"),
        ("rtsp://127.0.0.1:{}/x", "rtsp://127.0.0.1:{}/x"),
    ],
)
def test_an_edited_stream_is_sent_on(
    editor: Editor, tmp_path: Path, pictures: list[NDArray[np.uint8]], send_to: str, read_from: str
) -> None:
    source_port, target_port = free_port(), free_port()
    options = [f"{key}={value}" for key, value in LISTEN.items() if read_from.startswith("rtsp")]
    viewer = subprocess.Popen(
        [sys.executable, "-c", VIEWER, read_from.format(target_port), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        sent = f"udp://127.0.0.1:{source_port}?pkt_size=1316"
        with Sender(sent, "mpegts", pictures, tmp_path, seconds=4, sound=not read_from.startswith("rtsp")):
            time.sleep(1)  # until the viewer listens
            source = source_of(f"udp://127.0.0.1:{source_port}?timeout=3000000")
            report = edit_live(editor, source, send_to.format(target_port), STRONG)
        said, _ = viewer.communicate(timeout=30)
    finally:
        viewer.kill()
        viewer.wait(10)
    seen = said.splitlines()
    assert report.frames_edited > 5
    assert len(seen) > 0.5 * report.frames
    assert set(seen) == {f"h264 {SIZE[0]} {SIZE[1]}"}


def slow(source: LiveSource, pause_s: float) -> Iterator[tuple[int, float]]:
    for item in source.items():
        if isinstance(item, VideoFrame):
            assert item.pts is not None
            age_s = source.age_s(item.pts)
            assert age_s is not None
            yield item.pts, age_s
            time.sleep(pause_s)


def test_a_slow_reader_gets_the_newest_frame_and_the_dropped_are_counted(
    tmp_path: Path,
    pictures: list[NDArray[np.uint8]],
) -> None:
    port = free_port()
    with (
        Sender(f"udp://127.0.0.1:{port}?pkt_size=1316", "mpegts", pictures, tmp_path, seconds=5),
        source_of(f"udp://127.0.0.1:{port}?timeout=5000000") as source,
    ):
        taken = list(slow(source, 0.4))
    assert source.n_dropped + len(taken) == source.n_decoded
    assert source.n_dropped > len(taken)
    assert max(age_s for _, age_s in taken[1:]) < 0.6, "nothing waits longer than a reader is busy"


def test_a_stream_that_is_lost_is_opened_again_and_its_time_goes_on(
    editor: Editor,
    tmp_path: Path,
    pictures: list[NDArray[np.uint8]],
) -> None:
    port = free_port()
    url, listen = f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port}?listen=1"
    reports: list[LiveReport] = []
    with Sender(url, "mpegts", pictures, tmp_path, seconds=3) as first:
        source = source_of(listen, reconnects=1)
        work = threading.Thread(
            target=lambda: reports.append(edit_live(editor, source, str(tmp_path / "out.mkv"), STRONG))
        )
        work.start()
        time.sleep(1)
        first.stop()
    with Sender(url, "mpegts", pictures, tmp_path, seconds=3):
        work.join(60)
    (report,) = reports
    assert report.reconnects == 1
    times = np.array([frame.time for frame in decoded(tmp_path / "out.mkv")], float)
    assert len(times) == report.frames
    assert (np.diff(times) > 0).all()
    assert np.diff(times).max() > 0.9, "the gap is as long as it was"


def test_ctrl_c_finishes_the_file(
    tiny_bundle: Path, tmp_path: Path, pictures: list[NDArray[np.uint8]]
) -> None:
    port = free_port()
    command = [
        *(sys.executable, "-c", "from fader.runtime.cli import main; main()"),
        *(f"udp://127.0.0.1:{port}?timeout=9000000", "--attr", "Smiling=3", "-o", "out.mp4"),
        *("--model", str(tiny_bundle), "--engine", "onnxruntime-cpu", "--threads", "1"),
    ]
    with Sender(f"udp://127.0.0.1:{port}?pkt_size=1316", "mpegts", pictures, tmp_path, seconds=60):
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        deadline = time.monotonic() + 60
        while not any(path.suffix == ".partial" and path.stat().st_size for path in tmp_path.iterdir()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "out.mp4: a face edited in" in out
    assert decoded(tmp_path / "out.mp4")


def test_a_stream_that_nobody_sends_is_refused() -> None:
    with pytest.raises(MediaError, match="cannot be opened"):
        source_of(f"tcp://127.0.0.1:{free_port()}")
    with pytest.raises(MediaError, match="webcam:97: cannot be opened"):
        source_of("webcam:97")


def test_a_target_that_cannot_be_streamed_to_is_refused(
    editor: Editor,
    tmp_path: Path,
    pictures: list[NDArray[np.uint8]],
) -> None:
    port = free_port()
    url = f"udp://127.0.0.1:{port}?pkt_size=1316"
    with Sender(url, "mpegts", pictures, tmp_path, seconds=20, sound=True):
        for target, words in (
            ("rtsp://127.0.0.1:9/x", "a rtsp file cannot hold stream 1"),
            ("https://127.0.0.1/x", "cannot be written to"),
            (str(tmp_path / "none" / "x.mkv"), "there is no folder"),
        ):
            source = source_of(f"udp://127.0.0.1:{port}?timeout=9000000")
            with pytest.raises((ConfigError, MediaError), match=words):
                edit_live(editor, source, target, STRONG)


@pytest.mark.parametrize("name", ["rtsp://h/x", "udp://h:1", "/dev/video0", "webcam:1", "https://h/x.m3u8"])
def test_streams_are_told_from_files(name: str) -> None:
    assert is_live(name)
    assert not is_live("a.mp4")
    assert not is_live("/dev/video0.mp4")
    assert "/" not in stem_of(name)
    assert "secret" not in stem_of("rtsp://user:secret@camera/x")


@given(
    steps=st.lists(st.integers(-100_000_000, 100_000_000), min_size=1, max_size=30),
    restarts=st.sets(st.integers(0, 29)),
)
def test_time_begins_at_zero_and_never_goes_back_whatever_a_sender_does(
    steps: list[int], restarts: set[int]
) -> None:
    clock, sent, stamped = _Clock(), 0, []
    for i, step in enumerate(steps):
        sent += step
        frame = VideoFrame(16, 16, "gray")
        frame.pts, frame.time_base = sent, Fraction(1, 90_000)
        if i in restarts:
            clock.restart()
        clock.stamp(frame)
        stamped.append(frame.pts)
    assert stamped[0] == 0
    assert all(b > a for a, b in pairwise(stamped))
