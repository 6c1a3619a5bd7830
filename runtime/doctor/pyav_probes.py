"""Probes of PyAV, run in a child; values are of JSON's types."""

from fractions import Fraction
from typing import Any, cast

import av
from av.codec.hwaccel import hwdevices_available

__all__ = ["probe_nvenc", "probe_pyav"]

NVENC = "h264_nvenc"
SIZE = 256
"""Pixels; NVENC refuses frames below 145."""


def probe_pyav() -> dict[str, Any]:
    """Ask PyAV what it has.

    Returns:
        {"version", "ffmpeg": its version, "libraries": name to version, "codecs": names of all encoders and
        decoders, "hardware": names of the devices that FFmpeg was built for}.
    """
    return {
        "version": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        "libraries": {name: ".".join(map(str, parts)) for name, parts in av.library_versions.items()},
        "codecs": sorted(av.codecs_available),
        "hardware": hwdevices_available(),
    }


def probe_nvenc() -> dict[str, Any]:
    """Encode a frame on the GPU; return {"bytes": of the packets}."""
    context = cast("av.VideoCodecContext", av.CodecContext.create(NVENC, "w"))
    context.width, context.height, context.pix_fmt = SIZE, SIZE, "yuv420p"
    context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
    packets = [*context.encode(av.VideoFrame(SIZE, SIZE, "yuv420p")), *context.encode(None)]
    return {"bytes": sum(packet.size for packet in packets)}
