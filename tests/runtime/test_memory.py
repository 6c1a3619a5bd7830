"""Memory does not grow with the length of a video."""

import subprocess
import sys
from pathlib import Path

from tests.runtime.scenes import FaceClip, face_views, write_clip

SHORT, LONG = 240, 1440
ENCODING = FaceClip(codec="libx264", options={"preset": "ultrafast", "crf": "30"})
SCRIPT = """
import re, sys
from pathlib import Path
from fader.runtime import Editor, EncodeOptions, FaceOptions, edit_video
with Editor.open(sys.argv[1], threads=1) as editor:
    fast = EncodeOptions(codec="libx264", preset="ultrafast", crf=30)
    rarely = FaceOptions(detect_every=24)
    report = edit_video(editor, sys.argv[2], sys.argv[3], {"Smiling": 3.0}, encoding=fast, faces=rarely)
    print(report.frames_edited)
# Not getrusage: its peak is inherited from the process that started this one.
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def start(bundle: Path, source: Path) -> "subprocess.Popen[str]":
    target = source.with_suffix(".edited.mkv")
    command = [sys.executable, "-c", SCRIPT, str(bundle), str(source), str(target)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def peak_kib(process: "subprocess.Popen[str]", n_frames: int) -> int:
    out, _ = process.communicate(timeout=200)
    n_edited, peak = map(int, out.split())
    assert n_edited == n_frames
    return peak


def test_six_times_the_frames_need_no_more_memory(tiny_bundle: Path, tmp_path: Path) -> None:
    views = list(face_views(SHORT, (160, 120)))
    short = write_clip(tmp_path / "short.mkv", views, ENCODING)
    long = write_clip(tmp_path / "long.mkv", (view for _ in range(LONG // SHORT) for view in views), ENCODING)
    processes = start(tiny_bundle, short), start(tiny_bundle, long)
    peaks = peak_kib(processes[0], SHORT), peak_kib(processes[1], LONG)
    assert peaks[1] < 1.05 * peaks[0], f"{peaks} KiB"
