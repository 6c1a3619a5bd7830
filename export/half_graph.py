"""A graph computed in float16 inside, with float32 inputs and outputs: what CUDA and TensorRT engines want.

TensorRT takes the precision from the graph; on a CPU such a graph is slow.
"""

from torch import Tensor

from fader.export.folding import folded
from fader.export.graphs import StagedGraph

__all__ = ["FP16", "HalfGraph"]

FP16 = "-fp16"
"""What the names of float16 graphs end with."""


class HalfGraph(StagedGraph):
    """Computes what another graph does, to float16's precision; its ends are computed in float32."""

    def __init__(self, graph: StagedGraph) -> None:
        """Copy the graph's networks with float16 weights.

        Args:
            graph: Left as it is, but in eval mode. Values must fit float16: `check_parity` tells.
        """
        super().__init__()
        self.name = f"{graph.name}{FP16}"
        self.input_names, self.output_names = graph.input_names, graph.output_names
        self.inner = folded(graph).half()
        # In a tuple: its weights are no weights of this graph.
        self._original = (graph.eval(),)

    def example(self, batch: int) -> tuple[Tensor, ...]:
        """As for `Graph`; the same as the original's."""
        return self._original[0].example(batch)

    def network(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute in float16, from float32 to float32."""
        return tuple(output.float() for output in self.inner.network(*(tensor.half() for tensor in inputs)))

    def ends(self, inputs: tuple[Tensor, ...], computed: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """As the original's."""
        return self.inner.ends(inputs, computed)
