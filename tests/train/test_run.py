"""A whole run on drawn shapes: what lies in its folder, what it refuses, and how it stops."""

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from tests.train.runs import ABOUT, DATA, Run
from tests.train.shapes import NAMES, tiny_config

from fader.attributes import Attribute, AttributeSet
from fader.errors import ConfigError, DataError
from fader.models import load_checkpoint
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train import Session, train
from fader.train.data.dataset import AlignedSet


def test_a_run_leaves_its_settings_logs_grids_and_three_checkpoints(
    run: Run,
) -> None:
    folder, _, _ = run
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    boards = {file for file in files if file.startswith("tensorboard/events.out")}
    assert len(boards) == 1
    files -= boards
    assert files == {
        "config.json",
        "log.csv",
        "grids/0000003.png",
        "grids/0000006.png",
        *(
            f"checkpoints/{name}/{file}"
            for name in ("best", "best-reconstruction", "last")
            for file in ("checkpoint.json", "weights.safetensors")
        ),
    }


def test_the_settings_are_written_as_they_were_given(
    run: Run,
) -> None:
    written = json.loads((run[0] / "config.json").read_text())
    assert written == json.loads(json.dumps(asdict(tiny_config())))


def test_the_log_has_a_row_for_each_evaluation(run: Run) -> None:
    folder, figures, _ = run
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["iteration"] for row in rows] == ["3", "6"]
    for row in rows:
        assert set(figures) < set(row)
        assert all(np.isfinite(float(value)) for name, value in row.items() if name != "alarm")


def test_a_grid_shows_held_out_images_beside_their_edits(
    run: Run,
) -> None:
    picture = cv2.imread(str(run[0] / "grids" / "0000006.png"))
    assert picture is not None
    assert picture.shape == (8 * 32 + 7 * 2, 6 * 32 + 5 * 2, 3)
    first = cv2.cvtColor(picture[:32, :32], cv2.COLOR_BGR2RGB)
    assert np.abs(first.astype(int) - DATA.images_NHWC[32]).max() <= 1


@pytest.mark.parametrize("name", ["best", "last"])
def test_checkpoints_hold_all_that_export_needs(run: Run, name: str) -> None:
    folder, figures, _ = run
    checkpoint = load_checkpoint(folder / "checkpoints" / name)
    assert checkpoint.attributes.names == NAMES
    assert checkpoint.autoencoder.config == tiny_config().autoencoder(4, erased=2)
    assert checkpoint.template == template_at(CELEBA_TIGHT, 32)
    said = checkpoint.training
    assert {key: said[key] for key in ABOUT} == ABOUT
    assert said["configuration"]["iterations"] == 6
    assert said["images_seen"] == 4 * said["iterations"]
    assert set(said["judge_balanced_accuracy"]) == set(said["guide_balanced_accuracy"]) == set(NAMES)
    assert set(said["metrics"]) == set(figures)
    if name == "best":
        assert said["metrics"] == figures
    else:
        assert said["iterations"] == 6
    with torch.no_grad():
        images = DATA.images(np.arange(2))
        assert checkpoint.autoencoder(images, torch.eye(2).repeat(1, 2)).isfinite().all()
        assert checkpoint.classifier(images).shape == (2, 4)


def test_figures_are_shares_and_decibels(run: Run) -> None:
    figures = run[1]
    expected = {f"{name} {what}" for name in NAMES for what in ("added", "removed")}
    assert set(figures) == {"psnr_db", "others kept"} | expected
    assert all(0 <= value <= 1 for name, value in figures.items() if name != "psnr_db")
    assert 5 < figures["psnr_db"] < 60


