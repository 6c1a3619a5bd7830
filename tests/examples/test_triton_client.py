"""The Triton client against a stand-in server: it draws what the editor draws here, and encodes only once."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import skimage.data
from examples.triton_client import TritonEngine, open_editor
from numpy.typing import NDArray
from tests.triton_double import Requests, serve

from fader.bundle import MANIFEST, Bundle, file_record, shipped_bundle
from fader.errors import BundleError, EngineError
from fader.export import write_triton_repository
from fader.image import read_image, sheet, write_image
from fader.runtime import Editor

ROOT = Path(__file__).parents[2]
POSITIONS = (0.0, 0.5, 1.0, 1.5)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton") / "repository"
    write_triton_repository(Bundle(shipped_bundle()), folder)
    return folder


@pytest.fixture
def server(repository: Path) -> Iterator[tuple[str, Requests]]:
    with serve(repository) as served:
        yield served


@pytest.fixture(scope="module")
def here() -> Iterator[Editor]:
    with Editor.open(engine="onnxruntime-cpu", threads=1) as editor:
        yield editor


@pytest.fixture(scope="module")
def crops(here: Editor) -> NDArray[np.uint8]:
    portrait = here.crops(skimage.data.astronaut())
    return np.concatenate([portrait, portrait[:, :, ::-1], 255 - portrait])


def same(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> bool:
    """Tell whether pictures agree to the rounding at the edge between two grey levels."""
    difference = np.abs(found.astype(int) - expected)
    return bool(difference.max() <= 1 and difference.mean() < 0.01)


def test_it_draws_what_the_editor_draws_here_and_encodes_only_once(
    server: tuple[str, Requests], here: Editor, crops: NDArray[np.uint8]
) -> None:
    address, requests = server
    with open_editor(address, shipped_bundle()) as editor:
        assert editor.engine_name == "triton"
        for value in POSITIONS:
            rendered = editor.decode(editor.encode(crops), {"Smiling": value})
            assert same(rendered, here.decode(here.encode(crops), {"Smiling": value}))
    assert requests.seen == [("encoder", 3), ("classifier", 3), *[("decoder", 3)] * len(POSITIONS)]


def test_whole_pictures_are_edited_as_here(server: tuple[str, Requests], here: Editor) -> None:
    picture = skimage.data.astronaut()[None]
    with open_editor(server[0], shipped_bundle()) as editor:
        edited = editor.edit(picture, {"Eyeglasses": 1.0})
    assert (edited != picture).any()
    assert same(edited, here.edit(picture, {"Eyeglasses": 1.0}))


def test_the_example_runs_as_its_first_lines_say(
    server: tuple[str, Requests], here: Editor, tmp_path: Path
) -> None:
    write_image(tmp_path / "portrait.png", skimage.data.astronaut())
    script = str(ROOT / "examples" / "triton_client.py")
    done = subprocess.run(
        [sys.executable, "-W", "error", script, server[0], str(tmp_path / "portrait.png"), "Smiling"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "triton: 1 faces, Smiling" in done.stdout
    latents = here.encode(here.crops(skimage.data.astronaut()))
    expected = sheet([[here.decode(latents, {"Smiling": value})[0] for value in POSITIONS]])
    assert same(read_image(tmp_path / "slider.png"), expected)


def test_a_server_with_another_bundle_is_refused_before_anything_is_computed(
    server: tuple[str, Requests], tmp_path: Path
) -> None:
    shutil.copytree(shipped_bundle(), tmp_path / "other")
    manifest = Bundle(shipped_bundle()).manifest
    graph = onnx.load(tmp_path / "other" / "encoder.onnx")
    graph.doc_string = "another one"
    onnx.save(graph, tmp_path / "other" / "encoder.onnx")
    files = {**manifest.files, "encoder.onnx": file_record(tmp_path / "other" / "encoder.onnx")}
    (tmp_path / "other" / MANIFEST).write_text(replace(manifest, files=files).to_json())
    with pytest.raises(BundleError, match=f"serves the bundle {Bundle(shipped_bundle()).id[:12]}, expected"):
        open_editor(server[0], tmp_path / "other")
    assert not server[1].seen


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EngineError, match="no Triton server with fader's models at 127"):
        TritonEngine("127.0.0.1:9", Bundle(shipped_bundle()), timeout_s=0.5)


def test_a_request_that_the_server_refuses_is_an_error(server: tuple[str, Requests]) -> None:
    engine = TritonEngine(server[0], Bundle(shipped_bundle()))
    with pytest.raises(EngineError, match="Triton's encoder failed"):
        engine.encode(np.zeros((33, 3, 128, 128), np.float32))  # more than the largest batch
    engine.close()


def test_the_code_in_the_documentation_is_the_examples() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "serving.md").read_text(), re.DOTALL)
    assert blocks[0] in (ROOT / "examples" / "triton_client.py").read_text()
