"""The rows of a source's database: one for each frame, with faces, latents, and the tracker's state.

A latent that is the crop itself (mask models have one) is not stored: it is cut out of the frame again.
"""

import hashlib
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from fader.image import to_model
from fader.runtime.faces.tracking import Measured, TrackedFace
from fader.runtime.latents import Latents
from fader.runtime.model import Model
from fader.runtime.stages import FaceFrame, crops_of
from fader.runtime.video.planes import FramePlanes

__all__ = ["Record"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One frame as it is stored."""

    number: int
    """Of the frame in its stream, from 0."""
    pts: int
    """Its time stamp, in the stream's time base."""
    faces: bytes
    """Tracks, affines, landmarks, scores, strengths, what was measured, and the classifier's estimates."""
    images: int
    """Bit i is set where latent i is the crop, and left out."""
    latents: bytes
    """float32: for each latent that is kept, those of all faces."""
    tracker: bytes
    """State of the tracker after this frame."""
    cut: int
    """1 where a scene begins with this frame, else 0."""

    @classmethod
    def of(cls, frame: FaceFrame, number: int) -> "Record":
        """Keep what `render` left in a frame, before it is pasted."""
        latents, tensors, images = frame.latents, [], 0
        estimates_NA = np.empty((0, 0), np.float32) if latents is None else latents.source_NA
        if latents is not None:
            pixels_NCHW = to_model(frame.crops)
            for i, tensor in enumerate(latents.tensors):
                if np.array_equal(tensor, pixels_NCHW):
                    images |= 1 << i
                else:
                    tensors.append(np.ascontiguousarray(tensor, "<f4").tobytes())
        return cls(
            number=number,
            pts=frame.planes.frame.pts or 0,
            faces=_pack_faces(frame.faces, estimates_NA),
            images=images,
            latents=b"".join(tensors),
            tracker=frame.tracker,
            cut=int(frame.is_cut),
        )

    def frame(self, source: av.VideoFrame, model: Model, *, rotation: int) -> FaceFrame:
        """Return the decoded frame with what is stored about it."""
        planes = FramePlanes(source, rotation=rotation)
        faces, estimates_NA = _unpack_faces(self.faces, model.attributes.n_columns)
        crops = crops_of(planes, faces, model.image_size)
        latents = None
        if faces:
            tensors = self._tensors(model, crops)
            latents = Latents(tensors=tensors, source_NA=estimates_NA, bundle_id=model.bundle.id)
        return FaceFrame(
            planes=planes,
            faces=faces,
            crops=crops,
            tracker=self.tracker,
            is_cut=bool(self.cut),
            latents=latents,
        )

    def digest(self, key: str) -> bytes:
        """Return a digest of everything in it, and of the key that it is stored under."""
        blobs = (self.faces, self.latents, self.tracker)
        head = [key, self.number, self.pts, self.images, self.cut, *map(len, blobs)]
        digest = hashlib.sha256(repr(head).encode())
        for blob in blobs:
            digest.update(blob)
        return digest.digest()

    def _tensors(self, model: Model, crops_NSS3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        tensors, start = [], 0
        for i, latent in enumerate(model.bundle.manifest.latents):
            if self.images >> i & 1:
                tensors.append(to_model(crops_NSS3))
                continue
            shape = (len(crops_NSS3), *latent.shape)
            n_floats = int(np.prod(shape))
            tensors.append(np.frombuffer(self.latents, "<f4", n_floats, start).reshape(shape))
            start += 4 * n_floats
        return tuple(tensors)


def _face_type(n_columns: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("track", "<i8"), ("matrix", "<f8", (2, 3)), ("landmarks", "<f4", (5, 2)),
            ("score", "<f8"), ("strength", "<f8"), ("estimates", "<f4", (n_columns,)),
            ("measured", "<f8", (2, 3)), ("measured_strength", "<f8"),
        ]
    )  # fmt: skip


def _pack_faces(faces: list[TrackedFace], estimates_NA: NDArray[np.float32]) -> bytes:
    rows = [
        (face.track, face.matrix, face.landmarks, face.score, face.strength, estimates, *_numbers(face))
        for face, estimates in zip(faces, estimates_NA, strict=True)
    ]
    return np.array(rows, _face_type(estimates_NA.shape[1])).tobytes()


def _numbers(face: TrackedFace) -> tuple[NDArray[np.float64], float]:
    if face.measured is None:
        return np.full((2, 3), np.nan), np.nan
    return face.measured.matrix, face.measured.strength


def _unpack_faces(packed: bytes, n_columns: int) -> tuple[list[TrackedFace], NDArray[np.float32]]:
    rows = np.frombuffer(packed, _face_type(n_columns))
    faces = [
        TrackedFace(
            track=int(row["track"]),
            matrix=row["matrix"].copy(),
            landmarks=row["landmarks"].copy(),
            score=float(row["score"]),
            strength=float(row["strength"]),
            measured=_measured(row),
        )
        for row in rows
    ]
    return faces, rows["estimates"].copy()


def _measured(row: np.void) -> Measured | None:
    strength = float(row["measured_strength"])
    if np.isnan(strength):
        return None
    return Measured(matrix=row["measured"].copy(), strength=strength)
