"""Groups by attributes of the three kinds."""

import numpy as np
from tests.train.evaluation.bands import ATTRIBUTES

from fader.train.evaluation.groups import groups_of


def test_groups_are_presence_categories_and_halves_in_units() -> None:
    labels = np.array([[0.0, 1, 2], [0.2, 0, 0], [0.5, 1, 0], [1.0, 0, 1]], dtype=np.float32)
    groups = {name: members.tolist() for name, members in groups_of(labels, ATTRIBUTES).items()}
    assert groups == {
        "Age < 41": [True, True, False, False],
        "Age ≥ 41": [False, False, True, True],
        "Glasses": [True, False, True, False],
        "not Glasses": [False, True, False, True],
        "Hair=black": [False, True, True, False],
        "Hair=blond": [False, False, False, True],
        "Hair=red": [True, False, False, False],
    }
