"""Drawn glasses: where they sit on heads that look at the camera or turn, and what they leave alone."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.shapes import face_landmarks
from torch import Tensor

from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train.draws import Draws
from fader.train.glasses import plain_glasses, various_glasses, wear, yaws_of

SIZE = 128


def faces(m: int, size: int = SIZE, level: float = 0.4) -> Tensor:
    return torch.full((m, 3, size, size), level)


def yaw_of(radians: float, m: int = 1) -> Tensor:
    return torch.full((m,), radians)


def changed(worn: Tensor, bare: Tensor) -> Tensor:
    """Return (M, S, S): how much each pixel changed."""
    return (worn - bare).abs().amax(dim=1)


def columns_changed(yaw: float) -> tuple[int, int]:
    """Return the first and the last column in which the frame of plain glasses shows."""
    bare = faces(1)
    seen = (changed(wear(bare, plain_glasses(1), yaw_of(yaw)), bare)[0] > 0.5).any(dim=0).nonzero()[:, 0]
    return int(seen.min()), int(seen.max())


def test_plain_glasses_are_a_dark_frame_around_eyes_that_stay() -> None:
    worn = wear(faces(1), plain_glasses(1), yaw_of(0))
    change = changed(worn, faces(1))[0]
    for x, y in template_at(CELEBA_TIGHT, SIZE)[:2]:
        eye = change[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        assert eye.max() < 0.2
        column = worn[0, 0, :, round(x)]
        above, below = column[round(y) - 20 : round(y)], column[round(y) : round(y) + 25]
        assert above.min() < -0.5
        assert below.min() < -0.4
    assert change[:10].max() == 0
    assert change[80:].max() < 0.01


def test_both_sides_are_mirror_images_around_the_middle_of_the_eyes() -> None:
    no_glare = replace(plain_glasses(1), glare_M=torch.zeros(1))
    change = changed(wear(faces(1), no_glare, yaw_of(0)), faces(1))
    torch.testing.assert_close(change, change.flip(2), atol=0.05, rtol=0)


@given(yaw=st.floats(-0.9, 0.9))
@settings(max_examples=25, deadline=None)
def test_a_head_turned_the_other_way_wears_the_mirror_image(yaw: float) -> None:
    no_glare = replace(plain_glasses(1), glare_M=torch.zeros(1))
    one, other = (wear(faces(1), no_glare, yaw_of(angle)) for angle in (yaw, -yaw))
    torch.testing.assert_close(one, other.flip(3), atol=0.1, rtol=0)


def test_on_a_turned_head_the_far_side_draws_in_and_the_near_temple_shows() -> None:
    ahead, aside = columns_changed(0.0), columns_changed(0.7)
    # The nose points to the right: the right lens is the far one.
    assert aside[1] < ahead[1] - 4
    assert aside[0] < ahead[0] - 4


def test_yaw_is_read_from_the_nose_beside_the_eyes() -> None:
    marks = torch.from_numpy(face_landmarks(SIZE)).repeat(3, 1, 1)
    marks[1, 2, 0] += 12
    marks[2, 2, 0] -= 12
    ahead, right, left = yaws_of(marks).tolist()
    assert ahead == pytest.approx(0, abs=2e-3)
    assert 0.3 < right < 0.6
    assert left == pytest.approx(-right, abs=5e-3)


@given(noise=st.lists(st.floats(-200, 200, width=32), min_size=10, max_size=10))
def test_whatever_a_detector_says_heads_are_turned_by_less_than_a_right_angle(noise: list[float]) -> None:
    marks = torch.from_numpy(face_landmarks(SIZE)) + torch.tensor(noise).reshape(5, 2)
    yaws = yaws_of(marks[None])
    assert yaws.abs().item() <= 1
    assert wear(faces(1), plain_glasses(1), yaws).isfinite().all()


def test_thin_frames_cover_as_much_as_they_are_thick() -> None:
    thin = replace(plain_glasses(1), rim_M=torch.full((1,), 0.02), tint_M=torch.zeros(1))
    covered = [
        changed(wear(faces(1, size), thin, yaw_of(0)), faces(1, size)).mean().item() for size in (64, 256)
    ]
    assert covered[0] == pytest.approx(covered[1], rel=0.05)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from([32, 64, 96, 128, 256]),
    level=st.floats(-1, 1),
    strength=st.floats(0, 1.5),
    yaw=st.floats(-1, 1),
)
def test_worn_faces_are_images_in_range_that_change_around_the_eyes_alone(
    seed: int, size: int, level: float, strength: float, yaw: float
) -> None:
    bare = faces(3, size, level)
    glasses = various_glasses(Draws.for_images(seed, 3)).exaggerated(torch.full((3,), strength))
    worn = wear(bare, glasses, yaw_of(yaw, 3))
    assert worn.shape == bare.shape
    assert worn.isfinite().all()
    assert worn.abs().max() <= 1 + 1e-5
    change = changed(worn, bare)
    assert change[:, size * 4 // 5 :].max() < 0.02
    assert change[:, : size // 20].max() < 0.02


def test_various_glasses_vary_and_depend_on_the_draws_alone() -> None:
    one, same, other = (
        wear(faces(4), various_glasses(Draws.for_images(seed, 4)), yaw_of(0, 4)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])
