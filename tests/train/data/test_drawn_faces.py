"""Drawn faces: the same every time, each factor where it belongs, labels that agree with the pictures."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fader.errors import ConfigError, DataError, FaderError, MediaError
from fader.image import read_image
from fader.train.data.drawn_faces import (
    ATTRIBUTES,
    FaceFactors,
    draw_face,
    drawn_faces,
    sample_factors,
    write_drawn_faces,
)
from fader.train.data.drawn_factors import HAIRS, RANGES, labels_of

SIZE = 64
FACES = sample_factors(12, seed=3)
MANY = sample_factors(3000, seed=1)
MIDDLES: dict[str, Any] = {name: (low + high) / 2 for name, (low, high) in RANGES.items()}
PLAIN = FaceFactors(
    eyeglasses=False,
    smiling=False,
    hair="brown",
    noise_seed=0,
    **MIDDLES | {"noise": 0.0},
)
"""The middle of everything, without noise."""


def change(face: FaceFactors, size: int = SIZE, **values: Any) -> NDArray[np.float64]:
    """Return (size, size), how far a pixel moves on average over the channels when factors are replaced."""
    before, after = draw_face(face, size), draw_face(replace(face, **values), size)
    moved: NDArray[np.float64] = np.abs(after.astype(float) - before).mean(2)
    return moved


def box(left: float, top: float, right: float, bottom: float) -> NDArray[np.bool_]:
    """Return (SIZE, SIZE), true inside a box given in shares of the side."""
    y, x = (np.mgrid[:SIZE, :SIZE] + 0.5) / SIZE
    return np.asarray((x > left) & (x < right) & (y > top) & (y < bottom))


# Poses move a face by up to 0.06 of the side, so the boxes are that much larger than what is drawn.
AROUND_THE_EYES = box(0.0, 0.24, 1.0, 0.60)
AROUND_THE_MOUTH = box(0.20, 0.66, 0.80, 0.99)
HAIR_AND_BROWS = ~box(0.34, 0.44, 0.66, 0.85)


@pytest.mark.parametrize("size", [16, 63, 64, 128])
def test_the_same_factors_always_draw_the_same_picture(size: int) -> None:
    first = draw_face(FACES[0], size)
    draw_face(FACES[1], 48)
    assert first.shape == (size, size, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, draw_face(replace(FACES[0]), size))


def test_the_same_seed_draws_the_same_set_and_another_seed_another_one() -> None:
    one, again, other = (drawn_faces(3, SIZE, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(one.images_NHWC, again.images_NHWC)
    assert one.factors == again.factors
    assert not set(one.factors) & set(other.factors)


def test_a_larger_set_begins_with_the_smaller_one() -> None:
    assert sample_factors(9, seed=5)[:4] == sample_factors(4, seed=5)


@pytest.mark.parametrize("name", sorted(set(RANGES) - {"noise"}))
def test_every_number_changes_the_picture(name: str) -> None:
    low, high = RANGES[name]
    for value in (low, low + 0.75 * (high - low)):
        changed: dict[str, Any] = {name: value}
        assert change(PLAIN, **changed).max() > 8


def test_noise_is_as_strong_as_its_factor_and_its_seed_chooses_which() -> None:
    clean, noisy = draw_face(PLAIN, SIZE), draw_face(replace(PLAIN, noise=3.0), SIZE)
    unclipped = (clean > 15) & (clean < 240)
    assert np.std((noisy.astype(float) - clean)[unclipped]) == pytest.approx(3, abs=0.15)
    assert change(replace(PLAIN, noise=3.0), noise_seed=1).mean() > 1
    assert change(PLAIN, noise_seed=1).max() == 0


@pytest.mark.parametrize("face", FACES)
def test_glasses_show_around_the_eyes_and_change_nothing_else(face: FaceFactors) -> None:
    moved = change(face, eyeglasses=not face.eyeglasses)
    assert moved[~AROUND_THE_EYES].max() == 0
    assert (moved[AROUND_THE_EYES] > 30).mean() > 0.10


@pytest.mark.parametrize("face", FACES)
def test_a_smile_shows_around_the_mouth_and_changes_nothing_else(face: FaceFactors) -> None:
    moved = change(face, smiling=not face.smiling)
    assert moved[~AROUND_THE_MOUTH].max() == 0
    assert (moved[AROUND_THE_MOUTH] > 20).mean() > 0.05


@pytest.mark.parametrize("face", FACES)
def test_another_colour_of_hair_changes_hair_and_brows_and_nothing_else(face: FaceFactors) -> None:
    for hair in set(HAIRS) - {face.hair}:
        moved = change(replace(face, eyeglasses=False), hair=hair)
        assert moved[~HAIR_AND_BROWS].max() == 0
        assert (moved > 30).mean() > 0.08


@pytest.mark.parametrize("face", FACES)
def test_age_changes_the_skin_more_with_every_decade_and_leaves_hair_and_background(
    face: FaceFactors,
) -> None:
    decades = [change(replace(face, age=20.0), age=float(age)) for age in range(30, 71, 10)]
    assert all(moved[box(0, 0, 1, 0.10)].max() == 0 for moved in decades)
    distances = [moved.mean() for moved in decades]
    assert distances == sorted(distances)
    assert distances[0] > 0.7
    assert distances[-1] > 4


def test_smiles_of_a_class_differ_less_than_the_classes() -> None:
    within = max(
        change(replace(PLAIN, smiling=smiling, mouth_spread=-1.0), mouth_spread=1.0).mean()
        for smiling in (False, True)
    )
    between = change(replace(PLAIN, mouth_spread=1.0), smiling=True, mouth_spread=-1.0).mean()
    assert between > 1.2 * within


def test_eyes_and_mouth_lie_where_aligned_faces_have_them() -> None:
    size = 256
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    irises = change(PLAIN, size, eye_colour=0.0)
    mouths = change(PLAIN, size, smiling=True)
    for weights, where in (
        (irises * (x < 0.5), (0.33, 0.40)),
        (irises * (x > 0.5), (0.67, 0.40)),
        (mouths, (0.50, 0.78)),
    ):
        centre = [(weights * axis).sum() / weights.sum() for axis in (x, y)]
        assert centre == pytest.approx(where, abs=0.025)


@pytest.mark.parametrize(
    ("factor", "value", "moves"),
    [
        ("shift_x", 0.02, lambda x, y: (x + 0.02, y)),
        ("shift_y", -0.02, lambda x, y: (x, y - 0.02)),
        ("scale", 1.05, lambda x, y: (0.5 + 1.05 * (x - 0.5), y - 0.0065)),
        ("rotation", 5.0, lambda x, y: (x + 0.0109, y + 0.0153)),
    ],
)
def test_poses_move_the_image_right_eye_as_described(factor: str, value: Any, moves: Any) -> None:
    size = 256
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    centres = []
    for face in (PLAIN, replace(PLAIN, **{factor: value})):
        weights = change(face, size, eye_colour=0.0) * (x > 0.5)
        centres.append([(weights * axis).sum() / weights.sum() for axis in (x, y)])
    assert centres[1] == pytest.approx(moves(*centres[0]), abs=0.004)


def test_labels_are_in_the_order_of_the_attributes_and_agree_with_the_factors() -> None:
    faces = drawn_faces(20, 16, seed=2)
    assert faces.attributes.names == ("Age", "Eyeglasses", "Smiling", "Hair")
    assert [a.kind for a in faces.attributes] == ["continuous", "boolean", "boolean", "categorical"]
    assert faces.labels_NK.dtype == np.float32
    for label_K, face in zip(faces.labels_NK, faces.factors, strict=True):
        label = dict(zip(faces.attributes.names, label_K.tolist(), strict=True))
        assert faces.attributes["Age"].value_at(label["Age"]) == pytest.approx(face.age, abs=1e-4)
        assert (label["Eyeglasses"], label["Smiling"]) == (face.eyeglasses, face.smiling)
        assert faces.attributes["Hair"].categories[int(label["Hair"])] == face.hair


def test_a_linear_reader_tells_every_attribute_at_64_px() -> None:
    faces = drawn_faces(500, SIZE, seed=4)
    pixels = faces.images_NHWC.reshape(500, -1) / 255
    targets = np.column_stack([faces.labels_NK[:, :3], np.eye(len(HAIRS))[faces.labels_NK[:, 3].astype(int)]])
    seen, unseen = slice(0, 400), slice(400, 500)
    centred = pixels - pixels[seen].mean(0)
    gram = centred[seen] @ centred[seen].T + 60 * np.eye(400)
    means = targets[seen].mean(0)
    read = centred[unseen] @ centred[seen].T @ np.linalg.solve(gram, targets[seen] - means) + means
    right = (read[:, :3] > 0.5) == (targets[unseen, :3] > 0.5)
    assert (right.mean(0) > 0.9).all()
    assert np.corrcoef(read[:, 0], targets[unseen, 0])[0, 1] > 0.88
    assert (read[:, 3:].argmax(1) == targets[unseen, 3:].argmax(1)).mean() > 0.95


def test_all_factors_are_independent_unless_asked_for() -> None:
    numbers = np.column_stack(
        [labels_of(MANY), *([getattr(face, name) for face in MANY] for name in RANGES if name != "age")]
    )
    correlations = np.corrcoef(numbers.T) - np.eye(numbers.shape[1])
    assert np.abs(correlations).max() < 0.075
    assert labels_of(MANY).mean(0) == pytest.approx([0.5, 0.5, 0.5, 1.5], abs=0.07)


@settings(deadline=None, max_examples=8)
@given(st.floats(-1, 1))
def test_a_correlation_is_what_was_asked_for_and_changes_only_who_wears_glasses(wanted: float) -> None:
    faces = sample_factors(1500, seed=1, correlation=wanted)
    labels = labels_of(faces)
    older, glasses = labels[:, 0] > 0.5, labels[:, 1] > 0.5
    assert np.corrcoef(older, glasses)[0, 1] == pytest.approx(wanted, abs=0.1)
    assert glasses.mean() == pytest.approx(0.5, abs=0.06)
    for face, independent in zip(faces, MANY, strict=False):
        assert replace(face, eyeglasses=independent.eyeglasses) == independent


def test_with_full_correlation_all_the_old_wear_glasses_and_nobody_else() -> None:
    for face in sample_factors(200, seed=1, correlation=1.0):
        assert face.eyeglasses == (face.age > 45)


def test_a_written_folder_reads_back(tmp_path: Path) -> None:
    path = write_drawn_faces(tmp_path / "new" / "faces", 5, 32, 7, correlation=0.5)
    faces = drawn_faces(5, 32, seed=7, correlation=0.5)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["image", "Eyeglasses", "Smiling", "Hair", "Age"]
    assert sorted(p.name for p in path.parent.iterdir()) == [*(row["image"] for row in rows), "labels.csv"]
    for row, image, face in zip(rows, faces.images_NHWC, faces.factors, strict=True):
        assert np.array_equal(read_image(path.parent / row["image"]), image)
        assert (row["Eyeglasses"], row["Smiling"]) == (str(int(face.eyeglasses)), str(int(face.smiling)))
        assert row["Hair"] == face.hair
        assert ATTRIBUTES["Hair"].columns(row["Hair"]).sum() == 1
        assert float(row["Age"]) == face.age


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^cannot write \S*file: File exists; choose another folder$"):
        write_drawn_faces(tmp_path / "file", 1, 16, 0)
    (tmp_path / "000000.png").mkdir()
    with pytest.raises(MediaError, match=r"^cannot write \S*000000\.png: [^\n]*$"):
        write_drawn_faces(tmp_path, 1, 16, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hair": "blue"}, "hair 'blue': expected one of black, brown, fair, grey"),
        ({"age": 71.0}, "age 71: expected a number from 20 to 70"),
        ({"skin": float("nan")}, "skin nan: expected a number from 0 to 1"),
        ({"noise_seed": -1}, "noise_seed -1: expected 0 to 2147483647"),
    ],
)
def test_factors_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        replace(PLAIN, **values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "0 drawn faces of seed 0: expected at least 1 of a seed of at least 0"),
        ({"seed": -1}, "1 drawn faces of seed -1: expected at least 1 of a seed of at least 0"),
        ({"size": 15}, "a drawn face of 15 px: expected a size from 16 to 1024"),
        ({"correlation": 1.1}, "correlation 1.1: expected a number from -1 to 1"),
        ({"correlation": float("nan")}, "correlation nan: expected a number from -1 to 1"),
    ],
)
def test_sets_that_cannot_be_drawn_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(FaderError, match=f"^{message}$"):
        drawn_faces(**{"n": 1, "size": 16, "seed": 0, **arguments})


@settings(deadline=None, max_examples=25)
@given(st.fixed_dictionaries({name: st.sampled_from(ends) for name, ends in RANGES.items()}))
def test_even_the_most_extreme_faces_can_be_drawn(ends: dict[str, Any]) -> None:
    face = replace(PLAIN, **ends, eyeglasses=True, smiling=True)
    assert draw_face(face, 32).std() > 10
