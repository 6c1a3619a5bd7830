"""Prototypes: whose averages they are, what they add to an image, and that a decoder learns it."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.train.shapes import (
    ATTRIBUTES,
    NAMES,
    face_landmarks,
    make_classifier,
    make_shapes,
    make_trainer,
    tiny_config,
)
from torch import Tensor

from fader.models import Classifier
from fader.train.augment import luma
from fader.train.data.dataset import Subset
from fader.train.draws import Draws
from fader.train.examples import ExampleMaker
from fader.train.objectives import columns
from fader.train.prototypes import (
    NEIGHBOURS,
    OTHERS,
    TINT,
    Prototypes,
    replaced,
    shaded,
    shaved,
    towards,
)
from fader.train.regions import beard

RED, ROUND = (NAMES.index(name) for name in ("Red", "Round"))
DATA = make_shapes(120)
SUBSET = DATA.subset(np.arange(len(DATA)))
MIDDLE = (slice(None), slice(None), slice(12, 20), slice(12, 20))


def prototypes_of(
    subset: Subset,
    names: Iterable[str],
    guide: Classifier | None = None,
    on_image: Callable[[int, int], None] = lambda _done, _total: None,
) -> Prototypes:
    """Return those of an untrained encoder's codes."""
    autoencoder = make_trainer(tiny_config()).averaged
    return Prototypes(autoencoder, guide or make_classifier(), subset, ATTRIBUTES, names, on_image)


@pytest.fixture(scope="module")
def prototypes() -> Prototypes:
    return prototypes_of(SUBSET, NAMES)


def test_averages_differ_in_the_attribute_alone(prototypes: Prototypes) -> None:
    places = torch.arange(len(DATA))
    blue, red, there = prototypes.means(places, "Red")
    assert there.all()
    assert blue.shape == red.shape == (len(DATA), 3, 32, 32)
    # Light red against dark blue in the middle, the same grey in the corner.
    assert (red[MIDDLE][:, 0] - blue[MIDDLE][:, 0]).min() > 1
    assert (red - blue)[:, :, :3, :3].abs().mean() < 0.1
    # Round ones have corners that square ones do not, whatever their colour.
    is_round = torch.from_numpy(DATA.labels_NK[:, ROUND] == 1)
    corner = (slice(None), 0, 7, 7)
    assert (blue[corner][is_round].mean() - blue[corner][~is_round].mean()) > 0.08


class ReadsBars(Classifier):
    """A guide that takes the redness of the middle for the first attribute, and the brightness of the lowest
    rows for the second."""

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return (N, 4) logits."""
        red_N = 4 * images_NCHW[MIDDLE][:, 0].mean(dim=(1, 2))
        bright_N = 4 * images_NCHW[:, :, -2:].mean(dim=(1, 2, 3))
        return torch.stack([-red_N, red_N, -bright_N, bright_N], dim=1)


def test_of_what_the_guide_reads_as_another_attribute_less_comes_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Red ones have a brighter bar below, by more than the label of the bar tells."""
    random = np.random.default_rng(0)
    red_N = DATA.labels_NK[:, RED] == 1
    images = DATA.images_NHWC.copy()
    bar_N = 90 + 60 * red_N + random.integers(0, 60, len(DATA))
    images[:, -2:] = bar_N.astype(np.uint8)[:, None, None, None]
    subset = replace(DATA, images_NHWC=images).subset(np.arange(len(DATA)))
    found = prototypes_of(subset, ["Red"], ReadsBars(make_classifier().config).eval())

    def changes(share: float) -> tuple[float, float]:
        """Return by how much the bar becomes brighter, and the middle redder."""
        monkeypatch.setattr("fader.train.prototypes.OTHERS", share)
        blue, red, _ = found.means(torch.arange(len(DATA)), "Red")
        return float((red - blue)[:, :, -2:].mean()), float((red - blue)[MIDDLE][:, 0].mean())

    (brought, red), (less, _), (none, reddened) = (changes(share) for share in (0.0, OTHERS, 1.0))
    assert brought > 0.3
    assert abs(none) < 0.2 * brought
    assert less == pytest.approx((1 - OTHERS) * brought, abs=0.1 * brought)
    assert reddened > 0.8 * red > 0.8


def test_an_image_is_not_among_its_own_neighbours(prototypes: Prototypes) -> None:
    images = prototypes._near["Red"] % len(DATA)
    assert (images != torch.arange(len(DATA))[:, None, None]).all()


