"""What a published model says of itself: sizes, options and attributes, as ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from fader.attributes import Attribute, AttributeSet
from fader.errors import ConfigError
from fader.models.config import AutoEncoderConfig, Upsampling
from fader.models.published.objects import Module
from fader.models.published.refusal import Refusal, shown

__all__ = ["Description", "describe"]

MAX_LAYERS = 12
MAX_WIDTH = 8192
MAX_IMAGE_SIZE = 4096
MAX_COLUMNS = 1000
MAX_NAME_LENGTH = 100
UPSAMPLINGS: Mapping[str, Upsampling] = {
    "convtranspose": "convtranspose",
    "upsampling": "nearest",
    "pixelshuffle": "pixelshuffle",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """A published model in our terms."""

    config: AutoEncoderConfig
    """Sizes and options of the autoencoder."""
    attributes: AttributeSet
    """The sliders; categories, which the file only counts, are called "0", "1", ..."""
    columns: tuple[int, ...]
    """For each column of `attributes`, the file's column."""


def describe(root: Module) -> Description:
    """Read the settings of a pickled AutoEncoder.

    Raises:
        Refusal: one is missing, or none that a published model can have.
    """
    listed = _attributes(root)
    try:
        attributes = AttributeSet(
            [Attribute(name=name, categories=tuple(map(str, range(n)))) for name, n in listed]
        )
        config = _config(root, attributes.n_columns)
    except ConfigError as error:
        raise Refusal(f"its settings do not go together ({error})") from error
    starts = accumulate((n for _, n in listed), initial=0)
    theirs = {name: range(start, start + n) for (name, n), start in zip(listed, starts, strict=False)}
    return Description(
        config=config,
        attributes=attributes,
        columns=tuple(column for name in attributes.names for column in theirs[name]),
    )


def _attributes(root: Module) -> list[tuple[str, int]]:
    listed = []
    for entry in _setting(root, "attr", list):
        match entry:
            case [str(name), int(n)] if len(name) <= MAX_NAME_LENGTH and name.isprintable() and n >= 2:
                listed.append((name, n))
            case _:
                raise Refusal(f"it has {shown(entry)} as an attribute")
    if not sum(n for _, n in listed) == _setting(root, "n_attr", int) <= MAX_COLUMNS:
        raise Refusal(
            f"its {len(listed)} attributes do not make its {shown(_setting(root, 'n_attr', int))} columns"
        )
    return listed


def _config(root: Module, n_columns: int) -> AutoEncoderConfig:
    upsampling = UPSAMPLINGS.get(method := _setting(root, "deconv_method", str))
    if upsampling is None:
        raise Refusal(f"its deconv_method is {shown(method)}")
    if (channels := _setting(root, "img_fm", int)) != 3:
        raise Refusal(f"its images have {shown(channels)} channels")
    return AutoEncoderConfig(
        image_size=_setting(root, "img_sz", int, largest=MAX_IMAGE_SIZE),
        n_columns=n_columns,
        init_fm=_setting(root, "init_fm", int, largest=MAX_WIDTH),
        max_fm=_setting(root, "max_fm", int, largest=MAX_WIDTH),
        n_layers=_setting(root, "n_layers", int, largest=MAX_LAYERS),
        n_skip=_setting(root, "n_skip", int, largest=MAX_LAYERS),
        norm="instance" if _setting(root, "instance_norm", bool | int) else "batch",
        upsampling=upsampling,
        dropout=float(_setting(root, "dropout", int | float, largest=1)),
    )


def _setting(root: Module, name: str, kind: Any, *, largest: int | None = None) -> Any:
    value = (root.state or {}).get(name)
    if not isinstance(value, kind) or (largest is not None and value > largest):
        raise Refusal(f"its {name} is {shown(value)}")
    return value
