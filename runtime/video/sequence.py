"""Pictures as a video: numbered files or a glob in, numbered files out, and animated WebP in."""

import glob
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from fader.errors import ConfigError, MediaError
from fader.image import IMAGE_SUFFIXES, read_image, swap_red_blue, write_image
from fader.runtime.video.frame_target import FrameTarget, to_rgb
from fader.runtime.video.numbering import is_numbered, name_of, names_of, refuse_own_input
from fader.runtime.video.probe import main_stream, open_media, traits_of
from fader.runtime.video.source import VideoSource
from fader.workfile import WorkFile, remove_dead

__all__ = [
    "AnimationSource",
    "ImageSequence",
    "SequenceSource",
    "SequenceTarget",
    "frame_of",
    "is_animated_webp",
    "is_glob",
]

_log = logging.getLogger(__name__)
DEFAULT_FPS = Fraction(25)
FORMATS = {(np.dtype(np.uint8), 3): "rgb24", (np.dtype(np.uint8), 4): "rgba"} | {
    (np.dtype(np.uint16), 3): "rgb48le",
    (np.dtype(np.uint16), 4): "rgba64le",
}
_MILLISECOND = Fraction(1, 1000)


def is_glob(name: str) -> bool:
    """Whether a path that does not exist as it is written stands for several."""
    return glob.has_magic(name) and not os.path.exists(name)  # noqa: PTH110  # never raises, as Path does


def is_animated_webp(path: Path) -> bool:
    """Whether a file is a WebP of several pictures: its header says so in one bit."""
    try:
        with path.open("rb") as file:
            head = file.read(21)
    except OSError:
        return False
    return len(head) == 21 and (head[:4], head[8:16]) == (b"RIFF", b"WEBPVP8X") and bool(head[20] & 2)


def frame_of(pixels: NDArray[Any]) -> VideoFrame:
    """Wrap (H, W, 3) RGB or (H, W, 4) RGBA pixels, uint8 or uint16, as a frame."""
    return VideoFrame.from_ndarray(
        np.ascontiguousarray(pixels), format=FORMATS[pixels.dtype, pixels.shape[2]]
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSequence:
    """Pictures that make one video; given to `edit_video` as its source."""

    pattern: str
    """Numbered names such as frames/%05d.png, in the order of the numbers; or a glob such as frames/*.png, in
    the order of the names, numbers in them compared as numbers."""
    fps: Fraction = DEFAULT_FPS
    """Frames a second, above 0."""

    def __post_init__(self) -> None:
        if self.fps <= 0:
            raise ConfigError(f"fps = {self.fps}: expected a number above 0, such as 25 or 30000/1001")

    def __fspath__(self) -> str:
        return self.pattern

    def paths(self) -> list[Path]:
        """List the files in order.

        Raises:
            MediaError: there are none.
        """
        found = self._numbered() if is_numbered(self.pattern) else self._globbed()
        if not found:
            raise MediaError(f"{self.pattern}: no such pictures; check the folder and the pattern")
        return found

    def _globbed(self) -> list[Path]:
        paths = (Path(name) for name in glob.glob(self.pattern))  # noqa: PTH207  # the pattern may be absolute
        return sorted((path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES), key=_natural)

    def _numbered(self) -> list[Path]:
        folder, named = Path(self.pattern).parent, names_of(self.pattern)
        files = folder.iterdir() if folder.is_dir() else ()
        found = {int(match[1]): path for path in files if (match := named.fullmatch(path.name))}
        numbers = sorted(found)
        if numbers and numbers[-1] - numbers[0] >= len(numbers):
            n_missing = numbers[-1] - numbers[0] + 1 - len(numbers)
            _log.warning("%s: %d numbers are missing between the first and the last", self.pattern, n_missing)
        return [found[i] for i in numbers]


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), part) if part.isdigit() else (-1, part) for part in parts]


