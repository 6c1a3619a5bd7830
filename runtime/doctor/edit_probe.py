"""A whole edit of a small clip, run in a child."""

import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np

from fader.errors import MediaError
from fader.runtime import Editor, edit_video
from fader.runtime.video.options import has_encoder

__all__ = ["probe_edit"]

FRAMES, WIDTH, HEIGHT = 5, 320, 240


def probe_edit(engine: str) -> dict[str, Any]:
    """Edit a clip without faces, from file to file: decoding, OpenCV, the face detector, encoding.

    Args:
        engine: "auto" or one of ENGINES; it is opened with the shipped bundle.

    Returns:
        {"frames": written, "seconds": taken, "codec": of the clip}.

    Raises:
        FaderError: a part of it fails.
    """
    codec = "libx264" if has_encoder("libx264") else "mpeg4"
    with tempfile.TemporaryDirectory(prefix="fader-doctor-") as folder, Editor.open(engine=engine) as editor:
        source = Path(folder) / "clip.mp4"
        _write_clip(source, codec)
        values = {editor.attributes.names[0]: 1.0}
        report = edit_video(editor, source, Path(folder) / "edited.mp4", values)
    return {"frames": report.frames, "seconds": report.seconds, "codec": codec}


def _write_clip(path: Path, codec: str) -> None:
    noise = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        if not isinstance(stream, av.VideoStream):
            raise MediaError(f"PyAV makes no video of {codec}: pip install --force-reinstall av")
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for _ in range(FRAMES):
            pixels = noise.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
