"""All figures of a model, as dataclasses and as JSON; `fader.train.evaluation.tables` makes text of them.

Shares and accuracies are 0 to 1. What there are too few images for is None, or missing from its mapping.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fader.attributes import Kind
from fader.train.evaluation.distance import Distance
from fader.train.evaluation.estimates import Estimate
from fader.train.evaluation.probe import Probe

__all__ = ["AttributeFigures", "Report", "SliderFigures", "SwapFigures"]

SCHEMA = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class SwapFigures:
    """Of the images that were edited in one way."""

    name: str
    """For people: "Eyeglasses added"."""
    attribute: str
    """The attribute that was changed."""
    seen: Mapping[str, Estimate]
    """By kind of copy: the share of which the judge says what the edit put in."""
    before: Estimate
    """The same share of the same images before the edit."""
    real: Estimate | None
    """The same share of real images that have what the edit puts in: what the judge is worth here."""
    others_kept: Estimate | None
    """Mean share of the other attributes on which the judge does not change its mind."""
    kept: Mapping[str, Estimate]
    """By other attribute: the share of images on which it does not."""
    pasted: Estimate
    """The share that `seen` has of the images themselves, of edits as fader-run makes them: from what the
    judge reads of the others, and only the difference goes back into the image."""
    pasted_kept: Estimate | None
    """The share that `others_kept` is, of those edits."""
    groups: Mapping[str, Estimate]
    """By group to which some of the images belong and others do not: `seen` of its images themselves."""
    distance: Distance | None
    """To real images that have what the edit puts in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SliderFigures:
    """Of moving one slider from 0 to 1.5."""

    spearman: Estimate
    """Mean over images of the rank correlation, -1 to 1, of the judge's logit with the position."""
    monotone: Estimate
    """Share of images where it is 0.9 or more."""
    pasted_monotone: Estimate
    """The same where the edit is made as fader-run makes it."""
    change: Estimate
    """Mean change of the judge's logit from 0 to 1, nats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttributeFigures:
    """Of one attribute, whatever was done to it."""

    name: str
    """Its name."""
    kind: Kind
    """Its kind."""
    judge: Mapping[str, Estimate]
    """By kind of copy: the judge's balanced accuracy on real images."""
    rebuilt_kept: Estimate
    """Share of images on which the judge does not change its mind when they are drawn as they are."""
    slider: SliderFigures | None
    """None of a categorical attribute."""
    code: Probe | None
    """What a probe reads of it from the code."""
    image: Probe | None
    """What such a probe reads of it from the image itself, of 32 pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """All figures of a model."""

    about: Mapping[str, Any]
    """Which model and which data; JSON's types."""
    n_images: int
    """Held-out images."""
    attributes: tuple[AttributeFigures, ...]
    """In the set's order."""
    swaps: tuple[SwapFigures, ...]
    """Every way to edit that applies to some image."""
    closeness: Mapping[str, Estimate]
    """Means over images; see `fader.train.evaluation.measuring.Measured`."""

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2, allow_nan=False) + "\n"
