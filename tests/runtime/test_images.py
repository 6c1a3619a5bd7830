"""Still image files: depth and alpha are kept, only the face changes, the target is never the source."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.runtime.scenes import frame_of, inside_crops, portrait

from fader.errors import ConfigError, MediaError
from fader.image import read_image, write_image
from fader.runtime import Editor, FaceOptions, ImageReport, edit_image
from fader.runtime.video.planes import FramePlanes

STRONG = {"Smiling": 3.0}
SIZE = (320, 240)


def picture(dtype: Any, channels: int) -> NDArray[Any]:
    image = portrait(SIZE).astype(dtype) * (257 if dtype == np.uint16 else 1)
    alpha = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (240, 320, channels - 3), dtype)
    return np.concatenate([image, alpha], axis=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [3, 4])
def test_depth_and_alpha_are_kept_and_only_the_face_changes(
    editor: Editor, tmp_path: Path, dtype: Any, channels: int
) -> None:
    before = picture(dtype, channels)
    write_image(tmp_path / "a.png", before)
    report = edit_image(editor, tmp_path / "a.png", tmp_path / "b.png", STRONG)
    assert report == ImageReport(
        source=tmp_path / "a.png", target=tmp_path / "b.png", faces=1, faces_edited=1
    )
    after = read_image(tmp_path / "b.png")
    assert (after.dtype, after.shape) == (before.dtype, before.shape)
    np.testing.assert_array_equal(after[..., 3:], before[..., 3:])
    (face,) = editor.tracker().update(FramePlanes(frame_of(portrait(SIZE), "rgb24")), 0.0)
    inside = inside_crops([face.matrix], SIZE, margin=2)
    np.testing.assert_array_equal(after[~inside], before[~inside])
    assert (after[inside] != before[inside]).any()
    if dtype == np.uint16:
        assert len(np.unique(after[inside].astype(int) - before[inside])) > 256


def test_an_edit_without_values_writes_the_same_pixels(editor: Editor, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", portrait(SIZE))
    report = edit_image(editor, tmp_path / "a.png", tmp_path / "b.png", {})
    assert (report.faces, report.faces_edited) == (1, 0)
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), portrait(SIZE))


def test_the_targets_suffix_chooses_the_format(editor: Editor, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", portrait(SIZE))
    edit_image(editor, tmp_path / "a.png", str(tmp_path / "b.jpg"), STRONG)
    assert (tmp_path / "b.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_faces_are_searched_for_as_asked(editor: Editor, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", portrait(SIZE))
    report = edit_image(
        editor, tmp_path / "a.png", tmp_path / "b.png", STRONG, faces=FaceOptions(min_size=0.9)
    )
    assert report.faces == 0


def test_the_input_is_never_overwritten_whatever_it_is_called(editor: Editor, tmp_path: Path) -> None:
    source, link = tmp_path / "a.png", tmp_path / "link.png"
    write_image(source, portrait(SIZE))
    link.symlink_to(source)
    before = source.read_bytes()
    for target in (source, link, tmp_path / "." / "a.png"):
        with pytest.raises(ConfigError, match="is the input: choose another name"):
            edit_image(editor, source, target, STRONG)
    assert source.read_bytes() == before


def test_bad_inputs_are_refused_and_leave_nothing(editor: Editor, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", portrait(SIZE))
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(MediaError, match="cannot read"):
        edit_image(editor, tmp_path / "missing.png", tmp_path / "b.png", STRONG)
    with pytest.raises(MediaError, match="expected a whole"):
        edit_image(editor, tmp_path / "bad.png", tmp_path / "b.png", STRONG)
    with pytest.raises(ConfigError, match="unknown attribute"):
        edit_image(editor, tmp_path / "a.png", tmp_path / "b.png", {"Smile": 1})
    with pytest.raises(ConfigError, match="expected a name ending in"):
        edit_image(editor, tmp_path / "a.png", tmp_path / "b.gif", STRONG)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "bad.png"]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_picture_notes_what_was_edited(editor: Editor, tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / "a.png", portrait(SIZE))
    target = tmp_path / f"out{suffix}"
    edit_image(editor, tmp_path / "a.png", target, STRONG)
    _, kinds, notes = cv2.imreadWithMetadata(str(target), cv2.IMREAD_UNCHANGED)
    assert kinds == [cv2.IMAGE_METADATA_EXIF]
    assert f"Smiling=3; model tiny {editor.model.bundle.id[:12]}".encode() in notes[0].tobytes()
    assert (read_image(target)[..., :3].shape) == (240, 320, 3)


def test_a_picture_notes_nothing_where_that_is_not_wanted(editor: Editor, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", portrait(SIZE))
    edit_image(editor, tmp_path / "a.png", tmp_path / "out.png", STRONG, mark=False)
    assert b"fader" not in (tmp_path / "out.png").read_bytes()
