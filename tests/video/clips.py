"""Small clips of every kind, made by PyAV itself, and a look at files that shares no code with ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData, Type
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

__all__ = ["CHAPTERS", "Clip", "Contents", "look", "make_clip", "pictures", "planes", "seconds"]

CHAPTERS = [(Fraction(0), Fraction(1, 2), "one"), (Fraction(1, 2), Fraction(1), "two")]
NTSC = Fraction(30000, 1001)
SUBTITLES = "1\n00:00:00,100 --> 00:00:00,400\nfirst\n\n2\n00:00:00,500 --> 00:00:00,900\nsecond\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """The recipe of one clip; its pictures are noise that moves, different in every frame."""

    name: str
    """File name; its ending chooses the container."""
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    size: tuple[int, int] = (96, 64)
    time_base: Fraction = Fraction(1, 30000)
    pts: Sequence[int] = tuple(range(0, 30 * 1001, 1001))
    audio: Sequence[str] = ()
    """Encoders of the audio streams; the languages are eng, fra, ... in this order."""
    rotation: int | None = None
    shape: Fraction | None = None
    colors: tuple[int, int, int, int] | None = None
    """Primaries, transfer, matrix, range."""
    options: dict[str, str] = field(default_factory=dict)
    muxer: dict[str, str] = field(default_factory=dict)
    chapters: bool = False
    subtitles: str | None = None
    """Encoder of a subtitle stream that is copied from an SRT file: only `subrip` is known."""
    attachment: bytes | None = None


def make_clip(folder: Path, clip: Clip) -> Path:
    """Write the clip into `folder`."""
    path = folder / clip.name
    with av.open(str(path), "w", container_options=clip.muxer) as container:
        container.metadata.update({"title": "A clip", "comment": "made for tests"})
        video = _video_stream(container, clip)
        sounds = [_audio_stream(container, codec, i) for i, codec in enumerate(clip.audio)]
        texts = _subtitle_packets(folder, container) if clip.subtitles else []
        if clip.attachment is not None:
            container.add_attachment("font.ttf", "font/ttf", clip.attachment)
        if clip.chapters:
            container.set_chapters([_chapter(i, *chapter) for i, chapter in enumerate(CHAPTERS)])
        for frame in pictures(clip):
            container.mux(video.encode(frame))
        for sound in sounds:
            for packet in _tone(sound, clip):
                container.mux(packet)
        for packet in texts:
            container.mux(packet)
        container.mux(video.encode(None))
    return path


def pictures(clip: Clip) -> Iterable[VideoFrame]:
    """The frames that `make_clip` encodes."""
    rng = np.random.default_rng(7)
    noise = rng.integers(0, 256, (clip.size[1] // 8 + 1, clip.size[0] // 8 + 1, 3), np.uint8)
    for i, pts in enumerate(clip.pts):
        picture = np.kron(np.roll(noise, i, axis=1), np.ones((8, 8, 1), np.uint8))
        rgb = np.ascontiguousarray(picture[: clip.size[1], : clip.size[0]])
        frame = VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=clip.pix_fmt)
        frame.pts, frame.time_base = pts, clip.time_base
        yield frame


def _video_stream(container: OutputContainer, clip: Clip) -> VideoStream:
    stream = container.add_stream(clip.codec, rate=NTSC, options=_quiet(clip))
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.width, context.height = clip.size
    context.pix_fmt = clip.pix_fmt
    context.time_base = stream.time_base = clip.time_base
    if clip.shape:
        context.sample_aspect_ratio = clip.shape
    if clip.colors:
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = clip.colors
    if clip.rotation is not None:
        stream.set_display_rotation(clip.rotation)
    stream.metadata.update({"language": "fra", "title": "Pictures"})
    stream.disposition = Disposition.default
    return stream


def _quiet(clip: Clip) -> dict[str, str]:
    return {**clip.options, "x265-params": "log-level=error"} if clip.codec == "libx265" else clip.options


def _audio_stream(container: OutputContainer, codec: str, index: int) -> Stream:
    stream = container.add_stream(codec, rate=48000, layout="stereo")
    stream.metadata.update({"language": ("eng", "fra", "ita")[index], "title": f"Sound {index}"})
    stream.disposition = Disposition.default if index == 0 else Disposition.comment
    return stream


def _tone(stream: Any, clip: Clip) -> "Iterable[Packet[Stream]]":
    for i in range(48):
        wave = np.sin(np.arange(i * 1024, (i + 1) * 1024) * 0.05 * (stream.index + 1)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([wave, -wave]), "fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, i * 1024, Fraction(1, 48000)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _subtitle_packets(folder: Path, container: OutputContainer) -> "list[Packet[Stream]]":
    path = folder / "texts.srt"
    path.write_text(SUBTITLES)
    with av.open(str(path)) as texts:
        stream = container.add_stream_from_template(texts.streams.subtitles[0])
        assert isinstance(stream, SubtitleStream)
        stream.metadata["language"] = "ita"
        packets = [packet for packet in texts.demux() if packet.size]
        for packet in packets:
            packet.stream = stream
    return packets


def _chapter(index: int, start: Fraction, end: Fraction, title: str) -> Any:
    unit = Fraction(1, 1000)
    return {
        "id": index + 1,
        "start": int(start / unit),
        "end": int(end / unit),
        "time_base": unit,
        "metadata": {"title": title},
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What PyAV shows of a file."""

    times: list[Fraction]
    """Seconds of every frame."""
    frames: list[list[NDArray[np.uint8]]]
    """Bytes of every plane of every frame, without the padding of the lines."""
    key_frames: list[int]
    """Indices of frames that are I-frames."""
    packets: list[tuple[int, Fraction, Fraction | None, bytes]]
    """Stream, presentation and decoding time in seconds, payload; of all but the first video stream."""
    kinds: list[tuple[str, str]]
    """Kind and codec of every stream."""
    size: tuple[int, int]
    pix_fmt: str
    matrix: list[int] | None
    """The display matrix."""
    shape: Fraction | None
    colors: tuple[int, int, int, int]
    """Primaries, transfer, matrix, range."""
    metadata: dict[str, str]
    stream_metadata: list[tuple[str | None, str | None]]
    """Language and title of every stream."""
    dispositions: list[int]
    chapters: list[tuple[Fraction, Fraction, str]]
    attachments: list[tuple[str | None, bytes]]


