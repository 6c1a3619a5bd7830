"""Pixel formats: where the samples of each colour component lie in a frame's memory."""

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from fader.errors import MediaError

__all__ = ["Component", "components", "with_components"]

PACKED = {
    "rgb24": (3, "rgb"),
    "bgr24": (3, "bgr"),
    "rgba": (4, "rgba"),
    "bgra": (4, "bgra"),
    "argb": (4, "argb"),
    "abgr": (4, "abgr"),
    "rgb48le": (3, "rgb"),
    "rgba64le": (4, "rgba"),
}
"""Name to samples of a pixel and the order of its components."""
SEMI_PLANAR = {"nv12": "uv", "nv21": "vu", "p010le": "uv", "p016le": "uv"}
PLANAR = ("yuv4", "yuvj4", "yuva4", "gbrp", "gbrap", "gray")
LOSSLESS = {
    "pal8": "rgb24",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "rgb0": "rgb24",
    "0rgb": "rgb24",
    "bgr0": "bgr24",
}
"""Formats without addressable samples, and what holds the same values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One colour component of a frame."""

    samples: NDArray[Any]
    """(h, w) uint8 or uint16 view of the frame's memory; strided where components are interleaved."""
    from_luma: NDArray[np.float64]
    """(2, 3) matrix from stored pixel coordinates to this component's."""


def with_components(frame: av.VideoFrame) -> av.VideoFrame:
    """Return the frame, or a lossless conversion of it to a format whose samples can be addressed.

    Raises:
        MediaError: there is no such format.
    """
    name = frame.format.name
    if name in PACKED or name in SEMI_PLANAR:
        return frame
    if name.startswith(PLANAR) and not name.endswith(("be", "f32le", "f16le", "msble")):
        return frame
    if name not in LOSSLESS:
        raise MediaError(
            f"pixel format {name} is not supported: convert the file to yuv420p, yuv444p or rgb24 first"
        )
    converted = frame.reformat(format=LOSSLESS[name])
    converted.pts, converted.duration = frame.pts, frame.duration
    if frame.time_base is not None:
        converted.time_base = frame.time_base
    return converted


def components(frame: av.VideoFrame) -> list[Component]:
    """Return the components of a frame in the order y, u, v, or r, g, b; alpha is left alone."""
    name = frame.format.name
    if name in PACKED:
        n, order = PACKED[name]
        samples = _plane(frame, 0, frame.width * n, frame.height).reshape(frame.height, frame.width, n)
        return [Component(samples=samples[:, :, order.index(c)], from_luma=_subsampling(1, 1)) for c in "rgb"]
    if name in SEMI_PLANAR:
        return _semi_planar(frame, SEMI_PLANAR[name])
    return [
        Component(
            samples=_plane(frame, part.plane, part.width, part.height),
            from_luma=_subsampling(_ratio(frame.width, part.width), _ratio(frame.height, part.height)),
        )
        for part in frame.format.components
        if not part.is_alpha
    ]


def _semi_planar(frame: av.VideoFrame, order: str) -> list[Component]:
    width, height = (frame.width + 1) // 2, (frame.height + 1) // 2
    luma = Component(samples=_plane(frame, 0, frame.width, frame.height), from_luma=_subsampling(1, 1))
    pairs = _plane(frame, 1, width * 2, height).reshape(height, width, 2)
    chroma = [Component(samples=pairs[:, :, order.index(c)], from_luma=_subsampling(2, 2)) for c in "uv"]
    return [luma, *chroma]


def _plane(frame: av.VideoFrame, index: int, width: int, height: int) -> NDArray[Any]:
    """Return an (height, width) view of a plane's samples, without the padding of its lines."""
    plane = frame.planes[index]
    dtype = np.dtype(np.uint8 if frame.format.components[0].bits <= 8 else "<u2")
    buffer: Any = plane
    lines = np.frombuffer(buffer, dtype=dtype)
    stride = plane.line_size // dtype.itemsize
    return np.lib.stride_tricks.as_strided(lines, (height, width), (stride * dtype.itemsize, dtype.itemsize))


def _ratio(whole: int, part: int) -> int:
    return max(1, round(whole / part))


def _subsampling(across: int, down: int) -> NDArray[np.float64]:
    """Return the matrix from pixel to component coordinates; chroma lies at the left, midway between rows."""
    # libav does not show PyAV where a stream's chroma lies; left is what H.264 and HEVC mean by default.
    return np.array([[1 / across, 0, 0], [0, 1 / down, (1 - down) / (2 * down)]], dtype=np.float64)
