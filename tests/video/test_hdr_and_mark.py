"""What a re-encoded stream keeps of HDR10 metadata, and the mark that says what was edited."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.sidedata.sidedata import SideData, Type
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.video.clips import Clip, look, make_clip

from fader.runtime.video import EncodeOptions, VideoSource
from fader.runtime.video.hdr import HdrMetadata, hdr_options
from fader.runtime.video.planes import FramePlanes

BT2020_PQ = (9, 16, 9, 1)
MASTERING = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
X265 = f"log-level=error:master-display={MASTERING}:max-cll=1000,400"


def hdr_clip(folder: Path, name: str = "hdr.mkv") -> Path:
    """Five frames of HDR10 by x265, written without any code of ours."""
    path = folder / name
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx265", rate=24, options={"x265-params": X265, "preset": "ultrafast"}
        )
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = BT2020_PQ
        for i in range(5):
            frame = av.VideoFrame(96, 64, "yuv420p10le")
            frame.pts, frame.time_base = i, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def side_data(frame: av.VideoFrame) -> list[SideData]:
    return list(cast("Iterable[SideData]", frame.side_data))


def light_of(path: Path) -> dict[str, bytes]:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        wanted = (Type.MASTERING_DISPLAY_METADATA, Type.CONTENT_LIGHT_LEVEL)
        return {item.type.name: bytes(item) for item in side_data(frame) if item.type in wanted}


@pytest.mark.parametrize("codec", ["libx265", "libx264", "libsvtav1"])
@pytest.mark.parametrize("name", ["out.mkv", "out.mp4"])
def test_hdr10_metadata_stays(tmp_path: Path, copy: Callable[..., None], codec: str, name: str) -> None:
    source = hdr_clip(tmp_path)
    copy(source, tmp_path / name, EncodeOptions(codec=codec))
    with VideoSource(source) as before, VideoSource(tmp_path / name) as after:
        old, new = before.traits.hdr, after.traits.hdr
        assert old is not None
        assert new is not None
        assert new.light == old.light == (1000, 400)
        assert new.luminance == pytest.approx((0.005, 1000.0), rel=0.02)
        assert new.primaries == pytest.approx(old.primaries, abs=0.0001)
    assert look(tmp_path / name).colors == BT2020_PQ


def test_x265_keeps_hdr10_metadata_to_the_bit(tmp_path: Path, copy: Callable[..., None]) -> None:
    source = hdr_clip(tmp_path)
    copy(source, tmp_path / "out.mp4")
    assert light_of(tmp_path / "out.mp4") == light_of(source)
    assert len(light_of(source)) == 2


def test_an_encoder_that_cannot_keep_it_is_told(
    tmp_path: Path, copy: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    copy(hdr_clip(tmp_path), tmp_path / "out.mkv", EncodeOptions(codec="ffv1"))
    assert "ffv1 cannot keep HDR10 metadata" in caplog.text


chromaticities = st.tuples(*[st.integers(0, 50_000).map(lambda step: step / 50_000)] * 8)


@settings(max_examples=50)
@given(primaries=chromaticities, light=st.tuples(st.integers(0, 65535), st.integers(0, 65535)))
def test_every_chromaticity_reaches_x265_as_its_whole_number_of_steps(
    primaries: tuple[float, ...], light: tuple[int, int]
) -> None:
    written = hdr_options("libx265", HdrMetadata(primaries=primaries, luminance=(0.0001, 4000), light=light))
    assert written is not None
    red_x, red_y = (round(value * 50_000) for value in primaries[:2])
    assert f"R({red_x},{red_y})" in written[1]
    assert written[1].endswith(f"L(40000000,1):max-cll={light[0]},{light[1]}")


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.m4v"])
def test_the_mark_is_a_line_below_the_comment(tmp_path: Path, copy: Callable[..., None], name: str) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv"))
    copy(source, tmp_path / name, EncodeOptions(mark="edited with care"))
    found = look(tmp_path / name).metadata
    assert found["comment"] == "made for tests\nedited with care"
    assert found["title"] == "A clip"
    copy(tmp_path / name, tmp_path / f"again-{name}", EncodeOptions(mark="edited again"))
    assert look(tmp_path / f"again-{name}").metadata["comment"].split("\n")[1:] == [
        "edited with care",
        "edited again",
    ]


def test_without_a_mark_the_comment_stays_as_it_was(tmp_path: Path, copy: Callable[..., None]) -> None:
    source = make_clip(tmp_path, Clip(name="in.mkv"))
    copy(source, tmp_path / "out.mkv", EncodeOptions(mark=False))
    assert look(tmp_path / "out.mkv").metadata["comment"] == "made for tests"


CAPTIONS = bytes.fromhex("b5003147413934034100fcc1c2ff")
"""ATSC A/53 user data with one pair of EIA-608 characters."""


def captioned_clip(folder: Path) -> Path:
    """H.264 whose every picture has the captions before it, as an SEI message of type 4."""
    plain = make_clip(folder, Clip(name="plain.h264", pix_fmt="yuv420p", options={"bf": "0", "slices": "1"}))
    message = b"\0\0\1\x06\x04" + bytes([len(CAPTIONS)]) + CAPTIONS + b"\x80"
    units = [unit for unit in plain.read_bytes().replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
    (folder / "captions.h264").write_bytes(
        b"".join((message if unit[0] & 31 in {1, 5} else b"") + b"\0\0\1" + unit for unit in units)
    )
    return folder / "captions.h264"


def captions_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [
            bytes(item)
            for frame in container.decode(video=0)
            for item in side_data(frame)
            if item.type == Type.A53_CC
        ]


def test_closed_captions_in_the_frames_are_written_again(tmp_path: Path, copy: Callable[..., None]) -> None:
    source = captioned_clip(tmp_path)
    before = captions_of(source)
    assert before == [b"\xfc\xc1\xc2"] * 30
    copy(source, tmp_path / "out.mkv", EncodeOptions(codec="libx264"))
    assert captions_of(tmp_path / "out.mkv") == before


def test_an_edited_frame_keeps_its_side_data(tmp_path: Path) -> None:
    with av.open(str(captioned_clip(tmp_path))) as container:
        planes = FramePlanes(next(container.decode(video=0)))
        crop_to_frame = np.array([[1, 0, -16], [0, 1, -16]], float)
        assert planes.add(np.full((3, 32, 32), 40, np.float32), crop_to_frame)
    assert Type.A53_CC in {item.type for item in side_data(planes.frame)}
