"""Writing a live stream: a file or a URL, each frame out of the encoder at once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame

from fader.errors import ConfigError, FaderError, MediaError
from fader.runtime.video.containers import container_format, writable_path
from fader.runtime.video.encoder import EncoderPlan, encoder_plans
from fader.runtime.video.layout import copyable_streams, muxer_options, warn_of_losses
from fader.runtime.video.live_source import LiveSource, is_url
from fader.runtime.video.options import EncodeOptions
from fader.runtime.video.probe import reason
from fader.runtime.video.source import VideoSource
from fader.runtime.video.target import VideoTarget

__all__ = ["LiveTarget"]

# Without B-frames, look-ahead and threads for whole frames none waits in the encoder for later ones.
_AT_ONCE: Mapping[str, Mapping[str, str]] = {
    "libx264": {"tune": "zerolatency", "thread_type": "slice"},
    "libx265": {"tune": "zerolatency"},
    "libvpx-vp9": {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8"},
    "libvpx": {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8"},
    "libsvtav1": {"preset": "12", "svtav1-params": "pred-struct=1"},
    "h264_nvenc": {"tune": "ull", "delay": "0"},
    "hevc_nvenc": {"tune": "ull", "delay": "0"},
}
_FORMATS = {"rtmp": "flv", "rtmps": "flv", "rtsp": "rtsp", "udp": "mpegts", "tcp": "mpegts", "srt": "mpegts"}
KEY_FRAME_S = 2
"""Between frames at which a viewer can join."""
INTERLEAVE_US = 200_000
"""How long a packet may wait for the other stream's."""


class LiveTarget(VideoTarget):
    """A file or a URL; made by `LiveTarget.open`. A file appears under its name when it is finished."""

    on_sent: Callable[[int], None]
    """Called with a frame's time stamp when its data has been written."""

    def __init__(self, path: Path, source: LiveSource, plan: EncoderPlan, form: str, url: str | None) -> None:
        self.on_sent = lambda _: None
        self._url = url
        super().__init__(path, source, plan, form)

    @classmethod
    def open_live(cls, target: str, source: LiveSource, options: EncodeOptions) -> Self:
        """Start a file or a stream.

        Args:
            target: A file, or a URL.
            source: Where the frames and the sound come from.
            options: How to encode; by default x264 where the container can hold it.

        Raises:
            ConfigError: the container is unknown or cannot hold the codec or the sound.
            MediaError: it cannot be written to or connected to, or the encoder refuses the video.
        """
        url = target if is_url(target) else None
        form = _format(url) if url else container_format(Path(target))
        path = Path(target) if url else writable_path(Path(target), source.path)
        if options.codec is None and form != "webm":
            options = replace(options, codec="libx264")
        fitting = copyable_streams(form, source, path)
        failure: FaderError = ConfigError(f"{target}: no encoder here fits; choose another container")
        for plan in encoder_plans(source, options, form):
            quick = _AT_ONCE.get(plan.codec, {})
            interval = {"g": str(max(1, round(KEY_FRAME_S * source.average_rate)))}
            chosen = replace(plan, options={**plan.options, **quick, **interval})
            writing = cls(path, source, chosen, form, url)
            try:
                writing._start(source, fitting, options)  # its own class's
            except MediaError as error:
                writing.abort()
                failure = error
            except BaseException:
                writing.abort()
                raise
            else:
                warn_of_losses(source, path, form, chosen)
                return writing
        raise failure

    def _opened(self, form: str, source: VideoSource) -> OutputContainer:
        if self._url is None:
            return super()._opened(form, source)
        options = {**muxer_options(form, source), "max_interleave_delta": str(INTERLEAVE_US)}
        if form == "rtsp":  # by its own connection: through firewalls, and no packet is lost
            options["rtsp_transport"] = "tcp"
        try:
            return av.open(
                self._url, "w", format=form, container_options=options, metadata_errors="surrogateescape"
            )
        except (av.FFmpegError, OSError) as error:
            raise MediaError(
                f"{self._url}: cannot be written to ({reason(error)}); check the address and that it listens"
            ) from error

    def _publish(self) -> None:
        if self._url is None:
            super()._publish()

    def _mux(self, container: OutputContainer, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            pts = packet.pts
            container.mux(packet)
            if pts is not None:
                self.on_sent(pts)


def _format(url: str) -> str:
    scheme = url.partition("://")[0]
    if scheme not in _FORMATS:
        raise ConfigError(f"{url}: cannot be written to; expected one of {', '.join(_FORMATS)}, or a file")
    return _FORMATS[scheme]
