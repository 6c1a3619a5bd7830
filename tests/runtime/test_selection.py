"""Whose face is edited: chosen by position, place or number, kept while it is there, and nobody else's."""

import json
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.runtime.scenes import decoded, frame_of, portrait, samples, write_clip
from typer.testing import CliRunner

from fader.attributes import Attribute, AttributeSet
from fader.errors import ConfigError
from fader.runtime import Editor, EncodeOptions, FaceOptions, Keyframes, TrackedFace, edit_video
from fader.runtime.cli import app
from fader.runtime.faces.selection import FADE_S, LOST_S, FaceSelector, FaceValues, check_values, for_faces
from fader.runtime.faces.smoothing import matrix_of
from fader.runtime.listing import tracks_in
from fader.runtime.video.planes import FramePlanes

SIZE = (400, 200)
CROP = 64
LOSSLESS = EncodeOptions(codec="ffv1")
ATTRIBUTES = AttributeSet([Attribute(name="Smiling"), Attribute(name="Young")])


def face(track: int, x: float, y: float = 0.5, side: float = 64.0) -> TrackedFace:
    pose = np.array([np.log2(side), 0.0, x * SIZE[0] - 0.5, y * SIZE[1] - 0.5])
    return TrackedFace(
        track=track,
        matrix=matrix_of(pose, CROP),
        landmarks=np.zeros((5, 2), np.float32),
        score=1.0,
        strength=1.0,
    )


LEFT, MIDDLE, RIGHT = face(4, 0.2), face(2, 0.5, side=90.0), face(0, 0.8)
EVERYBODY = [RIGHT, MIDDLE, LEFT]


def chosen(text: str, frames: Sequence[Sequence[TrackedFace]], *, dt: float = 0.1) -> list[dict[int, float]]:
    """For each frame, the tracks that get something of the edit."""
    selector = FaceSelector(text, CROP)
    out = []
    for i, faces in enumerate(frames):
        weights = selector.weights(faces, SIZE, i * dt, is_cut=False)
        out.append({each.track: w for each, w in zip(faces, weights, strict=True) if w})
    return out


@pytest.mark.parametrize(
    ("text", "track"),
    [
        ("left", 4),
        ("right", 0),
        ("largest", 2),
        ("2", 2),
        ("0.2,0.5", 4),
        (".85,0.4", 0),
        ("0.5,0.5@0s", 2),
        ("0.8,.5@0", 0),
    ],
)
def test_a_face_is_chosen_by_position_place_and_number(text: str, track: int) -> None:
    assert chosen(text, [EVERYBODY] * 2) == [{track: 1.0}] * 2


def test_a_place_where_nobody_is_waits_for_somebody() -> None:
    found = chosen("0.2,0.5", [[RIGHT, MIDDLE]] * 3 + [EVERYBODY] * 3)
    assert found == [{}] * 3 + [{4: 1.0}] * 3


def test_a_chosen_face_stays_chosen_when_it_moves_and_others_come() -> None:
    moving = [[MIDDLE, face(0, 0.8 - 0.1 * i)] for i in range(8)]
    found = chosen("right", [*moving, [MIDDLE, face(0, 0.1), face(7, 0.9)]])
    assert found == [{0: 1.0}] * 9


def test_after_a_face_is_lost_the_next_is_chosen_and_its_edit_comes_gradually() -> None:
    frames = [EVERYBODY] * 3 + [[RIGHT, MIDDLE]] * 12
    found = chosen("left", frames)
    assert found[:3] == [{4: 1.0}] * 3
    first = next(i for i in range(3, len(found)) if found[i])
    assert LOST_S <= 0.1 * (first - 2) <= LOST_S + FADE_S
    strengths = [next(iter(each.values())) for each in found[first:]]
    assert strengths == sorted(strengths)
    assert 0 < strengths[0] < 1 == strengths[-1]
    assert all(set(each) == {2} for each in found[first:])


def test_a_face_that_is_away_for_a_moment_is_still_the_chosen_one() -> None:
    found = chosen("left", [EVERYBODY, [RIGHT, MIDDLE], [RIGHT, MIDDLE], EVERYBODY])
    assert found == [{4: 1.0}, {}, {}, {4: 1.0}]


