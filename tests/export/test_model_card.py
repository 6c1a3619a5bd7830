"""The model card holds what a reader must know, and says so where training said nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fader.bundle import Bundle
from fader.export.arithmetic import count_flop
from fader.export.graphs import DecoderGraph, EncoderGraph
from fader.export.model_card import ModelSize, measure, model_card
from fader.models import AutoEncoder, AutoEncoderConfig, Checkpoint


@pytest.fixture(scope="module")
def card(bundle_folder: Path) -> str:
    return (bundle_folder / "README.md").read_text(encoding="utf-8")


def test_the_card_holds_what_training_said(card: str) -> None:
    assert card.startswith("# Squares\n")
    for row in (
        "| data | 40 generated squares |",
        "| licence | CC0 |",
        "| command | fader-train squares.toml |",
        "| iterations | 12 |",
        "| images seen | 384 |",
        "| psnr_db | 31.25 |",
        "| Glasses added | 0.5 |",
        "| config: seed | 7 |",
    ):
        assert row in card


def test_what_training_did_not_say_is_not_stated(
    card: str, bundle_folder: Path, checkpoint: Checkpoint
) -> None:
    assert "| machine | not stated |" in card
    manifest = Bundle(bundle_folder).manifest
    empty = model_card(manifest, measure(checkpoint), {}, half_weights=False)
    assert empty.count("not stated") == 7
    assert "Settings and other records" not in empty


def test_the_card_names_attributes_sizes_parity_limits_and_the_detectors_licence(card: str) -> None:
    for text in (
        "| Glasses | slider: 0 absent, 1 present, beyond exaggerates |",
        "| Hair | one of black, brown, fair |",
        "latent 64 x 4 x 4, skip_1 32 x 8 x 8, image 3 x 16 x 16",
        "GFLOP an image",
        "batch sizes 1, 3, 8, 32",
        "## Intended use and limits",
        "Iván de Paz Centeno, MIT licence: see detector/MTCNN-LICENSE.txt",
    ):
        assert text in card


def test_a_value_cannot_break_its_table(bundle_folder: Path, checkpoint: Checkpoint) -> None:
    manifest = replace(Bundle(bundle_folder).manifest, name="Squares")
    card = model_card(
        manifest, measure(checkpoint), {"Data": "a | b\nc", "metrics": "none"}, half_weights=True
    )
    assert "| data | a \\| b c |" in card
    assert "## Metrics\n\nnone\n" in card


def test_arithmetic_is_that_of_the_published_configuration() -> None:
    with torch.device("meta"):
        autoencoder = AutoEncoder(AutoEncoderConfig())
    encoder = sum(
        2 * inputs * outputs * 16 * (256 // 2**i) ** 2
        for i, (inputs, outputs) in enumerate(
            [(3, 32), (32, 64), (64, 128), (128, 256), (256, 512), (512, 512)], start=1
        )
    )
    real = autoencoder.to_empty(device="cpu")
    assert count_flop(EncoderGraph(real)) == encoder
    assert count_flop(DecoderGraph(real)) == pytest.approx(1.278e9, rel=1e-3)


def test_parameters_are_those_of_the_published_configuration(make_checkpoint: Any) -> None:
    with torch.device("meta"):
        autoencoder = AutoEncoder(AutoEncoderConfig())
    size: ModelSize = measure(replace(make_checkpoint(), autoencoder=autoencoder.to_empty(device="cpu")))
    # 14,000,512 trained and running values with one boolean attribute
    assert size.encoder_parameters + size.decoder_parameters == pytest.approx(14_000_512, rel=1e-3)
