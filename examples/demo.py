"""A face in a moving picture puts on glasses: what `make demo` runs.

The clip is made here from a portrait of the astronaut Eileen Collins (NASA, public domain, from
scikit-image), panned and zoomed over five seconds; the shipped model edits it as it would edit any video.

    python examples/demo.py [folder]
"""

import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from fader.console import progress
from fader.image import sheet, write_image
from fader.runtime import Editor, VideoProgress, edit_video

SIZE = (640, 480)
RATE = 30
SECONDS = 5
VALUES = {"Eyeglasses": 1.0}
STRIP_FRAMES = 5
POSITIONS = (0.0, 0.5, 1.0, 1.5)
FACE = slice(20, 212), slice(128, 320)
"""Rows and columns of the portrait around the face."""


def view(portrait: NDArray[np.uint8], t: float) -> NDArray[np.uint8]:
    """Return the camera's picture at time t in [0, 1]: it pans, zooms in and sways."""
    width, height = SIZE
    zoom = 1.25 + 1.0 * t
    angle = 3 * np.sin(2 * np.pi * t)
    slack_x, slack_y = 256 * (1 - 1 / zoom), 256 - 192 / zoom  # how far the camera may leave the middle
    x = 256 - 0.6 * slack_x + 0.3 * slack_x * np.sin(4 * np.pi * t)
    y = 256 - 0.8 * slack_y
    matrix = cv2.getRotationMatrix2D((x, y), angle, zoom * width / 512)
    matrix[:, 2] += np.array([width / 2 - x, height / 2 - y])
    picture = cv2.warpAffine(portrait, matrix, SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(picture, dtype=np.uint8)


def make_clip(path: Path) -> None:
    """Write the clip as H.264."""
    portrait = skimage.data.astronaut()
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(RATE * SECONDS):
            frame = av.VideoFrame.from_ndarray(view(portrait, i / (RATE * SECONDS)), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def sliders(editor: Editor) -> list[list[NDArray[np.uint8]]]:
    """Return the portrait's face with each slider at several positions, a row for each slider."""
    portrait = skimage.data.astronaut()[None]
    return [
        [editor.edit(portrait, {attribute.name: value})[0][FACE] for value in POSITIONS]
        for attribute in editor.attributes
    ]


def frames_of(path: Path, n: int) -> list[NDArray[np.uint8]]:
    """Return n frames of a clip, evenly spaced, as (H, W, 3) uint8 RGB at half size."""
    with av.open(path) as container:
        total = container.streams.video[0].frames
        wanted = set(np.linspace(0, total - 1, n).round().astype(int).tolist())
        pictures = [
            frame.to_ndarray(format="rgb24")
            for i, frame in enumerate(container.decode(video=0))
            if i in wanted
        ]
    half = (SIZE[0] // 2, SIZE[1] // 2)
    return [cv2.resize(picture, half, interpolation=cv2.INTER_AREA).astype(np.uint8) for picture in pictures]


def main() -> None:
    """Make the clip, edit it, and lay frames of both side by side."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    clip, edited, strip = (
        folder / "astronaut.mp4",
        folder / "astronaut.edited.mp4",
        folder / "before-after.png",
    )
    make_clip(clip)
    with Editor.open() as editor, progress("editing", unit="frames") as bar:

        def show(now: VideoProgress) -> None:
            bar.at(now.frames, now.total)

        report = edit_video(editor, clip, edited, VALUES, on_progress=show)
        write_image(folder / "sliders.png", sheet(sliders(editor)))
    write_image(strip, sheet([frames_of(clip, STRIP_FRAMES), frames_of(edited, STRIP_FRAMES)]))
    print(f"{VALUES} on {report.frames_edited} of {report.frames} frames")
    print(f"before:  {clip}\nafter:   {edited}\npictures: {strip}, {folder / 'sliders.png'}")
    print(f"\nyour own video: {Path(sys.executable).parent / 'fader-run'} VIDEO --attr Eyeglasses=1")


if __name__ == "__main__":
    main()
