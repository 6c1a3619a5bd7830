"""Files like the published ones: stand-in networks of the documented form, and who writes them.

`save` lets PyTorch write, in both of its containers. `of_2017` turns a stand-in into what the pickles of 2017
hold, and `legacy_file` and `zip_file` write that, opcode by opcode.
"""

import io
import itertools
import pickle
import struct
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import singledispatch
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
INNERMOST = 3


class AutoEncoder(nn.Module):
    """The published network as it is documented; it is pickled as src.model.AutoEncoder."""

    img_sz: int
    init_fm: int
    max_fm: int
    n_layers: int
    n_skip: int
    instance_norm: bool
    deconv_method: str
    dropout: float

    def __init__(self, attr: list[tuple[str, int]], **options: Any) -> None:
        super().__init__()
        sizes = {"img_sz": 16, "img_fm": 3, "init_fm": 2, "max_fm": 4, "n_layers": 3, "n_skip": 0}
        kinds = {"instance_norm": False, "deconv_method": "convtranspose", "dropout": 0.0}
        for name, value in {**sizes, **kinds, **options}.items():
            setattr(self, name, value)
        self.attr = attr
        self.n_attr = sum(n for _, n in attr)
        widths = [min(self.init_fm * 2**i, self.max_fm) for i in range(self.n_layers)]
        self.enc_layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 4, 2, 1), *([self.norm(outputs)] if i else []), nn.LeakyReLU(0.2)
            )
            for i, (inputs, outputs) in enumerate(itertools.pairwise([3, *widths]))
        )
        self.dec_layers = nn.ModuleList()
        for j, (outputs, inputs) in enumerate(reversed(list(itertools.pairwise([3, *widths])))):
            skip = inputs if 1 <= j <= self.n_skip else 0
            layer = self.upsampling(inputs + self.n_attr + skip, outputs)
            if (i := self.n_layers - 1 - j) > 0:
                drop = self.dropout > 0 and i >= self.n_layers - INNERMOST
                layer += [self.norm(outputs), *([nn.Dropout(self.dropout)] if drop else []), nn.ReLU()]
            else:
                layer.append(nn.Tanh())
            self.dec_layers.append(nn.Sequential(*layer))

    def norm(self, channels: int) -> nn.Module:
        return nn.InstanceNorm2d(channels, affine=True) if self.instance_norm else nn.BatchNorm2d(channels)

    def upsampling(self, inputs: int, outputs: int) -> list[nn.Module]:
        if self.deconv_method == "convtranspose":
            return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
        if self.deconv_method == "upsampling":
            return [nn.UpsamplingNearest2d(scale_factor=2), nn.Conv2d(inputs, outputs, 3, 1, 1)]
        return [nn.Conv2d(inputs, 4 * outputs, 3, 1, 1), nn.PixelShuffle(2)]

    def encode(self, images: Tensor) -> list[Tensor]:
        outputs = [images]
        for layer in self.enc_layers:
            outputs.append(layer(outputs[-1]))
        return outputs[1:]

    def decode(self, encoded: list[Tensor], values: Tensor) -> Tensor:
        hidden = encoded[-1]
        for j, layer in enumerate(self.dec_layers):
            maps = values[:, :, None, None].expand(-1, -1, *hidden.shape[2:])
            skips = [encoded[-1 - j]] if 1 <= j <= self.n_skip else []
            hidden = layer(torch.cat([hidden, maps, *skips], dim=1))
        return hidden


AutoEncoder.__module__ = "src.model"

BOOLEAN = [("Eyeglasses", 2)]


def stand_in(attr: list[tuple[str, int]] = BOOLEAN, seed: int = 0, **options: Any) -> AutoEncoder:
    """Make a network whose every weight and statistic matters."""
    torch.manual_seed(seed)
    network = AutoEncoder(attr, **options)
    with torch.no_grad():
        for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
            if name.endswith(("running_var", "norm.weight")):
                tensor.uniform_(0.5, 2)
            elif tensor.is_floating_point() and tensor.ndim == 1:
                tensor.normal_(0, 0.3)
    return network.eval()


