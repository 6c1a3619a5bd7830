"""What may be said about encoding, and which encoder and pixel format a video gets."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.video.clips import Clip, look, make_clip

from fader.errors import ConfigError
from fader.runtime.video import EncodeOptions, VideoSource, VideoTarget


def plan(source_path: Path, name: str, options: EncodeOptions | None = None) -> tuple[str, str]:
    """Encoder and pixel format that a target of that name would use."""
    with VideoSource(source_path) as source:
        target = VideoTarget.open(source_path.parent / name, source, options)
        target.abort()
    return target.plan.codec, target.plan.pix_fmt


def test_an_unknown_codec_is_refused_with_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"codec 'h266x' is unknown.*libx264, .*ffv1"):
        EncodeOptions(codec="h266x")


def test_a_codec_of_sound_is_refused() -> None:
    with pytest.raises(ConfigError, match="encodes audio"):
        EncodeOptions(codec="aac")


@pytest.mark.parametrize("crf", [-1.0, 64.0, math.nan, math.inf])
def test_a_quality_out_of_range_is_refused(crf: float) -> None:
    with pytest.raises(ConfigError, match="crf = "):
        EncodeOptions(crf=crf)


def test_a_quality_out_of_the_codec_s_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"libx264 takes 0 \(best\) to 51"):
        EncodeOptions(codec="libx264", crf=55)
    EncodeOptions(codec="libvpx-vp9", crf=55)


def test_an_option_that_the_codec_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no crf"):
        EncodeOptions(codec="ffv1", crf=20)
    with pytest.raises(ConfigError, match="has no preset"):
        EncodeOptions(codec="libvpx-vp9", preset="medium")
    source = make_clip(tmp_path, Clip(name="in.mkv", codec="ffv1"))
    with pytest.raises(ConfigError, match="has no crf"):
        plan(source, "out.mkv", EncodeOptions(crf=20))


@pytest.mark.parametrize(
    ("codec", "preset"), [("libx264", "warp"), ("libx265", "8"), ("libsvtav1", "fast"), ("h264_nvenc", "p9")]
)
def test_an_unknown_preset_is_refused_with_known_ones(codec: str, preset: str) -> None:
    with pytest.raises(ConfigError, match=f"preset '{preset}' is unknown to {codec}; expected one of "):
        EncodeOptions(codec=codec, preset=preset)


def test_quality_and_preset_reach_the_encoder(tmp_path: Path, copy: Callable[..., None]) -> None:
    source = make_clip(tmp_path, Clip(name="in.mp4", size=(320, 240)))
    for name, crf in (("fine.mp4", 10), ("coarse.mp4", 40)):
        copy(source, tmp_path / name, EncodeOptions(crf=crf, preset="ultrafast"))
    assert (tmp_path / "coarse.mp4").stat().st_size < (tmp_path / "fine.mp4").stat().st_size / 2
    assert b"cabac=0" in (tmp_path / "fine.mp4").read_bytes(), (
        "ultrafast switches CABAC off, and x264 notes it"
    )
    assert b"crf=10.0" in (tmp_path / "fine.mp4").read_bytes()


@pytest.mark.parametrize(
    ("recipe", "name", "expected"),
    [
        (Clip(name="in.mp4"), "out.mp4", ("libx264", "yuv420p")),
        (Clip(name="in.mkv", codec="libvpx"), "out.webm", ("libvpx", "yuv420p")),
        (Clip(name="in.mkv", codec="libvpx"), "out.mp4", ("libx264", "yuv420p")),
        (Clip(name="in.mkv", codec="libvpx", size=(101, 75)), "out.mp4", ("libx264", "yuv444p")),
        (Clip(name="in.mp4"), "out.webm", ("libvpx-vp9", "yuv420p")),
        (Clip(name="in.mkv", codec="ffv1", pix_fmt="yuv411p"), "out.webm", ("libvpx-vp9", "yuv422p")),
        (Clip(name="in.mkv", codec="ffv1", pix_fmt="yuv422p10le"), "out.mkv", ("ffv1", "yuv422p10le")),
        (Clip(name="in.mp4", pix_fmt="yuvj420p", colors=(1, 1, 1, 2)), "out.webm", ("libvpx-vp9", "yuv420p")),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "codec", None),
)
def test_the_source_s_codec_and_format_are_kept_where_possible(
    tmp_path: Path, recipe: Clip, name: str, expected: tuple[str, str]
) -> None:
    assert plan(make_clip(tmp_path, recipe), name) == expected


@pytest.mark.parametrize(
    ("pix_fmt", "codec", "expected"),
    [
        ("yuv422p10le", "libsvtav1", "yuv420p10le"),
        ("yuv444p12le", "libx264", "yuv444p10le"),
        ("yuv411p", "libx264", "yuv422p"),
        ("bgra", "libx265", "gbrp"),
        ("bgra", "ffv1", "bgra"),
    ],
)
def test_the_nearest_format_keeps_depth_and_chroma(
    tmp_path: Path, pix_fmt: str, codec: str, expected: str
) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv", codec="ffv1", pix_fmt=pix_fmt))
    assert plan(source, "out.mkv", EncodeOptions(codec=codec))[1] == expected


def test_red_stays_red_where_rgb_becomes_yuv(tmp_path: Path, copy: Callable[..., None]) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv", codec="ffv1", pix_fmt="bgra"))
    copy(source, tmp_path / "out.mp4", EncodeOptions(codec="libx264", crf=1))
    before, after = rgb(source), rgb(tmp_path / "out.mp4")
    assert look(tmp_path / "out.mp4").colors[2:] == (6, 1)
    assert abs(before - after) < 3


def rgb(path: Path) -> float:
    """Mean of the red values of the first frame."""
    import av

    with av.open(str(path)) as container:
        return float(next(container.decode(video=0)).to_ndarray(format="rgb24")[..., 0].mean())
