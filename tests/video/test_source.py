"""Reading: what a source tells of its video, and what it says of files that are none."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.video.frame import VideoFrame
from tests.video.clips import Clip, look, make_clip, seconds

from fader.errors import MediaError
from fader.runtime.video import VideoSource


def refusal(path: Path) -> str:
    """The one line with which a file is refused, at opening or on the way."""
    with pytest.raises(MediaError) as caught, VideoSource(path) as source:
        for _ in source.items():
            pass
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_properties_are_those_of_the_file(tmp_path: Path) -> None:
    path = make_clip(tmp_path, Clip(name="in.mp4", rotation=90, audio=("aac",)))
    with VideoSource(path) as source:
        assert (source.width, source.height, source.rotation) == (96, 64, 90)
        assert (source.codec, source.pix_fmt) == ("h264", "yuv420p")
        assert source.time_base == Fraction(1, 30000)
        assert source.average_rate == Fraction(30000, 1001)
        assert source.frame_count == 30
        assert source.duration_s == pytest.approx(1.001)
        assert source.path == path
        assert [stream.type for stream in source.copied_streams] == ["audio"]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_what_the_display_matrix_asks_for(tmp_path: Path, degrees: int) -> None:
    path = make_clip(tmp_path, Clip(name="in.mp4", rotation=degrees))
    with VideoSource(path) as source:
        assert source.rotation == degrees


def test_items_are_all_frames_and_all_packets_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = make_clip(tmp_path, Clip(name="in.mkv", audio=("aac", "flac"), subtitles="subrip"))
    with VideoSource(path) as source:
        items = list(source.items())
    frames = [item for item in items if isinstance(item, VideoFrame)]
    packets = [item for item in items if isinstance(item, Packet)]
    expected = look(path)
    assert [seconds(frame) for frame in frames] == expected.times
    assert sorted(bytes(packet) for packet in packets) == sorted(packet[3] for packet in expected.packets)
    with av.open(str(path)) as container:
        order = [packet.pts for packet in container.demux() if packet.size and packet.stream.type != "video"]
    assert [packet.pts for packet in packets] == order


def test_items_can_be_read_twice_and_after_a_pause(clip: Path) -> None:
    with VideoSource(clip) as source:
        first = source.items()
        next(first)
        assert len(list(source.items())) == len(list(source.items()))
        assert isinstance(next(first), VideoFrame | Packet)


def test_a_raw_stream_without_times_gets_them_from_its_rate(tmp_path: Path) -> None:
    encoder = make_clip(tmp_path, Clip(name="in.mp4", options={"bf": "0"}))
    raw = tmp_path / "raw.h264"
    with av.open(str(encoder)) as old, av.open(str(raw), "w", format="h264") as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    with VideoSource(raw) as source:
        times = [seconds(item) for item in source.items() if isinstance(item, VideoFrame)]
    assert len(times) == 30
    assert np.all(np.diff(np.array(times, float)) > 0)


def test_a_cover_picture_is_not_taken_for_the_video(tmp_path: Path) -> None:
    path = with_cover(tmp_path)
    with VideoSource(path) as source:
        assert (source.codec, source.width) == ("h264", 96)


def with_cover(folder: Path) -> Path:
    """An MP4 whose first stream is a PNG cover, larger than its video."""
    plain = make_clip(folder, Clip(name="plain.mp4", audio=("aac",)))
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, av.video.codeccontext.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 640, 480, "rgb24", Fraction(1, 25)
    (picture,) = encoder.encode(VideoFrame.from_ndarray(np.zeros((480, 640, 3), np.uint8), "rgb24"))
    path = folder / "cover.mp4"
    with av.open(str(plain)) as old, av.open(str(path), "w") as new:
        cover = new.add_stream("png", rate=1)
        cover.codec_context.width, cover.codec_context.height = 640, 480
        cover.codec_context.pix_fmt = "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        copies = {s.index: new.add_stream_from_template(s, opaque=True) for s in old.streams}
        picture.stream = cover
        new.mux(picture)
        for packet in old.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                new.mux(packet)
    return path


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.mp4")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "not a file" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello, I am a text\n", bytes(range(256)) * 100])
def test_a_file_that_is_no_media_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(content)
    assert "cannot be opened as a video" in refusal(path)


def test_a_file_of_sound_only_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", layout="stereo")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "no video stream (found: audio)" in refusal(path)


def test_subtitles_only_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    assert "no video stream (found: subtitle)" in refusal(path)


def test_a_file_without_its_end_is_refused_with_the_time(clip: Path) -> None:
    moov_first = clip.with_name("fast.mp4")
    with (
        av.open(str(clip)) as old,
        av.open(str(moov_first), "w", container_options={"movflags": "faststart"}) as new,
    ):
        copies = {s.index: new.add_stream_from_template(s, opaque=True) for s in old.streams}
        for packet in old.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                new.mux(packet)
    content = moov_first.read_bytes()
    for length in range(len(content) // 2, len(content) - 200, 701):
        moov_first.write_bytes(content[:length])
        message = refusal(moov_first)
        assert "damaged" in message


def test_a_stream_that_turns_into_rubbish_is_refused_with_the_time(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path, Clip(name="in.mp4", pts=tuple(range(0, 60 * 1001, 1001)), options={"crf": "1"})
    )
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = b"\xff" * third
    path.write_bytes(content)
    message = refusal(path)
    assert "is damaged near" in message
    seconds = float(message.split("near ")[1].split(" s")[0])
    assert 0.2 < seconds < 1.8


def test_a_stream_without_a_frame_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.codec_context.width = stream.codec_context.height = 64
        container.start_encoding()
    message = refusal(path)
    assert "no frame" in message or "cannot be opened" in message


def test_a_name_that_looks_like_a_protocol_is_a_file(clip: Path) -> None:
    odd = clip.rename(clip.with_name("concat:a|b %03d.mp4"))
    with VideoSource(odd) as source:
        assert source.frame_count == 30
