"""From a network to the bytes of its ONNX graph."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import onnx
import torch

from fader.export.depth_to_space import TRANSLATIONS
from fader.export.graphs import Graph
from fader.export.half_weights import store_half

__all__ = ["OPSET", "export_graph"]

OPSET = 20
"""Version of the ONNX operators."""

# What the exporter of torch 2.13 says of every network: of its own code, of an operator library that is not
# used here, and of a batch axis that several inputs share on purpose.
EXPECTED_WARNINGS = (
    (FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated"),
    (UserWarning, r"# The axis name: batch will not be used, since it shares the same shape constraints"),
)
CHATTY_LOGGER = "torch.onnx._internal.exporter._registration"


def export_graph(graph: Graph, *, half_weights: bool = False) -> bytes:
    """Export a network with a dynamic batch axis.

    Args:
        graph: Its networks are exported in eval mode and left in it.
        half_weights: Store large weights as float16 where that loses nothing: for `round_weights`' copies.

    Returns:
        A self-contained ONNX file of opset 20, without stack traces, local paths or other traces of where it
        was made; the same network always gives the same bytes.
    """
    graph.eval()
    batch = torch.export.Dim("batch", min=1)
    examples = graph.example(2)
    with torch.no_grad(), _quiet_exporter():
        exported = torch.onnx.export(
            graph,
            examples,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(graph.input_names),
            output_names=list(graph.output_names),
            dynamic_shapes={"inputs": tuple({0: batch} for _ in examples)},
            custom_translation_table=TRANSLATIONS,
            external_data=False,
            verbose=False,
        )
    model: onnx.ModelProto = cast(torch.onnx.ONNXProgram, exported).model_proto
    _anonymise(model, graph.name)
    if half_weights:
        store_half(model)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    logger = logging.getLogger(CHATTY_LOGGER)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for category, message in EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", message=message, category=category)
            yield
    finally:
        logger.setLevel(level)


def _anonymise(model: onnx.ModelProto, name: str) -> None:
    graph = model.graph
    graph.name = name
    model.producer_name, model.producer_version = "fader", ""
    # Engines infer the inner shapes themselves; the exporter's carry its metadata and symbols.
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