def test_progress_goes_through_the_three_phases_to_the_end(
    run: Run,
) -> None:
    seen = run[2]
    phases = list(dict.fromkeys(step.phase for step in seen))
    assert phases == ["guide", "judge", "autoencoder"]
    for phase in phases:
        steps = [step for step in seen if step.phase == phase]
        assert [step.done for step in steps] == list(range(1, steps[0].total + 1))
    notes = [step.note for step in seen if step.phase == "autoencoder"]
    assert notes[0].startswith("PSNR ")
    assert "edits" not in notes[0]
    assert "edits" in notes[-1]


def test_an_existing_run_is_refused_and_not_touched(
    run: Run,
) -> None:
    folder = run[0]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(ConfigError, match="holds a run already: choose another folder"):
        train(tiny_config(), DATA, folder, about=ABOUT)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_the_same_seed_gives_the_same_checkpoint_and_leaves_the_callers_randomness(
    run: Run, tmp_path: Path
) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    train(tiny_config(), DATA, tmp_path / "again", about=ABOUT)
    assert torch.equal(torch.get_rng_state(), before)
    for name in ("best", "last"):
        weights = f"checkpoints/{name}/weights.safetensors"
        assert (run[0] / weights).read_bytes() == (tmp_path / "again" / weights).read_bytes()


def test_a_run_stops_after_its_minutes_with_an_evaluation(tmp_path: Path) -> None:
    figures = train(tiny_config(iterations=10_000), DATA, tmp_path, about=ABOUT, session=Session(minutes=0))
    last = load_checkpoint(tmp_path / "checkpoints" / "last").training
    assert last["iterations"] == 1
    assert last["metrics"] == figures


def test_too_few_images_are_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="40 images, 39 of them held out: too few to train; lower held_out"):
        train(tiny_config(held_out=39), DATA, tmp_path / "run", about=ABOUT)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "labels"), [({"image_size": 64}, 2), ({"attributes": ("Red",)}, 2), ({}, 1), ({}, 3)]
)
def test_data_that_does_not_fit_the_settings_is_refused(
    tmp_path: Path, options: dict[str, Any], labels: int
) -> None:
    names = ("Red", "Round", "Tall")[:labels]
    data = AlignedSet(
        images_NHWC=DATA.images_NHWC,
        labels_NK=np.zeros((len(DATA), labels), dtype=np.float32),
        attributes=AttributeSet([Attribute(name=name) for name in names]),
    )
    with pytest.raises(DataError, match="prepare them with the same settings"):
        train(tiny_config(**options), data, tmp_path, about=ABOUT)


def test_a_folder_that_cannot_be_made_is_refused_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"cannot make the run's folder .*file/run .*: choose another"):
        train(tiny_config(), DATA, tmp_path / "file" / "run", about=ABOUT)


def test_the_order_in_which_attributes_are_named_does_not_matter(run: Run, tmp_path: Path) -> None:
    train(tiny_config(attributes=NAMES[::-1]), DATA, tmp_path / "other", about=ABOUT)
    weights = "checkpoints/last/weights.safetensors"
    assert (run[0] / weights).read_bytes() == (tmp_path / "other" / weights).read_bytes()
    assert load_checkpoint(tmp_path / "other" / "checkpoints" / "last").attributes.names == NAMES


def test_a_single_attribute_trains_and_has_a_best_checkpoint(tmp_path: Path) -> None:
    """The published models have one; then there are no others to keep, and no figure is missing a number."""
    red = AttributeSet([Attribute(name="Red")])
    data = replace(DATA, labels_NK=DATA.labels_NK[:, :1], attributes=red)
    figures = train(
        tiny_config(attributes=("Red",), iterations=2, evaluate_every=2), data, tmp_path, about=ABOUT
    )
    assert set(figures) == {"psnr_db", "Red added", "Red removed"}
    assert load_checkpoint(tmp_path / "checkpoints" / "best").training["metrics"] == figures
    assert "NaN" not in (tmp_path / "checkpoints" / "best" / "checkpoint.json").read_text()


