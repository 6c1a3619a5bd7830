"""A folder of videos, one after the other; what is stopped goes on where it was when it is called again.

    python examples/folder.py videos/ edited/

One editor serves all of them: it is opened once. A file that cannot be edited is said, and the others are.
"""

import sys
from pathlib import Path

from fader.errors import MediaError
from fader.runtime import Editor, LatentStore, edit_video

SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm"}


def main() -> None:
    """Edit every video that is not edited yet."""
    source, target = map(Path, sys.argv[1:])
    target.mkdir(exist_ok=True)
    videos = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES)
    with Editor.open() as editor:
        for video in videos:
            out = target / video.name
            if out.exists():  # a file has its name only when it is whole
                print(f"{out} is there already")
                continue
            try:
                report = edit_video(editor, video, out, {"Eyeglasses": 1.0}, store=LatentStore(), resume=True)
            except MediaError as error:
                print(f"left out: {error}")
            else:
                print(f"{out}: {report.frames_edited} of {report.frames} frames edited")


if __name__ == "__main__":
    main()
