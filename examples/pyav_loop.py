"""A loop of your own around PyAV: decode, edit, and do with the frames what you like; here, encode them.

    python examples/pyav_loop.py in.mp4 out.mkv

`edit_video` does this, and copies sound, subtitles and metadata; a loop is for programs that have one.
"""

import sys
from fractions import Fraction

import av
from av.video.frame import PictureType

from fader.runtime import Editor


def main() -> None:
    """Edit the first video stream."""
    source, target = sys.argv[1:]
    with Editor.open() as editor, av.open(source) as reading, av.open(target, "w") as writing:
        pictures = reading.streams.video[0]
        pictures.thread_type = "AUTO"
        stream = writing.add_stream("libx264", rate=pictures.average_rate, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = pictures.width, pictures.height, "yuv420p"
        stream.codec_context.time_base = pictures.time_base or Fraction(1, 1000)
        n_frames = 0
        # Frames keep format and time, and come out in the order in which they went in.
        for frame in editor.stream(reading.decode(pictures), {"Eyeglasses": 1.0}):
            frame.pict_type = PictureType.NONE  # x264 chooses its own key frames
            writing.mux(stream.encode(frame))
            n_frames += 1
        writing.mux(stream.encode(None))
    print(f"{n_frames} frames written to {target}")


if __name__ == "__main__":
    main()