def look(path: Path) -> Contents:
    """Read a whole file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames: list[VideoFrame] = []
        packets = []
        for packet in container.demux():
            if packet.stream.index == stream.index:
                frames += cast("list[VideoFrame]", packet.decode())
            elif packet.pts is not None:
                dts = None if packet.dts is None else packet.dts * packet.time_base
                packets.append((packet.stream.index, packet.pts * packet.time_base, dts, bytes(packet)))
        first = frames[0]
        matrices = [
            item for item in cast("Iterable[SideData]", first.side_data) if item.type == Type.DISPLAYMATRIX
        ]
        return Contents(
            times=[seconds(frame) for frame in frames],
            frames=[planes(frame) for frame in frames],
            key_frames=[i for i, frame in enumerate(frames) if frame.key_frame],
            packets=sorted(packets),
            kinds=[
                (s.type, s.codec_context.name if s.codec_context else s.name or "") for s in container.streams
            ],
            size=(first.width, first.height),
            pix_fmt=first.format.name,
            matrix=np.frombuffer(bytes(matrices[0]), np.int32).tolist() if matrices else None,
            shape=stream.sample_aspect_ratio,
            colors=(first.color_primaries, first.color_trc, first.colorspace, first.color_range),
            metadata={key.lower(): value for key, value in container.metadata.items()},
            stream_metadata=[
                (s.metadata.get("language"), s.metadata.get("title", s.metadata.get("name")))
                for s in container.streams
            ],
            dispositions=[int(s.disposition) for s in container.streams],
            chapters=[
                (c["start"] * _unit(c), c["end"] * _unit(c), c["metadata"].get("title", ""))
                for c in container.chapters()
            ],
            attachments=[(s.name, s.data) for s in container.streams.attachments],
        )


def planes(frame: VideoFrame) -> list[NDArray[np.uint8]]:
    """Bytes of a frame's planes, (rows, bytes of a row) each."""
    wide = max(component.bits for component in frame.format.components) > 8
    return [
        np.frombuffer(bytes(plane), np.uint8)
        .reshape(plane.height, plane.line_size)[:, : plane.width * (2 if wide else 1)]
        .copy()
        for plane in frame.planes
    ]


def seconds(frame: VideoFrame) -> Fraction:
    """Time at which a frame is shown."""
    assert frame.pts is not None
    assert frame.time_base is not None
    return frame.pts * frame.time_base


def _unit(chapter: Any) -> Fraction:
    unit = chapter["time_base"]
    assert isinstance(unit, Fraction)
    return unit
