"""The quantiser: convolutions alone read 8-bit numbers, and the same faces give the same bytes."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from fader.export import Graph
from fader.export.int8_graph import CONVOLUTIONS, Inputs, quantise


@pytest.fixture(scope="module")
def feeds(graphs: dict[str, Graph]) -> dict[str, list[Inputs]]:
    return {
        name: [{key: t.numpy() for key, t in zip(graph.input_names, graph.example(n), strict=True)}]
        for n, (name, graph) in enumerate(graphs.items(), start=8)
    }


@pytest.fixture(scope="module")
def encoder(exported: dict[str, bytes], feeds: dict[str, list[Inputs]]) -> bytes:
    return quantise(exported["encoder"], feeds["encoder"], name="encoder-int8")


def test_the_same_inputs_give_the_same_bytes_and_the_batch_stays_free(
    exported: dict[str, bytes], feeds: dict[str, list[Inputs]], encoder: bytes
) -> None:
    assert quantise(exported["encoder"], feeds["encoder"], name="encoder-int8") == encoder
    session = onnxruntime.InferenceSession(encoder, providers=["CPUExecutionProvider"])
    for n in (1, 5):
        latent, *_ = session.run(None, {"pixels": np.zeros((n, 3, 16, 16), np.float32)})
        assert len(latent) == n


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_convolutions_read_8_bit_numbers_and_nothing_else_does(
    exported: dict[str, bytes], feeds: dict[str, list[Inputs]], name: str
) -> None:
    model = onnx.load_from_string(quantise(exported[name], feeds[name], name=f"{name}-int8"))
    rounded = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    given = {value.name for value in model.graph.output}
    assert any(node.op_type in CONVOLUTIONS for node in model.graph.node)
    for node in model.graph.node:
        if node.op_type in CONVOLUTIONS:
            assert set(node.input[:2]) <= rounded, node.name
        elif node.op_type != "DequantizeLinear":
            assert not set(node.input) & (rounded - given), node.name


def test_weights_keep_to_7_bits_unless_told_otherwise(
    exported: dict[str, bytes], feeds: dict[str, list[Inputs]], encoder: bytes
) -> None:
    def largest(content: bytes) -> int:
        weights = [
            numpy_helper.to_array(tensor).astype(int)
            for tensor in onnx.load_from_string(content).graph.initializer
            if tensor.name.endswith(".weight_quantized")
        ]
        return max(int(np.abs(array).max()) for array in weights)

    assert largest(encoder) == 64
    wide = quantise(exported["encoder"], feeds["encoder"], name="wide", per_channel=False, seven_bits=False)
    assert largest(wide) == 127


def test_the_image_passes_through_with_every_bit(encoder: bytes) -> None:
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 3, 16, 16)).astype(np.float32)
    session = onnxruntime.InferenceSession(encoder, providers=["CPUExecutionProvider"])
    (image,) = session.run(["image"], {"pixels": pixels})
    np.testing.assert_array_equal(image, pixels)


def test_the_graph_does_not_tell_how_it_was_made(encoder: bytes) -> None:
    model = onnx.load_from_string(encoder)
    assert (model.graph.name, model.producer_name, model.producer_version) == ("encoder-int8", "fader", "")
    assert [opset.domain for opset in model.opset_import] == [""]
    assert not model.metadata_props
    assert b"/tmp" not in encoder
