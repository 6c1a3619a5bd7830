"""What the command refuses: one line, the right exit code, and nothing written."""

import shutil
from pathlib import Path

import av
import pytest
from tests.media import media_file
from tests.runtime.commands import SIZE, Run, files, refused
from tests.runtime.scenes import portrait

from fader.bundle import MANIFEST
from fader.image import write_image


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


def test_a_part_is_named_once(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--attr", "Smiling=1", "--preview", "1", "--frames", "1:2")
    assert (done.code, done.out) == (2, "")


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("a.mp4", "b.mp4", "--attr", "Smiling=1", "-o", "c.mp4"),
            "is a file's name, and the input is several",
        ),
        (("a.mp4", "--attr", "Smiling=1,Young=1"), "expected one attribute; give --attr once for each"),
        (("a.mp4", "--attr", "Smiling=1", "--threads", "0"), "found threads = 0: expected 1 or more"),
        (("a.mp4", "--attr", "Smiling=1", "--threads", "9999999"), "expected 1024 at most"),
        (("CLIP", "--attr", "Smiling=1", "-o", "missing/"), "-o missing/: there is no such folder"),
        (("CLIP", "--attr", "Smiling=1", "-o", "x.png"), ".webm, or number pictures: %04d.png"),
        (("CLIP", "--attr", "Smiling=1", "-o", "missing"), "missing: has no ending; end the name in one of"),
        (("CLIP", "--attr", "Smiling=1", "-o", "udp://127.0.0.1:9"), "the source is no live stream"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    run: Run, folder: Path, options: tuple[str, ...], words: str
) -> None:
    named = [str(folder / "clip.mp4") if word == "CLIP" else word for word in options]
    refused(run(*named), words)


@pytest.mark.parametrize("options", [(), ("other.mp4",), ("--preview", "1")])
def test_tracks_are_listed_of_one_whole_video(run: Run, folder: Path, options: tuple[str, ...]) -> None:
    inputs = [folder / "clip.mp4"] if options else []
    done = run(*inputs, "--list-faces", *options)
    assert (done.code, done.out) == (2, "")
    assert "--list-faces takes one INPUT, a whole video file" in done.err


def test_a_run_that_cannot_be_resumed_is_told_why(run: Run, folder: Path) -> None:
    refused(run(folder / "clip.mp4", "--sweep", "Smiling=0:1:2", "--resume"), "found several outputs")
    refused(run(folder / "clip.mp4", "--attr", "Smiling=1", "--preview", "1", "--resume"), "found a part")
    refused(
        run(folder / "clip.mp4", "--attr", "Smiling=1", "-o", folder / "a.gif", "--resume"), "no video file"
    )


def test_a_face_that_nobody_has_is_told(run: Run, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    done = run(folder / "clip.mp4", "--attr", "Smiling=1", "--face", "9", "--face", "largest", "-q")
    assert done.code == 0
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        "the face 9 was never seen"
    ]
