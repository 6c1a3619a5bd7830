"""From the modules in a published file to our autoencoder, checked part by part.

Our networks mirror the published ones: an encoder layer is Conv, norm (but in the first), LeakyReLU; a
decoder layer is an upsampling, norm, ReLU, and the last one an upsampling and Tanh. So our network is built
from the file's sizes, without memory for weights, and each of its parts must find its like in the file, with
the same settings, before the weights are taken over.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from fader.attributes import AttributeSet
from fader.models.autoencoder import AutoEncoder
from fader.models.config import AutoEncoderConfig
from fader.models.published.containers import PickledFile
from fader.models.published.description import describe
from fader.models.published.objects import Module
from fader.models.published.refusal import Refusal, shown
from fader.models.published.tensors import Tensor as StoredTensor

__all__ = ["read_network"]

DROPOUTS = frozenset({"Dropout", "Dropout2d"})
ALIASES = {"UpsamplingNearest2d": "Upsample"}
CONVOLUTION = ("kernel_size", "stride", "padding", "output_padding", "dilation", "groups")
SETTINGS: Mapping[str, tuple[str, ...]] = {
    "BatchNorm2d": ("eps", "affine"),
    "Conv2d": CONVOLUTION,
    "ConvTranspose2d": CONVOLUTION,
    "InstanceNorm2d": ("eps", "affine"),
    "LeakyReLU": ("negative_slope",),
    "PixelShuffle": ("upscale_factor",),
    "ReLU": (),
    "Upsample": ("scale_factor",),
}
LATER_SETTINGS = ("mode", "padding_mode", "track_running_stats")
"""Modules of 2017 can lack these."""
UNSET: Mapping[str, tuple[object, ...]] = {
    "_use_running_stats": (None, False),
    "size": (None, (None, None)),
}
"""Settings of old modules that ours cannot have, and the values at which they change nothing."""
UNUSED_STATISTICS = frozenset({"running_mean", "running_var", "num_batches_tracked"})

Found = tuple[str, Tensor, StoredTensor | None]
"""Name of a weight of ours, the weight itself without memory, and the file's; None where zeros do."""


def read_network(file: PickledFile) -> tuple[AutoEncoder, AttributeSet]:
    """Make our autoencoder of a published one.

    Args:
        file: As `read_container` returns it.

    Returns:
        The autoencoder, on the CPU and in eval mode, and its sliders. Where the file's attributes stand in
        another order than an AttributeSet's, the weights that read them are moved with them.

    Raises:
        Refusal: the file holds something else, or a part that does not compute what the published models do.
    """
    root = file.root
    if not isinstance(root, Module) or root.kind != "AutoEncoder":
        raise Refusal(f"it holds {root.kind if isinstance(root, Module) else shown(root)}")
    description = describe(root)
    with torch.device("meta"):
        network = AutoEncoder(description.config)
    found: list[Found] = []
    for name, ours, theirs in _parts(network, root):
        _require_same_settings(name, ours, theirs)
        found += _weights(name, ours, theirs)
    _require_own_numbers(found, file.storages)
    weights = {name: _read(name, ours, theirs, file.storages) for name, ours, theirs in found}
    _reorder(weights, description.config, description.columns)
    network.load_state_dict(weights, assign=True)
    return network.eval(), description.attributes


def _parts(network: AutoEncoder, root: Module) -> Iterator[tuple[str, nn.Module, Module]]:
    """Give our parts by name, each beside the file's."""
    children = _children(root, "AutoEncoder")
    for name, layers in (("enc", network.encoder), ("dec", network.decoder)):
        theirs = _children(children.get(f"{name}_layers"), "ModuleList")
        if len(theirs) != len(layers):
            raise Refusal(f"it has {len(theirs)} {name}_layers, not {len(layers)}")
        for j, (layer, their_layer) in enumerate(zip(layers, theirs.values(), strict=True)):
            ours = [(f"{name}oder.{j}.{key}", part) for key, part in layer.named_children()]
            yield from _pair(ours, their_layer, last=layer is network.decoder[-1])


