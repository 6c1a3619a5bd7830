"""The containers that can be written, and what each of them can hold."""

import io
import tempfile
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Stream

from fader.errors import ConfigError, MediaError
from fader.image import IMAGE_SUFFIXES
from fader.workfile import WorkFile, remove_dead

__all__ = [
    "VIDEO_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "begin_beside",
    "container_format",
    "holds_codec",
    "holds_stream",
    "is_same_file",
    "writable_path",
]

# Only containers in which every frame's own time, the rotation and the colours survive. AVI has no frame
# times, MPEG-TS shifts all of them.
_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
# Of these FFmpeg names only what it writes by default; other codecs go as private data that nobody reads.
_STREAMED = {
    "mpegts": frozenset({"h264", "hevc", "mpeg2video", "mpeg4"}),
    "rtsp": frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "aac", "opus", "mp3", "ac3"}),
}
WRITABLE_SUFFIXES = frozenset(_FORMATS)
"""Endings of videos that are written as they are."""
VIDEO_SUFFIXES = WRITABLE_SUFFIXES | {
    ".gif", ".avi", ".flv", ".m2ts", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".wmv", ".y4m",
}  # fmt: skip
"""Endings by which videos are found in folders."""


def container_format(path: Path) -> str:
    """Give FFmpeg's name of the container that a file name's ending asks for.

    Raises:
        ConfigError: the ending is none of those that can be written.
    """
    found = _FORMATS.get(path.suffix.lower())
    if found is None:
        ending = f"{path.suffix!r} is no container to write" if path.suffix else "has no ending"
        numbered = f", or number pictures: %04d{path.suffix}" if path.suffix.lower() in IMAGE_SUFFIXES else ""
        raise ConfigError(f"{path}: {ending}; end the name in one of {', '.join(_FORMATS)}{numbered}")
    return found


def holds_codec(format_name: str, encoder: str) -> bool:
    """Tell whether a container of that format can hold what the encoder writes."""
    if format_name in _STREAMED:
        return av.Codec(encoder, "w").canonical_name in _STREAMED[format_name]
    with _scratch(format_name) as container:
        return encoder in container.supported_codecs


def holds_stream(format_name: str, template: Stream) -> bool:
    """Tell whether packets of `template` can be copied into a container of that format: tried in memory."""
    if format_name == "rtsp":  # which is no file, so it cannot be tried
        context = template.codec_context
        # AAC as MPEG-TS carries it lacks what a session's description must say of it.
        described = context is not None and (context.name != "aac" or bool(context.extradata))
        return described and context.name in _STREAMED["rtsp"]
    with _scratch(format_name) as container:
        try:
            container.add_stream_from_template(template, opaque=True)
            container.start_encoding()
        except (av.FFmpegError, ValueError):
            return False
        return True


def is_same_file(source: Path, target: Path) -> bool:
    """Tell whether two names stand for one file that is there.

    Raises:
        MediaError: one of them can be no file's name, or cannot be looked at.
    """
    try:
        return source.samefile(target)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise MediaError(
            f"{error.filename}: cannot be a file ({error.strerror}); choose another name"
        ) from error


def writable_path(path: Path, source: Path) -> Path:
    """Resolve an output path's symbolic links and check that it can be written.

    Raises:
        ConfigError: it is the file `source` itself, by whatever name.
        MediaError: it is a folder, or its folder is missing or cannot be written to.
    """
    final = path.resolve()
    if is_same_file(source, final):
        raise ConfigError(f"{path}: is the input itself; give the output another name")
    if final.is_dir():
        raise MediaError(f"{path}: is a folder; give the name of a file")
    if not final.parent.is_dir():
        raise MediaError(f"{path}: there is no folder {final.parent}; create it first")
    try:
        # Tried for real: for the superuser and on special file systems the permissions tell nothing.
        with tempfile.TemporaryFile(dir=final.parent):
            pass
    except OSError as error:
        raise _unwritable(path, final.parent, error) from error
    return final


def begin_beside(target: Path, *, kind: str = "") -> WorkFile:
    """Make the file that grows until it is whole, and remove what runs that were killed have left.

    Args:
        target: From `writable_path`.
        kind: As for `WorkFile.beside`.

    Raises:
        MediaError: its folder cannot be written to.
    """
    remove_dead(target)
    try:
        return WorkFile.beside(target, kind=kind)
    except OSError as error:
        raise _unwritable(target, target.parent, error) from error


def _unwritable(path: Path, folder: Path, error: OSError) -> MediaError:
    return MediaError(f"{path}: the folder {folder} cannot be written to ({error.strerror}); choose another")


def _scratch(format_name: str) -> OutputContainer:
    return av.open(io.BytesIO(), "w", format=format_name)
