"""What --preview, --frames, --compare and --resume do with folders, pictures, and pictures as a video."""

import shutil
from pathlib import Path

import pytest
from tests.runtime.commands import SIZE, Run, files, refused
from tests.runtime.scenes import portrait

from fader.image import write_image

EDIT = ("--attr", "Smiling=3")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with three pictures alone."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(1, 4):
        write_image(folder / f"{number:03d}.png", portrait(SIZE))
    return folder


@pytest.fixture
def mixed(pictures: Path, clip: Path) -> Path:
    """A folder with a video among pictures."""
    folder = Path(shutil.copytree(pictures, pictures.with_name("mixed")))
    shutil.copy(clip, folder / "clip.mp4")
    return folder


@pytest.mark.parametrize("option", [("--preview", "3"), ("--frames", "0:2"), ("--compare", "side")])
def test_a_folder_with_pictures_has_no_parts_and_no_comparison(
    run: Run, pictures: Path, mixed: Path, tmp_path: Path, option: tuple[str, str]
) -> None:
    refused(run(pictures, *EDIT, *option), option[0], "3 of the 3 inputs", "001.png, which is a picture")
    refused(run(mixed, *EDIT, *option, "-o", tmp_path / "out"), "3 of the 4 inputs", "name the others alone")
    refused(run(pictures / "001.png", *EDIT, *option), "found", "which is a picture: leave it out")
    assert {path.name for path in tmp_path.iterdir()} == {"pictures", "mixed"}


def test_pictures_as_a_video_have_no_parts_and_cannot_be_resumed(
    run: Run, pictures: Path, mixed: Path, tmp_path: Path
) -> None:
    for option in (("--preview", "3"), ("--frames", "0:2"), ("--resume",)):
        refused(run(pictures / "%03d.png", *EDIT, *option), "pictures as a video")
        refused(run(pictures / "*.png", "--fps", "5", *EDIT, *option), "pictures as a video")
        refused(run(pictures / "%03d.png", mixed / "%03d.png", *EDIT, *option), "2 of the 2 inputs")
    assert {path.name for path in tmp_path.iterdir()} == {"pictures", "mixed"}


def test_a_folder_with_resume_passes_over_what_is_finished_and_goes_on(run: Run, mixed: Path) -> None:
    assert run(mixed, *EDIT, "--resume", "-q").code == 0
    home = mixed.with_name("mixed.edited")
    made = ["001.png", "002.png", "003.png", "clip.mp4"]
    assert files(home) == made
    finished = (home / "001.png").stat().st_mtime_ns
    (home / "002.png").unlink()
    (home / "clip.mp4").unlink()
    done = run(mixed, *EDIT, "--resume")
    assert (done.code, done.err) == (0, "2 of 4 were there already\n")
    assert files(home) == made
    assert (home / "001.png").stat().st_mtime_ns == finished


def test_a_picture_with_resume_is_made_as_without(run: Run, pictures: Path) -> None:
    assert run(pictures / "001.png", *EDIT, "--resume", "-q").code == 0
    assert run(pictures / "001.png", *EDIT, "--resume", "-q").code == 0
    assert "001.edited.png" in files(pictures)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sweep", "Smiling=0:1:2"), "found several outputs"),
        (("--preview", "1"), "found a part of a video"),
        (("--compare", "side"), "found a comparison"),
    ],
)
def test_a_folder_that_cannot_be_resumed_is_refused_at_once(
    run: Run, mixed: Path, options: tuple[str, str], words: str
) -> None:
    refused(run(mixed, *EDIT, *options, "--resume"), words)
    assert not mixed.with_name("mixed.edited").exists()
