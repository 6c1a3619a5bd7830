"""What the names in a published model's pickle stand for: inert records.

Every name that may occur is listed here; any other one ends the reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fader.models.published.pickles import Meaning
from fader.models.published.refusal import Refusal, shown
from fader.models.published.tensors import Tensor, make_storage, make_tensor

__all__ = ["Module", "TorchMeaning"]

MODULES = frozenset(
    {
        "src.model.AutoEncoder",
        "torch.nn.modules.activation.LeakyReLU",
        "torch.nn.modules.activation.ReLU",
        "torch.nn.modules.activation.Tanh",
        "torch.nn.modules.batchnorm.BatchNorm2d",
        "torch.nn.modules.container.ModuleList",
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.conv.Conv2d",
        "torch.nn.modules.conv.ConvTranspose2d",
        "torch.nn.modules.dropout.Dropout",
        "torch.nn.modules.dropout.Dropout2d",
        "torch.nn.modules.instancenorm.InstanceNorm2d",
        "torch.nn.modules.pixelshuffle.PixelShuffle",
        "torch.nn.modules.upsampling.Upsample",
        "torch.nn.modules.upsampling.UpsamplingNearest2d",
    }
)
STORAGES: Mapping[str, np.dtype[Any]] = {
    f"{package}.{name}Storage": np.dtype(dtype)
    for package in ("torch", "torch.cuda")
    for name, dtype in {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8"}.items()
}
DICTIONARY = "collections.OrderedDict"
PARAMETERS = frozenset({"torch._utils._rebuild_parameter", "torch.nn.parameter.Parameter"})
"""Wrap a tensor, which is their first argument."""
TENSORS = {"torch._utils._rebuild_tensor": 4, "torch._utils._rebuild_tensor_v2": 6}
"""Number of arguments; the first four are storage, offset, shape and strides."""
UNUSED = frozenset({"torch.nn.backends.thnn._get_thnn_function_backend", "__builtin__.set", "builtins.set"})
"""Called for what modules of old and new versions carry along, and nobody needs."""
KNOWN = MODULES | STORAGES.keys() | {DICTIONARY} | PARAMETERS | TENSORS.keys() | UNUSED

MAX_PAIRS = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A global name of the list above."""

    path: str
    """Module and name, joined by a dot."""


@dataclass(slots=True, eq=False)
class Module:
    """A network's part."""

    kind: str
    """Class, without its module: "Conv2d"."""
    state: dict[str, object] | None = None
    """Its __dict__; None until the pickle gives it."""


@dataclass(slots=True)
class TorchMeaning(Meaning):
    """Stands for the classes and functions of the lists above."""

    storages: dict[str, tuple[np.dtype[Any], int]] = field(default_factory=dict)
    """Dtype and length of every storage of the file that was referred to, by key."""
    pairs_left: int = MAX_PAIRS
    """How many entries dictionaries may still get when they are made."""

    def name(self, module: str, name: str) -> object:
        """As for `Meaning`."""
        path = f"{module}.{name}"
        if path in KNOWN:
            return Name(path)
        return Meaning.name(self, module, name)

    def call(self, function: object, arguments: object) -> object:
        """As for `Meaning`."""
        if isinstance(function, Name) and isinstance(arguments, tuple):
            path = function.path
            if path == DICTIONARY:
                return self._dictionary(arguments)
            if path in UNUSED:
                return None
            if path in PARAMETERS and arguments and isinstance(arguments[0], Tensor):
                return arguments[0]
            if len(arguments) == TENSORS.get(path):
                return make_tensor(*arguments[:4])
        return Meaning.call(self, function, arguments)

    def new(self, kind: object, arguments: object) -> object:
        """As for `Meaning`."""
        if isinstance(kind, Name) and kind.path in MODULES and arguments == ():
            return Module(kind.path.rpartition(".")[2])
        return Meaning.new(self, kind, arguments)

    def fill(self, target: object, state: object) -> None:
        """As for `Meaning`."""
        if isinstance(target, Module) and target.state is None and isinstance(state, dict):
            # Kept, not copied: a file can give the same large state to many.
            target.state = state
        elif not (isinstance(target, Tensor) and isinstance(state, tuple)):
            # Parameters of 2017 have a state: whether they need gradients, and hooks.
            Meaning.fill(self, target, state)

    def persistent(self, identifier: object) -> object:
        """As for `Meaning`."""
        match identifier:
            case ("module", Name() as name, _, _):
                return name
            case ("storage", Name(path=path), str(key), str(), int(length), *view) if path in STORAGES:
                if length > 0 and self.storages.setdefault(key, (STORAGES[path], length)) == (
                    STORAGES[path],
                    length,
                ):
                    return make_storage(key, STORAGES[path], length, view)
        return Meaning.persistent(self, identifier)

    def _dictionary(self, arguments: tuple[object, ...]) -> dict[str, object]:
        match arguments:
            case ():
                return {}
            case (list(pairs),) if len(pairs) <= self.pairs_left:
                # Python 2 gave an OrderedDict its pairs; a file can give the same long list to many.
                self.pairs_left -= len(pairs)
                return dict(map(_pair, pairs))
        raise Refusal(f"it makes a dictionary of {shown(arguments[0])}")


def _pair(pair: object) -> tuple[str, object]:
    match pair:
        case [str(key), value]:
            return key, value
    raise Refusal(f"it makes a dictionary of {shown(pair)}")
