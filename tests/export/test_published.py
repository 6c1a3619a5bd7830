"""A published model's file becomes a bundle that draws what the file's own modules draw."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tests.export.conftest import MakeCheckpoint
from tests.models.published_files import (
    AutoEncoder,
    Raw,
    file_of_2017,
    legacy_file,
    pictures,
    stand_in,
)

from fader.bundle import Bundle
from fader.models import save_checkpoint
from fader.models.published import celeba_template
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at

COMMAND = [sys.executable, "-c", "from fader.export.cli import main; main()"]


def fader_export(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def network() -> AutoEncoder:
    return stand_in([("Glasses", 2)], img_sz=32, init_fm=8, max_fm=16, n_skip=1)


@pytest.fixture(scope="module")
def run(make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "faces"
    checkpoint = replace(make_checkpoint(), template=template_at(CELEBA_TIGHT, 16))
    save_checkpoint(checkpoint, folder / "checkpoints" / "best")
    return folder


def test_a_published_file_becomes_a_bundle(network: AutoEncoder, run: Path, tmp_path: Path) -> None:
    (tmp_path / "glasses.pth").write_bytes(file_of_2017(network))
    done = fader_export("glasses.pth", "--classifier", run, "--full-weights", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("bundles/glasses: ")
    bundle = Bundle(tmp_path / "bundles" / "glasses")
    assert bundle.manifest.image_size == 32
    assert bundle.manifest.attributes.names == ("Glasses",)
    assert bundle.manifest.template == celeba_template(32)
    encoder, decoder, classifier = (
        onnxruntime.InferenceSession(bundle.graph(name), providers=["CPUExecutionProvider"])
        for name in ("encoder", "decoder", "classifier")
    )
    images = pictures(32)
    values = torch.tensor([[0.2, 0.8], [1.5, -0.5]])
    with torch.no_grad():
        expected = network.decode(network.encode(images), values).numpy()
    latents = encoder.run(["latent", "skip_1"], {"pixels": images.numpy()})
    feeds = {"latent": latents[0], "skip_1": latents[1], "values": values.numpy()}
    (rendering,) = decoder.run(["rendering"], feeds)
    np.testing.assert_allclose(rendering, expected, atol=1e-5)
    (probabilities,) = classifier.run(["probabilities"], {"pixels": images.numpy()})
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    card = (bundle.folder / "README.md").read_text()
    assert "imported from glasses.pth, SHA-256 " in card
    assert "CC BY-NC 4.0" in card
    assert "classifier: data | 40 generated squares" in card


def test_a_published_file_without_a_classifier_is_refused_with_one_line(
    network: AutoEncoder, tmp_path: Path
) -> None:
    (tmp_path / "glasses.pth").write_bytes(file_of_2017(network))
    done = fader_export("glasses.pth", folder=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: glasses.pth has no classifier, expected one that reads Glasses")
    assert "--classifier" in last
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "bundles").exists()


def test_a_hostile_file_is_refused_with_one_line_and_runs_nothing(run: Path, tmp_path: Path) -> None:
    witness = tmp_path / "witness"

    class Harm:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {witness}",)

    content = legacy_file(Raw(pickle.dumps(Harm(), protocol=2)[2:-1]), {})
    (tmp_path / "model.bin").write_bytes(content)
    done = fader_export("model.bin", "--classifier", run, folder=tmp_path)
    assert done.returncode == 1
    assert "error: cannot import model.bin: it names posix.system; expected" in done.stderr
    assert "Traceback" not in done.stderr
    assert not witness.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none.pth", "--classifier", "run"], "error: cannot read none.pth (No such file or directory)"),
        (["RUN", "--classifier", "RUN"], "error: --classifier goes with a published model's .pth file"),
    ],
)
def test_wrong_arguments_are_explained_in_one_line(
    arguments: list[str], line: str, run: Path, tmp_path: Path
) -> None:
    done = fader_export(*[str(run) if text == "RUN" else text for text in arguments], folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(line)
    assert "Traceback" not in done.stderr
