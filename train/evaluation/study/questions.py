"""What people are asked: pictures and pairs of pictures, each with the truth about it, and the words.

Source: Lample et al. 2017, Table 1: people said of a picture whether it looks like a real
photograph (naturalness) and whether the attribute is there (accuracy).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from fader.errors import ConfigError

__all__ = ["ATTRIBUTE_WORDING", "Pair", "Picture", "Question", "Wording", "study_questions"]

ATTRIBUTE_WORDING = {
    "Bald": "Is this person bald?",
    "Eyeglasses": "Does this person wear glasses?",
    "Male": "Does this person look male?",
    "Mouth_Slightly_Open": "Is this person's mouth open?",
    "Mustache": "Does this person have a moustache?",
    "Pale_Skin": "Does this person have pale skin?",
    "Smiling": "Does this person smile?",
    "Wearing_Hat": "Does this person wear a hat?",
    "Young": "Does this person look young?",
}
"""Yes-or-no questions for attributes of CelebA; yes means that the attribute is present."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Picture:
    """One picture and two questions: does it look real, and is the attribute there."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB; all pictures of a study have one size, because a size would tell the condition."""
    attribute: str
    """Column of the table, for example "Eyeglasses"."""
    condition: str
    """Row of the table: "real", "reconstruction", "swap", or a second model's name."""
    present: bool
    """What the picture is meant to show: the label of a real image, its opposite after a swap."""
    source: str
    """Name of the held-out image that it was made from."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pair:
    """Two pictures of one attribute and of different conditions, to choose the more natural one."""

    first: Picture
    second: Picture

    def __post_init__(self) -> None:
        if self.first.attribute != self.second.attribute or self.first.condition == self.second.condition:
            told = [(picture.attribute, picture.condition) for picture in (self.first, self.second)]
            raise ConfigError(f"pair of {told}: expected one attribute and two different conditions")


Question = Picture | Pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """Every text that depends on the study; plain text, a blank line starts a paragraph."""

    introduction: str = (
        "You will see pictures. Some are photographs, others were made or changed by a computer. "
        "Please answer a short question about each.\n\n"
        "There is no time limit, and no answer is wrong: your first impression counts."
    )
    """What the participant reads first."""
    consent: str = (
        "I take part voluntarily and know that I may stop at any time. My answers, under the name above, may "
        "be evaluated, and published as totals."
    )
    """What the participant ticks before the first question."""
    natural: str = "Does this picture look like a real photograph?"
    """Yes-or-no question about every picture."""
    pair: str = "Which of the two looks more natural?"
    """Question about every pair."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Attribute to its yes-or-no question; one that is missing here has that of ATTRIBUTE_WORDING."""

    def attribute(self, name: str) -> str:
        """Return the yes-or-no question about an attribute."""
        known = {**ATTRIBUTE_WORDING, **self.attributes}
        return known.get(name, f"Would you say “{name.replace('_', ' ')}” of this picture?")


def study_questions(
    attribute: str,
    *,
    labels: Sequence[bool],
    sources: Sequence[str],
    pictures: Mapping[str, NDArray[np.uint8]],
    swapped: Collection[str] = ("swap",),
    pairs: Sequence[tuple[str, str]] = (),
) -> list[Question]:
    """Ask about the same N faces in every condition.

    Args:
        attribute: Name.
        labels: N labels of the real images.
        sources: N names of the real images.
        pictures: Condition, in the order of the table's rows, to (N, H, W, 3) uint8 RGB.
        swapped: Conditions that show the opposite of the label.
        pairs: Conditions to compare side by side, face by face.

    Returns:
        A Picture for each face and condition, a Pair for each face and two conditions of `pairs`.

    Raises:
        ConfigError: the numbers differ, or `swapped` or `pairs` name a condition without pictures.
    """
    _require_as_many(attribute, labels, sources, pictures)
    for name in {*swapped, *(name for pair in pairs for name in pair)} - set(pictures):
        raise ConfigError(
            f"{attribute}: condition {name!r} has no pictures: expected one of {', '.join(pictures)}"
        )
    asked = {
        condition: [
            Picture(
                image=image,
                attribute=attribute,
                condition=condition,
                present=bool(label) != (condition in swapped),
                source=source,
            )
            for image, label, source in zip(images, labels, sources, strict=True)
        ]
        for condition, images in pictures.items()
    }
    compared = [
        Pair(first=first, second=second)
        for one, other in pairs
        for first, second in zip(asked[one], asked[other], strict=True)
    ]
    return [*chain.from_iterable(asked.values()), *compared]


def _require_as_many(
    attribute: str,
    labels: Sequence[bool],
    sources: Sequence[str],
    pictures: Mapping[str, NDArray[np.uint8]],
) -> None:
    counts = {name: len(images) for name, images in pictures.items()}
    if not counts or {len(sources), *counts.values()} != {len(labels)}:
        raise ConfigError(
            f"{attribute}: found {len(labels)} labels, {len(sources)} sources and {counts} pictures: "
            "expected as many of each"
        )