def test_after_a_cut_a_face_is_chosen_anew_and_at_once() -> None:
    selector = FaceSelector("left", CROP)
    assert selector.weights([LEFT], SIZE, 0.0, is_cut=False) == [1.0]
    assert selector.weights([RIGHT, MIDDLE], SIZE, 0.1, is_cut=True) == [0.0, 1.0]


def test_a_place_with_a_time_chooses_from_then_on() -> None:
    found = chosen("0.2,0.5@0.5s", [EVERYBODY] * 12)
    assert found[:5] == [{}] * 5
    assert found[-1] == {4: 1.0}
    assert [each.get(4, 0.0) for each in found] == sorted(each.get(4, 0.0) for each in found)


@pytest.mark.parametrize(
    "text", ["lefty", "", "-1", "1.5", "2,0.5", "0.5", "0.5,0.5@", "0.5,0.5@-1s", "0.5,0.5,0.5", "left "]
)
def test_what_is_no_face_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="expected left, right, largest") as caught:
        FaceSelector(text, CROP)
    assert "\n" not in str(caught.value)


def wanted(values: dict[str, object], faces: Sequence[TrackedFace]) -> NDArray[np.float32]:
    picked = FaceValues(values, CROP)  # type: ignore[arg-type]
    picked.see(faces, SIZE, 0.0, is_cut=False)
    source_NA = np.full((len(faces), 4), 0.3, np.float32)
    return picked.apply(ATTRIBUTES, source_NA, np.zeros(len(faces)))


def test_each_face_gets_its_own_values_and_those_for_everybody() -> None:
    columns = wanted({"left:Smiling": 1.0, "Young": 0.5, "right:Smiling": -1.0}, EVERYBODY)
    np.testing.assert_array_equal(columns[:, ATTRIBUTES.slice("Young")], [[0.5, 0.5]] * 3)
    smiles = columns[:, ATTRIBUTES.slice("Smiling")]
    np.testing.assert_array_equal(smiles, np.array([[2, -1], [0.3, 0.3], [0, 1]], np.float32))


def test_one_face_may_differ_from_everybody_whatever_the_order() -> None:
    for values in ({"left:Smiling": 0.0, "Smiling": 1.0}, {"Smiling": 1.0, "left:Smiling": 0.0}):
        smiles = wanted(dict(values), EVERYBODY)[:, ATTRIBUTES.slice("Smiling")]
        np.testing.assert_array_equal(smiles[:, 1], [1, 1, 0])


def test_a_change_for_one_face_is_one_of_what_that_face_has() -> None:
    more = Keyframes(times=(0.0,), values=(0.5,), relative=True)
    smiles = wanted({"Smiling": 1.0, "left:Smiling": more}, EVERYBODY)[:, ATTRIBUTES.slice("Smiling")]
    np.testing.assert_allclose(smiles[:, 1], [1, 1, 0.8], rtol=1e-6)


@given(st.lists(st.integers(0, 3), max_size=6))
def test_frames_may_be_seen_in_portions_of_any_size(portions: list[int]) -> None:
    picked = FaceValues({"left:Smiling": 1.0}, CROP)
    for n in portions:
        for _ in range(n):
            picked.see(EVERYBODY, SIZE, 0.0, is_cut=False)
        columns = picked.apply(ATTRIBUTES, np.zeros((3 * n, 4), np.float32), np.zeros(3 * n))
        assert columns[:, ATTRIBUTES.slice("Smiling")][:, 1].tolist() == [0, 0, 1] * n


def test_values_are_narrowed_to_the_faces_that_are_named() -> None:
    values = {"Smiling": 1.0, "2:Young": 0.0}
    assert for_faces(values, []) == values
    assert for_faces(values, ["left", "0.5,0.5"]) == {
        "left:Smiling": 1.0,
        "0.5,0.5:Smiling": 1.0,
        "2:Young": 0.0,
    }
    with pytest.raises(ConfigError, match="expected left"):
        for_faces(values, ["up"])


