"""Which kind of source or target a name stands for."""

import os
from pathlib import Path

from fader.errors import ConfigError
from fader.runtime.video.contract import Target
from fader.runtime.video.gif import GifTarget
from fader.runtime.video.live_source import is_live
from fader.runtime.video.numbering import is_numbered
from fader.runtime.video.options import EncodeOptions
from fader.runtime.video.parts import warn_of_parts
from fader.runtime.video.pipes import PIPE, PipeSource, Y4mTarget
from fader.runtime.video.sequence import (
    AnimationSource,
    ImageSequence,
    SequenceSource,
    SequenceTarget,
    is_animated_webp,
)
from fader.runtime.video.source import VideoSource
from fader.runtime.video.target import VideoTarget

__all__ = ["open_source", "open_target"]


def open_source(source: "str | os.PathLike[str]") -> VideoSource:
    """Open a video file, numbered pictures, an animated WebP, or standard input for -.

    Raises:
        MediaError: as `VideoSource`.
    """
    if isinstance(source, ImageSequence):
        return SequenceSource(source)
    name = os.fspath(source)
    if name == PIPE:
        return PipeSource()
    if is_numbered(name) and not os.path.exists(name):  # noqa: PTH110
        return SequenceSource(ImageSequence(pattern=name))
    if is_animated_webp(Path(name)):
        return AnimationSource(Path(name))
    return VideoSource(name)


def open_target(
    target: "str | os.PathLike[str]", source: VideoSource, options: EncodeOptions | None = None
) -> Target:
    """Start a video file, numbered pictures, a GIF, or y4m on standard output for -.

    Args:
        target: Its name says which.
        source: Where the frames and packets will come from.
        options: How video files are encoded; the others have no choice.

    Raises:
        ConfigError, MediaError: as `VideoTarget.open`.
    """
    name = os.fspath(target)
    if is_live(name):
        raise ConfigError(f"{name}: expected a file, since the source is no live stream")
    if name == PIPE:
        return Y4mTarget(source)
    if is_numbered(name):
        return SequenceTarget(name, source)
    if name.lower().endswith(".gif"):
        return GifTarget(Path(name), source)
    writing = VideoTarget.open(name, source, options)
    warn_of_parts(Path(name))
    return writing
