"""Real clips from cameras and the web, passed through unchanged."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.media import media_file
from tests.video.clips import look

from fader.errors import MediaError
from fader.runtime.video import VideoSource

pytestmark = pytest.mark.media

WHOLE = [
    "openmpf_video_01.mp4",
    "openmpf_video_02.mp4",
    "intel_asl_book.mkv",
    "intel_asl_again.mkv",
    "vp8_opus.webm",
]


@pytest.mark.parametrize("name", WHOLE)
def test_a_real_clip_keeps_all_times_and_packets(
    tmp_path: Path, copy: Callable[..., None], name: str
) -> None:
    source, out = media_file(name), tmp_path / name
    copy(source, out)
    before, after = look(source), look(out)
    assert after.times == before.times
    assert after.packets == before.packets
    assert after.kinds == before.kinds
    assert (after.size, after.pix_fmt, after.shape) == (before.size, before.pix_fmt, before.shape)
    assert after.colors[:3] == before.colors[:3]
    assert max(after.colors[3], 1) == max(before.colors[3], 1)
    assert after.stream_metadata == before.stream_metadata
    assert list(tmp_path.iterdir()) == [out]


def test_an_uneven_gif_becomes_a_video_with_its_times(tmp_path: Path, copy: Callable[..., None]) -> None:
    source = media_file("head-pose-face-detection-female.gif")
    copy(source, tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").times == look(source).times


@pytest.mark.parametrize(
    ("name", "words"),
    [("video_01_invalid.mp4", "cannot be opened"), ("video_02_audio_only.mp4", "no video stream")],
)
def test_a_file_that_is_no_video_is_refused(
    tmp_path: Path, copy: Callable[..., None], name: str, words: str
) -> None:
    source = media_file(name)
    with pytest.raises(MediaError, match=words):
        copy(source, tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())
    with pytest.raises(MediaError):
        VideoSource(source)
