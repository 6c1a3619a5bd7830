"""Weights stored as float16 and computed with as float32: half the file, the same arithmetic.

An ONNX graph keeps such a weight as a float16 initializer followed by a Cast to float32, which engines fold
when they load it. So that this changes no number of the exported graph, the weights are rounded before the
export, in a copy of the network; normalisation is folded into convolutions first, as the exporter would
otherwise do it after the rounding.
"""

from typing import TypeVar

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from fader.export.folding import folded

__all__ = ["round_weights", "store_half"]

LARGE = 1024

Network = TypeVar("Network", bound=nn.Module)


def round_weights(network: Network) -> Network:
    """Return a copy in eval mode whose large weights are float16 numbers, held as float32.

    Args:
        network: Left as it is. In the copy, batch normalisation after a convolution is folded into it.
    """
    rounded = folded(network)
    with torch.no_grad():
        for parameter in rounded.parameters():
            if parameter.numel() >= LARGE:
                parameter.copy_(parameter.half().float())
    return rounded


def store_half(model: onnx.ModelProto) -> None:
    """Store large float32 initializers as float16, in place, wherever that loses nothing.

    Args:
        model: An exported graph; initializers whose numbers do not all fit float16 stay as they are.
    """
    graph = model.graph
    casts = []
    for initializer in graph.initializer:
        if initializer.data_type != TensorProto.FLOAT:
            continue
        weights = numpy_helper.to_array(initializer)
        if weights.size < LARGE or np.abs(weights).max() > np.finfo(np.float16).max:
            continue
        half = weights.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), weights):
            continue
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(
            helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=TensorProto.FLOAT)
        )
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
