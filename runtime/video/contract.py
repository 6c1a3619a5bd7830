"""What every target has in common, whether it is a file, a pipe, numbered pictures or a stream."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from fader.errors import MediaError

__all__ = ["Target"]


class Target(ABC):
    """Takes frames and packets in the order in which a source gives them.

    Leaving the block without an error finishes it; with one, Ctrl-C too, `abort` is called.
    """

    path: Path
    """Where they go."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
        else:
            self.abort()

    @abstractmethod
    def write(self, item: "VideoFrame | Packet[Stream]") -> None:
        """Take a frame, or a packet of another stream.

        Raises:
            MediaError: the frame does not fit those before it, or it cannot be written.
        """

    @abstractmethod
    def finish(self) -> None:
        """Write what is left; does nothing the second time.

        Raises:
            MediaError: no frame was written, or not all can be.
        """

    @abstractmethod
    def abort(self) -> None:
        """Stop and remove what was written; does nothing after `finish`."""

    def _require_size(self, frame: VideoFrame, width: int, height: int) -> None:
        if (frame.width, frame.height) != (width, height):
            raise MediaError(
                f"{self.path}: a frame of {frame.width}x{frame.height} came; expected {width}x{height} "
                "throughout, cut a video where its size changes"
            )
