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
from tests.train.shapes import NAMES, make_shapes, tiny_config

from fader.attributes import Attribute, AttributeSet
from fader.errors import BundleError, ConfigError, DataError
from fader.models import load_checkpoint
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train import Progress, Session, train
from fader.train.data.dataset import AlignedSet

DATA = make_shapes(40)
Run = tuple[Path, dict[str, float], list[Progress]]
"""A run's folder, its figures, and the progress it told."""
ABOUT = {"data": "shapes", "licence": "CC0", "command": "fader-train shapes"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder, seen = tmp_path_factory.mktemp("runs") / "shapes", list[Progress]()
    figures = train(tiny_config(), DATA, folder, about=ABOUT, session=Session(observe=seen.append))
    return folder, figures, seen


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


def test_a_run_can_begin_with_the_networks_of_another(run: Run, tmp_path: Path) -> None:
    start = run[0] / "checkpoints" / "last"
    options = {"iterations": 1, "learning_rate": 1e-12, "average": 0.0, "evaluate_every": 1}
    train(tiny_config(**options), DATA, tmp_path / "next", about=ABOUT, start=start)
    before = load_checkpoint(start).autoencoder
    after = load_checkpoint(tmp_path / "next" / "checkpoints" / "last").autoencoder
    for (name, one), other in zip(before.named_parameters(), after.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_decoder_that_reads_details_begins_as_one_that_ignores_them(
    run: Run, tmp_path: Path, frozen: bool
) -> None:
    start = run[0] / "checkpoints" / "last"
    options = {"iterations": 1, "learning_rate": 1e-12, "average": 0.0, "evaluate_every": 1, "n_details": 1}
    options["encoder_frozen"] = frozen
    train(tiny_config(**options), DATA, tmp_path / "next", about=ABOUT, start=start)
    before = load_checkpoint(start).autoencoder
    after = load_checkpoint(tmp_path / "next" / "checkpoints" / "last").autoencoder
    assert (before.config.n_details, after.config.n_details) == (0, 1)
    one, other = (network.get_parameter("decoder.2.0.weight") for network in (before, after))
    torch.testing.assert_close(other[:, : one.shape[1]], one, rtol=0, atol=1e-9)
    assert other.shape[1] == one.shape[1] + after.config.detail_widths[0]
    assert other[:, one.shape[1] :].abs().max() < 1e-9
    for n_details in (2, 0):
        with pytest.raises(BundleError, match="do not fit"):
            train(
                tiny_config(**(options | {"n_details": n_details})),
                DATA,
                tmp_path / str(n_details),
                about=ABOUT,
                start=tmp_path / "next" / "checkpoints" / "last",
            )
    with pytest.raises(BundleError, match="do not fit its configuration"):
        train(tiny_config(**options, init_fm=8), DATA, tmp_path / "other", about=ABOUT, start=start)


def test_a_run_may_keep_the_classifiers_that_it_begins_with(run: Run, tmp_path: Path) -> None:
    start, phases = run[0] / "checkpoints" / "last", set()
    session = Session(observe=lambda progress: phases.add(progress.phase))
    train(
        tiny_config(iterations=1, evaluate_every=1),
        DATA,
        tmp_path / "next",
        about=ABOUT,
        start=start,
        keep_classifiers=True,
        session=session,
    )
    assert phases == {"autoencoder"}
    before, after = (
        load_checkpoint(folder) for folder in (start, tmp_path / "next" / "checkpoints" / "last")
    )
    for (name, one), other in zip(
        before.classifier.named_parameters(), after.classifier.parameters(), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=0, msg=name)
    known = {name: said for name, said in before.training.items() if name.endswith("balanced_accuracy")}
    assert known
    assert known.items() <= after.training.items()


def test_classifiers_that_are_kept_must_come_from_somewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name it with --start"):
        train(tiny_config(), DATA, tmp_path / "next", about=ABOUT, keep_classifiers=True)
    assert not (tmp_path / "next").exists()


def test_a_guide_that_is_kept_must_be_there_before_anything_is_made(run: Run, tmp_path: Path) -> None:
    unguided = tiny_config(feedback_weight=0.0, iterations=1, evaluate_every=1)
    train(unguided, DATA, tmp_path / "unguided", about=ABOUT)
    start = tmp_path / "unguided" / "checkpoints" / "last"
    with pytest.raises(BundleError, match="holds no guide, which these settings need"):
        train(tiny_config(), DATA, tmp_path / "next", about=ABOUT, start=start, keep_classifiers=True)
    assert not (tmp_path / "next").exists()
    train(unguided, DATA, tmp_path / "next", about=ABOUT, start=start, keep_classifiers=True)


def test_a_run_cannot_begin_with_a_model_of_other_sliders(run: Run, tmp_path: Path) -> None:
    start = run[0] / "checkpoints" / "last"
    renamed = AttributeSet([Attribute(name=f"Other{a.name}") for a in DATA.attributes])
    config = tiny_config(attributes=renamed.names)
    with pytest.raises(
        BundleError, match=f"has the sliders {', '.join(DATA.attributes.names)}, expected Oth"
    ):
        train(config, replace(DATA, attributes=renamed), tmp_path / "next", about=ABOUT, start=start)
    assert not (tmp_path / "next").exists()


def test_a_run_cannot_begin_with_other_networks(run: Run, tmp_path: Path) -> None:
    start = run[0] / "checkpoints" / "last"
    with pytest.raises(BundleError, match="do not fit its configuration") as error:
        train(tiny_config(init_fm=8), DATA, tmp_path / "next", about=ABOUT, start=start)
    assert len(str(error.value).splitlines()) == 1


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


def test_a_run_that_keeps_its_encoder_frozen_teaches_only_the_decoder_an_erased_code(
    run: Run, tmp_path: Path
) -> None:
    start = run[0] / "checkpoints" / "last"
    config = tiny_config(encoder_frozen=True, average=0.0, iterations=3)
    train(config, DATA, tmp_path / "next", about=ABOUT, start=start)
    before = load_checkpoint(start).autoencoder.eval()
    after = load_checkpoint(tmp_path / "next" / "checkpoints" / "last").autoencoder.eval()
    for name, one in before.encoder.state_dict().items():
        torch.testing.assert_close(one, after.encoder.state_dict()[name], rtol=0, atol=0, msg=name)
    for name, one in before.decoder.named_parameters():
        assert not torch.equal(one, after.decoder.get_parameter(name)), name
    training = DATA.subset(np.arange(32))
    images_NCHW, labels_NK = training.batch(np.arange(32))
    with torch.no_grad():
        code_ND = after.discriminated(after.encode(images_NCHW)).flatten(1)
    centred_ND = (code_ND - code_ND.mean(dim=0)).double()
    moments_DK = centred_ND.T @ (labels_NK - labels_NK.mean(dim=0)).double() / 32
    assert float(moments_DK.abs().max()) < 1e-4 * float(centred_ND.std())


def test_a_run_that_keeps_its_encoder_frozen_may_begin_with_an_erased_one(run: Run, tmp_path: Path) -> None:
    config = tiny_config(encoder_frozen=True, iterations=2)
    start = run[0] / "checkpoints" / "last"
    for name in ("next", "again"):
        train(config, DATA, tmp_path / name, about=ABOUT, start=start)
        start = tmp_path / name / "checkpoints" / "last"
    assert load_checkpoint(start).autoencoder.eraser is not None


def test_a_relative_decoder_may_begin_with_one_that_reads_values_and_learn_from_prototypes(
    run: Run, tmp_path: Path
) -> None:
    phases: list[str] = []
    config = tiny_config(
        encoder_frozen=True,
        relative=True,
        prototypes={"Red": (1.0, 1.0)},
        drawn_glasses="Round",
        feedback_weight=0.0,
        patch_weight=0.0,
        colour_weight=0.0,
        average=0.0,
    )
    session = Session(observe=lambda progress: phases.append(progress.phase))
    start = run[0] / "checkpoints" / "last"
    train(config, DATA, tmp_path / "next", about=ABOUT, start=start, session=session)
    assert list(dict.fromkeys(phases)) == ["guide", "judge", "prototypes", "autoencoder"]
    before = load_checkpoint(start).autoencoder
    after = load_checkpoint(tmp_path / "next" / "checkpoints" / "last").autoencoder
    assert after.config.relative
    for name, one in before.encoder.state_dict().items():
        torch.testing.assert_close(one, after.encoder.state_dict()[name], rtol=0, atol=0, msg=name)
    for name, one in before.decoder.named_parameters():
        other = after.decoder.get_parameter(name)
        assert not torch.equal(one, other), name
        torch.testing.assert_close(one, other, rtol=0, atol=0.02, msg=name)


def test_prototypes_want_booleans(tmp_path: Path, run: Run) -> None:
    height = AttributeSet([Attribute(name="Height", span=(10.0, 90.0))])
    data = replace(DATA, labels_NK=DATA.labels_NK[:, :1], attributes=height)
    config = tiny_config(attributes=("Height",), encoder_frozen=True, prototypes={"Height": (1.0, 1.0)})
    with pytest.raises(ConfigError, match="prototypes names Height, which is continuous: expected boolean"):
        train(config, data, tmp_path / "run", about=ABOUT, start=run[0] / "checkpoints" / "last")


def test_a_frozen_encoder_must_come_from_somewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="encoder_frozen needs a trained encoder: name its checkpoint with"):
        train(tiny_config(encoder_frozen=True), DATA, tmp_path / "next", about=ABOUT)
    assert not (tmp_path / "next").exists()
