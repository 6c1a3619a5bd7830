"""What a command line asks for: one edit, or several outputs with names, from its options and a file."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from fader.attributes import Value
from fader.errors import ConfigError
from fader.runtime.edits_file import EditsFile, read_edits
from fader.runtime.faces.selection import for_faces
from fader.runtime.model import Model
from fader.runtime.motion import Motion, Values, parse
from fader.runtime.video.numbering import is_numbered

__all__ = ["EDITED", "Edits", "named_target"]

EDITED = ".edited"
"""Before the ending of results that nobody named."""
NEXT_NAME = re.compile(r",(?=(?!\d*\.\d)[^,=@]+=)")
"""A comma before a NAME=; others are within a value, as in 0@0s,1@2s, or a place, as in 0.3,0.4:Smiling."""
UNFIT = re.compile(r'[/\\:*?"<>|\x00-\x1f]')
"""Characters that some file system has in no name."""
MOST_STEPS = 1000
"""Of a sweep: beyond, values begin to share the four digits of their names."""
LONGEST_NAME = 80
"""Characters of an output's name in a file's; of longer ones the beginning and a digest are taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edits:
    """The values of each output."""

    named: Mapping[str, Values]
    """Name of an output to its values; one output alone has the name ""."""
    file: EditsFile | None = None
    """The file that some of them come from."""

    @classmethod
    def parse(
        cls,
        attrs: Iterable[str],
        variants: Iterable[str],
        sweeps: Iterable[str],
        file: Path | None,
        *,
        faces: Sequence[str] = (),
    ) -> Self:
        """Read what was typed.

        Args:
            attrs: NAME=VALUE each, for every output; they take the place of the file's.
            variants: NAME=VALUE,NAME=VALUE each: an output with these as well, named as it is written.
            sweeps: NAME=FROM:TO:COUNT each: so many outputs, at even steps.
            file: See `fader.runtime.edits_file`.
            faces: To whom values go that do not name a face, see `fader.runtime.faces.selection`; nobody in
                particular if empty.

        Raises:
            ConfigError: one of them cannot be read, an attribute is set twice in one place, two outputs have
                one name or would in files' names, or there is no edit.
        """
        read = read_edits(file) if file is not None else None
        common = {**(read.values if read else {}), **_values("--attr", attrs)}
        own: list[tuple[str, Values]] = list(read.outputs.items()) if read else []
        own += [(text, _values("--variant", NEXT_NAME.split(text))) for text in variants]
        own += [output for text in sweeps for output in _sweep(text)]
        outputs: dict[str, Values] = {}
        fitting: dict[str, str] = {}
        for name, values in own:
            if name in outputs:
                raise ConfigError(f"two outputs are named {name!r}: expected each once")
            if (other := fitting.setdefault(_fitting(name), name)) != name:
                raise ConfigError(
                    f"the outputs {other!r} and {name!r} are both {_fitting(name)!r} as files: rename one"
                )
            outputs[name] = for_faces({**common, **values}, faces)
        return cls(named=outputs or {"": for_faces(common, faces)}, file=read)

    def check(self, model: Model) -> None:
        """Refuse what a model does not know.

        Raises:
            ConfigError: an attribute is unknown, or a value is not valid.
        """
        if self.file is not None:
            self.file.check(model.check)
        for values in self.named.values():
            model.check(values)


def named_target(target: str, name: str) -> str:
    """Return a target with an output's name in it, in the place of "edited" if it has that.

    out.mp4 and Smiling=1 give out.Smiling=1.mp4; out/%05d.png gives out.Smiling=1/%05d.png.
    """
    if not name:
        return target
    path, fitting = Path(target), _fitting(name)
    if len(fitting) > LONGEST_NAME:  # file systems take 255 bytes
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        fitting = f"{fitting[: LONGEST_NAME - 9]}-{digest}"
    if is_numbered(target):
        folder = path.parent.resolve()
        return str(folder.with_name(f"{folder.name}.{fitting}") / path.name)
    return str(path.with_name(f"{path.stem.removesuffix(EDITED)}.{fitting}{path.suffix}"))


def _fitting(name: str) -> str:
    return UNFIT.sub("-", name)


def _values(option: str, texts: Iterable[str]) -> dict[str, Value | Motion]:
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value:
            raise ConfigError(f"{option} {text}: expected NAME=VALUE, such as {option} Eyeglasses=0.8")
        if option == "--attr" and NEXT_NAME.search(value):
            raise ConfigError(f"{option} {text}: expected one attribute; give {option} once for each")
        if name.strip() in values:
            raise ConfigError(f"{option} {text}: {name.strip()} is set twice; expected each attribute once")
        values[name.strip()] = parse(value)
    return values


def _sweep(text: str) -> list[tuple[str, Values]]:
    name, _, span = text.partition("=")
    parts = span.split(":")
    try:
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
    except (IndexError, ValueError):
        count = 0
    if not name.strip() or len(parts) != 3 or count < 2 or not np.isfinite([start, stop]).all():
        raise ConfigError(
            f"--sweep {text}: expected NAME=FROM:TO:COUNT with two outputs or more, such as Eyeglasses=0:1:5"
        )
    if count > MOST_STEPS:
        raise ConfigError(f"--sweep {text}: found {count} outputs; expected {MOST_STEPS} at most")
    # Rounded, so that a name says exactly which value it has.
    steps = [f"{value:.4g}" for value in np.linspace(start, stop, count)]
    return [(f"{name.strip()}={step}", {name.strip(): float(step)}) for step in steps]
