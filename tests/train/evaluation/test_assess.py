"""All figures of models whose edits are known: one that obeys, one that spoils, one that is deaf."""

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from tests.train.evaluation.bands import (
    AGE,
    ATTRIBUTES,
    GLASSES,
    HAIR,
    SIZE,
    Judge,
    Painter,
    pictures,
    random_labels,
)

from fader.models import Checkpoint
from fader.train.data.dataset import Subset
from fader.train.evaluation.assess import assess
from fader.train.evaluation.judging import COPIES
from fader.train.evaluation.measuring import measure
from fader.train.evaluation.report import AttributeFigures, Report, SwapFigures
from fader.train.evaluation.sliders import POSITIONS
from fader.train.evaluation.tables import markdown

LABELS = random_labels(90, seed=4)
N_SWAPS = 7


def assessed(model: Painter, subset: Subset | None = None) -> Report:
    template = ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0))
    checkpoint = Checkpoint(autoencoder=model, classifier=Judge(), attributes=ATTRIBUTES, template=template)
    return assess(checkpoint, subset or pictures(LABELS), about={"model": "bands"})


@pytest.fixture(autouse=True, scope="module")
def quick_probes() -> Iterator[None]:
    """Probes have tests of their own; here the linear one is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fader.train.evaluation.learners.STEPS", 10)
        yield


@pytest.fixture(scope="module")
def obedient() -> Report:
    return assessed(Painter())


@pytest.fixture(scope="module")
def deaf() -> Report:
    return assessed(Painter(deaf=[AGE, GLASSES, HAIR]))


def swap(report: Report, name: str) -> SwapFigures:
    (found,) = [swap for swap in report.swaps if swap.name == name]
    return found


def attribute(report: Report, name: str) -> AttributeFigures:
    (found,) = [figures for figures in report.attributes if figures.name == name]
    return found


def values(figures: Sequence[object]) -> list[float | None]:
    return [getattr(figure, "value", None) for figure in figures]


def test_every_edit_of_an_obedient_model_is_seen_in_every_copy(obedient: Report) -> None:
    assert len(obedient.swaps) == N_SWAPS
    for figures in obedient.swaps:
        assert list(figures.seen) == list(COPIES)
        assert values(list(figures.seen.values())) == [1, 1, 1, 1]
        assert figures.before.value == 0
        assert figures.real is not None
        assert figures.real.value == 1
        assert figures.others_kept is not None
        assert figures.others_kept.value == 1
        assert figures.pasted.value == 1
        assert figures.pasted_kept is not None
        assert figures.pasted_kept.value == 1
        assert set(figures.kept) == set(ATTRIBUTES.names) - {figures.attribute}


def test_a_swap_is_of_the_images_that_lack_what_it_puts_in(obedient: Report) -> None:
    n_glasses = int((LABELS[:, GLASSES] == 1).sum())
    assert swap(obedient, "Glasses added").before.n == 90 - n_glasses
    removed = swap(obedient, "Glasses removed")
    assert removed.before.n == removed.seen["JPEG"].n == n_glasses
    assert removed.real is not None
    assert removed.real.n == 90 - n_glasses
    assert swap(obedient, "Hair=red added").before.n == int((LABELS[:, HAIR] != 2).sum())
    assert swap(obedient, "Age raised").before.n == swap(obedient, "Age lowered").before.n == 45


def test_no_edit_of_a_deaf_model_is_seen_and_everything_is_kept(deaf: Report) -> None:
    for figures in deaf.swaps:
        # A face at the middle of Age may come to lie on its other side in a copy.
        assert values(list(figures.seen.values())) == pytest.approx([0, 0, 0, 0], abs=0.03)
        assert values(list(figures.kept.values())) == [1, 1]
        assert figures.pasted.value == 0
    for name in ("Age", "Glasses"):
        slider = attribute(deaf, name).slider
        assert slider is not None
        found = [slider.spearman, slider.monotone, slider.pasted_monotone, slider.change]
        assert values(found) == [0, 0, 0, pytest.approx(0, abs=1e-5)]


def test_what_an_edit_spoils_is_told_by_attribute() -> None:
    report = assessed(Painter(spoils=True))
    added = swap(report, "Glasses added")
    assert added.seen["plain"].value == 1
    # With glasses everybody's hair is painted red; it was already in some pictures.
    red = float((LABELS[LABELS[:, GLASSES] == 0, HAIR] == 2).mean())
    assert added.kept["Hair"].value == pytest.approx(red)
    assert added.kept["Age"].value == 1
    assert added.others_kept is not None
    assert added.others_kept.value == pytest.approx((1 + red) / 2)
    right = np.where(LABELS[:, GLASSES] == 1, 2, 0) == LABELS[:, HAIR]
    assert attribute(report, "Hair").rebuilt_kept.value == pytest.approx(right.mean())


def test_the_judges_worth_is_measured_on_real_images(obedient: Report) -> None:
    for figures in obedient.attributes:
        assert list(figures.judge) == list(COPIES)
        assert all(one.value > 0.95 for one in figures.judge.values())
    wrong = LABELS.copy()
    flipped = np.arange(90) % 5 == 0
    wrong[flipped, GLASSES] = 1 - wrong[flipped, GLASSES]
    subset = pictures(LABELS)
    mislabelled = type(subset.parent)(
        images_NHWC=subset.parent.images_NHWC, labels_NK=wrong, attributes=ATTRIBUTES
    ).subset(subset.indices)
    report = assessed(Painter(), mislabelled)
    assert attribute(report, "Glasses").judge["plain"].value == pytest.approx(0.8, abs=0.05)
    assert attribute(report, "Hair").judge["plain"].value == 1


def test_sliders_of_an_obedient_model_move_the_judge_in_order(obedient: Report) -> None:
    for name in ("Age", "Glasses"):
        slider = attribute(obedient, name).slider
        assert slider is not None
        assert slider.spearman.value > 0.95
        assert slider.monotone.value == slider.pasted_monotone.value == 1
        assert slider.change.value > 5
    assert attribute(obedient, "Hair").slider is None


def test_distances_have_the_scale_of_real_images_and_of_no_edit(obedient: Report, deaf: Report) -> None:
    for name in ("Glasses added", "Glasses removed", "Hair=red added", "Age lowered"):
        good, none = swap(obedient, name).distance, swap(deaf, name).distance
        assert good is not None
        assert none is not None
        assert good.edited.value < 0.5 * good.untouched.value
        assert none.edited.value == pytest.approx(none.untouched.value, rel=1e-3)
        assert abs(good.halves.value) < 0.1 * good.untouched.value


def test_groups_tell_apart_whom_a_model_serves_worse() -> None:
    class Unfair(Painter):
        """Gives glasses to nobody with red hair."""

        def render(self, latents, values_NA):  # type: ignore[no-untyped-def]
            values_NA = values_NA.clone()
            red = values_NA[:, 6] == 1
            values_NA[red, 2], values_NA[red, 3] = 1.0, 0.0
            return super().render(latents, values_NA)

    groups = swap(assessed(Unfair()), "Glasses added").groups
    assert set(groups) == {"Hair=black", "Hair=blond", "Hair=red", "Age < 51", "Age ≥ 51"}
    assert [groups[f"Hair={hair}"].value for hair in ("black", "blond", "red")] == [1, 1, 0]
    assert groups["Hair=red"].n == int(((LABELS[:, GLASSES] == 0) & (LABELS[:, HAIR] == 2)).sum())


def test_closeness_is_that_of_the_drawings(obedient: Report) -> None:
    assert obedient.closeness["psnr_db"].value > 40
    assert obedient.closeness["ssim"].value > 0.98
    assert obedient.closeness["neutral_levels"].value < 2
    assert "drawing_psnr_db" not in obedient.closeness
    masked = assessed(Painter(mask=True)).closeness
    assert masked["psnr_db"] == obedient.closeness["psnr_db"]
    assert masked["drawing_psnr_db"].value < 25


def test_the_code_of_a_model_that_encodes_nothing_tells_as_much_as_the_image(obedient: Report) -> None:
    for figures in obedient.attributes:
        assert figures.code is not None
        assert figures.image is not None
        assert figures.code.score.value > 0.8
        assert figures.image.score.value > 0.8


def test_a_sliders_ends_are_what_was_drawn_for_the_label_and_for_the_swap() -> None:
    """They are not drawn twice; drawn by themselves they are the same."""

    class Counting(Painter):
        drawn = 0

        def render(self, latents, values_NA):  # type: ignore[no-untyped-def]
            self.drawn += len(values_NA)
            return super().render(latents, values_NA)

    model, subset = Counting(), pictures(LABELS)
    measured = measure(model, Judge(), subset, ATTRIBUTES)
    ends = [POSITIONS.index(at) for at in (0.0, 1.0)]
    expected = np.where(np.array([[0.0, 1.0]]) == 1, 10.0, -10.0).repeat(90, axis=0)
    assert measured.sliders["Glasses"][:, ends] == pytest.approx(expected, abs=0.3)
    swaps, sliders = 90 + 90 + 2 * 90, 90 * len(POSITIONS) + 90 * (len(POSITIONS) - 2)
    pasted_sliders = 2 * 90 * len(POSITIONS)
    assert model.drawn == 90 + 90 + 2 * swaps + sliders + pasted_sliders


def test_a_large_set_has_a_part_of_its_sliders_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fader.train.evaluation.measuring.SLIDER_IMAGES", 30)
    monkeypatch.setattr("fader.train.evaluation.measuring.MOST", 45)
    measured = measure(Painter(), Judge(), pictures(LABELS), ATTRIBUTES)
    assert len(measured.sliders["Age"]) == 30
    assert measured.probed.tolist() == list(range(0, 90, 2))
    assert len(measured.codes_ND) == len(measured.small_ND) == 45
    assert measured.small_ND[1] == pytest.approx(measured.codes_ND[1])
    assert measured.codes_ND.shape[1] == 3 * SIZE * SIZE


def test_progress_goes_to_the_last_image() -> None:
    seen: list[tuple[int, int]] = []
    measure(Painter(), Judge(), pictures(LABELS), ATTRIBUTES, lambda *at: seen.append(at))
    assert seen == [(64, 90), (90, 90)]


def test_a_single_image_has_figures_of_what_there_is(obedient: Report) -> None:
    report = assessed(Painter(), pictures([[0.3, 1, 2]]))
    assert report.n_images == 1
    names = {figures.name for figures in report.swaps}
    assert names == {"Age lowered", "Glasses removed", "Hair=black added", "Hair=blond added"}
    assert all(figures.distance is None and figures.real is None for figures in report.swaps)
    assert attribute(report, "Glasses").code is None
    assert json.loads(report.to_json())
    assert "Glasses removed" in markdown(report)


def test_the_json_holds_every_figure_with_its_interval(obedient: Report) -> None:
    said = json.loads(obedient.to_json())
    assert said["schema"] == 1
    assert said["about"] == {"model": "bands"}
    assert said["n_images"] == 90
    added = next(swap for swap in said["swaps"] if swap["name"] == "Glasses added")
    assert set(added["seen"]["plain"]) == {"value", "low", "high", "n"}
    assert added["distance"]["halves"]["n"] >= 10
    assert said["attributes"][0]["slider"]["monotone"]["value"] == 1


def test_the_tables_show_every_edit_and_its_interval(obedient: Report) -> None:
    text = markdown(obedient)
    assert text.startswith("# Evaluation on 90 held-out images\n\n- model: bands\n\nIn brackets")
    line = next(line for line in text.splitlines() if line.startswith("| Glasses added"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    n = int((LABELS[:, GLASSES] == 0).sum())
    assert cells[1] == str(n)
    assert cells[2].startswith("0.0 (0.0 to ")
    assert cells[3].startswith("100.0 (")
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 11
    for table in tables:
        assert len({len(row) for row in table.splitlines()}) == 1, "columns are aligned"


def test_the_same_model_gives_the_same_report(obedient: Report) -> None:
    assert assessed(Painter()) == obedient
