"""What the attribute columns add to a layer, without giving them channels.

An attribute column is constant over space, so what a convolution makes of it is a map that is linear in the
values and repeats inside: only the rows and columns at the border differ. A convolution k3 s1 p1 makes a
first, a middle and a last row; a transposed convolution k4 s2 p1 a first, an odd, an even and a last one. So
the maps are exact, whatever the values.

Shapes: N images, C channels, H height, W width, A attribute columns, R distinct rows of a map.
"""

import copy

import torch
from torch import Tensor, nn

__all__ = ["AttributeMaps", "Convolution", "select_inputs"]

Convolution = nn.Conv2d | nn.ConvTranspose2d


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
        self.table = nn.Parameter(responses_ACRR.flatten(1).contiguous(), requires_grad=False)
        which = _which_row(self.n_distinct, period, repeats=size - small)
        self.register_buffer("rows", torch.tensor(which))
        self.register_buffer("columns", nn.functional.one_hot(self.rows, self.n_distinct).T.float())

    def forward(self, values_NA: Tensor) -> Tensor:
        """Return the maps, (N, C, H, W)."""
        n = self.n_distinct
        distinct = (values_NA @ self.table).reshape(values_NA.shape[0], -1, n, n)
        # Rows by copying, columns by a product with zeros and ones: engines gather single columns slowly.
        return distinct.index_select(2, self.rows) @ self.columns


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