@pytest.mark.parametrize("name", ["left:Smile", "up:Smiling", ":Smile"])
def test_unknown_names_are_refused_for_one_face_too(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected|this model has"):
        check_values(ATTRIBUTES, {name: 1.0})


def pair(shift: int) -> NDArray[np.uint8]:
    left, right = portrait((160, 180), zoom=0.8), portrait((160, 180), zoom=1.0)[:, ::-1]
    return np.ascontiguousarray(np.roll(np.concatenate([left, right], axis=1), shift, axis=0))


def changed(source: Path, target: Path) -> NDArray[np.bool_]:
    pairs = zip(decoded(source), decoded(target), strict=True)
    return np.stack([samples(one)[0] != samples(other)[0] for one, other in pairs])


@pytest.mark.parametrize("face", ["left", "largest", "right"])
def test_a_face_that_is_not_meant_keeps_every_bit(editor: Editor, tmp_path: Path, face: str) -> None:
    source = write_clip(tmp_path / "a.mkv", [pair(i) for i in range(6)])
    report = edit_video(editor, source, tmp_path / "b.mkv", {f"{face}:Smiling": 3.0}, encoding=LOSSLESS)
    assert (report.faces, report.faces_edited) == (12, 6)
    mask = changed(source, tmp_path / "b.mkv")
    meant, other = (mask[:, :, :160], mask[:, :, 160:])[:: 1 if face == "left" else -1]
    assert meant.any(axis=(1, 2)).all()
    assert not other.any()


def test_tracks_are_listed_with_the_numbers_that_choose_them(editor: Editor, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", [pair(i) for i in range(6)])
    one, other = sorted(tracks_in(editor, source), key=lambda track: track.x)
    assert (one.frames, one.start, other.frames) == (6, 0.0, 6)
    assert one.stop == pytest.approx(5 / 24, abs=1e-3)
    assert 0.2 < one.x < 0.3
    assert 0.7 < other.x < 0.8
    assert one.height < other.height
    values = {f"{one.number}:Smiling": 3.0}
    edit_video(editor, source, tmp_path / "b.mkv", values, encoding=LOSSLESS)
    mask = changed(source, tmp_path / "b.mkv")
    assert mask[:, :, :160].any()
    assert not mask[:, :, 160:].any()


def test_the_command_lists_faces_and_edits_those_that_are_named(tiny_bundle: Path, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", [pair(i) for i in range(3)])
    common = [str(source), "--model", str(tiny_bundle), "--threads", "1", "--json"]
    listed = CliRunner().invoke(app, [*common, "--list-faces"])
    assert {track["number"] for track in json.loads(listed.stdout)} == {0, 1}
    target = str(tmp_path / "b.mkv")
    edited = CliRunner().invoke(
        app,
        [*common, "--attr", "Smiling=3", "--face", "right", "-o", target, "--codec", "ffv1", "--no-cache"],
    )
    assert json.loads(edited.stdout)[0]["faces_edited"] == 3
    mask = changed(source, Path(target))
    assert mask[:, :, 160:].any()
    assert not mask[:, :, :160].any()


def test_in_aligned_footage_the_whole_frame_is_the_crop(editor: Editor, tmp_path: Path) -> None:
    square = portrait((128, 128), zoom=1.2)
    pictures = [np.roll(square, i, axis=1) for i in range(4)] + [255 - square] * 2
    source = write_clip(tmp_path / "a.mkv", pictures)
    options = FaceOptions(aligned=True)
    report = edit_video(
        editor, source, tmp_path / "b.mkv", {"Smiling": 3.0}, faces=options, encoding=LOSSLESS
    )
    assert (report.frames, report.faces_edited, report.tracks) == (6, 6, 2)
    (crop,) = editor.tracker(options).update(_planes(square), 0.0)
    np.testing.assert_allclose(crop.matrix, [[0.5, 0, -0.25], [0, 0.5, -0.25]])
    back = (crop.landmarks[[0, 1]] + 0.5) / 2 - 0.5
    np.testing.assert_allclose(back, editor.model.template[:2], atol=1e-4)


def test_footage_that_is_not_square_is_not_aligned(editor: Editor, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mkv", [pair(0)] * 2)
    with pytest.raises(ConfigError, match="found frames of 320x180: expected square ones"):
        edit_video(editor, source, tmp_path / "b.mkv", {"Smiling": 1.0}, faces=FaceOptions(aligned=True))
    assert not (tmp_path / "b.mkv").exists()


def _planes(picture: NDArray[np.uint8]) -> FramePlanes:
    frame: av.VideoFrame = frame_of(picture, "rgb24")
    return FramePlanes(frame)
