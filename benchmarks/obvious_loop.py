"""The loop that people write first: OpenCV at both ends, one frame and one face after the other.

Whole frames are converted, searched, warped and blended; networks run in ONNX Runtime. The detector is this
package's MTCNN, which resizes and filters candidates faster than the packages that carry the same weights.
Like those packages, it searches for faces from 20 pixels on unless it is told otherwise.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.runtime import Editor
from fader.runtime.faces.alignment import anchors, fit_similarity
from fader.runtime.faces.detector import FaceDetector

__all__ = ["obvious_loop"]

BORDER = 0.1
"""Of the crop, over which it fades into the frame."""


def obvious_loop(
    editor: Editor, source: Path, target: Path, values: dict[str, float], *, min_face: float = 20
) -> None:
    """Edit every face of a video.

    Args:
        editor: Has the networks.
        source: Whatever OpenCV reads.
        target: An MP4 of MPEG-4 part 2, which is what OpenCV writes fastest.
        values: As for `Editor.decode`.
        min_face: Side of the smallest face, pixels.
    """
    bundle = editor.model.bundle
    detector = FaceDetector(*(bundle.graph(f"detector_{stage}") for stage in "pro"))
    reading = cv2.VideoCapture(str(source))
    size = int(reading.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reading.get(cv2.CAP_PROP_FRAME_HEIGHT))
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writing = cv2.VideoWriter(str(target), codec, reading.get(cv2.CAP_PROP_FPS), size)
    for frame in _frames(reading):
        picture = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        for face in detector.detect(picture, min_size=min_face):
            picture = _edited(editor, picture, face.landmarks, values)
        writing.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    reading.release()
    writing.release()


def _frames(reading: cv2.VideoCapture) -> Iterator[NDArray[np.uint8]]:
    while True:
        found, frame = reading.read()
        if not found:
            return
        yield frame.astype(np.uint8, copy=False)


def _edited(
    editor: Editor, picture: NDArray[np.uint8], landmarks: NDArray[np.float32], values: dict[str, float]
) -> NDArray[np.uint8]:
    crop_size, frame_size = (editor.image_size, editor.image_size), picture.shape[1::-1]
    matrix = fit_similarity(anchors(landmarks), editor.model.template)
    crop = cv2.warpAffine(picture, matrix, crop_size, flags=cv2.INTER_LINEAR)
    drawn = editor.decode(editor.encode(crop[None]), values)[0]
    there = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    warped = cv2.warpAffine(drawn, matrix, frame_size, flags=there)
    mask = cv2.warpAffine(_soft_square(editor.image_size), matrix, frame_size, flags=there)[:, :, None]
    return (mask * warped + (1 - mask) * picture).round().astype(np.uint8)


def _soft_square(size: int) -> NDArray[np.float32]:
    from_border = np.minimum(np.arange(size), np.arange(size)[::-1]) / (BORDER * size)
    fade = np.clip(from_border, 0, 1).astype(np.float32)
    return np.minimum(fade[:, None], fade[None, :])