def test_of_many_images_some_make_the_averages_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fader.train.prototypes.POOL", 50)
    seen: list[tuple[int, int]] = []
    found = prototypes_of(SUBSET, NAMES, on_image=lambda *progress: seen.append(progress))
    assert seen[-1] == (160, 160)
    assert int(found._near["Red"].max()) < 2 * 40
    blue, red, there = found.means(torch.arange(len(DATA)), "Red")
    assert there.all()
    assert (red[MIDDLE][:, 0] - blue[MIDDLE][:, 0]).min() > 1


def test_where_nobody_has_the_other_attributes_there_is_no_prototype() -> None:
    labels = np.tile(np.array([[0, 0], [0, 0], [1, 0], [0, 1]], np.float32), (2, 1))
    few = replace(DATA, images_NHWC=DATA.images_NHWC[:8], labels_NK=labels).subset(np.arange(8))
    found = prototypes_of(few, ["Red"])
    _, _, there = found.means(torch.arange(4), "Red")
    assert there.tolist() == [True, True, True, False]


def test_fewer_neighbours_than_wanted_count_more_than_once(prototypes: Prototypes) -> None:
    near = prototypes._near["Red"]
    assert near.shape == (len(DATA), 2, NEIGHBOURS)
    assert near.min() >= 0


def square(size: int = 64, half: int = 5) -> torch.Tensor:
    """Return (1, 3, size, size), 0 but for a square of ones in the middle."""
    picture = torch.zeros(1, 3, size, size)
    middle = slice(size // 2 - half, size // 2 + half)
    picture[:, :, middle, middle] = 1
    return picture


def test_only_what_changes_its_shape_makes_way() -> None:
    own, yes = torch.zeros(1, 3, 64, 64), torch.tensor([True])
    shade = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    assert not replaced(own, shade, yes)[..., 12:-12].any()
    shape = replaced(own, square(), yes)
    assert shape[0, 0, 32, 27] == 1
    assert not shape[..., :16, :].any()
    assert not replaced(own, 0.05 * square(), yes).any()
    below = (torch.arange(64) > 32).float().expand(64, 64).T
    assert not replaced(own, square(), yes, below)[..., :32, :].any()


def test_what_is_taken_away_goes_with_what_is_around_it() -> None:
    own = torch.zeros(1, 3, 64, 64)
    put, taken = (replaced(own, square(), torch.tensor([added])) for added in (True, False))
    assert (taken >= put).all()
    assert taken.sum() > 1.2 * put.sum()


def test_in_the_dark_the_same_shape_makes_way() -> None:
    yes = torch.tensor([True])
    light, dark = torch.zeros(1, 3, 64, 64), torch.full((1, 3, 64, 64), -0.6)
    torch.testing.assert_close(replaced(light, 0.5 * square(), yes), replaced(dark, 0.2 * square(), yes))


def test_a_face_keeps_its_detail_but_where_it_makes_way() -> None:
    detail = 0.2 * (torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) - 0.5)
    detail = detail.expand(1, 3, 64, 64)
    own, change = torch.zeros(1, 3, 64, 64), torch.full((1, 3, 64, 64), 0.1)
    kept = towards(detail, own, change, torch.zeros(1, 1, 64, 64))
    torch.testing.assert_close(kept, detail + 0.1)
    made = towards(detail, own, change, square()[:, :1])
    outside = square()[0, 0] == 0
    torch.testing.assert_close(made[..., outside], kept[..., outside])
    assert (made - 0.1)[..., ~outside].std() < 0.3 * detail.std()


def test_what_replaces_a_part_of_a_face_has_the_tone_of_what_is_around_it() -> None:
    """A bright spot that is to go leaves no brightness behind."""
    face = 0.5 * torch.linspace(-1, 1, 64).expand(1, 3, 64, 64) + 0.4 * square()
    own = 0.4 * square()
    made = towards(face, own, -own, square(half=7)[:, :1])
    wanted = 0.5 * torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    torch.testing.assert_close(made, wanted, rtol=0, atol=0.08)


BEARD = beard(64)
STUBBLE = 0.1 * (-1.0) ** torch.arange(64)


