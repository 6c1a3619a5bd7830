"""The examples run as their first lines say, with the shipped model."""

import subprocess
import sys
from pathlib import Path

import av
import skimage.data

from fader.image import read_image, write_image

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_edits_every_frame_of_its_clip_and_shows_a_strip(tmp_path: Path) -> None:
    said = run("demo.py", str(tmp_path))
    assert "on 150 of 150 frames" in said
    with av.open(tmp_path / "astronaut.edited.mp4") as edited:
        assert edited.streams.video[0].frames == 150
    before_after = read_image(tmp_path / "before-after.png")
    height = before_after.shape[0] // 2
    assert (before_after[:height] != before_after[-height:]).any()
    assert str(tmp_path / "before-after.png") in said


def test_the_embedding_example_makes_a_slider_a_picture_and_a_video(tmp_path: Path) -> None:
    run("demo.py", str(tmp_path))
    portrait = tmp_path / "portrait.png"
    write_image(portrait, skimage.data.astronaut())
    said = run("embed.py", str(portrait), str(tmp_path / "astronaut.mp4"))
    assert "150 frames passed through the loop" in said
    assert read_image(tmp_path / "smiling.png").shape == (512, 512, 3)
    assert (tmp_path / "slider.png").exists()
    assert (tmp_path / "edited.mkv").exists()
