"""What the attribute columns add to a layer, without giving them channels.

An attribute column is constant over space, so what a convolution makes of it is a map that is linear in the
values and repeats inside: only the rows and columns at the border differ. A convolution k3 s1 p1 makes a
first, a middle and a last row; a transposed convolution k4 s2 p1 a first, an odd, an even and a last one. So
the maps are exact, whatever the values.

Shapes: N images, C channels, H height, W width, A attribute columns, R distinct rows of a map.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["AttributeMaps", "Convolution", "PhaseMaps", "select_inputs"]

Convolution = nn.Conv2d | nn.ConvTranspose2d
Cell = tuple[int | None, ...]
"""Which rows of pixels a row of cells holds."""


class AttributeMaps(nn.Module):
    """From values (N, A) to the maps (N, C, H, W) that they add to a convolution's output."""

    rows: Tensor
    columns: Tensor

    def __init__(self, convolution: Convolution, size: int) -> None:
        """Measure the maps on the smallest input that shows every distinct row.

        Args:
            convolution: Reads the attribute columns alone, and has no bias; square.
            size: Height and width of its input, pixels.
        """
        super().__init__()
        period = convolution.stride[0] if isinstance(convolution, nn.ConvTranspose2d) else 1
        small = min(size, convolution.kernel_size[0] // period)
        n_columns = convolution.in_channels
        with torch.no_grad():
            one_each = torch.eye(n_columns)[:, :, None, None].expand(-1, -1, small, small)
            responses_ACRR = convolution(one_each)
        self.n_distinct = responses_ACRR.shape[-1]
        # A parameter, because it is a weight: it is rounded and stored as the others are.
        table = responses_ACRR.permute(0, 2, 3, 1).flatten(1).contiguous()
        self.table = nn.Parameter(table, requires_grad=False)
        self.which = _which_row(self.n_distinct, period, repeats=size - small)
        """Which of the distinct rows each row of a map is."""
        self.register_buffer("rows", torch.tensor(self.which))
        self.register_buffer("columns", nn.functional.one_hot(self.rows, self.n_distinct).T.float())

    def distinct(self, values_NA: Tensor) -> Tensor:
        """Return the numbers that occur in the maps, (N, R, R, C)."""
        n = self.n_distinct
        return (values_NA @ self.table).reshape(values_NA.shape[0], n, n, -1)

    def forward(self, values_NA: Tensor) -> Tensor:
        """Return the maps, (N, C, H, W)."""
        distinct_NCRR = self.distinct(values_NA).permute(0, 3, 1, 2)
        # Rows by copying, columns by a product with zeros and ones: engines gather single columns slowly.
        return distinct_NCRR.index_select(2, self.rows) @ self.columns


class PhaseMaps(nn.Module):
    """The same maps before the shuffle that doubles the resolution: (N, 4 C, H, W), four pixels a cell.

    Channels are the upper left pixel's, then the upper right one's, the lower left one's, the lower right
    one's. The maps are made with the channels last, by copying runs of them: that is fast, and the layout of
    OpenVINO's convolutions, which add such a map while they write their result.
    """

    numbers: Tensor
    outside: Tensor
    cells: Tensor

    def __init__(self, maps: AttributeMaps, *, pixels: Sequence[Cell], outside: float | None = None) -> None:
        """Arrange maps.

        Args:
            maps: What is arranged; its table is shared.
            pixels: Of each row of cells, which rows of `maps` its pixels lie in, None outside of them; of the
                columns the same.
            outside: What pixels outside of the maps get; None for whatever costs least.
        """
        super().__init__()
        self.maps = maps
        kinds = list(dict.fromkeys(_distinct(maps, cell) for cell in pixels))
        self.n_kinds = len(kinds)
        places = [(r, c) for row in kinds for column in kinds for r in row for c in column]
        n = maps.n_distinct
        numbers = [None if r is None or c is None else r * n + c for r, c in places]
        self.gathers = numbers != list(range(n * n))
        self.register_buffer("numbers", torch.tensor([number or 0 for number in numbers]))
        self.fills = outside is not None and None in numbers
        fill = outside or 0.0
        self.register_buffer("outside", torch.tensor([[fill if i is None else 0.0] for i in numbers]))
        self.register_buffer("cells", torch.tensor([kinds.index(_distinct(maps, cell)) for cell in pixels]))

    def forward(self, values_NA: Tensor) -> Tensor:
        """Return the maps, (N, 4 C, H, W)."""
        n = self.n_kinds
        numbers = self.maps.distinct(values_NA).flatten(1, 2)
        if self.gathers:
            numbers = numbers.index_select(1, self.numbers)
        if self.fills:
            numbers = numbers + self.outside
        kinds = numbers.reshape(values_NA.shape[0], n, n, -1)
        return kinds.index_select(2, self.cells).index_select(1, self.cells).permute(0, 3, 1, 2)


def _distinct(maps: AttributeMaps, cell: Cell) -> Cell:
    return tuple(None if row is None else maps.which[row] for row in cell)


def select_inputs(convolution: Convolution, channels: list[int], *, bias: bool) -> Convolution:
    """Return a copy of a convolution that reads only some of its input channels.

    Args:
        convolution: Without groups.
        channels: Which, in their order.
        bias: Whether the copy keeps the bias.
    """
    selected = copy.deepcopy(convolution)
    inputs = 0 if isinstance(convolution, nn.ConvTranspose2d) else 1
    weight = convolution.weight.detach().index_select(inputs, torch.tensor(channels))
    selected.weight = nn.Parameter(weight, requires_grad=False)
    selected.in_channels = len(channels)
    if not bias:
        selected.bias = None
    return selected


def _which_row(n_distinct: int, period: int, *, repeats: int) -> list[int]:
    """Return, for each row of a map, which of the distinct rows it is."""
    border = (n_distinct - period) // 2
    inner = list(range(border, border + period))
    return [*range(border), *inner * (1 + repeats), *range(border + period, n_distinct)]
