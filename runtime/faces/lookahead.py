"""What the frames around a frame say about its faces: a steady place without lag, and no popping in or out.

Everything is a function of what was measured in `AHEAD` frames to both sides, and of nothing else: a video
that is gone on with in the middle gives the same faces once those frames are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fader.runtime.faces.regression import local_mean, local_value
from fader.runtime.faces.smoothing import matrix_of, pose_of
from fader.runtime.faces.tracking import Measured, TrackedFace

__all__ = ["AHEAD", "Seen", "settle"]

AHEAD = 15
"""Frames looked at before and after a frame; half a second of most videos, 47 MB of 1080p."""
FADE_S = 0.25
"""In which the edit of a face comes and goes."""
FADE_FRAMES = 8
"""In which it comes and goes at the latest: whether a lost face comes back must be known before it fades."""
HIDDEN_S = 0.1
"""So long a hidden face is edited as if it were seen."""
# Turning shows most and is measured worst, so it is smoothed over longer times than the place.
TURN_REACHES_S, TURN_TRUST = (0.2, 0.3, 0.5), 3.0
PLACE_REACHES_S, PLACE_TRUST = (0.1, 0.15, 0.2, 0.3), 0.7
STRENGTH_REACH_S = 0.2


@dataclass(frozen=True, slots=True)
class _Sighting:
    face: TrackedFace
    measured: Measured
    pose_4: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the tracker found in a frame; only what was measured counts."""

    time_s: float
    """Time of the frame, seconds."""
    is_cut: bool
    """Whether a scene begins with it."""
    sightings: tuple[_Sighting, ...]
    """The faces that are not hidden."""

    @classmethod
    def of(cls, faces: Sequence[TrackedFace], size: int, time_s: float, *, is_cut: bool) -> "Seen":
        """Take a frame's faces.

        Args:
            faces: As the tracker returned them, or settled.
            size: Height and width of the crop.
            time_s: Time of the frame, seconds.
            is_cut: Whether a scene begins with it.
        """
        sightings = [
            _Sighting(face, face.measured, pose_of(face.measured.matrix, size))
            for face in faces
            if face.measured is not None
        ]
        return cls(time_s, is_cut, tuple(sightings))


@dataclass(slots=True)
class _Path:
    """Where one face was seen, in the frames of a scene."""

    sightings: list[_Sighting]
    indices: list[int]


def settle(window: Sequence[Seen], now: int, size: int) -> list[TrackedFace]:
    """Return the faces of one frame as they are to be edited.

    Where a face is hidden for some frames and seen again, it is in between; where a track begins or ends in
    the middle of a scene, its strength rises or falls. The first and the last frame of the window are no
    beginning and no end.

    Args:
        window: Frames in order, at most `AHEAD` before and after the one in question.
        now: Index of that one.
        size: Height and width of the crop.
    """
    cuts = [i for i, seen in enumerate(window) if seen.is_cut]
    first = max((i for i in cuts if i <= now), default=0)
    end = min((i for i in cuts if i > now), default=len(window))
    scene, now = window[first:end], now - first
    paths: dict[int, _Path] = {}
    for i, seen in enumerate(scene):
        for sighting in seen.sightings:
            path = paths.setdefault(sighting.face.track, _Path([], []))
            path.sightings.append(sighting)
            path.indices.append(i)
    return [
        _settled(path, scene, now, size)
        for _, path in sorted(paths.items())
        if path.indices[0] <= now <= path.indices[-1]
    ]


def _settled(path: _Path, scene: Sequence[Seen], now: int, size: int) -> TrackedFace:
    now_s = scene[now].time_s
    times = np.array([scene[i].time_s for i in path.indices])
    strengths = np.array([sighting.measured.strength for sighting in path.sightings])
    strength = local_mean(times, strengths, now_s, STRENGTH_REACH_S)
    is_hidden = now not in path.indices
    nearest = int(np.argmin(np.abs(times - now_s)))
    if is_hidden:
        away_s = abs(float(times[nearest]) - now_s)
        strength *= float(np.clip(1 - (away_s - HIDDEN_S) / FADE_S, 0, 1))
    else:
        nearest = path.indices.index(now)
    face = path.sightings[nearest].face
    return replace(
        face,
        matrix=matrix_of(_pose(path.sightings, times, now_s), size),
        score=0.0 if is_hidden else face.score,
        strength=strength * _fade(path, scene, now),
        measured=None if is_hidden else face.measured,
    )


def _pose(sightings: list[_Sighting], times: NDArray[np.float64], now_s: float) -> NDArray[np.float64]:
    poses = np.stack([sighting.pose_4 for sighting in sightings])
    poses[:, 1] = np.unwrap(poses[:, 1])
    weights = np.array([max(sighting.face.score, 0.1) ** 2 for sighting in sightings])
    turn = local_value(times, poses[:, :2], weights, now_s, reaches_s=TURN_REACHES_S, trust=TURN_TRUST)
    place = local_value(times, poses[:, 2:], weights, now_s, reaches_s=PLACE_REACHES_S, trust=PLACE_TRUST)
    return np.concatenate([turn, place])


def _fade(path: _Path, scene: Sequence[Seen], now: int) -> float:
    """Return how much of the edit shows so near to where the face comes or goes, 0 to 1."""
    edges = [i for i in (path.indices[0] - 1, path.indices[-1] + 1) if 0 <= i < len(scene)]
    shares = [
        max(abs(scene[i].time_s - scene[now].time_s) / FADE_S, abs(i - now) / FADE_FRAMES) for i in edges
    ]
    return min([1.0, *shares])