def test_taking_a_beard_away_brings_faces_with_and_without_one_nearer_to_each_other() -> None:
    skin = torch.full((1, 3, 64, 64), 0.2)
    faces = torch.cat([skin, skin - 0.4 * BEARD])
    own, change = skin - 0.15 * BEARD, 0.6 * BEARD.expand(1, 3, 64, 64)
    none = torch.zeros(2, 1, 64, 64)
    pale = towards(faces, own.expand_as(faces), change.expand_as(faces), none)
    made = shaved(faces, own.expand_as(faces), change.expand_as(faces), torch.ones(2), BEARD.expand_as(none))
    bearded = BEARD > 0.99
    (bare, shorn), (lightened, lighter) = (
        [float(pictures[i, :, bearded].mean()) for i in (0, 1)] for pictures in (made, pale)
    )
    assert abs(bare - shorn) < 0.5 * abs(lightened - lighter)
    assert bare - 0.2 < 0.6 * (lightened - 0.2)


def test_lips_and_teeth_stay_where_a_beard_is_taken_away() -> None:
    skin = torch.full((1, 3, 64, 64), 0.2)
    made = shaved(skin + STUBBLE, skin, torch.zeros_like(skin), torch.ones(1), BEARD[None, None])
    torch.testing.assert_close(made[..., 2:-2], (skin + STUBBLE)[..., 2:-2], rtol=0, atol=0.03)


def test_a_beard_goes_as_far_as_the_slider_and_nothing_is_left_to_go_at_nought() -> None:
    skin = torch.full((1, 3, 64, 64), 0.2)
    face = skin - 0.4 * BEARD
    lighter = [
        float(
            (
                shaved(face, skin, torch.zeros_like(face), torch.tensor([moved]), BEARD[None, None]) - face
            ).sum()
        )
        for moved in (0.0, 0.5, 1.0, 1.5)
    ]
    assert lighter[0] == 0
    assert lighter[1] == pytest.approx(lighter[2] / 2, rel=0.01)
    assert lighter[2] == lighter[3] > 0


def test_only_an_attribute_that_brings_beards_takes_them_away(prototypes: Prototypes) -> None:
    images, labels = SUBSET.batch(np.arange(len(DATA)))
    marks = torch.from_numpy(np.tile(face_landmarks(32), (len(DATA), 1, 1)))
    plain, made = (
        ExampleMaker(
            ATTRIBUTES,
            beards=beards,
            prototypes=prototypes,
            strengths={"Red": (0.5, 0.5), "Round": (0.5, 0.5)},
        ).make(images, labels, marks, torch.arange(len(DATA)), Draws.for_images(0, len(DATA)))
        for beards in ("", "Red")
    )
    differs_N = (made.targets_NCHW != plain.targets_NCHW).any(dim=3).any(dim=2).any(dim=1)
    taken_N = made.wanted_NK[:, RED] < made.shown_NK[:, RED]
    assert torch.equal(differs_N, taken_N)
    assert 0 < taken_N.sum() < len(DATA)


def flat(*colour: float) -> torch.Tensor:
    """Return (1, 3, 32, 32) of one colour, its channels from 0 to 1, in [-1, 1]."""
    return 2 * torch.tensor(colour)[None, :, None, None].expand(1, 3, 32, 32) - 1


def test_a_shade_has_the_tint_of_the_face_that_it_falls_on() -> None:
    dark, pale = flat(0.4, 0.3, 0.2), flat(0.9, 0.75, 0.7)
    shade = -0.2 * (pale + 1)
    darkened = dark + shaded(dark, pale, shade)
    colours = [(picture + 1).mean(dim=(0, 2, 3)) for picture in (dark, darkened)]
    torch.testing.assert_close(colours[1] / colours[1].sum(), colours[0] / colours[0].sum())
    assert colours[1].sum() < colours[0].sum()


def test_another_colour_of_skin_is_kept_in_part_and_that_of_what_is_fine_whole() -> None:
    face = flat(0.5, 0.5, 0.5)
    redder = flat(0.75, 0.425, 0.425) + 1 - (face + 1)
    redder -= luma(redder)
    torch.testing.assert_close(shaded(face, face, redder), TINT * redder)
    stripes = redder * (-1.0) ** torch.arange(32)
    torch.testing.assert_close(shaded(face, face, stripes)[..., 4:-4], stripes[..., 4:-4], atol=0.02, rtol=0)


