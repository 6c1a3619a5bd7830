"""Whose face an edit is for. A name may say it: `left:Smiling` is the smile of the left face.

    left, right, largest    the face that is it when it is chosen; it stays chosen until it is lost
    0.3,0.4                 the face at that place, in shares of the frame's width and height
    0.3,0.4@2.5s            the same from 2.5 seconds on
    2                       the track with that number

Shapes: N faces, A attribute columns.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fader.attributes import AttributeSet, Value
from fader.errors import ConfigError
from fader.runtime.faces.smoothing import pose_of
from fader.runtime.motion import Motion, Values, apply

if TYPE_CHECKING:
    from fader.runtime.faces.tracking import TrackedFace

__all__ = ["FaceSelector", "FaceValues", "by_face", "check_values", "for_faces"]

EVERYBODY = ""
POSITIONS = ("left", "right", "largest")
PLACE = re.compile(r"(0?\.\d+|[01](?:\.0*)?),(0?\.\d+|[01](?:\.0*)?)(?:@(\d+(?:\.\d+)?)s?)?")
FADE_S = 0.25
"""In which the edit comes to a face that is chosen while it is in the picture."""
LOST_S = 0.5
"""So long a chosen face may be away before another one is chosen."""
NEAR = 1.0
"""How far from a crop's centre a place may lie to mean that face, in sides of the crop."""


@dataclass(frozen=True, slots=True)
class _View:
    """A face as it is chosen by."""

    track: int
    x: float
    y: float
    side: float


class FaceSelector:
    """Chooses one face, frame by frame, in order."""

    def __init__(self, text: str, crop: int) -> None:
        """Read a selection: see the head of this module.

        Args:
            text: The selection.
            crop: Height and width of the model's crops.

        Raises:
            ConfigError: it is none.
        """
        self._crop, place = crop, PLACE.fullmatch(text)
        self._position = text if text in POSITIONS else None
        self._number = int(text) if text.isdecimal() else None
        self._place = (float(place[1]), float(place[2])) if place else None
        self._from_s = float(place[3]) if place and place[3] else -math.inf
        if self._position is None and self._number is None and self._place is None:
            raise ConfigError(
                f"found the face {text!r}: expected left, right, largest, a place such as 0.3,0.4 or "
                "0.3,0.4@2s in shares of width and height, or a track's number"
            )
        self._chosen: int | None = None
        self._since_s = self._seen_s = -math.inf
        self._known: frozenset[int] = frozenset()

    def weights(
        self, faces: "Sequence[TrackedFace]", size: tuple[int, int], time_s: float, *, is_cut: bool
    ) -> list[float]:
        """Return for each face of the next frame how much of the edit it gets, 0 to 1.

        Args:
            faces: The frame's faces.
            size: (width, height) of the displayed frame.
            time_s: Its time, seconds.
            is_cut: Whether a scene begins with it, and so another face is to be chosen.
        """
        if self._number is not None:
            return [float(face.track == self._number) for face in faces]
        tracks = frozenset(face.track for face in faces)
        if is_cut:
            self._chosen, self._known = None, frozenset()
        if self._chosen in tracks:
            self._seen_s = time_s
        elif time_s >= self._from_s and (self._chosen is None or time_s - self._seen_s > LOST_S):
            seen = [face for face in faces if face.score > 0]
            self._chosen = self._choice([_view(face, self._crop) for face in seen], size)
            # A face that was there before gets its edit gradually; a new one comes and fades by itself.
            self._since_s = time_s if self._chosen in self._known else -math.inf
            self._seen_s = time_s
        self._known = tracks
        weight = float(np.clip((time_s - self._since_s) / FADE_S, 0, 1))
        return [weight * (face.track == self._chosen) for face in faces]

    def _choice(self, views: list[_View], size: tuple[int, int]) -> int | None:
        if self._place is not None:
            x, y = self._place[0] * size[0] - 0.5, self._place[1] * size[1] - 0.5
            away = {view.track: math.hypot(view.x - x, view.y - y) / view.side for view in views}
            views = [view for view in views if away[view.track] <= NEAR]
            return min(views, key=lambda view: away[view.track]).track if views else None
        if not views:
            return None
        if self._position == "largest":
            return max(views, key=lambda view: view.side).track
        return (min if self._position == "left" else max)(views, key=lambda view: view.x).track


