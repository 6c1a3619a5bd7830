"""The mark: it can be read back as what was typed, and the edited file carries it."""

from pathlib import Path

import av
import pytest

from fader.runtime import Editor, EncodeOptions, edit_video
from fader.runtime.mark import mark_of
from fader.runtime.motion import parse


@pytest.mark.parametrize(
    "typed", ["0.8", "1", "+0.3", "0@0s,1@2.5s", "1@3s-5s", "+0.5@3s-5s", "+-0.2", "+0@1s,+1@2s"]
)
def test_a_value_is_written_as_it_was_typed(editor: Editor, typed: str) -> None:
    value = parse(typed)
    text = mark_of(editor.model, {"Smiling": value})
    written = text.partition("Smiling=")[2].partition(";")[0]
    assert parse(written) == value
    assert text.startswith("edited with fader ")
    assert text.endswith(f"; model tiny {editor.model.bundle.id[:12]}")


def test_an_edited_video_carries_the_mark_unless_told_otherwise(
    editor: Editor, face_mp4: Path, tmp_path: Path
) -> None:
    for mark, words in ((True, "Smiling=3; model tiny"), (False, "")):
        edit_video(
            editor, face_mp4, tmp_path / "out.mp4", {"Smiling": 3.0}, encoding=EncodeOptions(mark=mark)
        )
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert words in container.metadata.get("comment", "")
            assert ("comment" in container.metadata) == mark
