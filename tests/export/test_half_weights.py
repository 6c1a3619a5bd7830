"""Weights stored as float16: half the bytes, the same numbers."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fader.export import DecoderGraph, EncoderGraph, check_parity, export_graph, round_weights
from fader.export.half_weights import store_half
from fader.export.parity import EXACT, HALF_WEIGHTS


@pytest.fixture(scope="module")
def graph(make_checkpoint: Any) -> DecoderGraph:
    return DecoderGraph(make_checkpoint(init_fm=32, max_fm=64, mask=True).autoencoder)


def test_half_weights_halve_the_file_and_change_no_number(graph: DecoderGraph) -> None:
    rounded = round_weights(graph)
    full, half = export_graph(rounded), export_graph(rounded, half_weights=True)
    assert len(half) < 0.6 * len(full)
    feeds = {name: t.numpy() for name, t in zip(graph.input_names, rounded.example(3), strict=True)}
    first, second = (
        onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(["rendering"], feeds)[0]
        for content in (full, half)
    )
    np.testing.assert_array_equal(first, second)
    check_parity(half, rounded, EXACT["decoder"])
    check_parity(half, graph, HALF_WEIGHTS["decoder"])


@pytest.mark.parametrize("upsampling", ["convtranspose", "nearest", "pixelshuffle"])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_rounding_changes_a_copy_and_only_a_little(make_checkpoint: Any, upsampling: str, norm: str) -> None:
    autoencoder = make_checkpoint(init_fm=32, max_fm=64, upsampling=upsampling, norm=norm).autoencoder
    for graph in (EncoderGraph(autoencoder), DecoderGraph(autoencoder)):
        before = {key: value.clone() for key, value in graph.state_dict().items()}
        rounded = round_weights(graph)
        assert all(torch.equal(value, before[key]) for key, value in graph.state_dict().items())
        large = [weight for weight in rounded.parameters() if weight.numel() >= 1024]
        assert large
        assert all(torch.equal(weight.half().float(), weight) for weight in large)
        with torch.no_grad():
            for kept, changed in zip(graph(*graph.example(2)), rounded(*graph.example(2)), strict=True):
                assert torch.allclose(kept, changed, atol=1e-2)


def test_weights_that_do_not_fit_float16_stay_float32() -> None:
    kept: dict[str, NDArray[Any]] = {
        "precise": np.full(2048, 0.1, np.float32),
        "huge": np.full(2048, 1e6, np.float32),
        "small": np.ones(8, np.float32),
        "integers": np.zeros(2048, np.int64),
    }
    arrays: dict[str, NDArray[Any]] = {**kept, "exact": np.full(2048, 0.5, np.float32)}
    graph = helper.make_graph(
        [helper.make_node("Identity", ["exact"], ["out"])],
        "graph",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [2048])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    store_half(model)
    onnx.checker.check_model(model, full_check=True)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert set(stored) == {*kept, "exact.half"}
    assert stored["exact.half"].dtype == np.float16
    for name, array in kept.items():
        np.testing.assert_array_equal(stored[name], array)
