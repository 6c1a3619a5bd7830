"""The examples run as their first lines say, with the shipped model."""

import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data
from tests.runtime.scenes import FaceClip, face_views, write_clip

from fader.image import read_image, write_image

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoding = FaceClip(codec="libx264", options={"preset": "veryfast"})
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", face_views(24), encoding)


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


def test_a_loop_around_pyav_writes_every_frame(tmp_path: Path, clip: Path) -> None:
    said = run("pyav_loop.py", str(clip), str(tmp_path / "out.mkv"))
    assert "24 frames written" in said
    with av.open(tmp_path / "out.mkv") as edited, av.open(clip) as source:
        pairs = list(zip(source.decode(video=0), edited.decode(video=0), strict=True))
    assert len(pairs) == 24
    differences = [np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).max() for a, b in pairs]
    assert min(differences) > 30


def test_a_data_loader_encodes_the_faces_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    portrait = skimage.data.astronaut()
    write_image(folder / "a.png", portrait)
    write_image(folder / "b.png", np.ascontiguousarray(portrait[:400, :420]))
    said = run("dataloader.py", str(folder), str(tmp_path / "latents.npz"))
    assert "2 faces encoded" in said
    with np.load(tmp_path / "latents.npz") as saved:
        assert len(saved["arr_0"]) == len(saved["estimates"]) == 2
        assert saved["smiling"].shape == (2, 128, 128, 3)


def test_a_folder_of_videos_is_edited_but_for_the_damaged_one(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(clip, tmp_path / "in" / name)
    (tmp_path / "in" / "damaged.mp4").write_bytes(clip.read_bytes()[:500])
    said = run("folder.py", str(tmp_path / "in"), str(tmp_path / "out"))
    assert said.count("24 of 24 frames edited") == 2
    assert "left out: " in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mp4", "b.mp4"]
    (tmp_path / "out" / "b.mp4").unlink()
    again = run("folder.py", str(tmp_path / "in"), str(tmp_path / "out"))
    assert "a.mp4 is there already" in again
    assert "b.mp4: 24 of 24" in again
