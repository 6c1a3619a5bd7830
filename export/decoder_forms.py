"""The decoder as it is exported: the same numbers in forms that engines run faster.

Attribute columns are maps that are added after each convolution, instead of channels before it. In the
shuffle form the transposed convolutions are convolutions, too, which some engines run in lower precision.
Wherever a convolution is followed by a shuffle, what can be is done before the shuffle, where engines do it
while they write the convolution's result.
Why, and how much faster: docs/decisions/0003-forms-and-precisions-of-the-graphs.md.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn

from fader.export.attribute_maps import AttributeMaps, Convolution, PhaseMaps, select_inputs
from fader.export.depth_to_space import depth_to_space
from fader.export.folding import folded
from fader.export.graphs import DecoderGraph, StagedGraph

__all__ = ["SHUFFLE", "MapDecoderGraph", "ShuffleConvolution"]

SHUFFLE = "-shuffle"
"""What the names of graphs in the shuffle form end with."""
OUTSIDE = -1e30
"""Of which a ReLU makes 0, whatever a convolution adds to it."""


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
        self._mask, self._n_skip = config.mask, config.n_skip
        self.details = folded(graph.autoencoder.details)
        # In a tuple: the network's own weights are no weights of this graph.
        self._original = (graph.eval(),)
        self.layers = nn.ModuleList(
            _layer(
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
        framed = False
        layers = cast(list[_Layer], list(form.layers)) if self.transposed else []
        for j, layer in enumerate(layers):
            frames = j + 1 < len(layers) and not self._reads_beside(j + 1) and _pointwise(layer.after)
            form.layers[j] = _untransposed(layer, framed=framed, frames=frames)
            framed = frames
        form.name = f"{self.name}{SHUFFLE}"
        return form

    def example(self, batch: int) -> tuple[Tensor, ...]:
        """As for `Graph`; the same as the original's."""
        return self._original[0].example(batch)

    def network(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return what the last layer gives: the drawing before tanh, and the mask before its sigmoid."""
        hidden, values_NA = inputs[0], inputs[-1]
        details, image = [], inputs[-2]
        for shrink in self.details:
            image = shrink(image)
            details.append(image)
        for j, layer in enumerate(self.layers):
            if self._takes_skip(j):
                hidden = torch.cat([hidden, inputs[j]], dim=1)
            if self._takes_detail(j):
                hidden = torch.cat([hidden, details[len(self.layers) - 1 - j]], dim=1)
            hidden = layer(hidden, values_NA)
        return (hidden,)

    def ends(self, inputs: tuple[Tensor, ...], computed: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Blend in float32, where there is a mask: the image keeps every level."""
        # Flat, because OpenVINO would go on with channels last, in which three channels are slow.
        flat = computed[0].flatten(2)
        drawing = torch.tanh(flat[:, :3])
        if not self._mask:
            return (drawing.reshape_as(computed[0]),)
        mask, image = torch.sigmoid(flat[:, 3:]), inputs[-2]
        return ((mask * drawing + (1 - mask) * image.flatten(2)).reshape_as(image),)

    def _takes_skip(self, j: int) -> bool:
        return 1 <= j <= self._n_skip

    def _takes_detail(self, j: int) -> bool:
        return len(self.layers) - 1 - j < len(self.details)

    def _reads_beside(self, j: int) -> bool:
        return self._takes_skip(j) or self._takes_detail(j)


class _Layer(nn.Module):
    """A decoder layer without attribute channels: convolution, maps, the rest."""

    convolution: nn.Module
    maps: AttributeMaps | PhaseMaps
    after: nn.Sequential

    def __init__(self, convolution: nn.Module, maps: AttributeMaps | PhaseMaps, after: nn.Sequential) -> None:
        super().__init__()
        self.convolution, self.maps, self.after = convolution, maps, after

    def forward(self, hidden_NCHW: Tensor, values_NA: Tensor) -> Tensor:
        """Return the next layer's input."""
        result: Tensor = self.after(self.convolution(hidden_NCHW) + self.maps(values_NA))
        return result


class _ShuffleLayer(_Layer):
    """The same, where the convolution gives the four pixels of each cell as channels: see `PhaseMaps`."""

    def __init__(
        self, convolution: nn.Module, maps: PhaseMaps, after: nn.Sequential, *, crop: bool = False
    ) -> None:
        super().__init__(convolution, maps, after)
        self._crop = crop

    def forward(self, hidden_NCHW: Tensor, values_NA: Tensor) -> Tensor:
        """Return the next layer's input."""
        hidden = self.convolution(hidden_NCHW) + self.maps(values_NA)
        early = _pointwise(self.after)
        hidden = depth_to_space(self.after(hidden) if early else hidden)
        hidden = hidden[:, :, 1:-1, 1:-1] if self._crop else hidden
        result: Tensor = hidden if early else self.after(hidden)
        return result


class ShuffleConvolution(nn.Module):
    """A transposed convolution k4 s2 p1 as a convolution k2 that gives four pixels a cell as channels.

    After `depth_to_space`, row 2p + r is row 2p + r - 1 of the transposed convolution's, which reads its
    input's row p by weight r and row p - 1 by weight r + 2. So a frame of one pixel surrounds the picture.
    """

    def __init__(self, convolution: nn.ConvTranspose2d, *, framed: bool = False) -> None:
        """Take the weights over.

        Args:
            convolution: Without groups.
            framed: Whether a frame of zeros, one pixel wide, already surrounds the input.
        """
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self.padding = 0 if framed else 1

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return (N, 4 C, H + 1, W + 1) for images without a frame of (N, .., H, W)."""
        inputs, outputs = self.weight.shape[:2]
        # The weights are kept as they were, so that both forms share theirs; engines do this when they load.
        taps = self.weight.reshape(inputs, outputs, 2, 2, 2, 2)  # (.., tap, row, tap, column)
        taps = taps.permute(3, 5, 1, 0, 2, 4).flip(4, 5).reshape(4 * outputs, inputs, 2, 2)
        bias = None if self.bias is None else self.bias.repeat(4)
        return nn.functional.conv2d(images_NCHW, taps, bias, padding=self.padding)


def _layer(layers: list[nn.Module], *, attributes: slice, size: int) -> _Layer:
    before = [layer for layer in layers[:1] if isinstance(layer, nn.Upsample)]
    convolution, after = cast(Convolution, layers[len(before)]), layers[len(before) + 1 :]
    # In eval mode dropout does nothing, nor does what folding left.
    idle = nn.Identity | nn.Dropout | nn.PixelShuffle
    rest = nn.Sequential(*(layer for layer in after if not isinstance(layer, idle)))
    shuffles = any(isinstance(layer, nn.PixelShuffle) for layer in after)
    if shuffles:
        _pixels_first(cast(nn.Conv2d, convolution))
    channels = list(range(convolution.in_channels))
    columns = channels[attributes]
    others = [channel for channel in channels if channel not in columns]
    maps = AttributeMaps(select_inputs(convolution, columns, bias=False), 2 * size if before else size)
    own = nn.Sequential(*before, select_inputs(convolution, others, bias=True))
    if shuffles:
        return _ShuffleLayer(own, PhaseMaps(maps, pixels=[(row,) for row in range(size)]), rest)
    return _Layer(own, maps, rest)


def _untransposed(layer: _Layer, *, framed: bool, frames: bool) -> _ShuffleLayer:
    """Return the shuffle form of a layer.

    Args:
        layer: With a transposed convolution.
        framed: Whether the input has a frame of zeros.
        frames: Whether the output is to have one.
    """
    (transposed,) = cast(nn.Sequential, layer.convolution)
    planar = cast(AttributeMaps, layer.maps)
    rows = (None, *range(len(planar.which)), None)
    maps = PhaseMaps(
        planar,
        pixels=list(zip(rows[::2], rows[1::2], strict=True)),
        outside=OUTSIDE if frames else None,
    )
    convolution = ShuffleConvolution(cast(nn.ConvTranspose2d, transposed), framed=framed)
    return _ShuffleLayer(convolution, maps, layer.after, crop=not frames)


def _pointwise(after: nn.Sequential) -> bool:
    """Whether layers change each number by itself, so that they may come before a shuffle."""
    return all(isinstance(layer, nn.ReLU) for layer in after)


def _pixels_first(convolution: nn.Conv2d) -> None:
    """Put a convolution's channels, which a `nn.PixelShuffle` takes, in the order of `depth_to_space`."""
    with torch.no_grad():
        for parameter in convolution.parameters():
            parameter.copy_(torch.cat([parameter[pixel::4] for pixel in range(4)]))
