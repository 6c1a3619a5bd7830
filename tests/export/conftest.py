"""Tiny models whose normalisation layers look trained, and one exported bundle that several tests read."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from torch import nn

from fader.attributes import Attribute, AttributeSet
from fader.export import (
    ClassifierGraph,
    DecoderGraph,
    EncoderGraph,
    Graph,
    MapDecoderGraph,
    export_graph,
    write_bundle,
)
from fader.models import AutoEncoder, AutoEncoderConfig, Checkpoint, Classifier, ClassifierConfig

TRAINING = {
    "data": "40 generated squares",
    "licence": "CC0",
    "command": "fader-train squares.toml",
    "iterations": 12,
    "images_seen": 384,
    "metrics": {"psnr_db": 31.25, "Glasses added": 0.5},
    "config": {"seed": 7},
}


class MakeCheckpoint(Protocol):
    """Makes a checkpoint; options are those of AutoEncoderConfig."""

    def __call__(self, *, categories: tuple[str, ...] = ..., **options: Any) -> Checkpoint: ...


def look_trained(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.3)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.2, 2)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, 0, 0.3)


def build(*, categories: tuple[str, ...] = ("0", "1"), **options: Any) -> Checkpoint:
    torch.manual_seed(1)
    attributes = AttributeSet(
        [Attribute(name="Glasses"), Attribute(name="Hair", categories=categories)]
        if categories != ("0", "1")
        else [Attribute(name="Glasses")]
    )
    config = {"image_size": 16, "init_fm": 8, "max_fm": 16, "n_layers": 2, **options}
    autoencoder = AutoEncoder(AutoEncoderConfig(n_columns=attributes.n_columns, **config))
    classifier = Classifier(
        ClassifierConfig(
            image_size=config["image_size"], n_columns=attributes.n_columns, init_fm=4, max_fm=16, hidden=96
        )
    )
    look_trained(autoencoder)
    look_trained(classifier)
    return Checkpoint(
        autoencoder=autoencoder.eval(),
        classifier=classifier.eval(),
        attributes=attributes,
        template=((5.0, 6.5), (10.0, 6.5), (7.5, 11.0)),
        training=TRAINING,
    )


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only lose by sharing their work, the more so on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make_checkpoint() -> MakeCheckpoint:
    return build


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    """A model with every option: mask, a skip, and a categorical attribute beside a boolean one."""
    return build(categories=("black", "brown", "fair"), mask=True, n_skip=1, init_fm=32, max_fm=64)


@pytest.fixture(scope="session")
def graphs(checkpoint: Checkpoint) -> dict[str, Graph]:
    """The three graphs of `checkpoint` as they are exported, by name."""
    return {
        "encoder": EncoderGraph(checkpoint.autoencoder),
        "decoder": MapDecoderGraph(DecoderGraph(checkpoint.autoencoder)),
        "classifier": ClassifierGraph(checkpoint.classifier, checkpoint.attributes),
    }


@pytest.fixture(scope="session")
def exported(graphs: dict[str, Graph]) -> dict[str, bytes]:
    """The ONNX files of `graphs`, with float32 weights."""
    return {name: export_graph(graph) for name, graph in graphs.items()}


@pytest.fixture(scope="session")
def bundle_folder(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `checkpoint`; not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "squares"
    write_bundle(checkpoint, folder, name="Squares")
    return folder


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Reads all files of a folder, by relative path."""

    def read(folder: Path) -> dict[str, bytes]:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

    return read
