"""Operations and bytes of a network, and the least time that a machine's ceilings allow for them.

The floor of a call on the device is the larger of two times: its operations at the rate of one large matrix
product, and the bytes that its layers must move at the speed of a copy. A layer reads its weights and its
input and writes its output, once each; what stands between layers (normalisation, activation) costs nothing.
From host to host, pictures or latents must also be copied there and back, which may overlap with all else.
A share above 100 % says that the ceilings were measured while the machine did something else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from on_gpu.machine import Ceilings
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fader.models import AutoEncoder

__all__ = ["Cost", "count_costs", "floor_s"]

BYTES = {"float32": 4, "tf32": 4, "float16": 2, "bfloat16": 2}
FLOAT32_BYTES = 4
LINEAR = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one pass takes."""

    flop: int
    """Floating-point operations of one image, two for each multiply-add."""
    weights: int
    """Numbers that are read once for a batch."""
    activations: int
    """Numbers of one image that linear layers read and write."""
    upload_bytes: int
    """Of one image, from the host."""
    download_bytes: int
    """Of one image, to the host."""


def count_costs(network: AutoEncoder) -> dict[str, Cost]:
    """Return the costs of "encoder", "decoder" and "edit": from one latent to uint8 pictures."""
    config = network.config
    pixels = torch.zeros(1, 3, config.image_size, config.image_size)
    values = torch.zeros(1, config.n_columns)
    with torch.no_grad():
        latents = network.encode(pixels)
    code, picture = sum(latent.numel() for latent in latents), pixels.numel()
    decoder = _count(lambda: network.decode(latents, values), network)
    ends = {
        "encoder": (picture * FLOAT32_BYTES, code * FLOAT32_BYTES),
        "decoder": ((code + config.n_columns) * FLOAT32_BYTES, picture * FLOAT32_BYTES),
        "edit": (config.n_columns * FLOAT32_BYTES, picture),
    }
    linear = {"encoder": _count(lambda: network.encode(pixels), network), "decoder": decoder, "edit": decoder}
    return {
        part: Cost(**linear[part], upload_bytes=upload, download_bytes=download)
        for part, (upload, download) in ends.items()
    }


def floor_s(cost: Cost, n: int, precision: str, ceilings: Ceilings, *, from_host: bool) -> float:
    """Return the least seconds of a call with n images.

    Args:
        cost: Of the pass.
        n: Images.
        precision: A key of the measured matrix rates: what the network computes in.
        ceilings: Of the machine.
        from_host: Whether inputs and outputs lie in the host's memory.
    """
    moved = BYTES[precision] * (cost.weights + n * cost.activations)
    times = [n * cost.flop / ceilings.matrix_flop_s[precision], moved / ceilings.copy_bytes_s]
    if from_host:
        times += [
            n * cost.upload_bytes / ceilings.upload_bytes_s,
            n * cost.download_bytes / ceilings.download_bytes_s,
        ]
    return max(times)


def _count(work: Callable[[], object], network: nn.Module) -> dict[str, int]:
    counter = FlopCounterMode(display=False)
    with _watched(network) as found, torch.no_grad(), counter:
        work()
    return {"flop": int(counter.get_total_flops()), **found}


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[str, int]]:
    found = {"weights": 0, "activations": 0}

    def note(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        found["weights"] += sum(parameter.numel() for parameter in layer.parameters())
        found["activations"] += inputs[0].numel() + output.numel()

    handles = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, LINEAR)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