@contextmanager
def importable() -> Iterator[None]:
    """Let the stand-in be found as src.model.AutoEncoder, on a GPU, while it is saved."""
    model = ModuleType("src.model")
    model.__file__ = __file__
    model.AutoEncoder = AutoEncoder  # type: ignore[attr-defined]
    with (
        mock.patch.dict(sys.modules, {"src": ModuleType("src"), "src.model": model}),
        mock.patch("torch.serialization.location_tag", return_value="cuda:0"),
    ):
        yield


def save(network: object, *, zipped: bool) -> bytes:
    """Let PyTorch save a network whole."""
    buffer = io.BytesIO()
    with importable():
        torch.save(network, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@dataclass(frozen=True)
class Name:
    """A global: module and name."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """A call, and what its result is then given as its state."""

    function: Any
    arguments: tuple[Any, ...] = ()
    state: Any = None


@dataclass(frozen=True)
class New:
    """An object of a class, with its state."""

    kind: Any
    state: Any


@dataclass(frozen=True)
class Outside:
    """A persistent identifier."""

    identifier: Any


@dataclass(frozen=True)
class Raw:
    """Opcodes as they are, without STOP."""

    opcodes: bytes


def stream(value: Any, *, python2: bool = False) -> bytes:
    """Write a pickle of protocol 2 by hand."""
    return pickle.PROTO + b"\x02" + opcodes(value, python2=python2) + pickle.STOP


@singledispatch
def opcodes(value: Any, *, python2: bool = False) -> bytes:
    raise TypeError(type(value))


@opcodes.register
def _(value: None, *, python2: bool = False) -> bytes:
    return pickle.NONE


@opcodes.register
def _(value: bool, *, python2: bool = False) -> bytes:
    return pickle.NEWTRUE if value else pickle.NEWFALSE


@opcodes.register
def _(value: int, *, python2: bool = False) -> bytes:
    if -(2**31) <= value < 2**31:
        return pickle.BININT + struct.pack("<i", value)
    number = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return pickle.LONG1 + bytes([len(number)]) + number


@opcodes.register
def _(value: float, *, python2: bool = False) -> bytes:
    return pickle.BINFLOAT + struct.pack(">d", value)


@opcodes.register
def _(value: str, *, python2: bool = False) -> bytes:
    text = value.encode()
    if python2 and len(text) < 256:
        return pickle.SHORT_BINSTRING + bytes([len(text)]) + text
    return pickle.BINUNICODE + struct.pack("<I", len(text)) + text


@opcodes.register
def _(value: tuple, *, python2: bool = False) -> bytes:  # type: ignore[type-arg]
    return pickle.MARK + b"".join(opcodes(part, python2=python2) for part in value) + pickle.TUPLE


@opcodes.register
def _(value: list, *, python2: bool = False) -> bytes:  # type: ignore[type-arg]
    parts = b"".join(opcodes(part, python2=python2) for part in value)
    return pickle.EMPTY_LIST + pickle.MARK + parts + pickle.APPENDS


@opcodes.register
def _(value: dict, *, python2: bool = False) -> bytes:  # type: ignore[type-arg]
    parts = b"".join(opcodes(part, python2=python2) for pair in value.items() for part in pair)
    return pickle.EMPTY_DICT + pickle.MARK + parts + pickle.SETITEMS


@opcodes.register
def _(value: Name, *, python2: bool = False) -> bytes:
    return pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode()


@opcodes.register
def _(value: Call, *, python2: bool = False) -> bytes:
    filled = b"" if value.state is None else opcodes(value.state, python2=python2) + pickle.BUILD
    function, arguments = (opcodes(part, python2=python2) for part in (value.function, value.arguments))
    return function + arguments + pickle.REDUCE + filled


@opcodes.register
def _(value: New, *, python2: bool = False) -> bytes:
    kind, state = (opcodes(part, python2=python2) for part in (value.kind, value.state))
    return kind + pickle.EMPTY_TUPLE + pickle.NEWOBJ + state + pickle.BUILD


@opcodes.register
def _(value: Outside, *, python2: bool = False) -> bytes:
    return opcodes(value.identifier, python2=python2) + pickle.BINPERSID


@opcodes.register
def _(value: Raw, *, python2: bool = False) -> bytes:
    return value.opcodes


Numbers = dict[str, NDArray[Any]]

SKIPPED = ("in_channels", "out_channels", "padding_mode", "track_running_stats", "num_features")


@dataclass
class Of2017:
    """Turns a stand-in into what a pickle of 2017 holds of it."""

    python2: bool = False
    numbers: Numbers = field(default_factory=dict)
    _classes: set[type] = field(default_factory=set)

    def module(self, module: nn.Module) -> New:
        state = {
            "_backend": Call(Name("torch.nn.backends.thnn", "_get_thnn_function_backend")),
            "_parameters": self.ordered({k: self.parameter(p) for k, p in module._parameters.items()}),
            "_buffers": self.ordered(
                {k: self.tensor(b) for k, b in self.buffers(module).items() if k != "num_batches_tracked"}
            ),
            "_backward_hooks": self.ordered({}),
            "_forward_hooks": self.ordered({}),
            "_forward_pre_hooks": self.ordered({}),
            "_modules": self.ordered({k: self.module(m) for k, m in module._modules.items() if m}),
            "training": False,
            **{k: v for k, v in vars(module).items() if not k.startswith("_") and k not in SKIPPED},
        }
        if isinstance(module, nn.InstanceNorm2d):
            state["_use_running_stats"] = False
        return New(self.kind(type(module)), state)

    def kind(self, kind: type) -> Any:
        name = Name(kind.__module__, kind.__name__)
        if kind in self._classes:
            return name
        self._classes.add(kind)
        return Outside(
            ("module", name, f"/home/them/{kind.__name__}.py", f"class {kind.__name__}: pass\n" * 9)
        )

    def ordered(self, entries: Mapping[str, Any]) -> Call | Raw:
        kind = Name("collections", "OrderedDict")
        if self.python2:
            return Call(kind, ([[key, value] for key, value in entries.items()],))
        filled = opcodes(Call(kind)) + opcodes(dict(entries)).removeprefix(pickle.EMPTY_DICT)
        return Raw(filled)

    @staticmethod
    def buffers(module: nn.Module) -> dict[str, Tensor]:
        if isinstance(module, nn.InstanceNorm2d):
            return {
                "running_mean": torch.ones(module.num_features),
                "running_var": torch.ones(module.num_features),
            }
        return {key: buffer for key, buffer in module._buffers.items() if buffer is not None}

    def parameter(self, parameter: Tensor | None) -> Call | None:
        if parameter is None:
            return None
        wrapped = (self.tensor(parameter),)
        return Call(Name("torch.nn.parameter", "Parameter"), wrapped, (True, False, self.ordered({})))

    def tensor(self, tensor: Tensor) -> Call:
        key = str(93824992233952 + 16 * len(self.numbers))
        self.numbers[key] = tensor.detach().numpy().reshape(-1)
        storage = Outside(
            ("storage", Name("torch.cuda", "FloatStorage"), key, "cuda:0", tensor.numel(), None)
        )
        return Call(
            Name("torch._utils", "_rebuild_tensor"), (storage, 0, tuple(tensor.shape), tuple(tensor.stride()))
        )


def legacy_file(root: Any, numbers: Numbers, *, python2: bool = False) -> bytes:
    """Write the container of 2017."""
    info = {
        "protocol_version": PROTOCOL,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    pickles = [stream(value, python2=python2) for value in (MAGIC, PROTOCOL, info, root, sorted(numbers))]
    storages = [struct.pack("<q", numbers[key].size) + numbers[key].tobytes() for key in sorted(numbers)]
    return b"".join([*pickles, *storages])


def zip_file(root: Any, numbers: Numbers, *, folder: str = "archive", compression: int = 0) -> bytes:
    """Write today's container."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(f"{folder}/data.pkl", stream(root))
        archive.writestr(f"{folder}/byteorder", b"little")
        for key, values in numbers.items():
            archive.writestr(f"{folder}/data/{key}", values.tobytes())
        archive.writestr(f"{folder}/version", b"3\n")
    return buffer.getvalue()


def file_of_2017(network: nn.Module, *, zipped: bool = False, python2: bool = False) -> bytes:
    """Write a stand-in with the pickle of 2017, opcode by opcode."""
    writer = Of2017(python2=python2)
    root = writer.module(network)
    if zipped:
        return zip_file(root, writer.numbers)
    return legacy_file(root, writer.numbers, python2=python2)


def pictures(size: int, batch: int = 2) -> Tensor:
    """Return images in [-1, 1]."""
    return torch.from_numpy(
        np.random.default_rng(3).uniform(-1, 1, (batch, 3, size, size)).astype(np.float32)
    )