def _pair(
    ours: list[tuple[str, nn.Module]], layer: object, *, last: bool
) -> Iterator[tuple[str, nn.Module, Module]]:
    theirs = [part for part in _children(layer, "Sequential").values() if part.kind not in DROPOUTS]
    # Ours applies the Tanh outside, after a mask has been split off.
    if last and (not theirs or theirs.pop().kind != "Tanh"):
        raise Refusal("its last layer does not end with Tanh")
    ours = [(name, part) for name, part in ours if not isinstance(part, nn.Dropout)]
    kinds = [ALIASES.get(part.kind, part.kind) for part in theirs]
    if kinds != [type(part).__name__ for _, part in ours]:
        raise Refusal(f"the layer of {ours[0][0]} has other parts: {', '.join(kinds) or 'none'}")
    for (name, part), their_part in zip(ours, theirs, strict=True):
        yield name, part, their_part


def _children(module: object, kind: str) -> dict[str, Module]:
    if isinstance(module, Module) and module.kind == kind and module.state is not None:
        children = module.state.get("_modules")
        if isinstance(children, dict) and all(isinstance(child, Module) for child in children.values()):
            return children
    raise Refusal(f"it has no {kind} where it must have one")


def _require_same_settings(name: str, ours: nn.Module, theirs: Module) -> None:
    state = theirs.state or {}
    for setting in SETTINGS[type(ours).__name__]:
        if state.get(setting) != getattr(ours, setting):
            raise Refusal(f"its {name} has {setting} {shown(state.get(setting))}")
    for setting in LATER_SETTINGS:
        if setting in state and hasattr(ours, setting) and state[setting] != getattr(ours, setting):
            raise Refusal(f"its {name} has {setting} {shown(state[setting])}")
    for setting, harmless in UNSET.items():
        if state.get(setting) not in harmless:
            raise Refusal(f"its {name} has {setting} {shown(state[setting])}")


def _weights(name: str, ours: nn.Module, theirs: Module) -> Iterator[Found]:
    stored = {**_table(theirs, "_buffers"), **_table(theirs, "_parameters")}
    for key, weight in ours.state_dict().items():
        value = stored.pop(key, None)
        if key == "num_batches_tracked" or (value is None and key == "bias" and weight.ndim == 1):
            yield f"{name}.{key}", weight, None
        elif isinstance(value, StoredTensor) and value.shape == tuple(weight.shape):
            yield f"{name}.{key}", weight, value
        else:
            found = value.shape if isinstance(value, StoredTensor) else shown(value)
            raise Refusal(f"its {name}.{key} is {found}, not {tuple(weight.shape)}")
    # Instance norm of 2017 keeps running statistics, which it does not use.
    if unknown := [
        key for key, value in stored.items() if value is not None and key not in UNUSED_STATISTICS
    ]:
        raise Refusal(f"its {name} has a {shown(unknown[0])}")


def _table(module: Module, name: str) -> dict[str, object]:
    table = (module.state or {}).get(name)
    if not isinstance(table, dict):
        raise Refusal(f"its {module.kind} has no {name}")
    return table


def _require_own_numbers(found: list[Found], storages: Mapping[str, bytes]) -> None:
    # Otherwise a small file could make a large model by showing the same numbers again and again.
    shown_bytes = sum(value.size * value.storage.dtype.itemsize for _, _, value in found if value is not None)
    if shown_bytes > sum(map(len, storages.values())):
        raise Refusal("its weights share their numbers")


def _read(name: str, ours: Tensor, theirs: StoredTensor | None, storages: Mapping[str, bytes]) -> Tensor:
    if theirs is None:
        return torch.zeros(ours.shape, dtype=ours.dtype)
    with np.errstate(over="ignore"):
        weight = np.array(theirs.read(storages), dtype=np.float32, order="C")
    if not np.isfinite(weight).all():
        raise Refusal(f"its {name} has values that are not finite")
    return torch.from_numpy(weight)


def _reorder(weights: dict[str, Tensor], config: AutoEncoderConfig, columns: tuple[int, ...]) -> None:
    """Give the weights that read attributes the order of our columns, in place."""
    for j, width in enumerate(reversed(config.widths)):
        convolution = 1 if config.upsampling == "nearest" else 0
        weight = weights[f"decoder.{j}.{convolution}.weight"]
        inputs = weight if config.upsampling == "convtranspose" else weight.transpose(0, 1)
        inputs[width : width + len(columns)] = inputs[[width + column for column in columns]]
