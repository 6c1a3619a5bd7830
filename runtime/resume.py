"""Going on with a video where a run that was stopped had come to.

The frames are decoded from the first on, and their faces taken from the store of latents: trackers and
averages over tracks are then where they were. Only what no finished segment has is drawn, pasted and encoded.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from fader.errors import MediaError
from fader.runtime.editor import Editor
from fader.runtime.faces.tracking import FaceOptions
from fader.runtime.motion import Values
from fader.runtime.stages import FaceFrame
from fader.runtime.store import LatentStore
from fader.runtime.store.keys import key_parts
from fader.runtime.video import EncodeOptions, VideoSource
from fader.runtime.video.segmented import SegmentedTarget

__all__ = ["obstacle_to_resuming", "open_segmented", "own_store", "pass_finished"]

P = TypeVar("P")


def obstacle_to_resuming(n_outputs: int, *, part: bool, compare: bool) -> str:
    """Return what a run cannot be asked for that is to go on after it was stopped, "" if all can be."""
    obstacles = {"several outputs": n_outputs > 1, "a part of a video": part, "a comparison": compare}
    return next((name for name, is_there in obstacles.items() if is_there), "")


def open_segmented(
    target: str | Path,
    source: VideoSource,
    editor: Editor,
    values: Values,
    *,
    encoding: EncodeOptions | None,
    faces: FaceOptions | None,
) -> SegmentedTarget:
    """Open a target that keeps finished segments, and take over those of an earlier run with these arguments.

    Raises:
        ConfigError: as `VideoTarget.open`.
        MediaError: as `VideoTarget.open`; or another process is writing the target.
    """
    writing = SegmentedTarget.open(target, source, encoding)
    try:
        with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
            said = repr(sorted(values.items()))
        writing.claim({**key_parts(source, editor.model, faces or FaceOptions()), "values": said})
    except OSError as error:
        writing.abort()
        raise MediaError(f"{source.path}: cannot be read ({error.strerror}); check the path") from error
    except BaseException:
        writing.abort()
        raise
    return writing


def own_store(writing: SegmentedTarget) -> LatentStore:
    """Return a store that goes when the video is whole, for runs that are to leave nothing."""
    return LatentStore(writing.folder / "latents")


def pass_finished(items: Iterable[FaceFrame | P], writing: SegmentedTarget) -> Iterator[FaceFrame | P]:
    """Mark the frames that earlier runs have written."""
    number = 0
    for item in items:
        if isinstance(item, FaceFrame):
            item.n_edited = writing.n_edited(number)
            number += 1
        yield item