class FaceValues:
    """The values of each face of a video: those for everybody, and those for whom they name."""

    def __init__(self, values: Values, crop: int, *, follow: bool = True) -> None:
        """Take them apart.

        Args:
            values: Name to value; a name may begin with whose face is meant and a colon.
            crop: Height and width of the model's crops.
            follow: Whether frames belong to one video; else faces are chosen in each frame anew.
        """
        self._follow = follow
        self._parts = by_face(values)
        self._selectors = {face: FaceSelector(face, crop) for face in self._parts if face != EVERYBODY}
        self._weights: dict[str, list[float]] = {face: [] for face in self._selectors}
        self._unseen = dict.fromkeys(self._selectors)

    @property
    def unseen(self) -> list[str]:
        """Selections that have meant no face so far, as they were typed."""
        return list(self._unseen)

    def see(
        self, faces: "Sequence[TrackedFace]", size: tuple[int, int], time_s: float, *, is_cut: bool
    ) -> None:
        """Choose among the faces of the next frame, which may have none: see `FaceSelector.weights`."""
        for face, selector in self._selectors.items():
            found = selector.weights(faces, size, time_s, is_cut=is_cut or not self._follow)
            self._weights[face].extend(found)
            if any(found):
                self._unseen.pop(face, None)

    def apply(
        self, attributes: AttributeSet, source_NA: NDArray[np.float32], times_N: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the wanted columns of all faces that were seen since the last call.

        Args:
            attributes: The model's.
            source_NA: (N, columns) float32, the estimate for each face.
            times_N: Seconds of each face's frame.
        """
        wanted_NA = source_NA.copy()
        for face, values in self._parts.items():
            given_NA = apply(attributes, values, source_NA, times_N)
            weight_N1 = np.ones((len(source_NA), 1), np.float32)
            if face != EVERYBODY:
                weight_N1[:, 0], self._weights[face] = self._weights[face], []
            for name in values:
                columns = attributes.slice(name)
                wanted_NA[:, columns] = _mixed(wanted_NA[:, columns], given_NA[:, columns], weight_N1)
        return wanted_NA


def _mixed(
    one_NC: NDArray[np.float32], other_NC: NDArray[np.float32], weight_N1: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what lies between; neither end is rounded, since a face that is not meant keeps every bit."""
    between_NC = one_NC + weight_N1 * (other_NC - one_NC)
    return np.where(weight_N1 == 1, other_NC, np.where(weight_N1 == 0, one_NC, between_NC))


def by_face(values: Values) -> dict[str, dict[str, Value | Motion]]:
    """Return the values of each selection, those for everybody first, under the empty text."""
    parts: dict[str, dict[str, Value | Motion]] = {EVERYBODY: {}}  # first, so that one face may differ
    for name, value in values.items():
        face, _, attribute = name.rpartition(":")
        parts.setdefault(face, {})[attribute] = value
    return parts


def for_faces(values: Values, faces: Sequence[str]) -> dict[str, Value | Motion]:
    """Return the values with those for everybody given to some faces only, if any is named.

    Raises:
        ConfigError: a face is no selection.
    """
    for face in faces:
        FaceSelector(face, 1)
    narrowed: dict[str, Value | Motion] = {}
    for name, value in values.items():
        names = [name] if ":" in name or not faces else [f"{face}:{name}" for face in faces]
        narrowed |= dict.fromkeys(names, value)
    return narrowed


def check_values(attributes: AttributeSet, values: Values) -> None:
    """Refuse names, faces and values that are none.

    Raises:
        ConfigError: one of them is none.
    """
    for face, part in by_face(values).items():
        if face != EVERYBODY:
            FaceSelector(face, 1)
        apply(attributes, part, np.zeros((1, attributes.n_columns), np.float32), np.zeros(1))


def _view(face: "TrackedFace", crop: int) -> _View:
    octaves, _, x, y = pose_of(face.matrix, crop).tolist()
    return _View(face.track, x, y, 2**octaves)
