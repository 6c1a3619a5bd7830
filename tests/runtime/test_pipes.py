"""fader-run in a pipeline: y4m and other containers through standard input and output of a real process."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.runtime.scenes import FaceClip, decoded, face_views, samples, write_clip

COMMAND = [sys.executable, "-c", "from fader.runtime.cli import main; main()"]
SIZE = (160, 120)
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tiny_bundle: Path, tmp_path: Path) -> Start:
    """Start fader-run with the tiny model on one engine, with pipes at its ends."""

    def call(*arguments: object, **pipes: int) -> "subprocess.Popen[bytes]":
        chosen = (
            "--attr",
            "Smiling=3",
            "--model",
            tiny_bundle,
            "--engine",
            "onnxruntime-cpu",
            "--threads",
            1,
        )
        return subprocess.Popen(
            [*COMMAND, *map(str, (*arguments, *chosen))],
            cwd=tmp_path,
            stdin=pipes.get("stdin", subprocess.PIPE),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A shell that runs the tests in the background may have told its children to ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )

    return call


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("pipes") / "clip.mkv", face_views(6, SIZE))


def as_y4m(clip: Path, target: Path, pix_fmt: str = "yuv420p") -> bytes:
    """The clip's frames as `ffmpeg -f yuv4mpegpipe -` writes them."""
    with av.open(str(target), "w", format="yuv4mpegpipe", options={"strict": "-1"}) as container:
        stream = container.add_stream("wrapped_avframe", rate=24)
        stream.width, stream.height, stream.pix_fmt = *SIZE, pix_fmt
        for i, frame in enumerate(decoded(clip)):
            ready = frame.reformat(format=pix_fmt)
            ready.pts, ready.time_base = i, Fraction(1, 24)
            container.mux(stream.encode(ready))
    return target.read_bytes()


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
def test_y4m_goes_in_and_comes_out(start: Start, clip: Path, tmp_path: Path, pix_fmt: str) -> None:
    content = as_y4m(clip, tmp_path / "in.y4m", pix_fmt)
    process = start("-", "-o", "-")
    out, err = process.communicate(content, timeout=120)
    assert process.returncode == 0, err
    assert err.decode().startswith("-: a face edited in 6 of 6 frames")
    (tmp_path / "out.y4m").write_bytes(out)
    before, after = decoded(tmp_path / "in.y4m"), decoded(tmp_path / "out.y4m")
    assert out.split(b"\n")[0] == content.split(b"\n")[0]
    assert [frame.pts for frame in after] == list(range(6))
    assert after[0].format.name == pix_fmt
    for old, new in zip(before, after, strict=True):
        changed = samples(old)[0] != samples(new)[0]
        assert changed.any()
        assert not changed[:4].any(), "the border has no face"


def test_a_file_goes_in_and_y4m_comes_out_with_the_report_on_stderr(start: Start, clip: Path) -> None:
    process = start(clip, "-o", "-", "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.startswith(b"YUV4MPEG2 W160 H120 F24:1")
    assert out.count(b"FRAME\n") == 6
    assert b'"frames": 6' in err


@pytest.mark.parametrize("form", ["matroska", "mpegts", "yuv4mpegpipe"])
def test_what_can_be_read_front_to_back_goes_in_and_a_file_comes_out(
    start: Start, tmp_path: Path, form: str
) -> None:
    name = tmp_path / f"in.{form}"
    if form == "yuv4mpegpipe":
        write_clip(tmp_path / "in.mkv", face_views(6, SIZE))
        as_y4m(tmp_path / "in.mkv", name)
    else:
        encoding = FaceClip(codec="libx264", options={"preset": "ultrafast", "bf": "0"})
        made = write_clip(
            tmp_path / ("in.mkv" if form == "matroska" else "in.ts"), face_views(6, SIZE), encoding
        )
        made.rename(name)
    process = start("-", "-o", "out.mp4")
    _, err = process.communicate(name.read_bytes(), timeout=120)
    assert process.returncode == 0, err
    times = [frame.time for frame in decoded(tmp_path / "out.mp4")]
    assert len(times) == 6
    assert np.diff(np.array(times, float)) == pytest.approx(1 / 24, abs=0.001)


def test_two_of_them_make_a_chain(start: Start, clip: Path, tmp_path: Path) -> None:
    first = start(clip, "-o", "-")
    assert first.stdout is not None
    second = start("-", "-o", "out.mkv", stdin=first.stdout.fileno())
    first.stdout.close()
    _, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert len(decoded(tmp_path / "out.mkv")) == 6


def test_a_reader_that_goes_away_is_one_line_and_an_exit_code(start: Start, tmp_path: Path) -> None:
    long = write_clip(tmp_path / "long.mkv", [*face_views(24, (640, 480))] * 4)
    process = start(long, "-o", "-")
    assert process.stdout is not None
    process.stdout.read(100)
    process.stdout.close()
    assert process.stderr is not None
    assert process.stdin is not None
    with process.stderr, process.stdin:
        err = process.stderr.read().decode()
    assert process.wait(120) == 1
    assert err.startswith("error: standard output was closed by its reader")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "cannot be read"), (b"nothing of the kind" * 99, "cannot be")]
)
def test_what_is_no_video_is_refused_in_one_line(
    start: Start, tmp_path: Path, content: bytes, words: str
) -> None:
    process = start("-", "-o", "out.mp4")
    out, err = process.communicate(content, timeout=120)
    assert (process.returncode, out) == (1, b"")
    assert err.decode().startswith("error: standard input")
    assert words in err.decode()
    assert err.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_silent_pipe_does_not_hold_up_ctrl_c(start: Start, clip: Path, tmp_path: Path) -> None:
    content = as_y4m(clip, tmp_path / "in.y4m")
    process = start("-", "-o", "out.mkv")
    assert process.stdin is not None
    process.stdin.write(content)
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not any(path.suffix == ".partial" for path in tmp_path.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    process.communicate()
    assert [path.name for path in tmp_path.iterdir()] == ["in.y4m"]
