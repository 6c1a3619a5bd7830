"""The command: what it prints, its exit codes, and that it leaves nothing behind when it fails."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.runtime.commands import SIZE, Done, Run, files
from tests.runtime.scenes import FaceClip, decoded, face_views, portrait, samples, write_clip

from fader import console
from fader.bundle import shipped_bundle
from fader.errors import BundleError
from fader.image import read_image, write_image
from fader.runtime.cli import app

COMMAND = [sys.executable, "-c", "from fader.runtime.cli import main; main()"]


def test_a_clip_is_edited_into_a_file_beside_it(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--attr", "Smiling=3")
    assert (done.code, done.err) == (0, "")
    assert f"{folder}/clip.edited.mp4: a face edited in 6 of 6 frames (6 of 6 faces, 1 tracks)" in done.out
    assert files(folder) == ["clip.edited.mp4", "clip.mp4"]
    before, after = decoded(folder / "clip.mp4"), decoded(folder / "clip.edited.mp4")
    assert len(before) == len(after)
    assert (samples(before[0])[0] != samples(after[0])[0]).any()


def test_options_for_the_target_are_used(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--attr", "Smiling=3", "-o", folder / "out.mkv", "--codec", "ffv1")
    assert done.code == 0
    assert files(folder) == ["clip.mp4", "out.mkv"]
    assert len(decoded(folder / "out.mkv")) == 6


def test_the_report_can_be_read_by_machines(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--attr", "Smiling=3", "--json")
    assert (done.code, done.err) == (0, "")
    (report,) = json.loads(done.out)
    assert report["target"] == str(folder / "clip.edited.mp4")
    assert (report["frames"], report["frames_edited"], report["tracks"]) == (6, 6, 1)


def test_quiet_says_nothing(run: Run, folder: Path) -> None:
    assert run(folder / "clip.mp4", "--attr", "Smiling=3", "--quiet") == Done(code=0, out="", err="")


def test_a_clip_can_be_edited_with_resume(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--attr", "Smiling=3", "--resume", "--no-cache")
    assert (done.code, done.err) == (0, "")
    assert files(folder) == ["clip.edited.mp4", "clip.mp4"]
    assert list(folder.glob(".*")) == []


def test_attributes_are_listed(run: Run) -> None:
    done = run("--list-attrs")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["Eyeglasses", "Male", "Smiling", "Young"]
    machines = run("--list-attrs", "--json")
    assert json.loads(machines.out)[0] == {"name": "Eyeglasses", "categories": ["0", "1"]}


def test_a_png_becomes_a_png(run: Run, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", portrait(SIZE))
    done = run(tmp_path / "a.png", "--attr", "Smiling=3")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{tmp_path}/a.edited.png: 1 of 1 faces edited\n"
    assert (read_image(tmp_path / "a.edited.png") != portrait(SIZE)).any()


def test_a_folder_of_images_becomes_a_folder_of_images(run: Run, tmp_path: Path) -> None:
    pictures = tmp_path / "holiday"
    pictures.mkdir()
    for name in ("a.png", "b.jpg"):
        write_image(pictures / name, portrait(SIZE))
    (pictures / "notes.txt").write_text("not a picture")
    done = run(pictures, "--attr", "Smiling=3", "--json")
    assert [report["faces_edited"] for report in json.loads(done.out)] == [1, 1]
    assert files(tmp_path / "holiday.edited") == ["a.png", "b.jpg"]
    assert run(pictures, "--attr", "Smiling=3", "-o", tmp_path / "deep" / "out").code == 0
    assert files(tmp_path / "deep") == ["a.png", "b.jpg"]


def test_a_bad_image_in_a_folder_is_said_and_the_others_are_edited(run: Run, tmp_path: Path) -> None:
    pictures = tmp_path / "holiday"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"no image")
    write_image(pictures / "b.png", portrait(SIZE))
    done = run(pictures, "--attr", "Smiling=3")
    assert done.code == 1
    assert "1 of 2 inputs are edited" in done.err
    assert "a.png" in done.err
    assert files(tmp_path / "holiday.edited") == ["b.png"]


def test_the_folder_that_one_is_in_can_be_named_by_a_dot(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    write_image(tmp_path / "here" / "a.png", portrait(SIZE))
    monkeypatch.chdir(tmp_path / "here")
    assert run(".", "--attr", "Smiling=3").code == 0
    assert files(tmp_path / "here.edited") == ["a.png"]


def test_smallest_faces_apply_to_images_too(run: Run, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", portrait(SIZE))
    assert "0 of 0 faces" in run(tmp_path / "a.png", "--attr", "Smiling=3", "--min-face", "0.9").out


def test_without_a_model_the_shipped_one_is_used_or_its_absence_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fader-run", "--list-attrs"])
    with pytest.raises(SystemExit) as caught:
        console.run(app)
    try:
        shipped_bundle()
    except BundleError:
        assert caught.value.code == 1
        assert "name one with --model" in capfd.readouterr().err
    else:
        assert caught.value.code == 0


def child(*arguments: object, folder: Path, model: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments), "--model", str(model)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


@pytest.mark.parametrize(
    ("sent", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "")]
)
def test_a_stop_in_the_middle_has_its_exit_code_and_leaves_nothing(
    tiny_bundle: Path, tmp_path: Path, sent: signal.Signals, code: int, said: str
) -> None:
    encoding = FaceClip(codec="libx264", options={"preset": "ultrafast", "crf": "35"})
    write_clip(tmp_path / "long.mp4", [*face_views(48, SIZE)] * 25, encoding)
    process = child("long.mp4", "--attr", "Smiling=3", folder=tmp_path, model=tiny_bundle)
    deadline = time.monotonic() + 60
    while not any(path.suffix == ".partial" and path.stat().st_size for path in tmp_path.iterdir()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (code, "", said)
    assert files(tmp_path) == ["long.mp4"]


def test_exit_codes_and_streams_of_the_real_process(tiny_bundle: Path, folder: Path) -> None:
    write_image(folder / "half.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    (folder / "half.png").write_bytes((folder / "half.png").read_bytes()[:3000])
    calls = {
        0: ("clip.mp4", "--attr", "Smiling=3", "-q"),
        1: ("half.png", "--attr", "Smiling=3"),
        2: ("clip.mp4", "--smile"),
    }
    processes = {code: child(*call, folder=folder, model=tiny_bundle) for code, call in calls.items()}
    for code, process in processes.items():
        out, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert out == ""
        if code == 1:
            assert (
                err == "error: cannot read half.png as an image: "
                "expected a whole JPEG, PNG, WebP, TIFF or BMP file\n"
            )
    assert files(folder) == ["clip.edited.mp4", "clip.mp4", "half.png"]


def test_the_installed_command_shows_its_help() -> None:
    command = Path(sys.executable).parent / "fader-run"
    done = subprocess.run(
        [command, "--help"], capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "100"}
    )
    for word in ("--attr", "--model", "--list-attrs", "fader-run video.mp4 --attr Eyeglasses=0.8"):
        assert word in done.stdout


def test_timings_say_where_the_time_went(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--attr", "Smiling=1", "--timings")
    stages = [line.split()[0] for line in done.out.splitlines()[1:]]
    assert stages == ["decode", "faces", "render", "write"]
    as_json = run(folder / "clip.mp4", "--attr", "Smiling=1", "--json")
    (report,) = json.loads(as_json.out)
    assert [stage["stage"] for stage in report["timings"]] == stages
    assert sum(stage["working"] for stage in report["timings"]) > 0
