"""Configurations: every wrong one is refused with a line that names what was expected."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fader.errors import ConfigError
from fader.models import AutoEncoderConfig, ClassifierConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_layers": 0}, "n_layers = 0: expected 1 or more"),
        ({"image_size": 100}, "image_size = 100: expected a multiple of 64 for 6 layers"),
        ({"image_size": 0}, "image_size = 0: expected a multiple of 64"),
        ({"image_size": -64}, "image_size = -64: expected a multiple of 64"),
        ({"n_columns": 1}, "n_columns = 1: expected 2 or more"),
        ({"init_fm": 0}, "init_fm = 0: expected 1 to max_fm = 512"),
        ({"init_fm": 64, "max_fm": 32}, "init_fm = 64: expected 1 to max_fm = 32"),
        ({"n_skip": 6}, r"n_skip = 6: expected 0 to 5 \(n_layers - 1\)"),
        ({"n_skip": -1}, "n_skip = -1: expected 0 to 5"),
        ({"n_details": 6, "mask": True}, r"n_details = 6: expected 0 to 5 \(n_layers - 1\)"),
        ({"n_details": -1, "mask": True}, "n_details = -1: expected 0 to 5"),
        ({"n_details": 1}, "n_details = 1: expected 0 without a mask"),
        ({"dropout": 1.0}, "dropout = 1.0: expected 0 to 1, without 1"),
        ({"dropout": float("nan")}, "dropout = nan: expected 0 to 1"),
        ({"norm": "layer"}, r"norm = 'layer': expected one of \('batch', 'instance'\)"),
        ({"upsampling": "cubic"}, "upsampling = 'cubic': expected one of .*pixelshuffle"),
        (
            {"image_size": 64, "norm": "instance"},
            "image_size = 64: expected 128 or more for 6 layers with inst",
        ),
    ],
)
def test_a_wrong_autoencoder_is_refused_with_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        AutoEncoderConfig(**options)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 1}, "image_size = 1: expected 2 or more"),
        ({"n_columns": 0}, "n_columns = 0: expected 2 or more"),
        ({"init_fm": 1024}, "init_fm = 1024: expected 1 to max_fm = 512"),
        ({"hidden": 0}, "hidden = 0: expected 1 or more"),
        ({"shrink": 3}, "shrink = 3: expected a divisor of image_size = 256"),
        ({"shrink": 256}, "shrink = 256: expected a divisor of image_size = 256, not itself"),
        ({"shrink": 0}, "shrink = 0: expected a divisor of image_size = 256"),
    ],
)
def test_a_wrong_classifier_is_refused_with_what_was_expected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClassifierConfig(**options)


@settings(deadline=None, max_examples=200)
@given(
    image_size=st.integers(-8, 600),
    n_layers=st.integers(-1, 9),
    n_skip=st.integers(-1, 9),
    norm=st.sampled_from(["batch", "instance"]),
)
def test_sizes_are_accepted_exactly_if_every_layer_halves_them(
    image_size: int, n_layers: int, n_skip: int, norm: Any
) -> None:
    halves = n_layers >= 1 and image_size > 0 and image_size % 2**n_layers == 0
    has_space = norm == "batch" or n_layers == 1 or image_size > 2**n_layers
    try:
        config = AutoEncoderConfig(image_size=image_size, n_layers=n_layers, n_skip=n_skip, norm=norm)
    except ConfigError:
        assert not (halves and has_space and 0 <= n_skip < n_layers)
    else:
        assert halves
        assert has_space
        assert config.latent_shape(0)[1] * 2**n_layers == image_size


def test_latent_shapes_go_outwards_with_depth() -> None:
    config = AutoEncoderConfig()
    assert config.widths == (32, 64, 128, 256, 512, 512)
    assert [config.latent_shape(depth) for depth in range(3)] == [(512, 4, 4), (512, 8, 8), (256, 16, 16)]
