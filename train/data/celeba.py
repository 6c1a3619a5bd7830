"""Label files of CelebA: list_attr_celeba.txt, and list_eval_partition.txt where it lies beside it.

The first has a count, a line of names, then a line with 1 or -1 for each image; the second a line with 0
(training), 1 (validation) or 2 (test) for each.

Source: Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015.
"""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from fader.attributes import Attribute, is_attribute_name
from fader.errors import DataError
from fader.train.data.labels import Labels
from fader.train.data.problems import Problem
from fader.train.data.rows import Rows, opened

__all__ = ["LABELS", "PARTITION", "is_celeba", "read_celeba_labels"]

LABELS = "list_attr_celeba.txt"
"""CelebA's own name of its label file."""
PARTITION = "list_eval_partition.txt"
"""CelebA's own name of the file that says which images are for training."""
MEANING = {"1": 1.0, "-1": 0.0}
PARTS = {"0": 0, "1": 1, "2": 2}
COUNT = re.compile("[0-9]{1,9}")


def is_celeba(first_line: str) -> bool:
    """Tell by its first line whether a file has CelebA's format."""
    return COUNT.fullmatch(first_line.strip()) is not None


def read_celeba_labels(path: Path, *, partition: Path | None = None) -> Labels:
    """Read a label file in CelebA's format.

    Args:
        path: list_attr_celeba.txt, or another of its format.
        partition: list_eval_partition.txt; by default the one beside the label file, if there is one.

    Returns:
        Boolean labels; rows that cannot be used are in its `problems`.

    Raises:
        DataError: a file is missing, or the label file is not of this format or not whole.
    """
    with opened(path) as file:
        count, names = file.readline().strip(), tuple(file.readline().split())
        _require_head(path, count, names)
        rows, n_rows = Rows(path, len(names)), 0
        for number, line in enumerate(file, start=3):
            if line.strip():
                n_rows += 1
                _add(rows, number, line.split(), names)
    if not n_rows or n_rows != int(count):
        raise DataError(f"{path}:1: says {count} images, found {n_rows}: is the file whole?")
    attributes = [Attribute(name=name) for name in names]
    labels = rows.labels(attributes, rows.values_NK.astype(np.float32), {})
    if partition is None and not path.with_name(PARTITION).exists():
        return labels
    return _divide(labels, partition or path.with_name(PARTITION))


def _require_head(path: Path, count: str, names: tuple[str, ...]) -> None:
    if not is_celeba(count):
        raise DataError(f"{path}:1: expected the number of images, as in {LABELS}, found {count!r:.80}")
    if not names or len(set(names)) != len(names) or not all(map(is_attribute_name, names)):
        raise DataError(
            f"{path}:2: expected names of attributes, all different and without '=' and ':', found "
            f"{list(names)!r:.80}"
        )


def _add(rows: Rows, number: int, cells: list[str], names: tuple[str, ...]) -> None:
    if len(cells) != len(names) + 1:
        rows.wrong(number, f"expected a file name and {len(names)} times 1 or -1, found {cells!r:.80}")
        return
    for name, cell in zip(names, cells[1:], strict=True) if not MEANING.keys() >= set(cells[1:]) else ():
        if cell not in MEANING:
            rows.wrong(number, f"{name} is {cell!r:.80}, expected 1 or -1", attribute=name)
    rows.add(number, cells[0], [MEANING.get(cell, math.nan) for cell in cells[1:]])


def _divide(labels: Labels, path: Path) -> Labels:
    parts, problems = _read_partition(path)
    known_N = np.array([image in parts for image in labels.images], dtype=np.bool_)
    reason = f"{path.name} does not say what the image is for"
    problems += [labels.problem(int(row), reason) for row in np.flatnonzero(~known_N)]
    kept = labels.rows(known_N)
    split_N = np.array([parts[image] for image in kept.images], dtype=np.int8)
    return replace(kept, split_N=split_N, problems=(*labels.problems, *problems))


def _read_partition(path: Path) -> tuple[dict[str, int], list[Problem]]:
    parts: dict[str, int] = {}
    problems = []
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            cells = line.split()
            if len(cells) == 2 and cells[1] in PARTS and cells[0] not in parts:
                parts[cells[0]] = PARTS[cells[1]]
            elif cells:
                again = "once " if cells[0] in parts else ""
                reason = f"expected each file name {again}with 0, 1 or 2, found {cells!r:.80}"
                problems.append(Problem(file=str(path), line=number, reason=reason))
    return parts, problems
