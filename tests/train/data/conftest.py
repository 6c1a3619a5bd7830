"""Real faces in a folder and in an archive, the real detector, and a cache of the test's own."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.train.data.portraits import LABELS, NAMES, SIZE, pictures

from fader.bundle import Bundle
from fader.image import write_image
from fader.runtime.faces.detector import FaceDetector
from fader.train import Labels, Prepared, prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("faces")
    for name, picture in pictures().items():
        write_image(target / name, picture)
    return target


@pytest.fixture(scope="module")
def archive(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "faces.zip"
    with zipfile.ZipFile(path, "w") as target:
        for name in NAMES:
            target.write(folder / name, f"img_align/{name}")
    return path


@pytest.fixture
def align(detector_bundle: Bundle, archive: Path, tmp_path: Path) -> Callable[..., Prepared]:
    """Prepare the archive, or what is given instead, into a cache of this test."""

    def call(source: Path = archive, labels: Labels = LABELS, **options: Any) -> Prepared:
        settings: dict[str, Any] = {"size": SIZE, "detector": detector_bundle, **options}
        return prepare(labels, source, cache=tmp_path / "cache", **settings)

    return call


@pytest.fixture(scope="module")
def detector(detector_bundle: Bundle) -> FaceDetector:
    return FaceDetector(*(detector_bundle.graph(f"detector_{stage}") for stage in "pro"))
