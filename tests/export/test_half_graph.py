"""Graphs computed in float16: float16 inside, float32 at the ends, and nothing lost that need not be."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from fader.export import (
    DecoderGraph,
    EncoderGraph,
    Graph,
    HalfGraph,
    MapDecoderGraph,
    check_parity,
    export_graph,
)
from fader.export.parity import HALF_ARITHMETIC

LINEAR = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


@pytest.fixture(scope="module")
def halves(graphs: dict[str, Any]) -> dict[str, HalfGraph]:
    return {name: HalfGraph(graph) for name, graph in graphs.items()}


@pytest.fixture(scope="module")
def exported_halves(halves: dict[str, HalfGraph]) -> dict[str, bytes]:
    return {name: export_graph(half) for name, half in halves.items()}


def run(content: bytes, feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)  # type: ignore[no-any-return]


def test_ends_are_float32_and_every_linear_layer_is_float16(exported_halves: dict[str, bytes]) -> None:
    for name, content in exported_halves.items():
        model = onnx.shape_inference.infer_shapes(onnx.load_from_string(content), data_prop=True)
        assert model.graph.name == f"{name}-fp16"
        ends = (*model.graph.input, *model.graph.output)
        assert {value.type.tensor_type.elem_type for value in ends} == {TensorProto.FLOAT}
        types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
        linear = [node for node in model.graph.node if node.op_type in LINEAR]
        assert linear
        assert {types[node.output[0]] for node in linear} == {TensorProto.FLOAT16}
        # One Cast for each value that enters or leaves float16, and none between.
        casts = [node for node in model.graph.node if node.op_type == "Cast"]
        assert len(casts) <= len(ends)


def test_halves_match_pytorch_at_every_batch_size(
    graphs: dict[str, Graph], exported_halves: dict[str, bytes]
) -> None:
    for name, content in exported_halves.items():
        check_parity(content, graphs[name], HALF_ARITHMETIC[name], name=f"{name}-fp16")


@pytest.mark.parametrize("options", [{"norm": "instance", "n_skip": 1}, {"upsampling": "pixelshuffle"}])
def test_other_options_match_pytorch_too(make_checkpoint: Any, options: dict[str, Any]) -> None:
    autoencoder = make_checkpoint(**options).autoencoder
    for graph in (EncoderGraph(autoencoder), MapDecoderGraph(DecoderGraph(autoencoder))):
        check_parity(export_graph(HalfGraph(graph)), graph, HALF_ARITHMETIC[graph.name])


def test_the_image_passes_through_with_every_bit(exported_halves: dict[str, bytes]) -> None:
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 3, 16, 16)).astype(np.float32)
    *_, image = run(exported_halves["encoder"], {"pixels": pixels})
    np.testing.assert_array_equal(image, pixels)


def test_a_closed_mask_returns_the_image_with_every_bit(make_checkpoint: Any) -> None:
    autoencoder = make_checkpoint(mask=True, upsampling="pixelshuffle").autoencoder
    last = autoencoder.decoder[-1][0]
    with torch.no_grad():
        last.weight[12:].zero_()
        last.bias[12:].fill_(-200)
    half = HalfGraph(MapDecoderGraph(DecoderGraph(autoencoder)))
    inputs = half.example(2)
    feeds = {name: tensor.numpy() for name, tensor in zip(half.input_names, inputs, strict=True)}
    (rendering,) = run(export_graph(half), feeds)
    np.testing.assert_array_equal(rendering, feeds["image"])


def test_making_a_half_leaves_the_graph_as_it_is(graphs: dict[str, Any]) -> None:
    HalfGraph(graphs["decoder"])
    assert {parameter.dtype for parameter in graphs["decoder"].parameters()} == {torch.float32}
