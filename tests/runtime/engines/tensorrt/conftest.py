"""TensorRT for RTX, which parses and builds without a GPU, and graphs of both precisions for it."""

import copy
import hashlib
from pathlib import Path

import pytest
import torch
from tests.runtime.engines.tensorrt.stand_in import BUCKETS
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.bundle import Bundle
from fader.export import ClassifierGraph, DecoderGraph, EncoderGraph, Graph, export_graph
from fader.models import AutoEncoder, AutoEncoderConfig, Classifier, ClassifierConfig
from fader.runtime.engines.tensorrt.builder_process import BuildOrder
from fader.runtime.engines.tensorrt.library import Library, load_library
from fader.runtime.engines.tensorrt.recipe import Recipe


class InHalf(Graph):
    """A copy of a graph that computes in float16 between float32 inputs and outputs."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._examples = graph.example
        self.name, self.input_names, self.output_names = graph.name, graph.input_names, graph.output_names
        self.inner = copy.deepcopy(graph).half()

    def example(self, batch: int) -> tuple[Tensor, ...]:
        return self._examples(batch)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(output.float() for output in self.inner(*(x.half() for x in inputs)))


@pytest.fixture(scope="session")
def rtx() -> Library:
    return load_library("tensorrt_rtx")


@pytest.fixture(scope="session")
def half_graphs() -> dict[str, bytes]:
    """Name to an ONNX file that computes in float16."""
    torch.manual_seed(0)
    attributes = AttributeSet([Attribute(name="Glasses"), Attribute(name="Hair", categories=("a", "b", "c"))])
    config = AutoEncoderConfig(
        image_size=16, n_columns=attributes.n_columns, init_fm=8, max_fm=16, n_layers=2, mask=True
    )
    autoencoder = AutoEncoder(config).eval()
    classifier = Classifier(
        ClassifierConfig(image_size=16, n_columns=attributes.n_columns, init_fm=4, max_fm=16, hidden=32)
    )
    graphs = (
        EncoderGraph(autoencoder),
        DecoderGraph(autoencoder),
        ClassifierGraph(classifier.eval(), attributes),
    )
    return {graph.name: export_graph(InHalf(graph)) for graph in graphs}


@pytest.fixture(scope="session")
def encoder(tiny_bundle: Path) -> Path:
    """A tiny encoder's ONNX file, in float32."""
    return Bundle(tiny_bundle).graph("encoder")


@pytest.fixture
def order(encoder: Path, tmp_path: Path) -> BuildOrder:
    """An order for that encoder."""
    folder = tmp_path / "built"
    folder.mkdir()
    return BuildOrder(
        library="tensorrt_rtx",
        graph=str(encoder),
        graph_sha256=hashlib.sha256(encoder.read_bytes()).hexdigest(),
        buckets=BUCKETS,
        folder=str(folder),
    )


@pytest.fixture
def recipe(order: BuildOrder, rtx: Library) -> Recipe:
    """The recipe of what `order` builds."""
    return Recipe(
        graph="tiny/encoder",
        graph_sha256=order.graph_sha256,
        library=rtx.name,
        library_version=rtx.version,
        device={"gpu": "none", "compute_capability": "0.0"},
        buckets=order.buckets,
        flags={"strongly_typed": True},
    )
