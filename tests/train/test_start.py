"""Runs that begin with the networks of another one: what they take over, and what they refuse."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.train.runs import ABOUT, DATA, Run
from tests.train.shapes import tiny_config

from fader.attributes import Attribute, AttributeSet
from fader.errors import BundleError, ConfigError
from fader.models import load_checkpoint
from fader.train import Session, train


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


def test_a_frozen_encoder_must_come_from_somewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="encoder_frozen needs a trained encoder: name its checkpoint with"):
        train(tiny_config(encoder_frozen=True), DATA, tmp_path / "next", about=ABOUT)
    assert not (tmp_path / "next").exists()