class _Pictures(VideoSource):
    """Pictures with a time each, behind the interface of a video file.

    The container is that of the first file: it has what a copy asks for beside the frames.
    """

    def __init__(
        self,
        path: Path,
        first_file: Path,
        pictures: Sequence[Callable[[], NDArray[Any]]],
        times: Sequence[int],
        time_base: Fraction,
    ) -> None:
        """Take a function for each picture, and the times at which they begin and the last one ends."""
        self.path = path
        self._pictures, self._times, self._time_base = pictures, times, time_base
        first = frame_of(pictures[0]())
        self.container = open_media(first_file)
        try:
            self.stream = main_stream(self.container, first_file)
        except BaseException:
            self.container.close()
            raise
        self.traits = replace(traits_of(first, self.stream), sample_aspect_ratio=None, display_matrix=None)

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the frames' times."""
        return self._time_base

    @property
    def average_rate(self) -> Fraction:
        """Frames per second on average."""
        return len(self._pictures) / (self._times[-1] * self._time_base)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self._times[-1] * self._time_base)

    @property
    def frame_count(self) -> int:
        """Number of pictures."""
        return len(self._pictures)

    @property
    def copied_streams(self) -> tuple[Stream, ...]:
        """Pictures have no other streams."""
        return ()

    def items(self) -> "Iterator[VideoFrame | Packet[Stream]]":
        """Read the pictures one by one.

        Raises:
            MediaError: one cannot be read, or has another size than the first.
        """
        for i, picture in enumerate(self._pictures):
            frame = frame_of(picture())
            if (frame.width, frame.height) != (self.width, self.height):
                raise MediaError(
                    f"{self.path}: picture {i + 1} has {frame.width}x{frame.height} pixels; expected "
                    f"{self.width}x{self.height} as in the first"
                )
            frame.pts, frame.time_base = self._times[i], self._time_base
            frame.duration = self._times[i + 1] - self._times[i]
            yield frame


class SequenceSource(_Pictures):
    """The pictures of an `ImageSequence`.

    Raises:
        MediaError: there are none, or the first cannot be read.
    """

    files: tuple[Path, ...]
    """The pictures, in order."""

    def __init__(self, sequence: ImageSequence) -> None:
        paths = sequence.paths()
        self.files = tuple(paths)
        super().__init__(
            Path(sequence),
            paths[0],
            [partial(read_image, path) for path in paths],
            range(len(paths) + 1),
            1 / sequence.fps,
        )


class AnimationSource(_Pictures):
    """An animated WebP; held in memory whole, since FFmpeg cannot read it.

    Raises:
        MediaError: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        whole, animation = cv2.imreadanimation(str(path))
        if not whole or not len(animation.frames):
            raise MediaError(f"{path}: is a damaged WebP; expected a whole one, copy or download it again")
        durations = [max(1, int(duration)) for duration in animation.durations]
        times = [0, *np.cumsum(durations).tolist()]
        pictures = [partial(swap_red_blue, picture) for picture in animation.frames]
        super().__init__(path, path, pictures, times, _MILLISECOND)


class SequenceTarget(FrameTarget):
    """Numbered pictures, from 1: they appear under their names, one after the other, when all are written.

    Args:
        pattern: Such as out/%05d.png; 16 bits a channel for deeper videos, where the format holds them.
        source: Where the frames come from.

    Raises:
        ConfigError: the source is a file, or has one, that the pattern stands for.
        MediaError: the folder cannot be made, or written to.
    """

    def __init__(self, pattern: str, source: VideoSource) -> None:
        super().__init__(Path(pattern), source)
        refuse_own_input(pattern, source.files if isinstance(source, SequenceSource) else [source.path])
        self._folder = Path(pattern).parent.resolve()
        try:
            self._folder.mkdir(parents=False, exist_ok=True)
            remove_dead(self._folder / self.path.name)
            self._work = WorkFile.beside(self._folder / self.path.name, is_folder=True)
        except OSError as error:
            raise MediaError(
                f"{pattern}: nothing can be written into the folder {self._folder} ({error.strerror}); "
                "make it first or choose another"
            ) from error
        self._n_frames, self._is_open = 0, True

    def _write(self, frame: VideoFrame) -> None:
        self._n_frames += 1
        write_image(self._work.path / self._name(self._n_frames), to_rgb(frame))

    def _name(self, number: int) -> str:
        return name_of(str(self.path), number)

    def finish(self) -> None:
        """Give the pictures their names, once none of these is a folder's.

        Raises:
            MediaError: no frame was written, a name is a folder's, or a picture cannot be moved; those that
                were moved before it stay.
        """
        if not self._is_open:
            return
        try:
            if not self._n_frames:
                raise MediaError(f"{self.path}: no frame was written; expected at least one")
            names = [self._name(number) for number in range(1, self._n_frames + 1)]
            for name in names:
                if (self._folder / name).is_dir():
                    raise MediaError(f"{self._folder / name} is a folder: move it, or choose other names")
            for name in names:
                (self._work.path / name).replace(self._folder / name)
        except OSError as error:
            raise MediaError(f"{self.path}: cannot be written ({error.strerror})") from error
        finally:
            self.abort()
        if (self._folder / self._name(self._n_frames + 1)).exists():
            _log.warning("%s: pictures after number %d are older ones", self.path, self._n_frames)

    def abort(self) -> None:
        """Remove what was written."""
        if self._is_open:
            self._is_open = False
            self._work.discard()
