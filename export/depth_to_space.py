"""The pixel shuffle as engines do it fastest: whole runs of channels at a time.

`torch.nn.PixelShuffle` takes the four pixels of a cell from neighbouring channels (ONNX: mode CRD), this one
from the four quarters of all channels (mode DCR), which are contiguous where channels come last.
"""

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset20
from torch import Tensor

__all__ = ["TRANSLATIONS", "depth_to_space"]


@torch.library.custom_op("fader::depth_to_space", mutates_args=())
def depth_to_space(cells: Tensor) -> Tensor:
    """Double the resolution.

    Args:
        cells: (N, 4 C, H, W): all channels of the upper left pixel, the upper right, the lower left, the
            lower right.

    Returns:
        (N, C, 2 H, 2 W).
    """
    n, channels, height, width = cells.shape
    pixels = cells.reshape(n, 2, 2, channels // 4, height, width).permute(0, 3, 4, 1, 5, 2)
    return pixels.reshape(n, channels // 4, 2 * height, 2 * width).clone()


@depth_to_space.register_fake
def _shape(cells: Tensor) -> Tensor:
    n, channels, height, width = cells.shape
    return cells.new_empty(n, channels // 4, 2 * height, 2 * width)


def _translate(cells: Any) -> Any:
    return opset20.DepthToSpace(cells, blocksize=2, mode="DCR")


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.fader.depth_to_space.default: _translate
}
"""What the exporter is told."""
