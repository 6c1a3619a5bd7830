"""Sheets of pictures with small words above the columns and beside the rows."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.image import sheet

__all__ = ["captioned"]

FONT = cv2.FONT_HERSHEY_SIMPLEX
HEIGHT = 18
"""Of a line of words, pixels."""
SCALE = 0.4
MARGIN = 4

Picture = NDArray[np.uint8]


def captioned(
    rows: Sequence[Sequence[Picture]], *, columns: Sequence[str] = (), names: Sequence[str] = (), gap: int = 2
) -> Picture:
    """Lay pictures out in rows under the columns' captions, each row beside its name.

    Args:
        rows: (S, S, 3) uint8 RGB, all of one size.
        columns: A caption for each column; none leaves the line out.
        names: A name for each row; none leaves the margin out.
        gap: White pixels between pictures.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    body = sheet(rows, gap=gap)
    size = rows[0][0].shape[0]
    if columns:
        line = _white(HEIGHT, body.shape[1])
        for i, words in enumerate(columns):
            _write(line, words, left=i * (size + gap), width=size, middle=HEIGHT // 2)
        body = np.concatenate([line, body])
    if names:
        width = max(_width(words, SCALE) for words in names) + 2 * MARGIN
        margin = _white(body.shape[0], width)
        top = HEIGHT if columns else 0
        for i, words in enumerate(names):
            _write(margin, words, left=0, width=width, middle=top + i * (size + gap) + size // 2)
        body = np.concatenate([margin, body], axis=1)
    return body


def _white(height: int, width: int) -> Picture:
    return np.full((height, width, 3), 255, dtype=np.uint8)


def _width(words: str, scale: float) -> int:
    return int(cv2.getTextSize(words, FONT, scale, 1)[0][0])


def _write(onto: Picture, words: str, *, left: int, width: int, middle: int) -> None:
    """Write words into the middle of a box, smaller where they would not fit."""
    scale = min(SCALE, SCALE * (width - 2) / max(1, _width(words, SCALE)))
    x = left + (width - _width(words, scale)) // 2
    baseline = middle + round(SCALE * 10)
    cv2.putText(onto, words, (x, baseline), FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)
