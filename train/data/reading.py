"""Labels in any of the forms that fader-train reads, recognised by what is in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from fader.attributes import Kind
from fader.errors import ConfigError, DataError
from fader.train.data.celeba import LABELS, PARTITION, is_celeba, read_celeba_labels
from fader.train.data.labels import Labels
from fader.train.data.oxford import CAPTIONS, caption_folder, read_captions
from fader.train.data.rows import opened
from fader.train.data.table import delimiter_of, read_table

__all__ = ["read_labels"]

Form = Literal["celeba", "table", "captions"]
FORMS = {"celeba": "in CelebA's format", "table": "a table", "captions": "a folder of captions"}
MAX_FIRST_LINE = 1_000_000
"""Characters; what has no end of line by then is no label file."""


def read_labels(
    path: Path,
    *,
    kinds: Mapping[str, Kind] | None = None,
    spans: Mapping[str, tuple[float, float]] | None = None,
    partition: Path | None = None,
) -> Labels:
    """Read labels in CelebA's format, a table, or the captions of Oxford-102; docs/data.md has the forms.

    Args:
        path: Label file; or a folder with captions, or with CelebA's own label file.
        kinds: For a table, column to kind, where its cells would tell otherwise.
        spans: For a table, column to lowest and highest value of a continuous attribute.
        partition: For CelebA, list_eval_partition.txt where it does not lie beside the label file.

    Returns:
        Labels of all attributes; rows that cannot be used are in its `problems`.

    Raises:
        DataError: the labels are missing, or in none of these forms.
        ConfigError: an option does not fit the form or its columns.
    """
    path, form = _recognise(path)
    if form != "table" and (kinds or spans):
        raise ConfigError(
            f"{path} is {FORMS[form]}, whose attributes are boolean: give no kinds and no spans"
        )
    if form != "celeba" and partition is not None:
        raise ConfigError(f"{path} is {FORMS[form]}, which takes no {PARTITION}: give none")
    if form == "celeba":
        return read_celeba_labels(path, partition=partition)
    return read_table(path, kinds=kinds, spans=spans) if form == "table" else read_captions(path)


def _recognise(path: Path) -> tuple[Path, Form]:
    if path.is_dir():
        if caption_folder(path) is not None:
            return path, "captions"
        if (path / LABELS).exists():
            return path / LABELS, "celeba"
        raise DataError(f"cannot read labels from the folder {path}: expected {CAPTIONS} or {LABELS} in it")
    with opened(path) as file:
        first_line = file.readline(MAX_FIRST_LINE)
    if is_celeba(first_line):
        return path, "celeba"
    if delimiter_of(first_line) is not None:
        return path, "table"
    raise DataError(
        f"{path}:1: expected the number of images, as in {LABELS}, or names of columns with commas or tabs "
        f"between them, found {first_line.strip()!r:.80}"
    )
