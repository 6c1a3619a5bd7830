"""Clips as fixtures."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.video.clips import Clip, make_clip

from fader.runtime.video import EncodeOptions, VideoSource, VideoTarget

__all__ = ["clip", "copy"]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A plain H.264 + AAC clip of 30 frames."""
    return make_clip(tmp_path, Clip(name="plain.mp4", audio=("aac",)))


@pytest.fixture
def copy() -> Callable[..., None]:
    """Pass every frame and packet of a file through, as an edit that changes nothing."""

    def run(source_path: Path, target_path: Path, options: EncodeOptions | None = None) -> None:
        with VideoSource(source_path) as source, VideoTarget.open(target_path, source, options) as target:
            for item in source.items():
                target.write(item)

    return run