def test_no_change_stays_none() -> None:
    face = flat(0.4, 0.3, 0.2)
    assert not shaded(face, flat(0.9, 0.75, 0.7), torch.zeros_like(face)).any()


def test_changes_grow_with_the_slider_and_go_both_ways(prototypes: Prototypes) -> None:
    maker = ExampleMaker(ATTRIBUTES, prototypes=prototypes, strengths={"Red": (0.5, 0.5)})
    images, labels = SUBSET.batch(np.arange(len(DATA)))
    made = maker.make(images, labels, None, torch.arange(len(DATA)), Draws.for_images(0, len(DATA)))
    moved_N = (made.wanted_NK - made.shown_NK)[:, RED]
    reddened_N = (made.targets_NCHW - made.images_NCHW)[MIDDLE][:, 0].mean(dim=(1, 2))
    assert torch.equal(moved_N.sign(), reddened_N.sign())
    assert (moved_N > 0).any()
    assert (moved_N < 0).any()
    assert np.corrcoef(moved_N, reddened_N)[0, 1] > 0.9
    assert not (made.wanted_NK - made.shown_NK)[:, ROUND].any()


def test_beside_a_face_that_is_turned_away_nothing_changes(prototypes: Prototypes) -> None:
    maker = ExampleMaker(ATTRIBUTES, prototypes=prototypes, strengths={"Red": (1.0, 1.0)})
    images, labels = SUBSET.batch(np.arange(len(DATA)))
    marks = torch.from_numpy(np.tile(face_landmarks(32), (len(DATA), 1, 1)))

    def changed(nose: float) -> tuple[float, float]:
        """Return by how much columns left and right of the middle change, of images that are not mirrored."""
        turned = marks.clone()
        turned[:, 2, 0] += nose
        made = maker.make(images, labels, turned, torch.arange(len(DATA)), Draws.for_images(0, len(DATA)))
        plain_N = (made.images_NCHW == images).all(dim=3).all(dim=2).all(dim=1)
        change_W = (made.targets_NCHW - made.images_NCHW)[plain_N].abs().mean(dim=(0, 1, 2))
        return float(change_W[6:9].mean()), float(change_W[-9:-6].mean())

    left, right = changed(0)
    far_left, _ = changed(-8)
    _, far_right = changed(8)
    assert far_left < 0.7 * left
    assert far_right < 0.7 * right


def test_a_direction_of_no_strength_is_left_alone(prototypes: Prototypes) -> None:
    maker = ExampleMaker(ATTRIBUTES, prototypes=prototypes, strengths={"Red": (0.0, 1.0)})
    images, labels = SUBSET.batch(np.arange(len(DATA)))
    made = maker.make(images, labels, None, torch.arange(len(DATA)), Draws.for_images(0, len(DATA)))
    moved_N = (made.wanted_NK - made.shown_NK)[:, RED]
    assert (moved_N <= 0).all()
    assert (moved_N < 0).any()


def test_a_decoder_learns_from_them_and_leaves_other_images_alone(prototypes: Prototypes) -> None:
    config = tiny_config(
        prototypes={"Red": (1.0, 1.0)},
        encoder_frozen=True,
        relative=True,
        feedback_weight=0.0,
        patch_weight=0.0,
        colour_weight=0.0,
        examples_weight=10.0,
        learning_rate=3e-3,
        average=0.9,
    )
    trainer = make_trainer(config)
    maker = ExampleMaker(ATTRIBUTES, prototypes=prototypes, strengths=config.prototypes)
    images, labels = SUBSET.batch(np.arange(40))
    for i in range(150):
        trainer.update(
            images, labels, maker.make(images, labels, None, torch.arange(40), Draws.for_images(i, 40))
        )
    shown_NA = columns(labels, ATTRIBUTES)
    swapped = labels.clone()
    swapped[:, RED] = 1 - labels[:, RED]
    drawn, same = (
        trainer.averaged(images, trainer.averaged.asked(wanted_NA, shown_NA)).detach()
        for wanted_NA in (columns(swapped, ATTRIBUTES), shown_NA)
    )
    reddened_N = (drawn - images)[MIDDLE][:, 0].mean(dim=(1, 2))
    assert ((reddened_N > 0.3) == (labels[:, RED] == 0)).all()
    assert ((reddened_N < -0.3) == (labels[:, RED] == 1)).all()
    assert (same - images).abs().mean() < 0.05
