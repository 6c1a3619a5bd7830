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
from fader.train.glasses import Heads, heads_of, plain_glasses, various_glasses, wear

SIZE = 128


def faces(m: int, size: int = SIZE, level: float = 0.4) -> Tensor:
    return torch.full((m, 3, size, size), level)


def frontal(m: int, size: int = SIZE) -> Heads:
    return heads_of(torch.from_numpy(face_landmarks(size)).expand(m, 5, 2), size)


def turned(yaw: float, size: int = SIZE) -> Heads:
    return replace(frontal(1, size), yaw_M=torch.tensor([yaw]))


def changed(worn: Tensor, bare: Tensor) -> Tensor:
    """Return (M, S, S): how much each pixel changed."""
    return (worn - bare).abs().amax(dim=1)


def columns_changed(heads: Heads) -> tuple[int, int]:
    """Return the first and the last column in which the frame of plain glasses shows."""
    bare = faces(1)
    seen = (changed(wear(bare, plain_glasses(1), heads), bare)[0] > 0.5).any(dim=0).nonzero()[:, 0]
    return int(seen.min()), int(seen.max())


def test_plain_glasses_are_a_dark_frame_around_eyes_that_stay() -> None:
    worn = wear(faces(1), plain_glasses(1), frontal(1))
    change = changed(worn, faces(1))[0]
    for x, y in template_at(CELEBA_TIGHT, SIZE)[:2]:
        eye = change[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        assert eye.max() < 0.2
        column = worn[0, 0, :, round(x)]
        above, below = column[round(y) - 20 : round(y)], column[round(y) : round(y) + 25]
        assert above.min() < -0.5
        assert below.min() < -0.5
    assert change[:10].max() == 0
    assert change[80:].max() < 0.01


def test_both_sides_are_mirror_images_around_the_middle_of_the_eyes() -> None:
    no_glare = replace(plain_glasses(1), glare_M=torch.zeros(1))
    change = changed(wear(faces(1), no_glare, frontal(1)), faces(1))
    torch.testing.assert_close(change, change.flip(2), atol=0.05, rtol=0)


@given(yaw=st.floats(-0.9, 0.9))
@settings(max_examples=25, deadline=None)
def test_a_head_turned_the_other_way_wears_the_mirror_image(yaw: float) -> None:
    no_glare = replace(plain_glasses(1), glare_M=torch.zeros(1))
    one, other = (wear(faces(1), no_glare, turned(angle)) for angle in (yaw, -yaw))
    torch.testing.assert_close(one, other.flip(3), atol=0.1, rtol=0)


def test_on_a_turned_head_the_far_side_draws_in_and_the_near_temple_shows() -> None:
    ahead, aside = columns_changed(turned(0.0)), columns_changed(turned(0.7))
    # The nose points to the right: the right lens is the far one.
    assert aside[1] < ahead[1] - 4
    assert aside[0] < ahead[0] - 4


def test_glasses_follow_the_eyes() -> None:
    heads = frontal(1)
    moved = replace(heads, centre_M2=heads.centre_M2 + torch.tensor([[5.0, 3.0]]))
    one, other = (wear(faces(1), plain_glasses(1), where) for where in (heads, moved))
    torch.testing.assert_close(one[:, :, 3:-8, 3:-8], other[:, :, 6:-5, 8:-3], atol=1e-3, rtol=0)
    rolled = wear(faces(1), plain_glasses(1), replace(heads, roll_M=torch.tensor([0.1])))
    dark = changed(rolled, faces(1))[0] > 0.5
    height = [dark[:, half].any(dim=1).nonzero().float().mean() for half in (slice(0, 64), slice(64, 128))]
    assert height[1] - height[0] > 3


def test_yaw_and_roll_are_read_from_the_nose_and_the_eyes() -> None:
    marks = torch.from_numpy(face_landmarks(SIZE)).repeat(3, 1, 1)
    marks[1, 2, 0] += 12
    marks[2, 1, 1] += 4
    heads = heads_of(marks, SIZE)
    assert heads.yaw_M[0].item() == pytest.approx(0, abs=2e-3)
    assert 0.3 < heads.yaw_M[1].item() < 0.6
    assert heads.roll_M.tolist() == pytest.approx([0, 0, 4 / (marks[2, 1] - marks[2, 0])[0].item()], abs=2e-3)
    left, right = template_at(CELEBA_TIGHT, SIZE)[:2]
    assert heads.unit_M[0].item() == pytest.approx(right[0] - left[0])
    # What is seen narrower is turned, not smaller.
    assert heads.unit_M[1] > heads.unit_M[0]


@given(noise=st.lists(st.floats(-200, 200, width=32), min_size=10, max_size=10))
def test_whatever_a_detector_says_heads_stay_believable(noise: list[float]) -> None:
    marks = torch.from_numpy(face_landmarks(SIZE)) + torch.tensor(noise).reshape(5, 2)
    heads = heads_of(marks[None], SIZE)
    unit = frontal(1).unit_M.item()
    assert heads.yaw_M.abs().item() <= 1
    assert 0.84 * unit < heads.unit_M.item() < 1.26 * unit
    assert wear(faces(1), plain_glasses(1), heads).isfinite().all()


def test_thin_frames_cover_as_much_as_they_are_thick() -> None:
    thin = replace(plain_glasses(1), rim_M=torch.full((1,), 0.02), tint_M=torch.zeros(1))
    covered = [
        changed(wear(faces(1, size), thin, frontal(1, size)), faces(1, size)).mean().item()
        for size in (64, 256)
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
    worn = wear(bare, glasses, replace(frontal(3, size), yaw_M=torch.full((3,), yaw)))
    assert worn.shape == bare.shape
    assert worn.isfinite().all()
    assert worn.abs().max() <= 1 + 1e-5
    change = changed(worn, bare)
    assert change[:, size * 4 // 5 :].max() < 0.02
    assert change[:, : size // 20].max() < 0.02


def test_various_glasses_vary_and_depend_on_the_draws_alone() -> None:
    one, same, other = (
        wear(faces(4), various_glasses(Draws.for_images(seed, 4)), frontal(4)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])
