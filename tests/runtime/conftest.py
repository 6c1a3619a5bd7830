"""The tiny bundle, an editor on it, and clips of a real face."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runtime.commands import SIZE, Done, Run
from tests.runtime.scenes import FaceClip, face_views, write_clip, write_photos, write_tiny_bundle

from fader import console
from fader.runtime import Editor
from fader.runtime.cli import app

__all__ = ["clip", "editor", "face_clip", "face_mp4", "folder", "int8_bundle", "run", "tiny_bundle"]


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of 64 px with four sliders; not to be changed."""
    folder = tmp_path_factory.getbasetemp() / "tiny-bundle"
    return folder if folder.exists() else write_tiny_bundle(folder)


@pytest.fixture(scope="session")
def int8_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with int8 graphs, so that every engine can serve it; not to be changed."""
    folder = tmp_path_factory.mktemp("int8")
    return write_tiny_bundle(folder / "bundle", photos=write_photos(folder / "photos"))


@pytest.fixture(scope="session")
def editor(tiny_bundle: Path) -> Iterator[Editor]:
    # Named: which engine is the fastest for tiny networks differs from machine to machine.
    with Editor.open(tiny_bundle, engine="onnxruntime-cpu", threads=1) as opened:
        yield opened


@pytest.fixture(scope="session")
def face_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames of the moving face, lossless."""
    return write_clip(tmp_path_factory.mktemp("clips") / "face.mkv", face_views(24))


@pytest.fixture(scope="session")
def face_mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames of the moving face as H.264."""
    clip = FaceClip(codec="libx264", options={"preset": "ultrafast", "crf": "12"})
    return write_clip(tmp_path_factory.mktemp("clips") / "face.mp4", face_views(24), clip)


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


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoding = FaceClip(codec="libx264", options={"preset": "ultrafast"})
    return write_clip(tmp_path_factory.mktemp("cli") / "clip.mp4", face_views(6, SIZE), encoding)


@pytest.fixture
def folder(tmp_path: Path, clip: Path) -> Path:
    """A folder of its own with a clip in it."""
    shutil.copy(clip, tmp_path / "clip.mp4")
    return tmp_path
