"""Finds the real clips, which are not part of the repository."""

import os
from pathlib import Path

import pytest

__all__ = ["media_file"]


def media_file(name: str) -> Path:
    """Path of a real clip, from the folder FADER_MEDIA or ../shared/media beside the repository.

    Where it is missing the test is skipped, or fails if FADER_REQUIRE_MEDIA=1.
    """
    default = Path(__file__).resolve().parents[2] / "shared" / "media"
    path = Path(os.environ.get("FADER_MEDIA", default)) / name
    if path.is_file():
        return path
    if os.environ.get("FADER_REQUIRE_MEDIA") == "1":
        pytest.fail(f"{path}: no such clip, and FADER_REQUIRE_MEDIA=1 asks for it")
    pytest.skip(f"{path}: no such clip; set FADER_MEDIA to the folder that has it")
