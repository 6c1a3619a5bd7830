"""Reading and writing video files so that everything but the edited pixels stays as it was."""

from fader.runtime.video.clip import Part, VideoPart
from fader.runtime.video.options import EncodeOptions
from fader.runtime.video.sequence import ImageSequence
from fader.runtime.video.source import VideoSource
from fader.runtime.video.target import VideoTarget

__all__ = ["EncodeOptions", "ImageSequence", "Part", "VideoPart", "VideoSource", "VideoTarget"]
