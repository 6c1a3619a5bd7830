"""Grids whose every tile is known, and the folder that holds them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.train.evaluation.bands import AGE, ATTRIBUTES, GLASSES, HAIR, SIZE, Judge, Painter, pictures

from fader.errors import ConfigError
from fader.models import Checkpoint
from fader.train.evaluation.captions import HEIGHT, captioned
from fader.train.evaluation.evaluate import evaluate, grid
from fader.train.evaluation.folder import EvaluationFolder
from fader.train.evaluation.grids import faces_for, interpolation, portraits

FACES = pictures([[0.0, 0, 0], [1.0, 1, 2], [0.5, 0, 1], [0.25, 1, 1]])
TILE = 5 * SIZE
ALPHAS = (0.0, 0.5, 1.0)


def bands(
    picture: NDArray[np.uint8], row: int, column: int, *, top: int = HEIGHT, left: int = 0
) -> list[int]:
    """Return the greys of a tile's three bands."""
    y, x = HEIGHT + row * (TILE + 2), left + column * (TILE + 2)
    tile = picture[y : y + TILE, x : x + TILE]
    assert tile.shape == (TILE, TILE, 3)
    return [int(tile[TILE // 6 + i * TILE // 3, TILE // 2, 0]) for i in range(3)]


def grey(position: float) -> int:
    return round((position * 1.2 - 0.6 + 1) * 127.5)


def test_an_interpolation_shows_original_reconstruction_and_the_slider_from_end_to_end() -> None:
    picture = interpolation(
        Painter(), FACES, ATTRIBUTES, "Glasses", positions=np.array([2, 1]), alphas=ALPHAS
    )
    assert picture.shape == (HEIGHT + 2 * TILE + 2, 5 * TILE + 4 * 2, 3)
    blond, red = [grey(0.5), grey(0), grey(0.5)], [grey(1), grey(1), grey(1)]
    assert bands(picture, 0, 0) == bands(picture, 0, 1) == blond, "in the order of the positions"
    assert bands(picture, 1, 0) == bands(picture, 1, 1) == red
    for column, alpha in enumerate(ALPHAS, start=2):
        assert bands(picture, 0, column) == pytest.approx([grey(0.5), grey(alpha), grey(0.5)], abs=1)
        assert bands(picture, 1, column) == pytest.approx([grey(1), grey(alpha), grey(1)], abs=1)


def test_a_categorical_attribute_shows_each_category() -> None:
    picture = interpolation(Painter(), FACES, ATTRIBUTES, "Hair", positions=np.array([3]), alphas=(0.0, 1.0))
    assert picture.shape[1] == 5 * TILE + 4 * 2
    assert [bands(picture, 0, column)[HAIR] for column in range(5)] == pytest.approx(
        [grey(0.5), grey(0.5), grey(0), grey(0.5), grey(1)], abs=1
    )


def test_a_portrait_has_a_row_for_each_slider_beside_its_name() -> None:
    sheets = portraits(Painter(), FACES, ATTRIBUTES, positions=np.array([0, 1]), alphas=ALPHAS)
    assert len(sheets) == 2
    first = sheets[0]
    left = first.shape[1] - (5 * TILE + 4 * 2)
    assert 20 < left < TILE
    assert first.shape[0] == HEIGHT + 2 * TILE + 2
    assert bands(first, 0, 4, left=left) == [grey(1), grey(0), grey(0)], "Age"
    assert bands(first, 1, 4, left=left) == [grey(0), grey(1), grey(0)], "Glasses"
    assert (first[HEIGHT : HEIGHT + TILE, :left] < 100).any(), "a name"


def test_words_stand_above_their_columns_within_them() -> None:
    black = np.zeros((64, 64, 3), dtype=np.uint8)
    picture = captioned([[black, black, black]], columns=("a", "", "far too long to fit in"))
    assert picture.shape == (HEIGHT + 64, 3 * 64 + 4, 3)
    line = picture[:HEIGHT].min(axis=(0, 2))
    written = [bool((line[start : start + 64] < 128).any()) for start in (0, 66, 132)]
    assert written == [True, False, True]
    assert line[130:133].min() > 200, "they do not run into the neighbour"


def test_half_of_the_faces_have_the_attribute_and_half_have_not() -> None:
    labels = [[0.1 * i, i % 5 == 0, i % 3] for i in range(10)]
    subset = pictures(labels)
    assert faces_for(subset, GLASSES, 4).tolist() == [1, 2, 0, 5]
    assert faces_for(subset, AGE, 4).tolist() == [0, 1, 5, 6]
    assert faces_for(subset, GLASSES, 50).tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 0, 5]
    same = pictures([[0.5, 1, 0]] * 3)
    assert faces_for(same, GLASSES, 2).tolist() == [0, 1]


def test_the_runs_own_grid_shows_sliders_at_two_strengths_and_every_category() -> None:
    picture = grid(Painter(), FACES, ATTRIBUTES, positions=np.array([0, 1]))
    assert picture.shape == (2 * SIZE + 2, 9 * SIZE + 8 * 2, 3)
    shown = {}
    for column, band in ((0, GLASSES), (2, AGE), (3, AGE), (4, GLASSES), (5, GLASSES), (6, HAIR), (8, HAIR)):
        line = picture[SIZE // 6 + band * SIZE // 3 :: SIZE + 2, SIZE // 2 + column * (SIZE + 2), 0]
        shown[column] = line.tolist()
    # The first face lacks everything, the second has it; at 1.5 the greys end.
    assert shown == {
        0: [grey(0), grey(1)],
        2: pytest.approx([grey(1), grey(0)], abs=1),
        3: [255, 0],
        4: pytest.approx([grey(1), grey(0)], abs=1),
        5: [255, 0],
        6: pytest.approx([grey(0), grey(0)], abs=1),
        8: pytest.approx([grey(1), grey(1)], abs=1),
    }


def test_the_runs_own_figures_cover_all_three_kinds() -> None:
    labels = [[0.1 * (i % 10), i % 2, i % 3] for i in range(30)]
    figures = evaluate(Painter(), Judge(), pictures(labels), ATTRIBUTES)
    assert figures.pop("psnr_db") > 40
    assert set(figures) == {
        "Age raised",
        "Age lowered",
        "Glasses added",
        "Glasses removed",
        "Hair=black added",
        "Hair=blond added",
        "Hair=red added",
        "others kept",
    }
    assert set(figures.values()) == {1.0}


def test_a_folder_is_filled_with_a_grid_for_each_attribute_and_portraits(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path / "deep" / "evaluation")
    checkpoint = Checkpoint(
        autoencoder=Painter(),
        classifier=Judge(),
        attributes=ATTRIBUTES,
        template=((0.0, 0.0), (1.0, 0.0), (0.5, 1.0)),
    )
    folder.draw(checkpoint, FACES, rows=2, alphas=ALPHAS)
    files = sorted(path.name for path in (folder.path / "grids").iterdir())
    assert files == [
        "Age.png",
        "Glasses.png",
        "Hair.png",
        "portrait-1.png",
        "portrait-2.png",
        "portrait-3.png",
    ]
    picture = cv2.imread(str(folder.path / "grids" / "Age.png"))
    assert picture is not None
    assert picture.shape == (HEIGHT + 2 * TILE + 2, 5 * TILE + 8, 3)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"cannot make the folder .*file/there .*: choose another") as error:
        EvaluationFolder(tmp_path / "file" / "there")
    assert len(str(error.value).splitlines()) == 1
