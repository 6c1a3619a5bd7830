"""fader-export --triton as users run it, from a run and from a bundle that there is."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.triton_double import Repository

from fader.bundle import Bundle
from fader.models import Checkpoint, save_checkpoint

MODELS = {"encoder", "decoder", "classifier", "edit"}


def fader_export(*arguments: str | Path, folder: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{before}\nfrom fader.export.cli import main; main()", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_run_becomes_a_bundle_and_a_repository(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(checkpoint, tmp_path / "run")
    done = fader_export("run", "--triton", "my repository", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"tritonserver --model-repository='{tmp_path / 'my repository'}'\n" in done.stdout
    served = Repository(tmp_path / "my repository")
    assert set(served.configs) == MODELS
    found = served.configs["decoder"].parameters["bundle_id"].string_value
    assert found == Bundle(tmp_path / "bundles" / "run").id


def test_a_bundle_becomes_a_repository_without_torch(bundle_folder: Path, tmp_path: Path) -> None:
    for _ in range(2):
        done = fader_export(
            bundle_folder,
            "--triton",
            "repository",
            folder=tmp_path,
            before="import sys; sys.modules['torch'] = sys.modules['tritonclient'] = None",
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("repository: models encoder, decoder, classifier, edit; tritonserver ")
    assert {path.name for path in (tmp_path / "repository").iterdir()} == MODELS
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--triton", "new", "-o", "b"),
        ("--triton", "new", "--name", "B"),
        ("--triton", "new", "--full-weights"),
    ],
)
def test_a_bundle_with_any_other_option_is_refused(
    bundle_folder: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = fader_export(bundle_folder, *options, folder=tmp_path)
    assert done.returncode == 1
    assert "is a bundle already, expected --triton or --tensorrt and no other option" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_damaged_bundle_and_a_foreign_folder_are_refused_with_one_line(
    bundle_folder: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(b"mine")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "manifest.json").write_bytes((bundle_folder / "manifest.json").read_bytes())
    before = contents(tmp_path)
    for bundle, folder in ((bundle_folder, "photos"), ("damaged", "new")):
        done = fader_export(bundle, "--triton", folder, folder=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
    assert contents(tmp_path) == before


def test_a_missing_package_is_named_with_its_remedy(bundle_folder: Path, tmp_path: Path) -> None:
    done = fader_export(
        bundle_folder,
        "--triton",
        "repository",
        folder=tmp_path,
        before="import sys; sys.modules['onnx'] = None",
    )
    assert done.returncode == 1
    assert "pip install 'fader[export]'" in done.stderr
    assert not list(tmp_path.iterdir())
