"""The decoder as it is exported: the same numbers in forms that engines run faster.

Attribute columns are maps that are added after each convolution, instead of channels before it. In the
shuffle form the transposed convolutions are convolutions, too, which some engines run in lower precision.
Why, and how much faster: docs/decisions/0003-forms-and-precisions-of-the-graphs.md.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from fader.export.attribute_maps import AttributeMaps, Convolution, select_inputs
from fader.export.folding import folded
from fader.export.graphs import DecoderGraph, StagedGraph

__all__ = ["SHUFFLE", "MapDecoderGraph", "ShuffleConvolution"]

SHUFFLE = "-shuffle"
"""What the names of graphs in the shuffle form end with."""


class MapDecoderGraph(StagedGraph):
    """Computes what a `DecoderGraph` does, with the same inputs and outputs."""

    output_names = ("rendering",)

    def __init__(self, graph: DecoderGraph) -> None:
        """Copy the decoder's weights.

        Args:
            graph: Left as it is, but in eval mode.
        """
        super().__init__()
        config = graph.autoencoder.config
        self.name = graph.name
        self.input_names = graph.input_names
        self._mask = config.mask
        # In a tuple: the network's own weights are no weights of this graph.
        self._original = (graph.eval(),)
        self.layers = nn.ModuleList(
            _Layer(
                list(layer.children()),
                attributes=slice(config.widths[-1 - j], config.widths[-1 - j] + config.n_columns),
                size=config.image_size // 2 ** (config.n_layers - j),
            )
            for j, layer in enumerate(folded(graph.autoencoder.decoder))
        )

    @property
    def transposed(self) -> bool:
        """Whether there are transposed convolutions, and so a shuffle form."""
        return any(isinstance(module, nn.ConvTranspose2d) for module in self.modules())

    def shuffled(self) -> "MapDecoderGraph":
        """Return the shuffle form, of the same weights."""
        form = copy.deepcopy(self)
        for layers in [module for module in form.modules() if isinstance(module, nn.Sequential)]:
            for i, layer in enumerate(layers):
                if isinstance(layer, nn.ConvTranspose2d):
                    layers[i] = ShuffleConvolution(layer)
        form.name = f"{self.name}{SHUFFLE}"
        return form

    def example(self, batch: int) -> tuple[Tensor, ...]:
        """As for `Graph`; the same as the original's."""
        return self._original[0].example(batch)

    def network(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return what the last layer gives: the drawing before tanh, and the mask before its sigmoid."""
        hidden, values_NA = inputs[0], inputs[-1]
        for j, layer in enumerate(self.layers):
            if 0 < j < len(inputs) - 1 - self._mask:
                hidden = torch.cat([hidden, inputs[j]], dim=1)
            hidden = layer(hidden, values_NA)
        return (hidden,)

    def ends(self, inputs: tuple[Tensor, ...], computed: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Blend in float32, where there is a mask: the image keeps every level."""
        drawing = torch.tanh(computed[0][:, :3])
        if not self._mask:
            return (drawing,)
        mask, image = torch.sigmoid(computed[0][:, 3:]), inputs[-2]
        return (mask * drawing + (1 - mask) * image,)


class _Layer(nn.Module):
    """A decoder layer without attribute channels."""

    def __init__(self, layers: list[nn.Module], *, attributes: slice, size: int) -> None:
        super().__init__()
        before = [layer for layer in layers[:1] if isinstance(layer, nn.Upsample)]
        convolution, after = cast(Convolution, layers[len(before)]), layers[len(before) + 1 :]
        channels = list(range(convolution.in_channels))
        columns = channels[attributes]
        others = [channel for channel in channels if channel not in columns]
        self.maps = AttributeMaps(
            select_inputs(convolution, columns, bias=False), 2 * size if before else size
        )
        self.convolution = nn.Sequential(*before, select_inputs(convolution, others, bias=True))
        self.after = nn.Sequential(*after)

    def forward(self, hidden_NCHW: Tensor, values_NA: Tensor) -> Tensor:
        """Return the next layer's input."""
        result: Tensor = self.after(self.convolution(hidden_NCHW) + self.maps(values_NA))
        return result


class ShuffleConvolution(nn.Module):
    """A transposed convolution k4 s2 p1 as a convolution k2 p1, a pixel shuffle and a crop of one pixel.

    Row 2p + r of the shuffled picture is row 2p + r - 1 of the transposed convolution's, which reads its
    input's row p by weight r and row p - 1 by weight r + 2.
    """

    def __init__(self, convolution: nn.ConvTranspose2d) -> None:
        """Take the weights over.

        Args:
            convolution: Without groups.
        """
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return what the transposed convolution returns."""
        inputs, outputs = self.weight.shape[:2]
        # The weights are kept as they were, so that both forms share theirs; engines do this when they load.
        taps = self.weight.reshape(inputs, outputs, 2, 2, 2, 2)  # (.., tap, row, tap, column)
        taps = taps.permute(1, 3, 5, 0, 2, 4).flip(4, 5).reshape(4 * outputs, inputs, 2, 2)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        spread = nn.functional.conv2d(images_NCHW, taps, bias, padding=1)
        shuffled: Tensor = nn.functional.pixel_shuffle(spread, 2)
        return shuffled[:, :, 1:-1, 1:-1]
