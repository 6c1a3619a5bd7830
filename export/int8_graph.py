"""A graph whose convolutions are computed in int8, for CPUs: what OpenVINO runs fastest.

ONNX Runtime's static quantiser puts scales before every convolution (QDQ: symmetric int8 weights, uint8
activations). Sums of 8-bit products overflow 16 bits where a CPU has no VNNI; weights of 7 bits avoid that.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

__all__ = ["CONVOLUTIONS", "Inputs", "quantise"]

CONVOLUTIONS = ("Conv", "ConvTranspose")
"""Operators whose inputs and weights become 8-bit numbers."""
SCALES = ("QuantizeLinear", "DequantizeLinear")

Inputs = Mapping[str, NDArray[np.float32]]
"""Name of an input to a batch of it."""


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    """Gives the quantiser one batch after the other."""

    def __init__(self, feeds: Iterable[Inputs]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(map(dict, self._feeds), None)


def quantise(
    content: bytes, feeds: Iterable[Inputs], *, name: str, per_channel: bool = True, seven_bits: bool = True
) -> bytes:
    """Make the int8 form of a graph.

    Args:
        content: A self-contained ONNX file with float32 inputs and outputs.
        feeds: Batches such as the graph meets in use, always in the same order; each activation's scale
            covers its least to its largest value in them.
        name: The new graph's.
        per_channel: Whether each output channel's weights have a scale of their own.
        seven_bits: Whether weights keep to 7 bits.

    Returns:
        The ONNX file, of the same inputs and outputs: convolutions read 8-bit numbers, everything else
        float32. The same arguments always give the same bytes.
    """
    with tempfile.TemporaryDirectory() as folder:
        stored, plain, made = (Path(folder, f"{form}.onnx") for form in ("stored", "plain", "made"))
        stored.write_bytes(content)
        # Weights that are stored as float16 become float32, which alone the quantiser takes.
        quant_pre_process(stored, plain, skip_symbolic_shape=True)
        quantize_static(
            plain,
            made,
            _Feeds(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(CONVOLUTIONS),
            per_channel=per_channel,
            reduce_range=seven_bits,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "WeightSymmetric": True,
                # The activation after a convolution is computed from its float32 result, and rounded once.
                "OpTypesToExcludeOutputQuantization": list(CONVOLUTIONS),
            },
        )
        model = onnx.load(made)
    _unround(model.graph)
    _anonymise(model, name)
    onnx.checker.check_model(model, full_check=True)
    quantised: bytes = model.SerializeToString(deterministic=True)
    return quantised


def _unround(graph: onnx.GraphProto) -> None:
    """Give all but convolutions the values themselves: an image that passes through keeps every bit."""
    made_by = {output: node for node in graph.node for output in node.output}
    originals = {
        node.output[0]: made_by[node.input[0]].input[0]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in made_by
    }
    for node in graph.node:
        if node.op_type not in (*CONVOLUTIONS, *SCALES):
            for i, value in enumerate(node.input):
                node.input[i] = originals.get(value, value)


def _anonymise(model: onnx.ModelProto, name: str) -> None:
    graph = model.graph
    graph.name = name
    model.producer_name, model.producer_version = "fader", ""
    del graph.value_info[:], model.metadata_props[:]
    domains = {node.domain for node in graph.node}
    used = [opset for opset in model.opset_import if opset.domain in domains]
    del model.opset_import[:]
    model.opset_import.extend(used)
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
