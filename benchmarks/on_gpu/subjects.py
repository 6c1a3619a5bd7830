"""What is measured: the published 256 px configuration, untrained, and the shipped model.

Speed does not depend on weights. So PyTorch runs the shipped model's networks, as its card describes them,
with weights of their own: its results are compared with nothing.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from on_gpu.machine import Machine
from torch import nn

from fader.attributes import Attribute, AttributeSet
from fader.bundle import Bundle, shipped_bundle
from fader.errors import FaderError
from fader.models import AutoEncoder, AutoEncoderConfig, Checkpoint, Classifier, ClassifierConfig

__all__ = ["Coder", "Subject", "pixels", "published_subject", "shipped_subject", "values"]

Network = TypeVar("Network", bound=nn.Module)
Array = NDArray[np.float32]
SEED = 1706_00409
CHUNK = 32
NUMBERS = ("image_size", "init_fm", "max_fm", "n_layers", "n_skip", "n_details")
CARD_LINE = rf"\| configuration: ({'|'.join(NUMBERS)}|mask|norm|upsampling) \| (\S+) \|"


@dataclass(frozen=True, kw_only=True, slots=True)
class Coder:
    """Something that encodes and decodes; NumPy arrays in and out, batches of any size."""

    encode: Callable[[Array], tuple[Array, ...]]
    """From (N, 3, S, S) in [-1, 1] to latents."""
    decode: Callable[[tuple[Array, ...], Array], Array]
    """From latents and (N, A) attribute columns to (N, 3, S, S)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A model."""

    name: str
    """For the table."""
    network: AutoEncoder
    """For PyTorch, on the processor in eval mode."""
    bundle: Bundle | None
    """For engines."""
    reason: str
    """Why there is no bundle, or no reference."""
    reference: Coder | None
    """Float32 results of the bundle's weights; None where nothing can compute them."""
    is_same: bool
    """Whether the network has the bundle's weights."""


def pixels(n: int, size: int) -> Array:
    """Return n pictures, always the same: smooth shades with a little grain."""
    rng = np.random.default_rng(SEED)
    shades = rng.uniform(-1, 1, (n, 3, 4, 4)).astype(np.float32)
    grain = rng.normal(0, 0.1, (n, 3, size, size)).astype(np.float32)
    smooth = np.repeat(np.repeat(shades, size // 4, axis=2), size // 4, axis=3)
    pictures: Array = np.clip(smooth + grain, -1, 1)
    return pictures


def values(n: int, n_columns: int) -> Array:
    """Return n rows of attribute columns, each boolean's [1 - a, a]."""
    strength = np.random.default_rng(SEED).uniform(-0.5, 1.5, (n, n_columns // 2)).astype(np.float32)
    columns: Array = np.stack([1 - strength, strength], axis=2).reshape(n, -1)
    return columns


def published_subject(config: AutoEncoderConfig, machine: Machine, folder: Path) -> Subject:
    """Return a network of a configuration, exported into a new folder where the exporter runs.

    Args:
        config: For booleans alone.
        machine: Computes the reference.
        folder: Its parent must exist.
    """
    torch.manual_seed(SEED)
    attributes = AttributeSet([Attribute(name=f"Attribute{i}") for i in range(config.n_columns // 2)])
    sizes = ClassifierConfig(image_size=config.image_size, n_columns=config.n_columns)
    checkpoint = Checkpoint(
        autoencoder=_spread(AutoEncoder(config)),
        classifier=_spread(Classifier(sizes)),
        attributes=attributes,
        template=((0.3, 0.4), (0.7, 0.4), (0.5, 0.8)),
    )
    bundle, reason = _export(checkpoint, folder)
    return Subject(
        name=f"published configuration, {config.image_size} px, untrained",
        network=checkpoint.autoencoder,
        bundle=bundle,
        reason=reason,
        reference=_by_torch(checkpoint.autoencoder, machine),
        is_same=True,
    )


def shipped_subject(folder: Path | None = None) -> Subject:
    """Return the shipped model, or the bundle in a folder; its reference is ONNX Runtime on the processor."""
    bundle = Bundle(folder or shipped_bundle())
    found = dict(re.findall(CARD_LINE, (bundle.folder / "README.md").read_text(encoding="utf-8")))
    # Older cards know no details.
    numbers = {name: int(found.get(name, 0)) for name in NUMBERS}
    config = AutoEncoderConfig(
        **numbers,
        n_columns=bundle.manifest.attributes.n_columns,
        mask=found["mask"] == "True",
        relative=bundle.manifest.relative,
        norm=found["norm"],
        upsampling=found["upsampling"],
    )
    reference, reason = _by_onnxruntime(bundle)
    return Subject(
        name=f"shipped model {bundle.manifest.name}, {config.image_size} px",
        network=AutoEncoder(config).eval(),
        bundle=bundle if reference else None,
        reason=reason,
        reference=reference,
        is_same=False,
    )


def _spread(network: Network) -> Network:
    """Give untrained weights outputs that differ: else a wrong graph could pass for a right one."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, a=0.2)
    return network.eval()


def _export(checkpoint: Checkpoint, folder: Path) -> tuple[Bundle | None, str]:
    try:
        from fader.export import write_bundle  # noqa: PLC0415  # needs packages that PyTorch does not

        # The detector is not measured, and where its package is missing the shipped one's graphs do.
        with mock.patch("fader.export.bundle_writer.convert_detector", _copy_detector):
            write_bundle(checkpoint, folder, name="published")
    except (ImportError, FaderError) as error:
        return None, f"it cannot be exported here: {error}"
    return Bundle(folder), ""


def _copy_detector(folder: Path) -> dict[str, str]:
    shipped = Bundle(shipped_bundle())
    names = ("detector_p", "detector_r", "detector_o")
    return {name: Path(shutil.copy(shipped.graph(name), folder)).name for name in names}


def _by_torch(network: AutoEncoder, machine: Machine) -> Coder:
    """Compute on the device, in float32 and no less: without TF32."""
    there = AutoEncoder(network.config).eval()
    there.load_state_dict(network.state_dict())
    there.to(machine.device)

    def encode(images: Array) -> tuple[Array, ...]:
        parts = [there.encode(torch.from_numpy(part).to(machine.device)) for part in _chunks(images)]
        return tuple(torch.cat(latents).cpu().numpy() for latents in zip(*parts, strict=True))

    def decode(latents: tuple[Array, ...], columns: Array) -> Array:
        inputs = [_chunks(array) for array in (*latents, columns)]
        parts = []
        for chunk in zip(*inputs, strict=True):
            *codes, rows = (torch.from_numpy(array).to(machine.device) for array in chunk)
            parts.append(there.decode(codes, rows))
        rendering: Array = torch.cat(parts).cpu().numpy()
        return rendering

    def exactly(work: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object) -> object:
            with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                return work(*arguments)

        return run

    return Coder(encode=exactly(encode), decode=exactly(decode))  # type: ignore[arg-type]


def _by_onnxruntime(bundle: Bundle) -> tuple[Coder | None, str]:
    from fader.runtime.engines import open_engine  # noqa: PLC0415  # as above

    try:
        engine = open_engine(bundle, "onnxruntime-cpu")
    except FaderError as error:
        return None, f"there is no reference here: {error}"
    return Coder(encode=engine.encode, decode=engine.decode), ""


def _chunks(array: Array) -> list[Array]:
    return [array[start : start + CHUNK] for start in range(0, len(array), CHUNK)]
