"""Writing a video: new frames for the main stream, everything else copied from the source.

The file grows beside its final place under a hidden name, and is renamed when it is whole.
"""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from fader.errors import ConfigError, FaderError, MediaError
from fader.runtime.video.containers import begin_beside, container_format, writable_path
from fader.runtime.video.contract import Target
from fader.runtime.video.encoder import EncoderPlan, conform, encoder_plans, quiet_encoder
from fader.runtime.video.layout import (
    add_copy,
    add_main_stream,
    copy_description,
    copyable_streams,
    muxer_options,
    warn_of_losses,
)
from fader.runtime.video.options import EncodeOptions
from fader.runtime.video.probe import reason
from fader.runtime.video.source import VideoSource
from fader.workfile import WorkFile

__all__ = ["VideoTarget"]

_log = logging.getLogger(__name__)


class VideoTarget(Target):
    """A video file being written; made by `VideoTarget.open`.

        with VideoSource("in.mp4") as source, VideoTarget.open("out.mp4", source) as target:
            for item in source.items():
                target.write(item)

    Leaving the block without an error finishes the file; with one, Ctrl-C too, nothing is left behind.
    """

    plan: EncoderPlan
    """Encoder, pixel format and quality in use."""

    def __init__(self, path: Path, source: VideoSource, plan: EncoderPlan, form: str) -> None:
        self.path = path
        self.plan = plan
        self._work: WorkFile | None = None
        self._container: OutputContainer | None = self._opened(form, source)
        self._stream: VideoStream
        self._copies: dict[int, Stream] = {}
        self._last_pts: int | None = None
        self._durations: dict[int, int] = {}

    @classmethod
    def open(cls, path: str | Path, source: VideoSource, options: EncodeOptions | None = None) -> Self:
        """Start a file with the streams, metadata and chapters of `source`.

        Args:
            path: The finished file; its ending chooses the container. A file already there is
                replaced at the end.
            source: Where the frames and packets will come from.
            options: How to encode; None is near the source's quality.

        Raises:
            ConfigError: `path` is the source itself, its ending is unknown, or the container cannot hold the
                codec or a stream of the source.
            MediaError: the folder is missing or cannot be written to, or the encoder refuses the video.
        """
        form = container_format(Path(path))
        final = writable_path(Path(path), source.path)
        fitting = copyable_streams(form, source, final)
        failure: FaderError = ConfigError(
            f"{path}: no encoder here fits; choose another container, such as .mkv"
        )
        for plan in encoder_plans(source, options or EncodeOptions(), form):
            target = cls(final, source, plan, form)
            try:
                target._start(source, fitting, options)
            except MediaError as error:
                target.abort()
                failure = error
            except BaseException:
                target.abort()
                raise
            else:
                warn_of_losses(source, final, form, plan)
                return target
        raise failure

    def _start(self, source: VideoSource, fitting: frozenset[int], options: EncodeOptions | None) -> None:
        container = self._open_container()
        try:
            for stream in source.container.streams:
                if stream.index == source.stream.index:
                    self._stream = add_main_stream(container, source, self.plan)
                elif stream.index in fitting:
                    self._copies[stream.index] = add_copy(container, stream)
            copy_description(container, source, options.mark if options else False)
            with quiet_encoder(self.plan.codec):
                container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(
                f"{self.path}: {self.plan.codec} cannot write {source.width}x{source.height} pixels of "
                f"{self.plan.pix_fmt} into {container.format.name} ({reason(error)}); "
                "choose another codec or container"
            ) from error

    def _opened(self, form: str, source: VideoSource) -> OutputContainer:
        self._work = self._work_file()
        try:
            return av.open(
                f"file:{self._work.path}",
                "w",
                format=form,
                container_options=muxer_options(form, source),
                metadata_errors="surrogateescape",
            )
        except BaseException:
            self._work.discard()
            raise

    def _publish(self) -> None:
        if self._work is not None:
            self._work.publish(self.path)

    def write(self, item: "VideoFrame | Packet[Stream]") -> None:
        """Encode a frame of the main stream, or copy a packet of another one.

        Args:
            item: A frame of the source's size with `pts` and `time_base`, in order of presentation; or a
                packet from the source, passed over where this container cannot hold its stream. Its time
                stamps may be rebased in place.

        Raises:
            MediaError: the frame does not fit the stream, or the file cannot be written.
        """
        container = self._open_container()
        try:
            if isinstance(item, VideoFrame):
                self._mux(container, self._prepared(item))
            # Not item.stream.index, which reads the demuxer's stream: its file may be closed by now.
            elif (copy := self._copies.get(item.stream_index)) is not None:
                item.stream = copy
                container.mux(item)
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def finish(self) -> None:
        """Write what is still in the encoder and give the file its name; does nothing the second time.

        Raises:
            MediaError: no frame was written, or the file cannot be written; nothing is left behind then.
        """
        if self._container is None:
            return
        try:
            if self._last_pts is None:
                raise MediaError(f"{self.path}: no frame was written; expected at least one")
            self._complete(self._container)
            self._container.close()
            self._publish()
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        else:
            self._container = None
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop and remove what was written; does nothing after `finish`."""
        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            container.close()
        except (av.FFmpegError, OSError) as error:
            _log.debug("%s: closing an unfinished file: %s", self.path, error)
        finally:
            if self._work is not None:
                self._work.discard()

    def _open_container(self) -> OutputContainer:
        if self._container is None:
            raise MediaError(f"{self.path}: is finished; open a new target to write more")
        return self._container

    def _work_file(self) -> WorkFile:
        """Make the file that grows until it is whole; in the folder of the finished one, or below it."""
        return begin_beside(self.path)

    def _complete(self, container: OutputContainer) -> None:
        """Write what is missing when every frame has come."""
        self._mux(container, None)

    def _mux(self, container: OutputContainer, frame: VideoFrame | None) -> None:
        for packet in self._encoded(self._stream, frame):
            container.mux(packet)

    def _encoded(self, stream: VideoStream, frame: VideoFrame | None) -> "Iterator[Packet[VideoStream]]":
        for packet in stream.encode(frame):
            # Most encoders forget how long a frame is shown, which is lost for the last one then.
            if packet.pts is not None and (duration := self._durations.pop(packet.pts, 0)):
                packet.duration = duration
            yield packet

    def _prepared(self, frame: VideoFrame) -> VideoFrame:
        context = self._stream.codec_context
        pts = self._timed(frame)
        ready = conform(frame, self.plan)
        ready.pts, ready.time_base = pts, Fraction(context.time_base)
        # The source's I-frames are not where this encoder wants its own.
        ready.pict_type = PictureType.NONE
        return ready

    def _timed(self, frame: VideoFrame) -> int:
        """Check a frame, and return its time in the encoder's units: after that of the frame before."""
        context = self._stream.codec_context
        self._require_size(frame, context.width, context.height)
        if frame.pts is None or frame.time_base is None:
            raise MediaError(f"{self.path}: a frame without a time came; set its pts and time_base")
        pts = round(frame.pts * frame.time_base / context.time_base)
        if self._last_pts is not None and pts <= self._last_pts:
            _log.warning("%s: two frames at %.3f s; moving the second on", self.path, pts * context.time_base)
            pts = self._last_pts + 1
        self._last_pts = pts
        if frame.duration:
            self._durations[pts] = round(frame.duration * frame.time_base / context.time_base)
        return pts

    def _failure(self, error: Exception) -> MediaError:
        remedy = (
            "check the disk's free space"
            if isinstance(error, OSError)
            else "choose another codec or container"
        )
        return MediaError(
            f"{self.path}: cannot be written with {self.plan.codec} ({reason(error)}); {remedy}"
        )
