"""What the runtime's tests look at: a tiny bundle, a real face, and a clip of it that pans and zooms."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
import torch
from av.video.stream import VideoStream
from numpy.typing import NDArray

from fader.attributes import Attribute, AttributeSet
from fader.export import write_bundle
from fader.image import write_image
from fader.models import AutoEncoder, AutoEncoderConfig, Checkpoint, Classifier, ClassifierConfig
from fader.runtime import TrackedFace
from fader.runtime.faces.alignment import CELEBA_TIGHT, invert, template_at
from fader.runtime.faces.tracking import Measured

__all__ = [
    "EYES",
    "FaceClip",
    "astronaut",
    "blocks",
    "crop_corners",
    "decoded",
    "face_views",
    "frame_of",
    "inside_crops",
    "portrait",
    "samples",
    "write_clip",
    "write_photos",
    "write_tiny_bundle",
]

EYES = ((204.0, 101.0), (246.0, 103.0))
"""The astronaut's eyes, image-left first: (x, y) pixels."""
FACE_CENTRE = (224.0, 118.0)
SIZE = 64
PACKED_BYTES = {
    "rgb24": 3,
    "bgr24": 3,
    "rgba": 4,
    "bgra": 4,
    "argb": 4,
    "abgr": 4,
    "rgb48le": 6,
    "rgba64le": 8,
}


def write_tiny_bundle(folder: Path, *, photos: Path | None = None, relative: bool = False) -> Path:
    """Export an untrained model: its decoder changes every face, by a few dozen levels.

    With photographs it has int8 graphs, too. A relative one reads by how much values change.
    """
    torch.manual_seed(0)
    attributes = AttributeSet([Attribute(name=n) for n in ("Eyeglasses", "Male", "Smiling", "Young")])
    autoencoder = AutoEncoder(
        AutoEncoderConfig(
            image_size=SIZE, n_columns=8, init_fm=8, max_fm=32, n_layers=3, mask=True, relative=relative
        )
    )
    classifier = Classifier(ClassifierConfig(image_size=SIZE, n_columns=8, init_fm=8, max_fm=32, hidden=32))
    checkpoint = Checkpoint(
        autoencoder=autoencoder.eval(),
        classifier=classifier.eval(),
        attributes=attributes,
        template=template_at(CELEBA_TIGHT, SIZE),
    )
    write_bundle(checkpoint, folder, name="tiny", half_weights=False, photos=photos)
    return folder


def astronaut() -> NDArray[np.uint8]:
    """A portrait with one face: (512, 512, 3) uint8 RGB."""
    picture: NDArray[np.uint8] = skimage.data.astronaut()
    return picture


