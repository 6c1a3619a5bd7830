"""fader inside your own program: a slider on one face, a picture, a loop over frames, a whole file.

python examples/embed.py portrait.jpg [video.mp4]
"""

import sys
from pathlib import Path

import av
import numpy as np

from fader.image import read_image, sheet, write_image
from fader.runtime import Editor, edit_video


def slider(editor: Editor, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], out: Path) -> None:
    """Encode the faces of a picture once, then decode them at several positions of a slider."""
    crops = editor.crops(picture)
    latents = editor.encode(crops)
    rows = [editor.decode(latents, {"Smiling": smile}) for smile in (0.0, 0.5, 1.0, 1.5)]
    write_image(out, sheet([[row[i] for row in rows] for i in range(len(crops))]))


def loop(editor: Editor, path: Path) -> int:
    """Edit the frames of a decoder as they come; what happens to them is up to you."""
    with av.open(path) as container:
        frames = editor.stream(container.decode(video=0), {"Eyeglasses": 1.0})
        return sum(1 for frame in frames if frame.pts is not None)


def main() -> None:
    """Run all of it on the given files."""
    picture, *videos = (Path(name) for name in sys.argv[1:])
    with Editor.open() as editor:
        print(f"{editor.engine_name}; sliders: {', '.join(editor.attributes.names)}")
        pixels = read_image(picture)[:, :, :3]
        slider(editor, pixels, picture.with_name("slider.png"))
        smiling = editor.edit(pixels[None], {"Smiling": 1.0})[0]
        write_image(picture.with_name("smiling.png"), smiling)
        for video in videos:
            print(f"{loop(editor, video)} frames passed through the loop")
            print(edit_video(editor, video, video.with_name("edited.mkv"), {"Eyeglasses": 0.8}))


if __name__ == "__main__":
    main()
