"""Presets, TOML files and options become settings, or one clear line."""

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fader.errors import ConfigError, FaderError
from fader.models import AutoEncoder, LatentDiscriminator
from fader.train import TrainConfig
from fader.train.settings import config_from, presets, read_preset, read_settings

NAMES = {"attributes": ["Smiling"]}


def test_the_presets_are_those_that_the_documentation_names() -> None:
    assert presets() == ["fast-128", "fast-64", "paper-256", "reference-256"]


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_valid(name: str) -> None:
    assert config_from(read_preset(name), NAMES).attributes == ("Smiling",)


@pytest.mark.parametrize("name", ["paper-256", "reference-256"])
def test_the_paper_presets_have_the_published_networks_and_schedule(name: str) -> None:
    config = config_from(read_preset(name), NAMES)
    shape = config.autoencoder(2)
    assert sum(p.numel() for p in AutoEncoder(shape).parameters()) == 14_000_512
    assert sum(p.numel() for p in LatentDiscriminator(shape).parameters()) == 8_655_362
    assert (config.latent_weight, config.latent_ramp) == (1e-4, 500_000)
    assert (config.learning_rate, config.betas, config.batch_size, config.clip_norm) == (
        2e-4,
        (0.5, 0.999),
        32,
        5.0,
    )


def test_the_paper_preset_is_the_papers_method_alone() -> None:
    config = config_from(read_preset("paper-256"), NAMES)
    assert not config.guided
    assert config.patch_weight == config.mask_weight == config.colour_weight == config.average == 0


def test_prototypes_need_a_guide_where_examples_count() -> None:
    options = {"encoder_frozen": True, "prototypes": {"Smiling": [1.0, 1.0]}, "feedback_weight": 0.0}
    assert config_from(options, NAMES).guided
    assert not config_from(options, NAMES, {"examples_weight": 0.0}).guided


def test_later_layers_win_and_the_defaults_fill_in() -> None:
    config = config_from({"image_size": 64, "n_layers": 4}, {"image_size": 32}, NAMES)
    assert (config.image_size, config.n_layers) == (32, 4)
    assert config.batch_size == TrainConfig(attributes=("Smiling",)).batch_size


def test_what_a_run_writes_is_read_back(tmp_path: Path) -> None:
    config = TrainConfig(attributes=("A", "B"), oversample={"A": 3.0}, betas=(0.4, 0.9))
    assert config_from(asdict(config)) == config


def test_toml_is_read_with_whole_numbers_where_numbers_are_wanted(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('attributes = ["A"]\nlatent_weight = 1\nbetas = [0, 0.99]\n[oversample]\nA = 3\n')
    config = config_from(read_settings(file))
    assert (config.latent_weight, config.betas, config.oversample) == (1.0, (0.0, 0.99), {"A": 3.0})


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"imagesize": 3}, "there is no setting 'imagesize': choose from attributes, image_size"),
        ({"image_size": "large"}, "image_size = 'large': expected a whole number"),
        ({"image_size": 64.0}, "image_size = 64.0: expected a whole number"),
        ({"image_size": True}, "image_size = True: expected a whole number"),
        ({"mask": 1}, "mask = 1: expected true or false"),
        ({"oversample": {"Smiling": "often"}}, r"oversample.Smiling = 'often': expected a number"),
        ({"oversample": 3}, "oversample = 3: expected a table of names with numbers"),
        ({"attributes": "Smiling"}, "attributes = 'Smiling': expected a list"),
        ({"precision": 16}, "precision = 16: expected a text"),
        ({"betas": [0.5, "b"]}, "betas = 'b': expected a number"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from({**NAMES, **given_})


def test_no_attribute_is_refused() -> None:
    with pytest.raises(ConfigError, match="no attributes are named"):
        config_from({})


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"image_size = ", "is not TOML"), (b"\xff\xfe", "is not TOML"), (None, "cannot read")],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_settings(file)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no preset 'fast': choose from fast-128, fast-64"):
        read_preset("fast")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted(asdict(TrainConfig(attributes=("A",))))


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), ANY, max_size=4))
def test_any_settings_are_valid_or_refused_in_one_line(fuzz: dict[str, Any]) -> None:
    # Anything but a FaderError would be a traceback for a user's mistake.
    with contextlib.suppress(FaderError):
        assert isinstance(config_from({"attributes": ["A"]}, fuzz), TrainConfig)
