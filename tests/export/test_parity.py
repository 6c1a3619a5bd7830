"""A graph that computes something else is caught, whatever the difference is."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fader.errors import ParityError
from fader.export import Graph, check_parity
from fader.export.parity import BATCH_SIZES, EXACT, Tolerance


@pytest.fixture
def graph(graphs: dict[str, Graph]) -> Graph:
    return graphs["encoder"]


@pytest.fixture
def content(exported: dict[str, bytes]) -> bytes:
    return exported["encoder"]


def with_weight(content: bytes, value: float) -> bytes:
    model = onnx.load_from_string(content)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights = numpy_helper.to_array(largest).copy()
    weights.flat[0] += value
    largest.CopyFrom(numpy_helper.from_array(weights, largest.name))
    changed: bytes = model.SerializeToString()
    return changed


def test_the_worst_figures_of_all_batch_sizes_are_returned(graph: Graph, content: bytes) -> None:
    figures = check_parity(content, graph, EXACT["encoder"])
    assert figures["max_abs"] < 1e-3
    assert figures["psnr_db"] > 100
    assert 0.999999 < figures["cosine"] <= 1
    assert BATCH_SIZES == (1, 3, 8, 32)


def test_one_wrong_weight_is_caught_and_told_in_one_line(graph: Graph, content: bytes) -> None:
    with pytest.raises(ParityError, match="encoder's output 'latent' at batch 1 differs") as caught:
        check_parity(with_weight(content, 0.3), graph, EXACT["encoder"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_caught(graph: Graph, content: bytes, value: float) -> None:
    with pytest.raises(ParityError, match="not finite"):
        check_parity(with_weight(content, value), graph, Tolerance(max_abs=9e9, psnr_db=-99, cosine=-1))


@pytest.mark.parametrize(
    "tolerance",
    [
        Tolerance(max_abs=1e-12, psnr_db=0, cosine=-1),
        Tolerance(max_abs=1, psnr_db=151, cosine=-1),
        Tolerance(max_abs=1, psnr_db=0, cosine=1.1),
    ],
    ids=["max_abs", "psnr_db", "cosine"],
)
def test_each_figure_alone_is_enough_to_fail(graph: Graph, content: bytes, tolerance: Tolerance) -> None:
    with pytest.raises(ParityError):
        check_parity(content, graph, tolerance)


def test_an_output_of_another_shape_is_caught(graph: Graph) -> None:
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in graph.output_names]
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Identity", ["pixels"], [name]) for name in graph.output_names],
            "encoder",
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 16, 16])],
            outputs,
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    with pytest.raises(ParityError, match="has shape"):
        check_parity(model.SerializeToString(), graph, EXACT["encoder"])


def test_examples_are_the_same_every_time(graph: Graph) -> None:
    first, second = graph.example(3), graph.example(3)
    np.testing.assert_array_equal(first[0].numpy(), second[0].numpy())
    assert first[0].abs().max() <= 1
