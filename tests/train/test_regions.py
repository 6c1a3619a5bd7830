"""Parts of aligned faces: where they lie, and what glasses hide."""

import pytest
import torch
from tests.train.shapes import face_landmarks
from torch import Tensor

from fader.train.regions import beard, behind_glasses, inside_face, mouth, rising

SIZE = 64
LEFT, RIGHT, NOSE, *CORNERS = (tuple(round(v) for v in point) for point in face_landmarks(SIZE))


def at(region_HW: Tensor, point: tuple[int, ...]) -> float:
    return float(region_HW[point[1], point[0]])


def face(eyes: float, skin: float = 0.4) -> Tensor:
    """Return (1, 3, SIZE, SIZE) of one shade in [-1, 1] but for the eyes'."""
    picture = torch.full((1, 3, SIZE, SIZE), skin)
    for x, y in (LEFT, RIGHT):
        picture[:, :, y - 3 : y + 4, x - 6 : x + 7] = eyes
    return picture


def test_the_region_of_the_mouth_holds_it_and_no_eyes() -> None:
    region = mouth(SIZE)
    assert region.shape == (SIZE, SIZE)
    for corner in CORNERS:
        assert at(region, corner) > 0.9
    assert at(region, LEFT) == at(region, RIGHT) == 0


def test_beards_grow_around_the_mouth_and_on_the_chin() -> None:
    region = beard(SIZE)
    assert region.shape == (SIZE, SIZE)
    left, right = CORNERS
    chin = (left[0] + right[0]) // 2, left[1] + SIZE // 5
    for point in (*CORNERS, chin):
        assert at(region, point) > 0.9
    assert at(region, LEFT) == at(region, RIGHT) == 0
    assert (region >= mouth(SIZE) - 1e-6).all()


def test_what_is_beside_a_face_is_outside_and_more_of_it_on_the_far_side() -> None:
    straight, turned = inside_face(SIZE, torch.tensor([0.0, 0.7]))[:, 0]
    for point in (LEFT, RIGHT, NOSE, *CORNERS):
        assert at(straight, point) == 1
    assert straight[0, 0] == straight[-1, -1] == 0
    row = NOSE[1]
    assert turned[row].sum() < straight[row].sum()
    torch.testing.assert_close(turned[row, : SIZE // 2 - 1], straight[row, : SIZE // 2 - 1])


def test_glasses_hide_what_is_around_the_eyes_and_dark_ones_the_eyes_too() -> None:
    bare = face(eyes=0.0)
    clear, dark = behind_glasses(torch.cat([face(0.0), face(-0.8)]), bare.expand(2, -1, -1, -1))[:, 0]
    bridge = ((LEFT[0] + RIGHT[0]) // 2, LEFT[1])
    for region in (clear, dark):
        assert at(region, bridge) == 1
        assert at(region, CORNERS[0]) == 0
    assert at(clear, LEFT) == at(clear, RIGHT) == 0
    assert at(dark, LEFT) == at(dark, RIGHT) == 1


def test_a_dark_face_is_not_taken_for_dark_glasses() -> None:
    (region,) = behind_glasses(face(eyes=-0.9, skin=-0.85), face(0.0))[:, 0]
    assert at(region, LEFT) == 0


@pytest.mark.parametrize("size", [16, 40, 128])
def test_regions_have_any_size(size: int) -> None:
    pictures = torch.zeros(2, 3, 48, 48)
    assert behind_glasses(pictures, torch.zeros(2, 3, size, size)).shape == (2, 1, size, size)
    assert inside_face(size, torch.zeros(3)).shape == (3, 1, size, size)


def test_what_rises_does_so_smoothly_between_its_ends() -> None:
    values = rising(torch.linspace(-1, 2, 31), 0.0, 1.0)
    assert values[:11].abs().max() < 1e-6
    assert (values[20:] - 1).abs().max() < 1e-6
    assert (values.diff() >= -1e-6).all()
    assert values[15] == pytest.approx(0.5)
