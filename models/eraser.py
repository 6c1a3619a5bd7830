"""The end of an encoder that takes out of the code what straight lines could read of the attributes.

Source: Belrose et al. 2023, "LEACE: Perfect linear concept erasure in closed form".
Shapes: N images, D numbers of a code, T directions.
"""

import torch
from torch import Tensor, nn

__all__ = ["Eraser"]


class Eraser(nn.Module):
    """Returns z - write (read (z - centre)); a new one returns z."""

    centre_D: Tensor
    read_TD: Tensor
    write_DT: Tensor

    def __init__(self, n: int, directions: int) -> None:
        """Make one that erases nothing.

        Args:
            n: Numbers of a code.
            directions: How many are erased.
        """
        super().__init__()
        self.register_buffer("centre_D", torch.zeros(n))
        self.register_buffer("read_TD", torch.zeros(directions, n))
        self.register_buffer("write_DT", torch.zeros(n, directions))

    def forward(self, code_NCHW: Tensor) -> Tensor:
        """Erase; the shape stays."""
        code_ND = code_NCHW.flatten(1)
        read_NT = (code_ND - self.centre_D) @ self.read_TD.T
        return (code_ND - read_NT @ self.write_DT.T).reshape(code_NCHW.shape)
