"""Oxford-102 flowers: colours from the captions of Reed et al., a boolean attribute for each colour.

The captions lie in text_c10/class_00001/image_06734.txt: ten lines, each by another person, about the image
image_06734.jpg. A flower has a colour when at least five of its captions name it; most flowers have one or
two, because people also name the colour of stamens.

Source: Nilsback & Zisserman 2008 (images); Reed et al. 2016, "Learning Deep Representations of Fine-Grained
Visual Descriptions" (captions); Lample et al. 2017 (colours taken from them).
"""

import re
from pathlib import Path

import numpy as np

from fader.attributes import Attribute
from fader.errors import DataError
from fader.train.data.labels import Labels
from fader.train.data.rows import Rows

__all__ = ["CAPTIONS", "COLOURS", "MIN_CAPTIONS", "caption_folder", "read_captions"]

COLOURS = {
    "Blue": ("blue", "bluish"),
    "Orange": ("orange", "orangish"),
    "Pink": ("pink", "pinkish", "fuchsia", "magenta"),
    "Purple": ("purple", "purplish", "violet", "lavender", "lilac"),
    "Red": ("red", "reddish", "crimson", "scarlet"),
    "White": ("white", "whitish"),
    "Yellow": ("yellow", "yellowish"),
}
"""Attribute to the words that name it. Green, brown and black are missing: in these captions they are the
colours of leaves and centres."""
MIN_CAPTIONS = 5
"""So many captions have to name a colour."""
CAPTIONS = "class_*/image_*.txt"
"""Where the captions lie in their folder."""
FOLDER = "text_c10"
WORD = re.compile("[a-z]+")


def caption_folder(folder: Path) -> Path | None:
    """Return the folder with the captions, which is this one or text_c10 in it; None if it is neither."""
    candidates = (folder, folder / FOLDER)
    return next((place for place in candidates if next(place.glob(CAPTIONS), None)), None)


def read_captions(folder: Path) -> Labels:
    """Read the captions of Reed et al.

    Args:
        folder: text_c10, or the folder that holds it.

    Returns:
        Boolean labels of the images image_00001.jpg and so on, in the order of the captions' paths; files
        that cannot be used are in its `problems`.

    Raises:
        DataError: the folder holds no captions, or a file cannot be read.
    """
    place = caption_folder(folder)
    if place is None:
        raise DataError(f"{folder} holds no {CAPTIONS}: expected the captions of Reed et al. (text_c10)")
    rows = Rows(place, len(COLOURS))
    for path in sorted(place.glob(CAPTIONS)):
        captions = _captions(path)
        if len(captions) < MIN_CAPTIONS:
            rows.wrong(None, f"{path.relative_to(place)} has {len(captions)} captions, expected 10")
            continue
        counts = [
            sum(any(word in caption for word in words) for caption in captions) for words in COLOURS.values()
        ]
        rows.add(None, f"{path.stem}.jpg", [float(count >= MIN_CAPTIONS) for count in counts])
    return rows.labels([Attribute(name=name) for name in COLOURS], rows.values_NK.astype(np.float32), {})


def _captions(path: Path) -> list[set[str]]:
    """Return the words of each caption."""
    try:
        # Some of the files hold stray bytes, and names of colours are ASCII.
        lines = path.read_text(encoding="utf-8", errors="replace").lower().splitlines()
    except OSError as error:
        raise DataError(f"cannot read the captions {path}: {error.strerror}") from error
    return [set(WORD.findall(line)) for line in lines if line.strip()]
