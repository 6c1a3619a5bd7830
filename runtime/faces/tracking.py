"""Faces followed through a video: which face is which, and where the model's crop lies in every frame.

The last stage of the detector follows each face from frame to frame (0.3 ms a face); the whole detector runs
every few frames, when a face is nearly lost, and at cuts.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fader.errors import ConfigError
from fader.runtime.faces.alignment import anchors, fit_error, fit_similarity
from fader.runtime.faces.boxes import box_matrix, overlap, square
from fader.runtime.faces.cuts import THUMBNAIL, is_cut
from fader.runtime.faces.detector import Detection, FaceDetector
from fader.runtime.faces.smoothing import SimilarityFilter

__all__ = ["FaceOptions", "FrameView", "Measured", "TrackedFace", "Tracker"]

GOOD_SCORE = 0.7
LOST_SCORE = 0.3
SAME_FACE = 0.3
KEPT_S = 0.3
"""So long at least a face that is not seen may come back as the same track."""
LEAST_PX = 12.0
"""Side of the smallest face that the detector finds, pixels."""
TURN_FROM, TURN_TO = 0.03, 0.07
"""By how much of the crop the points of turned faces miss the template where edits begin to fade, at some 40
degrees, and where none is left, at some 55: what is drawn beside the face stands on the background there."""
TRACK = np.dtype(
    [
        ("number", "<i8"), ("misses", "<i8"), ("time_s", "<f8"), ("filter", "<f8", (8,)),
        ("score", "<f8"), ("box", "<f4", (4,)), ("landmarks", "<f4", (5, 2)),
    ]
)  # fmt: skip
COUNTERS = np.dtype([("next_number", "<i8"), ("since_detection", "<i8")])


class FrameView(Protocol):
    """What tracking reads of a frame; `fader.runtime.video.planes.FramePlanes` is one."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as displayed."""

    def thumbnail(self, long_side: int) -> tuple[NDArray[np.uint8], float]:
        """Return a small upright (h, w, 3) uint8 RGB picture and its scale."""

    def glance(self, long_side: int) -> NDArray[np.float32]:
        """Return a tiny upright (h, w) float32 luma, 0 to 255."""

    def sample(self, matrix: NDArray[np.float64], size: int) -> NDArray[np.float32]:
        """Return a (size, size, 3) float32 RGB crop, 0 to 255."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceOptions:
    """How faces are searched for."""

    min_size: float = 0.04
    """Side of the smallest face, as a share of the frame's longer side."""
    detect_every: int = 6
    """Frames from one search of the whole frame to the next; twice as many after one that, in a frame with
    faces, found none but those."""
    detection_side: int = 640
    """Longer side, in pixels, of the picture that is searched; more where `min_size` needs it."""
    max_faces: int = 16
    """Faces followed at once, the best first."""
    aligned: bool = False
    """Whether each frame is a crop as the model takes it: square, nothing is searched for."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_size <= 1:
            raise ConfigError(f"min_size = {self.min_size}: expected a share from 0 to 1, such as 0.04")
        for name, low in (("detect_every", 1), ("detection_side", 32), ("max_faces", 1)):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} = {getattr(self, name)}: expected {low} or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What one frame alone shows of a face."""

    matrix: NDArray[np.float64]
    """(2, 3) similarity from the displayed frame to the model's crop."""
    strength: float
    """1 from the front, falling to 0 where it is turned too far to align."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedFace:
    """One face in one frame."""

    track: int
    """Number of the track, from 0, never used twice in a video."""
    matrix: NDArray[np.float64]
    """(2, 3) smoothed similarity from the displayed frame to the model's crop."""
    landmarks: NDArray[np.float32]
    """(5, 2) in displayed pixels, not smoothed."""
    score: float
    """The detector's probability, 0 to 1."""
    strength: float
    """1 for a face seen from the front, falling to 0 where it is turned too far to align, or fades."""
    measured: Measured | None = None
    """What the frame alone shows; None where the face is hidden in it."""


