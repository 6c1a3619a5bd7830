"""The command: what it prints, its exit codes, and that it leaves nothing behind when it fails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from tests.media import media_file
from tests.runtime.scenes import FaceClip, decoded, face_views, portrait, samples, write_clip

from fader import console
from fader.bundle import MANIFEST, shipped_bundle
from fader.errors import BundleError
from fader.image import read_image, write_image
from fader.runtime.cli import app

COMMAND = [sys.executable, "-c", "from fader.runtime.cli import main; main()"]
SIZE = (160, 120)


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What a command did."""

    code: object
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run fader-run in this process with the tiny model, threads and file descriptors as they are."""

    def call(*arguments: object, model: Path = tiny_bundle) -> Done:
        monkeypatch.setattr(sys, "argv", ["fader-run", *map(str, arguments), "--model", str(model)])
        with pytest.raises(SystemExit) as caught:
            console.run(app)
        out, err = capfd.readouterr()
        return Done(code=caught.value.code, out=out, err=err)

    return call


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoding = FaceClip(codec="libx264", options={"preset": "ultrafast"})
    return write_clip(tmp_path_factory.mktemp("cli") / "clip.mp4", face_views(6, SIZE), encoding)


@pytest.fixture
def folder(tmp_path: Path, clip: Path) -> Path:
    """A folder of its own with a clip in it."""
    shutil.copy(clip, tmp_path / "clip.mp4")
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def refused(done: Done, *words: str) -> None:
    """One line on stderr with these words in it, nothing on stdout, exit code 1."""
    assert done.code == 1
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("error: ")
    for word in words:
        assert word in done.err


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


def test_an_unknown_attribute_is_refused_with_the_known_ones(run: Run, folder: Path) -> None:
    refused(
        run(folder / "clip.mp4", "--attr", "Smile=1"),
        "unknown attribute 'Smile'",
        "Eyeglasses, Male, Smiling, Young",
    )
    assert files(folder) == ["clip.mp4"]


@pytest.mark.parametrize(
    "attr",
    [
        "Smiling=much",
        "Smiling=nan",
        "Smiling=inf",
        "Smiling=",
        "Smiling",
        "=1",
        "Smiling=1e9",
        "Smiling=+nan",
        "Smiling=1@now",
        "Smiling=0@3s,1@2s",
        "Smiling=much@2s",
    ],
)
def test_a_value_that_is_no_number_is_refused(run: Run, folder: Path, attr: str) -> None:
    refused(run(folder / "clip.mp4", "--attr", attr), "expected")
    assert files(folder) == ["clip.mp4"]


def test_a_missing_file_is_refused(run: Run, tmp_path: Path) -> None:
    refused(run(tmp_path / "missing.mp4", "--attr", "Smiling=1"), "missing.mp4: no such file")
    refused(run(tmp_path / "missing.png", "--attr", "Smiling=1"), "cannot read", "No such file")
    assert files(tmp_path) == []


@pytest.mark.media
@pytest.mark.parametrize(
    ("name", "words"),
    [("video_01_invalid.mp4", "cannot be opened"), ("video_02_audio_only.mp4", "no video stream")],
)
def test_real_files_that_are_no_videos_are_refused(run: Run, tmp_path: Path, name: str, words: str) -> None:
    refused(run(media_file(name), "--attr", "Smiling=1", "-o", tmp_path / "out.mp4"), words)
    assert files(tmp_path) == []


def test_a_damaged_file_is_refused(run: Run, folder: Path) -> None:
    path = folder / "clip.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(run(path, "--attr", "Smiling=1"), "clip.mp4")
    path.write_bytes(b"nothing of the kind")
    refused(run(path, "--attr", "Smiling=1"), "clip.mp4", "expected")
    path.write_bytes(b"")
    refused(run(path, "--attr", "Smiling=1"), "clip.mp4")
    assert files(folder) == ["clip.mp4"]


def test_a_video_without_a_frame_is_refused(run: Run, tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "empty.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    refused(run(tmp_path / "empty.mkv", "--attr", "Smiling=1"), "empty.mkv", "frame")
    assert files(tmp_path) == ["empty.mkv"]


def test_the_input_is_never_overwritten(run: Run, folder: Path) -> None:
    before = (folder / "clip.mp4").read_bytes()
    (folder / "link.mp4").symlink_to(folder / "clip.mp4")
    for target in (folder / "clip.mp4", folder / "link.mp4"):
        refused(run(folder / "clip.mp4", "--attr", "Smiling=1", "-o", target), "is the input itself")
    assert (folder / "clip.mp4").read_bytes() == before
    write_image(folder / "a.png", portrait(SIZE))
    refused(run(folder / "a.png", "--attr", "Smiling=1", "-o", folder / "a.png"), "is the input")
    refused(run(folder, "--attr", "Smiling=1", "-o", folder), "is the input")


@pytest.mark.parametrize("target", ["missing/out.mp4", "clip.mp4/out.mp4", "/proc/out.mp4", "out.txt", "out"])
def test_a_target_that_cannot_be_written_is_refused(run: Run, folder: Path, target: str) -> None:
    refused(run(folder / "clip.mp4", "--attr", "Smiling=1", "-o", folder / target))
    write_image(folder / "a.png", portrait(SIZE))
    refused(run(folder / "a.png", "--attr", "Smiling=1", "-o", folder / target.replace("mp4", "png")))
    assert files(folder) == ["a.png", "clip.mp4"]


def test_a_folder_that_cannot_be_made_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", portrait(SIZE))
    (tmp_path / "file").write_text("")
    refused(run(tmp_path / "in", "--attr", "Smiling=1", "-o", tmp_path / "file"), "cannot make the folder")
    refused(
        run(tmp_path / "in", "--attr", "Smiling=1", "-o", tmp_path / "file" / "out"), "cannot make the folder"
    )


def test_an_empty_folder_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(run(tmp_path / "empty", "--attr", "Smiling=1"), "holds no image")
    assert not (tmp_path / "empty.edited").exists()


def test_a_bundle_with_a_flipped_bit_is_refused(run: Run, folder: Path, tiny_bundle: Path) -> None:
    damaged = Path(shutil.copytree(tiny_bundle, folder / "bundle"))
    content = bytearray((damaged / "decoder.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "decoder.onnx").write_bytes(content)
    refused(run(folder / "clip.mp4", "--attr", "Smiling=1", model=damaged), "decoder.onnx is damaged")
    (damaged / MANIFEST).unlink()
    refused(run("--list-attrs", model=damaged), "cannot read")
    refused(run("--list-attrs", model=folder / "missing"), "cannot read")
    assert not (folder / "clip.edited.mp4").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--codec", "nonesuch"],
        ["--codec", "aac"],
        ["--crf", "99"],
        ["--preset", "nonesuch", "--codec", "libx264"],
        ["--engine", "abacus"],
        ["--threads", "0"],
        ["--min-face", "7"],
    ],
)
def test_settings_that_make_no_sense_are_refused(run: Run, folder: Path, options: list[str]) -> None:
    refused(run(folder / "clip.mp4", "--attr", "Smiling=1", *options))
    assert files(folder) == ["clip.mp4"]


@pytest.mark.parametrize("arguments", [["clip.mp4"], [], ["--attr", "Smiling=1"], ["clip.mp4", "--nonesuch"]])
def test_wrong_usage_exits_with_2(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err


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


def test_a_sweep_makes_a_file_for_each_value(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--sweep", "Smiling=-1:3:3", "--attr", "Young=0", "--json")
    assert (done.code, done.err) == (0, "")
    names = [f"clip.Smiling={value}.mp4" for value in ("-1", "1", "3")]
    assert [report["target"] for report in json.loads(done.out)] == [str(folder / name) for name in names]
    assert files(folder) == sorted(["clip.mp4", *names])


def test_variants_and_files_of_edits_name_their_outputs(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "edits.toml").write_text('[values]\nYoung = "+0.5"\n[outputs.glasses]\nEyeglasses = 3')
    done = run(
        folder / "clip.mp4", "--edits", folder / "edits.toml", "--variant", "Smiling=3,Male=0",
        "-o", folder / "out.mkv", "--no-cache",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert files(folder) == ["clip.mp4", "edits.toml", "out.Smiling=3,Male=0.mkv", "out.glasses.mkv"]
    assert done.out.count("a face edited in 6 of 6 frames") == 2


def test_an_edits_file_alone_is_enough(run: Run, folder: Path) -> None:
    (folder / "edits.toml").write_text("[values]\nSmiling = 3")
    assert run(folder / "clip.mp4", "--edits", folder / "edits.toml").code == 0
    assert files(folder) == ["clip.edited.mp4", "clip.mp4", "edits.toml"]
    (folder / "edits.toml").write_text("[values]\nSmile = 3")
    refused(run(folder / "clip.mp4", "--edits", folder / "edits.toml"), "edits.toml: values.Smile: unknown")


def test_a_part_is_written_beside_its_comparison(run: Run, folder: Path) -> None:
    clip = folder / "clip.mp4"
    assert run(clip, "--attr", "Smiling=3", "--compare", "side", "--frames", "1:4", "-q").code == 0
    frames = decoded(folder / "clip.edited.mp4")
    assert {(frame.width, frame.height) for frame in frames} == {(2 * SIZE[0], SIZE[1])}
    assert [round(24 * frame.time) for frame in frames if frame.time is not None] == [0, 1, 2]
    assert run(clip, "--attr", "Smiling=3", "--preview", "0.1", "-q").code == 0
    assert len(decoded(folder / "clip.edited.mp4")) == 3
    assert run(clip, "--attr", "Smiling=3", "--frames", "-2:", "-q").code == 0
    assert len(decoded(folder / "clip.edited.mp4")) == 2


@pytest.mark.parametrize(
    "options",
    [
        ["--compare", "split"],
        ["--preview", "0"],
        ["--frames", "7"],
        ["--frames", "100:"],
        ["--sweep", "Smiling=0:1"],
        ["--variant", "Smiling"],
        ["--edits", "missing.toml"],
        ["--variant", "Smile=1"],
    ],
)
def test_outputs_and_parts_that_make_no_sense_are_refused(run: Run, folder: Path, options: list[str]) -> None:
    refused(run(folder / "clip.mp4", "--attr", "Smiling=1", *options))
    assert files(folder) == ["clip.mp4"]


def test_pictures_have_several_outputs_too_and_no_parts(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", portrait(SIZE))
    assert (
        run(tmp_path / "in" / "a.png", "--sweep", "Smiling=1:3:2", "-o", tmp_path / "b.png", "-q").code == 0
    )
    assert run(tmp_path / "in", "--sweep", "Smiling=1:3:2", "-q").code == 0
    assert files(tmp_path) == [
        *("a.Smiling=1.png", "a.Smiling=3.png", "a.png"),
        *("b.Smiling=1.png", "b.Smiling=3.png"),
    ]
    made = tmp_path / "in.edited" / "a.Smiling=3.png"
    assert made.read_bytes() == (tmp_path / "b.Smiling=3.png").read_bytes()
    assert run(tmp_path / "in", "--sweep", "Smiling=1:3:2", "--skip-existing").out == ""
    refused(run(tmp_path / "in" / "a.png", "--attr", "Smiling=1", "--compare", "side"), "are for video")


def test_a_part_is_named_once(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--attr", "Smiling=1", "--preview", "1", "--frames", "1:2")
    assert (done.code, done.out) == (2, "")


def test_timings_say_where_the_time_went(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--attr", "Smiling=1", "--timings")
    stages = [line.split()[0] for line in done.out.splitlines()[1:]]
    assert stages == ["decode", "faces", "render", "write"]
    as_json = run(folder / "clip.mp4", "--attr", "Smiling=1", "--json")
    (report,) = json.loads(as_json.out)
    assert [stage["stage"] for stage in report["timings"]] == stages
    assert sum(stage["working"] for stage in report["timings"]) > 0


def test_names_that_no_file_can_have_are_refused(run: Run, folder: Path) -> None:
    write_image(folder / "a.jpg", portrait(SIZE))
    long, edit = "x" * 300, ("--attr", "Smiling=1")
    refused(run(folder / "clip.mp4", *edit, "-o", folder / f"{long}.mp4"), "name too long")
    refused(run(folder / "a.jpg", *edit, "-o", folder / f"{long}.jpg"), "name too long")
    for name in (long, f"{long}.mp4", f"{long}.jpg", f"{long}%d.png", f"[{long}].mp4"):
        refused(run(folder / name, *edit))
    refused(run(folder / f"{long}.mp4", *edit, "--preview", "1"), "name too long")
    assert run(folder / "clip.mp4", folder / long, *edit).code == 1
    assert files(folder) == ["a.jpg", "clip.edited.mp4", "clip.mp4"]


def test_an_output_of_many_keyframes_has_a_name_that_fits(run: Run, folder: Path) -> None:
    moving = "Smiling=" + ",".join(f"0.1@{i}s" for i in range(50))
    texts = [f"{moving},{last}@99s" for last in (0, 1)]
    done = run(folder / "clip.mp4", "--variant", texts[0], "--variant", texts[1], "-q")
    assert (done.code, done.err) == (0, "")
    one, other = (name for name in files(folder) if name != "clip.mp4")
    assert one.startswith("clip.Smiling=0.1@0s,0.1@1s")
    assert one != other
    assert max(len(one), len(other)) < 100


def test_a_result_may_go_into_a_folder_that_is_there(run: Run, folder: Path) -> None:
    (folder / "results").mkdir()
    assert run(folder / "clip.mp4", "--attr", "Smiling=1", "-o", folder / "results", "-q").code == 0
    assert files(folder / "results") == ["clip.mp4"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("a.mp4", "b.mp4", "--attr", "Smiling=1", "-o", "c.mp4"),
            "is a file's name, and the input is several",
        ),
        (("a.mp4", "--attr", "Smiling=1,Young=1"), "expected one attribute; give --attr once for each"),
        (("a.mp4", "--attr", "Smiling=1", "--threads", "0"), "found threads = 0: expected 1 or more"),
        (("CLIP", "--attr", "Smiling=1", "-o", "udp://127.0.0.1:9"), "the source is no live stream"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    run: Run, folder: Path, options: tuple[str, ...], words: str
) -> None:
    named = [str(folder / "clip.mp4") if word == "CLIP" else word for word in options]
    refused(run(*named), words)


def test_a_gif_becomes_a_video_that_every_player_shows(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run(folder / "clip.mp4", "--attr", "Smiling=1", "-o", tmp_path / "clip.gif", "-q").code == 0
    assert run(tmp_path / "clip.gif", "--attr", "Smiling=0", "-q").code == 0
    with av.open(tmp_path / "clip.edited.mp4") as container:
        assert container.streams.video[0].pix_fmt == "yuv420p"