def portrait(
    size: tuple[int, int], *, zoom: float = 1.0, at: tuple[float, float] = (0.5, 0.5)
) -> NDArray[np.uint8]:
    """The astronaut's face in a picture of another size.

    Args:
        size: (width, height).
        zoom: 1 makes the face a third of the height.
        at: Where its centre comes to lie, as shares of width and height.
    """
    width, height = size
    scale = zoom * height / 240
    x, y = at[0] * width, at[1] * height
    matrix = np.array([[scale, 0, x - scale * FACE_CENTRE[0]], [0, scale, y - scale * FACE_CENTRE[1]]])
    picture = cv2.warpAffine(
        astronaut(), matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(picture, dtype=np.uint8)


def write_photos(folder: Path, n: int = 18) -> Path:
    """Write photographs that the astronaut's face fills, each from another distance and place."""
    folder.mkdir(parents=True)
    for i in range(n):
        at = (0.5 + 0.03 * np.sin(i), 0.5 + 0.03 * np.cos(2 * i))
        write_image(folder / f"{i}.png", portrait((96, 96), zoom=2 + 0.05 * (i % 7), at=at))
    return folder


def face_views(n: int, size: tuple[int, int] = (320, 240)) -> Iterator[NDArray[np.uint8]]:
    """Pictures of a camera that pans and zooms around the face: never the same twice in two seconds."""
    for i in range(n):
        t = 2 * np.pi * i / 48
        yield portrait(
            size, zoom=1.1 + 0.15 * np.sin(t), at=(0.5 + 0.06 * np.sin(2 * t), 0.5 + 0.05 * np.cos(t))
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceClip:
    """How `write_clip` encodes; lossless unless told otherwise."""

    codec: str = "ffv1"
    pix_fmt: str = "yuv420p"
    rotation: int = 0
    """Degrees counter-clockwise by which players turn the pictures."""
    color_range: int = 0
    """H.273 range as FFmpeg numbers it: 1 limited, 2 full."""
    options: Mapping[str, str] = field(default_factory=dict)


def write_clip(path: Path, pictures: Iterable[NDArray[np.uint8]], clip: FaceClip | None = None) -> Path:
    """Encode (H, W, 3) uint8 RGB pictures, upright as they are to be displayed, at 24 frames/s."""
    clip = clip or FaceClip()
    with av.open(str(path), "w") as container:
        stream = container.add_stream(clip.codec, rate=24, options=dict(clip.options))
        assert isinstance(stream, VideoStream)
        for i, picture in enumerate(pictures):
            frame = frame_of(picture, clip.pix_fmt, rotation=clip.rotation)
            frame.pts, frame.time_base = i, Fraction(1, 24)
            if i == 0:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, clip.pix_fmt
                stream.codec_context.color_range = clip.color_range
                if clip.rotation:
                    stream.set_display_rotation(clip.rotation)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frame_of(picture: NDArray[np.uint8], pix_fmt: str, *, rotation: int = 0) -> av.VideoFrame:
    """A frame of that format, stored so that turning it by `rotation` counter-clockwise shows the picture."""
    stored = np.ascontiguousarray(np.rot90(picture, -(rotation // 90)))
    frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
    return frame if pix_fmt == "rgb24" else frame.reformat(format=pix_fmt)


def decoded(path: Path) -> list[av.VideoFrame]:
    """All frames of a file."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def samples(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Copies of a frame's planes, (rows, bytes of a row) each, without the padding of the lines."""
    planes = []
    for i, plane in enumerate(frame.planes):
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : _row_bytes(frame, i)].copy())
    return planes


def _row_bytes(frame: av.VideoFrame, index: int) -> int:
    name, width = frame.format.name, frame.width
    if name in PACKED_BYTES:
        return width * PACKED_BYTES[name]
    wide = 2 if frame.format.components[0].bits > 8 else 1
    if name.startswith(("nv", "p0")) and index == 1:
        return frame.format.chroma_width(width) * 2 * wide
    return frame.planes[index].width * wide


def crop_corners(matrix: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """(4, 2) displayed coordinates of a crop's outline, in order around it."""
    edge = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [size - 0.5, size - 0.5], [-0.5, size - 0.5]])
    back = invert(matrix)
    return np.asarray(edge @ back[:, :2].T + back[:, 2])


def inside_crops(
    matrices: Iterable[NDArray[np.float64]], size: tuple[int, int], *, crop: int = SIZE, margin: float = 0
) -> NDArray[np.bool_]:
    """(H, W) mask of the displayed pixels whose centres lie in one of the crops, or within `margin` of it."""
    width, height = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    mask = np.zeros((height, width), bool)
    for matrix in matrices:
        reach = margin * float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        u = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
        v = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
        low, high = -0.5 - reach, crop - 0.5 + reach
        mask |= (u >= low) & (u <= high) & (v >= low) & (v <= high)
    return mask


def blocks(mask: NDArray[np.bool_], across: int, down: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where a sample stands for pixels of which one, or a neighbour of it, is in the mask."""
    padded = np.zeros(((shape[0] + 2) * down, (shape[1] + 2) * across), bool)
    padded[down : down + mask.shape[0], across : across + mask.shape[1]] = mask
    cells = padded.reshape(shape[0] + 2, down, shape[1] + 2, across).any(axis=(1, 3))
    windows = np.lib.stride_tricks.sliding_window_view(cells, (3, 3))
    return np.asarray(windows.any(axis=(2, 3)))


def seen_face(matrix: NDArray[np.float64], *, track: int = 0, strength: float = 1.0) -> TrackedFace:
    """Return a face as the tracker returns one that the frame shows."""
    return TrackedFace(
        track=track,
        matrix=matrix,
        landmarks=np.zeros((5, 2), np.float32),
        score=1.0,
        strength=strength,
        measured=Measured(matrix=matrix, strength=strength),
    )
