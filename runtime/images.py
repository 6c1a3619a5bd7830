"""Still images: read in their own depth, edited as video frames are, written with all bits and alpha."""

from dataclasses import dataclass
from pathlib import Path

from fader.errors import ConfigError
from fader.image import read_image, write_image
from fader.runtime.editor import Editor
from fader.runtime.faces.tracking import FaceOptions
from fader.runtime.mark import mark_of
from fader.runtime.motion import Values
from fader.runtime.video.containers import is_same_file
from fader.runtime.video.sequence import frame_of
from fader.workfile import remove_dead

__all__ = ["ImageReport", "edit_image"]


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
    mark: bool = True,
) -> ImageReport:
    """Edit every face in an image file.

    Args:
        editor: The model.
        source: JPEG, PNG, WebP, TIFF or BMP file, 8 or 16 bit, with or without alpha.
        target: File to write; its suffix chooses the format. JPEG is written at quality 95, without alpha.
        values: As for `Editor.decode`.
        faces: How faces are searched for.
        mark: Whether the file notes what was edited and by which model: JPEG, PNG and WebP can.

    Raises:
        ConfigError: an attribute is unknown, a value is out of range, or the target is the source.
        MediaError: the source cannot be read or the target cannot be written.
    """
    source, target = Path(source), Path(target)
    if is_same_file(source, target):
        raise ConfigError(f"the output {target} is the input: choose another name with -o")
    done = next(editor.edit_frames([frame_of(read_image(source))], values, faces=faces))
    remove_dead(target)
    write_image(target, done.frame.to_ndarray(), note=mark_of(editor.model, values) if mark else None)
    return ImageReport(source=source, target=target, faces=len(done.faces), faces_edited=done.n_edited)
