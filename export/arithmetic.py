"""How much a network computes and holds."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fader.export.graphs import Graph

__all__ = ["count_flop", "count_parameters"]


def count_flop(graph: Graph) -> int:
    """Return the floating-point operations of one image: two for each multiply-add of the linear layers."""
    counter = FlopCounterMode(display=False)
    inputs = graph.example(1)
    with torch.no_grad(), counter:
        graph.eval()(*inputs)
    return int(counter.get_total_flops())


def count_parameters(networks: Iterable[nn.Module]) -> int:
    """Return the number of trained values."""
    return sum(parameter.numel() for network in networks for parameter in network.parameters())
