"""The tiny bundle, an editor on it, and clips of a real face."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runtime.scenes import FaceClip, face_views, write_clip, write_tiny_bundle

from fader.runtime import Editor

__all__ = ["editor", "face_clip", "face_mp4", "tiny_bundle"]


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of 64 px with four sliders; not to be changed."""
    folder = tmp_path_factory.getbasetemp() / "tiny-bundle"
    return folder if folder.exists() else write_tiny_bundle(folder)


@pytest.fixture(scope="session")
def editor(tiny_bundle: Path) -> Iterator[Editor]:
    with Editor.open(tiny_bundle, threads=1) as opened:
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
