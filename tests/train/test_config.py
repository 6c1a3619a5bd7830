"""Settings of a run: a wrong one is refused before anything is read or trained."""

from typing import Any

import pytest
from tests.train.shapes import tiny_config

from fader.errors import ConfigError
from fader.train import TrainConfig

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ()}, r"attributes = \[\]: expected one or more, all different"),
        (
            {"attributes": ("Red", "Red")},
            r"attributes = \['Red', 'Red'\]: expected one or more, all different",
        ),
        ({"oversample": {"Blue": 2}}, "oversample names 'Blue': expected some of Red, Round"),
        ({"drawn_glasses": "Blue"}, "drawn_glasses names 'Blue': expected some of Red, Round"),
        ({"feedback_enough": NAN}, "feedback_enough = nan: expected a finite number, 0 or more"),
        ({"prototypes": {"Blue": (1, 1)}}, "prototypes names 'Blue': expected some of Red, Round"),
        (
            {"prototypes": {"Red": (1.0,)}, "encoder_frozen": True},
            r"prototypes of 'Red' is \[1.0\]: expected two numbers, 0 or more, such as \[2.0, 3.0\]",
        ),
        ({"prototypes": {"Red": (1.0, 1.0)}}, "prototypes wants encoder_frozen = true"),
        (
            {"prototypes": {"Red": (1.0, 1.0)}, "drawn_glasses": "Red", "encoder_frozen": True},
            r"prototypes of 'Red' is \[1.0, 1.0\]: expected 0 first, such as \[0, 1.1\]",
        ),
        (
            {"prototypes": {"Red": (1.0, 1.0)}, "beards": "Round", "encoder_frozen": True},
            r"beards = 'Round': expected one of prototypes \(Red\)",
        ),
        ({"examples_weight": -1}, "examples_weight = -1: expected a finite number, 0 or more"),
        ({"swap": {"Red": 0}}, "swap of 'Red' is 0: expected a finite number above 0"),
        ({"swap": {"Red": NAN}}, "swap of 'Red' is nan: expected a finite number above 0"),
        ({"oversample": {"Red": INFINITE}}, "oversample of 'Red' is inf: expected a finite number above 0"),
        ({"iterations": 0}, "iterations = 0: expected a finite number above 0"),
        ({"evaluate_every": 0}, "evaluate_every = 0: expected"),
        ({"held_out": 0}, "held_out = 0: expected a finite number above 0"),
        ({"classifier_epochs": -1}, "classifier_epochs = -1: expected a finite number above 0"),
        ({"learning_rate": NAN}, "learning_rate = nan: expected a finite number above 0"),
        ({"clip_norm": 0}, "clip_norm = 0: expected a finite number above 0"),
        ({"latent_weight": -1}, "latent_weight = -1: expected a finite number, 0 or more"),
        ({"feedback_weight": NAN}, "feedback_weight = nan: expected a finite number, 0 or more"),
        ({"mask_weight": INFINITE}, "mask_weight = inf: expected a finite number, 0 or more"),
        ({"latent_ramp": -1}, "latent_ramp = -1: expected a finite number, 0 or more"),
        ({"batch_size": 1}, "batch_size = 1: expected 2 or more"),
        ({"average": 1.0}, "average = 1.0: expected 0 to 1, without 1"),
        ({"image_size": 4, "n_layers": 2}, "patch_weight = 0.2: expected 0 for images under 8 px"),
        ({"image_size": 100}, "image_size = 100: expected a multiple of 8 for 3 layers"),
        ({"n_skip": 3}, "n_skip = 3: expected 0 to 2"),
        ({"upsampling": "cubic"}, "upsampling = 'cubic': expected one of"),
        ({"precision": "half"}, r"precision = 'half': expected one of \('float32', 'bfloat16'\)"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        tiny_config(**options)
    assert len(str(error.value).splitlines()) == 1


def test_small_images_are_trained_without_the_patch_adversary() -> None:
    assert tiny_config(image_size=4, n_layers=2, patch_weight=0).image_size == 4


def test_the_defaults_fit_each_other() -> None:
    config = TrainConfig(attributes=("Eyeglasses", "Smiling"))
    network = config.autoencoder(4)
    assert network.image_size == config.image_size == 128
    assert network.n_columns == 4
    assert network.upsampling == config.upsampling == "pixelshuffle"
    assert network.mask


@pytest.mark.parametrize(("size", "n_layers"), [(64, 6), (96, 5), (128, 7), (224, 5), (256, 8)])
def test_images_are_halved_as_often_as_they_can_be(size: int, n_layers: int) -> None:
    config = TrainConfig(attributes=("Smiling",), image_size=size, n_layers=0)
    assert config.autoencoder(2).n_layers == n_layers


@pytest.mark.parametrize("size", [99, 100, 1000])
def test_a_size_that_leaves_too_many_cells_wants_a_number_of_layers(size: int) -> None:
    with pytest.raises(ConfigError, match=f"image_size = {size}: expected a power of two, or 3, 5 or 7"):
        TrainConfig(attributes=("Smiling",), image_size=size, n_layers=0)
