"""What is compared: the engines of fader.runtime that use the device, and PyTorch as people would call it.

All take NumPy arrays from the host and give them back. PyTorch is also timed on tensors that stay on the
device.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from on_gpu.machine import Machine
from on_gpu.subjects import Array, Coder, Subject
from torch import Tensor

from fader.errors import EngineError
from fader.image import from_model
from fader.models import AutoEncoder
from fader.runtime.doctor.engines import uses_gpu
from fader.runtime.engines import ENGINES, Engine, open_engine

__all__ = ["Contender", "Offer", "offers"]

Edit = Callable[[tuple[Array, ...], Array], NDArray[np.uint8]]
EAGER = "PyTorch eager"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """One that is open."""

    coder: Coder
    """From host to host."""
    edit: Edit
    """From one image's cached latents (batch 1) and N rows of values to (N, H, W, 3) uint8 pictures."""
    on_device: Callable[[str, int], Callable[[], object]] | None
    """Part and batch to a call on tensors that stay there; None where no such call is offered."""
    close: Callable[[], object]
    """Frees what it holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """One that may be opened."""

    name: str
    """For the table."""
    precision: str
    """What its arithmetic is, as `Ceilings.matrix_flop_s` names it."""
    is_judged: bool
    """Whether its results are to be those of the subject's reference."""
    open: Callable[[], Contender]
    """Raises EngineError where it cannot run here."""


def offers(subject: Subject, machine: Machine) -> Iterator[Offer]:
    """Yield PyTorch's ways, then the engines: on a GPU those that use it, on a processor the others."""
    for name, precision, options in (
        (EAGER, "tf32" if machine.is_gpu else "float32", {}),
        (f"{EAGER}, bfloat16, channels last", "bfloat16", {"half": True}),
        ("PyTorch compiled", "tf32" if machine.is_gpu else "float32", {"compiled": True}),
        ("PyTorch compiled, bfloat16, channels last", "bfloat16", {"half": True, "compiled": True}),
    ):
        yield Offer(
            name=name,
            precision=precision,
            is_judged=subject.is_same,
            open=partial(by_torch, subject.network, machine, **options),
        )
    for name in ENGINES:
        if uses_gpu(name) == machine.is_gpu:
            half = machine.is_gpu and subject.bundle is not None and subject.bundle.has("decoder-fp16")
            own = {"openvino-bf16": "bfloat16", "openvino-int8": "int8"}
            precision = own.get(name, "float16" if half else "float32")
            yield Offer(
                name=name,
                precision=precision,
                is_judged=True,
                open=partial(_open_engine, subject, name),
            )


def _open_engine(subject: Subject, name: str) -> Contender:
    if subject.bundle is None:
        raise EngineError(subject.reason)
    return by_engine(open_engine(subject.bundle, name))


def by_engine(engine: Engine) -> Contender:
    """Wrap an engine of fader.runtime."""
    coder = Coder(encode=engine.encode, decode=engine.decode)

    def edit(latents: tuple[Array, ...], columns: Array) -> NDArray[np.uint8]:
        repeated = tuple(np.repeat(latent, len(columns), axis=0) for latent in latents)
        return from_model(coder.decode(repeated, columns))

    return Contender(coder=coder, edit=edit, on_device=None, close=engine.close)


def by_torch(
    network: AutoEncoder, machine: Machine, *, half: bool = False, compiled: bool = False
) -> Contender:
    """Run a network by PyTorch, with the settings that it has when it is imported.

    Args:
        network: Copied.
        machine: Where to.
        half: In bfloat16, channels last.
        compiled: By `torch.compile`, anew for each batch size.
    """
    dtype = torch.bfloat16 if half else torch.float32
    layout = torch.channels_last if half else torch.contiguous_format
    there = AutoEncoder(network.config).eval()
    there.load_state_dict(network.state_dict())
    there.to(machine.device, dtype).to(memory_format=layout)  # type: ignore[call-overload]
    encode: Callable[..., Any] = there.encode
    decode: Callable[..., Any] = there.decode
    if compiled:
        torch._dynamo.reset()
        torch._dynamo.config.recompile_limit = 64
        # For a processor it would compile for minutes, to figures that are of no use.
        backend = "inductor" if machine.is_gpu else "eager"
        encode, decode = (torch.compile(part, dynamic=False, backend=backend) for part in (encode, decode))

    def up(array: Array) -> Tensor:
        tensor = torch.from_numpy(array).to(machine.device, non_blocking=True).to(dtype)
        return tensor.contiguous(memory_format=layout) if tensor.ndim == 4 else tensor

    def down(tensor: Tensor) -> Array:
        result: Array = tensor.float().contiguous().cpu().numpy()
        return result

    @torch.inference_mode()
    def encode_host(images: Array) -> tuple[Array, ...]:
        return tuple(map(down, encode(up(images))))

    @torch.inference_mode()
    def decode_host(latents: tuple[Array, ...], columns: Array) -> Array:
        return down(decode(tuple(map(up, latents)), up(columns)))

    @torch.inference_mode()
    def edit(latents: tuple[Array, ...], columns: Array) -> NDArray[np.uint8]:
        codes = tuple(up(latent).expand(len(columns), -1, -1, -1) for latent in latents)
        rendering = decode(codes, up(columns))
        pictures = (rendering * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        result: NDArray[np.uint8] = pictures.contiguous().cpu().numpy()
        return result

    def on_device(part: str, n: int) -> Callable[[], object]:
        size, columns = network.config.image_size, torch.zeros(n, network.config.n_columns)
        images = up(np.zeros((n, 3, size, size), np.float32))
        rows = up(columns.numpy())
        with torch.inference_mode():
            latents = tuple(latent.clone() for latent in encode(images))

        @torch.inference_mode()
        def run() -> object:
            result = encode(images) if part == "encoder" else decode(latents, rows)
            machine.wait()
            return result

        return run

    coder = Coder(encode=encode_host, decode=decode_host)
    return Contender(coder=coder, edit=edit, on_device=on_device, close=lambda: None)