@dataclass(kw_only=True, slots=True)
class _Track:
    number: int
    face: Detection
    filter: SimilarityFilter
    time_s: float
    misses: int = 0


class Tracker:
    """Follows the faces of one video, frame by frame, in order."""

    def __init__(
        self,
        detector: FaceDetector,
        template: NDArray[np.float64],
        size: int,
        *,
        options: FaceOptions | None = None,
    ) -> None:
        """Start before the first frame.

        Args:
            detector: Used by this tracker alone while it runs.
            template: (3, 2) the bundle's template, pixels of the crop.
            size: Height and width of the crop.
            options: How to search.
        """
        self._detector, self._template, self._size = detector, template, size
        self._options = options or FaceOptions()
        self._tracks: list[_Track] = []
        self._next_number = 0
        self._since_detection = self._options.detect_every
        self._last_luma: NDArray[np.float32] | None = None
        self.at_cut = False
        """Whether a scene begins with the frame that was seen last; not the first of all."""

    def update(self, view: FrameView, time_s: float) -> list[TrackedFace]:
        """Find the faces of the next frame.

        Args:
            view: The frame.
            time_s: Its presentation time, seconds.

        Returns:
            Faces in the order of their tracks; those hardly visible are left out.

        Raises:
            ConfigError: the frame is no crop, though it was said to be one.
        """
        self.at_cut = self._is_cut(view)
        if self._options.aligned:
            return [self._whole(view)]
        if self.at_cut:
            self._tracks.clear()
            self._since_detection = self._options.detect_every
        doubtful = self._follow(view, time_s)
        self._since_detection += 1
        if doubtful or self._since_detection >= self._options.detect_every:
            first_new = self._next_number
            self._search(view, time_s)
            is_calm = bool(self._tracks) and self._next_number == first_new and not doubtful
            self._since_detection = -self._options.detect_every if is_calm else 0
        return [self._place(track, time_s) for track in self._tracks if track.face.score >= LOST_SCORE]

    def save(self) -> bytes:
        """Return what the next `update` depends on, save the last frame itself."""
        tracks = np.array(
            [
                (t.number, t.misses, t.time_s, t.filter.state, t.face.score, t.face.box, t.face.landmarks)
                for t in self._tracks
            ],
            TRACK,
        )
        return np.array((self._next_number, self._since_detection), COUNTERS).tobytes() + tracks.tobytes()

    def resume(self, saved: bytes, last: FrameView) -> None:
        """Go on where another tracker with the same settings was.

        Args:
            saved: What its `save` returned.
            last: The frame that it had seen last.
        """
        self._next_number, self._since_detection = np.frombuffer(saved, COUNTERS, 1)[0].tolist()
        self._tracks = [self._resumed(row) for row in np.frombuffer(saved, TRACK, offset=COUNTERS.itemsize)]
        self._last_luma = last.glance(THUMBNAIL)

    def _resumed(self, row: np.void) -> _Track:
        steady = SimilarityFilter(self._size)
        steady.state = row["filter"].tolist()
        return _Track(
            number=int(row["number"]),
            misses=int(row["misses"]),
            time_s=float(row["time_s"]),
            filter=steady,
            face=Detection(
                box=row["box"].copy(), score=float(row["score"]), landmarks=row["landmarks"].copy()
            ),
        )

    def _is_cut(self, view: FrameView) -> bool:
        last, self._last_luma = self._last_luma, view.glance(THUMBNAIL)
        return last is not None and is_cut(last, self._last_luma)

    def _whole(self, view: FrameView) -> TrackedFace:
        """Take the frame as the crop; each scene is a track, since the next may show somebody else."""
        width, height = view.size
        if width != height:
            raise ConfigError(
                f"found frames of {width}x{height}: expected square ones, as aligned footage has; "
                "leave --aligned out to have the faces searched for"
            )
        self._next_number += self.at_cut
        matrix = box_matrix(np.array([0, 0, width, height]), self._size)
        return TrackedFace(
            track=self._next_number,
            matrix=matrix,
            landmarks=_landmarks(matrix, self._template),
            score=1.0,
            strength=1.0,
            measured=Measured(matrix=matrix, strength=1.0),
        )

    def _follow(self, view: FrameView, time_s: float) -> bool:
        """Move every track to the new frame; return whether one of them is nearly lost."""
        if not self._tracks:
            return False
        boxes = square(np.stack([track.face.box for track in self._tracks]))
        for track, face in zip(self._tracks, self._detector.refine(view.sample, boxes), strict=True):
            track.misses = 0 if face.score >= GOOD_SCORE else track.misses + 1
            # A box refined from a face that is not there drifts away, so a lost face's last place is kept.
            if face.score < LOST_SCORE:
                track.face = replace(track.face, score=face.score)
            else:
                track.face = face
        kept = [
            track
            for track in self._tracks
            if track.misses <= self._options.detect_every
            or (track.face.score < LOST_SCORE and 0 <= time_s - track.time_s <= KEPT_S)
        ]
        self._tracks = _without_doubles(kept)
        return any(track.misses == 1 for track in self._tracks)

    def _search(self, view: FrameView, time_s: float) -> None:
        options = self._options
        needed_side = round(LEAST_PX / max(options.min_size, 1e-4))
        picture, scale = view.thumbnail(max(options.detection_side, needed_side))
        min_size = max(LEAST_PX, options.min_size * max(picture.shape[:2]))
        found = self._detector.detect(picture, min_size=min_size)[: options.max_faces]
        if not found:
            return
        boxes = square(np.stack([(face.box + 0.5) / scale - 0.5 for face in found]))
        # Landmarks come from the full resolution, for new faces as for those that are followed.
        for face in self._detector.refine(view.sample, boxes):
            if face.score >= GOOD_SCORE:
                self._assign(face, time_s)

    def _assign(self, face: Detection, time_s: float) -> None:
        if self._tracks:
            overlaps = overlap(face.box, np.stack([track.face.box for track in self._tracks]))
            best = self._tracks[int(np.argmax(overlaps))]
            if float(np.max(overlaps)) > SAME_FACE:
                if best.misses:
                    best.face, best.misses = face, 0
                return
        if len(self._tracks) < self._options.max_faces:
            new_filter = SimilarityFilter(self._size)
            self._tracks.append(_Track(number=self._next_number, face=face, filter=new_filter, time_s=time_s))
            self._next_number += 1

    def _place(self, track: _Track, time_s: float) -> TrackedFace:
        points = anchors(track.face.landmarks)
        matrix = fit_similarity(points, self._template)
        error = fit_error(matrix, points, self._template) / self._size
        strength = float(np.clip((TURN_TO - error) / (TURN_TO - TURN_FROM), 0, 1))
        smooth = track.filter(matrix, time_s - track.time_s)
        track.time_s = time_s
        return TrackedFace(
            track=track.number,
            matrix=smooth,
            landmarks=track.face.landmarks,
            score=track.face.score,
            strength=strength,
            measured=Measured(matrix=matrix, strength=strength),
        )


def _landmarks(matrix: NDArray[np.float64], template: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (5, 2) landmarks where the template has them; the nose between eyes and mouth."""
    left, right, mouth = (template - matrix[:, 2]) / matrix[0, 0]
    half = (right - left) / 3
    points = [left, right, (left + right + 2 * mouth) / 4, mouth - half, mouth + half]
    return np.array(points, np.float32)


def _without_doubles(tracks: list[_Track]) -> list[_Track]:
    """Drop the younger of two tracks that came to follow the same face."""
    kept: list[_Track] = []
    for track in tracks:
        if kept:
            overlaps = overlap(track.face.box, np.stack([other.face.box for other in kept]))
            if float(np.max(overlaps)) > 0.6:
                continue
        kept.append(track)
    return kept
