"""Graphs with uint8 ends: bit for bit what the runtime's own conversion gives around the same graph."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from onnx import TensorProto, helper

from fader.bundle import Bundle
from fader.errors import ParityError
from fader.export import Graph, read_graph, with_uint8_ends
from fader.export.uint8_ends import check_uint8_ends
from fader.image import from_model, to_model

SIZE = 4


def through(source: str, target: str) -> bytes:
    """Return a graph that passes images on as they are."""
    shape: list[str | int | None] = ["batch", 3, SIZE, SIZE]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in (source, target)]
    node = helper.make_node("Identity", [source], [target])
    model = helper.make_model(
        helper.make_graph([node], "through", ends[:1], ends[1:]),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    content: bytes = model.SerializeToString()
    return content


def session(content: bytes | Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


READ = session(with_uint8_ends(through("pixels", "latent")))
WRITTEN = session(with_uint8_ends(through("latent", "rendering")))


def test_every_level_becomes_what_the_runtime_makes_of_it() -> None:
    levels = np.resize(np.arange(256, dtype=np.uint8), (16, SIZE, SIZE, 3))
    (found,) = READ.run(None, {"pixels": levels})
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, to_model(levels))


def test_halves_go_to_the_even_level_and_what_is_beyond_is_clipped() -> None:
    steps = np.arange(-3, 259, dtype=np.float32) + np.float32(0.5)
    scaled = np.resize(steps / np.float32(127.5) - 1, (16, 3, SIZE, SIZE))
    (found,) = WRITTEN.run(None, {"latent": scaled})
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, from_model(scaled))
    (middle,) = WRITTEN.run(None, {"latent": np.zeros((1, 3, SIZE, SIZE), np.float32)})  # 127.5
    assert set(middle.ravel()) == {128}


@given(arrays(np.float32, (2, 3, SIZE, SIZE), elements=st.floats(-2, 2, width=32)))
def test_any_rendering_becomes_what_the_runtime_makes_of_it(rendering: NDArray[np.float32]) -> None:
    (found,) = WRITTEN.run(None, {"latent": rendering})
    np.testing.assert_array_equal(found, from_model(rendering))


@pytest.mark.parametrize("inside", ["encoder", "decoder", "classifier", "encoder-fp16", "decoder-fp16"])
def test_a_bundles_graphs_give_bit_for_bit_what_the_runtime_gives_around_them(
    bundle_folder: Path, graphs: dict[str, Graph], inside: str
) -> None:
    bundle = Bundle(bundle_folder)
    graph = graphs[inside.partition("-")[0]]
    ended, plain = session(bundle.graph(f"{inside}-uint8")), session(bundle.graph(inside))
    tensors = zip(graph.input_names, graph.example(5), strict=True)
    feeds: dict[str, Any] = {name: tensor.numpy() for name, tensor in tensors}
    levels = {name: from_model(feed) if name == "pixels" else feed for name, feed in feeds.items()}
    floats = {name: to_model(feed) if name == "pixels" else feed for name, feed in levels.items()}
    for name in graph.output_names:
        ((found,), (inner,)) = ended.run([name], levels), plain.run([name], floats)
        expected = from_model(inner) if name == "rendering" else inner
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_only_images_change_their_form_and_the_name_says_so(bundle_folder: Path) -> None:
    plain, ended = (
        onnx.load_from_string(read_graph(Bundle(bundle_folder).graph(name))).graph
        for name in ("decoder-fp16", "decoder-fp16-uint8")
    )
    assert ended.name == "decoder-fp16-uint8"
    assert [value.name for value in ended.input] == [value.name for value in plain.input]
    assert list(ended.input) == list(plain.input)
    (rendering,) = ended.output
    assert [dim.dim_value for dim in rendering.type.tensor_type.shape.dim][1:] == [16, 16, 3]
    assert rendering.type.tensor_type.elem_type == TensorProto.UINT8


def test_ends_that_compute_anything_else_are_refused(graphs: dict[str, Graph], exported: Any) -> None:
    ended = onnx.load_from_string(with_uint8_ends(exported["decoder"]))
    (rounding,) = [node for node in ended.graph.node if node.op_type == "Round"]
    rounding.op_type = "Floor"
    with pytest.raises(ParityError, match="decoder-uint8's output 'rendering' at batch 1 is not") as caught:
        check_uint8_ends(
            ended.SerializeToString(), exported["decoder"], graphs["decoder"], name="decoder-uint8"
        )
    assert "\n" not in str(caught.value)
