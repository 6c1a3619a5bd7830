"""Edits whose result is known: faces with drawn glasses and without, and faces moved towards prototypes.

Shapes: N images of a batch, S their height and width in pixels, K attributes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fader.attributes import AttributeSet
from fader.train.draws import Draws
from fader.train.glasses import plain_glasses, various_glasses, wear, yaws_of
from fader.train.prototypes import Prototypes, replaced, shaved, towards
from fader.train.regions import beard, behind_glasses, inside_face, mouth, rising

__all__ = ["ExampleMaker", "Examples"]

LEAST, MOST = 0.2, 1.5
"""By how much a slider is moved."""
UNCHANGED, SECOND = 0.1, 0.3
"""Shares of images whose other attributes stay, and of those others in which two are changed."""
ONWARDS, FARTHER = 0.15, 0.5
"""Share of changes in the direction that an image shows already, and how far they go beside the others."""
REPLACED = 0.6
"""How far a slider has moved when what makes way for a change is gone; 1 is from 0 to 1."""
PUT_ON, TAKEN_OFF = 0.1, 0.45
"""Draws below which bare faces get glasses to be put on, and, above that, to be taken off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """N edits and their results."""

    images_NCHW: Tensor
    """(N, 3, S, S) in [-1, 1]: what is edited."""
    shown_NK: Tensor
    """(N, K): what it shows; see `fader.train.objectives`."""
    wanted_NK: Tensor
    """(N, K): what the result shall show."""
    targets_NCHW: Tensor
    """(N, 3, S, S) in [-1, 1]: what it looks like."""

    def to(self, device: torch.device) -> "Examples":
        """Return them on another device."""
        return Examples(
            images_NCHW=self.images_NCHW.to(device),
            shown_NK=self.shown_NK.to(device),
            wanted_NK=self.wanted_NK.to(device),
            targets_NCHW=self.targets_NCHW.to(device),
        )