def test_an_attribute_that_no_held_out_image_has_does_not_prevent_a_best_checkpoint(tmp_path: Path) -> None:
    labels = DATA.labels_NK.copy()
    labels[-8:, 0] = 0
    data = replace(DATA, labels_NK=labels)
    figures = train(tiny_config(iterations=2, evaluate_every=2), data, tmp_path, about=ABOUT)
    assert "Red removed" not in figures
    assert load_checkpoint(tmp_path / "checkpoints" / "best").training["metrics"] == figures


def test_sliders_with_units_and_categories_train_as_well(tmp_path: Path) -> None:
    """From labels of all three kinds to a model that a bundle can be made of."""
    attributes = AttributeSet(
        [
            Attribute(name="Height", span=(10.0, 90.0)),
            Attribute(name="Red"),
            Attribute(name="Shape", categories=("disc", "square", "star")),
        ]
    )
    random = np.random.default_rng(0)
    labels = np.stack([random.random(40), DATA.labels_NK[:, 0], random.integers(0, 3, 40)], axis=1)
    data = AlignedSet(
        images_NHWC=DATA.images_NHWC, labels_NK=labels.astype(np.float32), attributes=attributes
    )
    config = tiny_config(attributes=attributes.names, oversample={"Red": 2.0}, n_bins=4, batch_size=16)
    figures = train(config, data, tmp_path, about=ABOUT)
    assert {"Height raised", "Height lowered", "Red added", "Shape=star added"} <= set(figures)
    loaded = load_checkpoint(tmp_path / "checkpoints" / "last")
    assert tuple(loaded.attributes) == tuple(attributes)
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert any(float(row["monotonicity"]) > 0 for row in rows)


def test_oversampling_wants_a_boolean(tmp_path: Path) -> None:
    height = AttributeSet([Attribute(name="Height", span=(10.0, 90.0))])
    data = replace(DATA, labels_NK=DATA.labels_NK[:, :1], attributes=height)
    config = tiny_config(attributes=("Height",), oversample={"Height": 2.0})
    with pytest.raises(ConfigError, match="Height, which is continuous: expected boolean attributes"):
        train(config, data, tmp_path / "run", about=ABOUT)
    assert not (tmp_path / "run").exists()


def test_drawn_glasses_and_beards_want_a_boolean_and_aligned_faces(tmp_path: Path) -> None:
    height = AttributeSet([Attribute(name="Height", span=(10.0, 90.0))])
    data = replace(DATA, labels_NK=DATA.labels_NK[:, :1], attributes=height)
    config = tiny_config(attributes=("Height",), drawn_glasses="Height")
    with pytest.raises(
        ConfigError, match="drawn_glasses names Height, which is continuous: expected a boolean"
    ):
        train(config, data, tmp_path / "run", about=ABOUT)
    config = tiny_config(drawn_glasses="Red")
    with pytest.raises(ConfigError, match="drawn_glasses needs aligned faces: leave --no-align away"):
        train(config, replace(DATA, landmarks_N52=None), tmp_path / "run", about=ABOUT)
    config = tiny_config(prototypes={"Red": (1.0, 1.0)}, beards="Red", encoder_frozen=True)
    with pytest.raises(ConfigError, match="beards needs aligned faces: leave --no-align away"):
        train(config, replace(DATA, landmarks_N52=None), tmp_path / "run", about=ABOUT)
    assert not (tmp_path / "run").exists()


def test_prototypes_want_booleans(tmp_path: Path, run: Run) -> None:
    height = AttributeSet([Attribute(name="Height", span=(10.0, 90.0))])
    data = replace(DATA, labels_NK=DATA.labels_NK[:, :1], attributes=height)
    config = tiny_config(attributes=("Height",), encoder_frozen=True, prototypes={"Height": (1.0, 1.0)})
    with pytest.raises(ConfigError, match="prototypes names Height, which is continuous: expected boolean"):
        train(config, data, tmp_path / "run", about=ABOUT, start=run[0] / "checkpoints" / "last")
