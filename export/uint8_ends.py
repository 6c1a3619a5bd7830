"""Graphs that take and give images as the runtime has them: (N, S, S, 3) uint8 RGB.

The ends are nodes around a graph that was exported before, so any form or precision can have them, and its
weights stay where they are. They compute what `fader.image.to_model` and `from_model` compute, step by step.
"""

from collections.abc import Iterable, MutableSequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from fader.errors import ParityError
from fader.export.graphs import Graph
from fader.export.parity import BATCH_SIZES
from fader.image import from_model, to_model

__all__ = ["UINT8", "check_uint8_ends", "with_uint8_ends"]

UINT8 = "-uint8"
"""What the names of graphs with such ends end with."""
PIXELS, RENDERING = "pixels", "rendering"
"""The input and the output that are images; latents stay float32, also where one is an image."""
Step = tuple[str, tuple[float, ...], dict[str, Any]]
"""Operator, further inputs, attributes."""


def with_uint8_ends(content: bytes) -> bytes:
    """Put the conversion of images into a graph.

    Args:
        content: A self-contained ONNX file with (N, 3, S, S) float32 "pixels" or "rendering".

    Returns:
        The ONNX file in which they are (N, S, S, 3) uint8 RGB. Renderings are clipped and rounded, halves to
        the even level.
    """
    model = onnx.load_from_string(content)
    graph = model.graph
    graph.name = f"{graph.name}{UINT8}"
    before: list[NodeProto] = []
    after: list[NodeProto] = []
    for value in _images(graph.input, PIXELS):
        for node in graph.node:
            _rename(node.input, PIXELS)
        before = _from_levels(graph)
        _make_uint8(value)
    for value in _images(graph.output, RENDERING):
        for node in graph.node:
            _rename(node.input, RENDERING)
            _rename(node.output, RENDERING)
        after = _to_levels(graph)
        _make_uint8(value)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*before, *nodes, *after])
    onnx.checker.check_model(model, full_check=True)
    ended: bytes = model.SerializeToString(deterministic=True)
    return ended


def check_uint8_ends(content: bytes, wrapped: bytes, graph: Graph, *, name: str) -> None:
    """Compare a graph of `with_uint8_ends`, at all BATCH_SIZES, with the graph inside and outer conversion.

    Args:
        content: What `with_uint8_ends` made of `wrapped`.
        wrapped: The graph with float32 ends.
        graph: Gives the inputs.
        name: What messages call `content`.

    Raises:
        ParityError: any value of any output differs at all.
    """
    ended, plain = (_session(file) for file in (content, wrapped))
    for batch in BATCH_SIZES:
        examples = zip(graph.input_names, graph.example(batch), strict=True)
        inputs: dict[str, NDArray[Any]] = {key: tensor.numpy() for key, tensor in examples}
        levels = {key: from_model(array) if key == PIXELS else array for key, array in inputs.items()}
        floats = {key: to_model(array) if key == PIXELS else array for key, array in levels.items()}
        outputs = list(graph.output_names)
        pairs = zip(outputs, ended.run(outputs, levels), plain.run(outputs, floats), strict=True)
        for output, found, inner in pairs:
            expected = from_model(inner) if output == RENDERING else inner
            if found.dtype != expected.dtype or not np.array_equal(found, expected):
                raise ParityError(
                    f"{name}'s output {output!r} at batch {batch} is not what its graph gives with the "
                    "conversion outside, expected every value to be the same: report it"
                )


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # The two take turns, and spinning threads would take the cores from the other.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _images(values: Iterable[ValueInfoProto], name: str) -> list[ValueInfoProto]:
    return [value for value in values if value.name == name]


def _inner(name: str) -> str:
    """Return what the float32 image inside is called."""
    return f"{name}.float"


def _rename(names: MutableSequence[str], name: str) -> None:
    for i, found in enumerate(names):
        if found == name:
            names[i] = _inner(name)


def _make_uint8(value: ValueInfoProto) -> None:
    tensor = value.type.tensor_type
    tensor.elem_type = TensorProto.UINT8
    size = tensor.shape.dim[2].dim_value
    for dim, extent in zip(tensor.shape.dim[1:], (size, size, 3), strict=True):
        dim.dim_value = extent


def _from_levels(graph: onnx.GraphProto) -> list[NodeProto]:
    steps: list[Step] = [
        ("Transpose", (), {"perm": [0, 3, 1, 2]}),
        ("Cast", (), {"to": TensorProto.FLOAT}),
        ("Mul", (2 / 255,), {}),
        ("Sub", (1,), {}),
    ]
    return _chain(graph, steps, PIXELS, _inner(PIXELS))


def _to_levels(graph: onnx.GraphProto) -> list[NodeProto]:
    steps: list[Step] = [
        ("Add", (1,), {}),
        ("Mul", (127.5,), {}),
        ("Round", (), {}),
        ("Clip", (0, 255), {}),
        ("Cast", (), {"to": TensorProto.UINT8}),
        ("Transpose", (), {"perm": [0, 2, 3, 1]}),
    ]
    return _chain(graph, steps, _inner(RENDERING), RENDERING)


def _chain(graph: onnx.GraphProto, steps: list[Step], start: str, end: str) -> list[NodeProto]:
    """Return nodes that follow one another, from the value `start` to the value `end`."""
    nodes = []
    values = [start, *(f"{end}.{i}" for i in range(1, len(steps))), end]
    for i, (operator, numbers, attributes) in enumerate(steps):
        constants = [f"{values[i + 1]}.{operator}.{k}" for k in range(len(numbers))]
        for constant, number in zip(constants, numbers, strict=True):
            graph.initializer.append(numpy_helper.from_array(np.array(number, np.float32), constant))
        name = f"{values[i + 1]}.node"
        nodes.append(helper.make_node(operator, [values[i], *constants], [values[i + 1]], name, **attributes))
    return nodes
