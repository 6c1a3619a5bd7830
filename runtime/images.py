"""Still images: read in their own depth, edited as video frames are, written with all bits and alpha."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from fader.errors import ConfigError, MediaError
from fader.image import IMAGE_SUFFIXES, read_image, write_image
from fader.runtime.editor import Editor
from fader.runtime.faces.tracking import FaceOptions
from fader.runtime.motion import Values

__all__ = ["ImageReport", "edit_image", "images_in"]

FORMATS = {(np.dtype(np.uint8), 3): "rgb24", (np.dtype(np.uint8), 4): "rgba"} | {
    (np.dtype(np.uint16), 3): "rgb48le",
    (np.dtype(np.uint16), 4): "rgba64le",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReport:
    """What was done to an image."""

    source: Path
    """The file read."""
    target: Path
    """The file written."""
    faces: int
    """Faces found."""
    faces_edited: int
    """Faces whose pixels changed."""


def edit_image(
    editor: Editor,
    source: str | Path,
    target: str | Path,
    values: Values,
    *,
    faces: FaceOptions | None = None,
) -> ImageReport:
    """Edit every face in an image file.

    Args:
        editor: The model.
        source: JPEG, PNG, WebP, TIFF or BMP file, 8 or 16 bit, with or without alpha.
        target: File to write; its suffix chooses the format. JPEG is written at quality 95, without alpha.
        values: As for `Editor.decode`.
        faces: How faces are searched for.

    Raises:
        ConfigError: an attribute is unknown, a value is out of range, or the target is the source.
        MediaError: the source cannot be read or the target cannot be written.
    """
    source, target = Path(source), Path(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise ConfigError(f"the output {target} is the input: choose another name with -o")
    pixels = read_image(source)
    frame = av.VideoFrame.from_ndarray(pixels, format=FORMATS[pixels.dtype, pixels.shape[2]])
    done = next(editor.edit_frames([frame], values, faces=faces))
    write_image(target, done.frame.to_ndarray())
    return ImageReport(source=source, target=target, faces=len(done.faces), faces_edited=done.n_edited)


def images_in(folder: Path) -> list[Path]:
    """Return the image files of a folder, by name.

    Raises:
        MediaError: it holds none, or cannot be read.
    """
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    except OSError as error:
        raise MediaError(f"cannot read the folder {folder}: {error.strerror}") from error
    if not paths:
        raise MediaError(
            f"{folder} holds no image: expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return paths