class ExampleMaker:
    """Makes one example of each image of a batch."""

    def __init__(
        self,
        attributes: AttributeSet,
        *,
        glasses: str = "",
        beards: str = "",
        prototypes: Prototypes | None = None,
        strengths: Mapping[str, Sequence[float]] | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        """Prepare.

        Args:
            attributes: Those of the labels.
            glasses: The boolean attribute that means glasses; they are drawn on aligned faces.
            beards: The boolean attribute of whom may have a beard, on aligned faces.
            prototypes: Averages of faces.
            strengths: By attribute, by how many times the difference of averages a slider from 0 to 1
                changes a face, and one from 1 to 0; 0 for not at all.
            shares: Attribute name to its share of those changes; 1 where not named.
        """
        self.attributes, self.prototypes = attributes, prototypes
        self.glasses, self.beards = glasses, beards
        self.strengths, self.shares = dict(strengths or {}), dict(shares or {})

    def make(
        self,
        images_NCHW: Tensor,
        labels_NK: Tensor,
        landmarks_N52: Tensor | None,
        positions_N: Tensor,
        draws: Draws,
    ) -> Examples:
        """Make the examples.

        Args:
            images_NCHW: (N, 3, S, S) in [-1, 1].
            labels_NK: (N, K).
            landmarks_N52: (N, 5, 2) pixels of aligned faces, see `fader.runtime.faces.portrait.Portrait`.
            positions_N: (N,) where in the training images they are.
            draws: Source of randomness.
        """
        yaws_N = None if landmarks_N52 is None else yaws_of(landmarks_N52)
        mirrored_N = draws.uniform() < 0.5
        images_NCHW = _mirrored(images_NCHW, mirrored_N)
        made = Examples(
            images_NCHW=images_NCHW, shown_NK=labels_NK, wanted_NK=labels_NK, targets_NCHW=images_NCHW
        )
        if self.prototypes is not None:
            made = self._towards_prototypes(
                made, self.prototypes, positions_N, mirrored_N, draws, yaws_N=yaws_N
            )
        if self.glasses and yaws_N is not None:
            made = self._with_glasses(made, yaws_N * torch.where(mirrored_N, -1, 1), draws)
        return made

    def _towards_prototypes(
        self,
        made: Examples,
        prototypes: Prototypes,
        positions_N: Tensor,
        mirrored_N: Tensor,
        draws: Draws,
        *,
        yaws_N: Tensor | None,
    ) -> Examples:
        names = list(self.strengths)
        shares = [float(self.shares.get(name, 1.0)) for name in names]
        first_N, second_N = draws.choice(shares), draws.choice(shares)
        chance_N2 = draws.uniform(2)
        amount_NK = LEAST + (MOST - LEAST) * draws.uniform(len(names))
        onwards_NK = draws.uniform(len(names)) < ONWARDS
        wanted_NK, targets_NCHW = made.wanted_NK.clone(), made.targets_NCHW.clone()
        # What earlier edits of an image added: where a later one replaces the face, it must not be lost.
        added_so_far_NCHW: Tensor | None = None
        for i, name in enumerate(names):
            k = self.attributes.names.index(name)
            chosen_N = (first_N == i) | ((second_N == i) & (chance_N2[:, 1] < SECOND))
            has_N = made.shown_NK[:, k] == 1
            added_N = has_N == onwards_NK[:, i]
            put, taken = self.strengths[name]
            strength_N = torch.where(added_N, put, -taken)
            if name == self.glasses:
                strength_N = torch.where(has_N, strength_N, 0.0)
            rows = (chosen_N & (chance_N2[:, 0] >= UNCHANGED) & (strength_N != 0)).nonzero()[:, 0]
            without, with_, there = prototypes.means(positions_N[rows], name)
            rows, without, with_ = rows[there], without[there], with_[there]
            moved_M = amount_NK[rows, i] * torch.where(onwards_NK[rows, i], FARTHER, 1.0)
            own = torch.where(has_N[rows, None, None, None], with_, without)
            difference = with_ - without
            where, inside = None, torch.ones(())
            if yaws_N is not None:
                inside = inside_face(difference.shape[-1], yaws_N[rows])
                where = mouth(difference.shape[-1])
            difference = difference * inside
            if name == self.glasses and yaws_N is not None:
                share = behind_glasses(targets_NCHW[rows], without) * inside
            else:
                share = replaced(own, difference, added_N[rows], where)
                share[onwards_NK[rows, i]] = 0
            share = share * rising(moved_M[:, None, None, None], 0, REPLACED)
            change = (strength_N[rows] * moved_M)[:, None, None, None] * difference
            shaven = torch.zeros(len(rows), 1, *difference.shape[2:])
            if name == self.beards and yaws_N is not None:
                shaven = beard(difference.shape[-1]) * inside
            own, change, share, shaven = (
                _mirrored(part, mirrored_N[rows]) for part in (own, change, share, shaven)
            )
            if added_so_far_NCHW is None:
                added_so_far_NCHW = torch.zeros(len(targets_NCHW), *change.shape[1:])
            own = own + added_so_far_NCHW[rows]
            added_so_far_NCHW[rows] += change
            shaved_M = (strength_N[rows] < 0) & (name == self.beards)
            targets_NCHW[rows] = torch.where(
                shaved_M[:, None, None, None],
                shaved(targets_NCHW[rows], own, change, moved_M, shaven),
                towards(targets_NCHW[rows], own, change, share),
            )
            wanted_NK[rows, k] += moved_M * strength_N[rows].sign()
        return replace(made, wanted_NK=wanted_NK, targets_NCHW=targets_NCHW)

    def _with_glasses(self, made: Examples, yaws_N: Tensor, draws: Draws) -> Examples:
        """Put one plain pair on some bare faces, and various pairs on others, to be taken off."""
        k = self.attributes.names.index(self.glasses)
        chance_N, slider_N, various = draws.uniform(), draws.uniform(), various_glasses(draws)
        slider_N = LEAST + (MOST - LEAST) * slider_N
        bare_N = made.shown_NK[:, k] == 0
        on = (bare_N & (chance_N < PUT_ON)).nonzero()[:, 0]
        off = (bare_N & (chance_N >= PUT_ON) & (chance_N < TAKEN_OFF)).nonzero()[:, 0]
        images, shown_NK = made.images_NCHW.clone(), made.shown_NK.clone()
        targets, wanted_NK = made.targets_NCHW.clone(), made.wanted_NK.clone()
        opacity = slider_N.clamp(max=1)[:, None, None, None]
        plain = plain_glasses(len(on)).exaggerated(slider_N[on])
        targets[on] = torch.lerp(targets[on], wear(targets[on], plain, yaws_N[on]), opacity[on])
        wanted_NK[on, k] = slider_N[on]
        worn = various.of(off)
        images[off] = wear(images[off], worn, yaws_N[off])
        targets[off] = torch.lerp(wear(targets[off], worn, yaws_N[off]), targets[off], opacity[off])
        shown_NK[off, k] = 1
        wanted_NK[off, k] = 1 - slider_N[off]
        return Examples(images_NCHW=images, shown_NK=shown_NK, wanted_NK=wanted_NK, targets_NCHW=targets)


def _mirrored(images_NCHW: Tensor, mirrored_N: Tensor) -> Tensor:
    return torch.where(mirrored_N[:, None, None, None], images_NCHW.flip(3), images_NCHW)
