"""The figures of a run against models whose edits are known: one that edits truly, one that does nothing."""

import numpy as np
import pytest
import torch
from tests.train.shapes import ATTRIBUTES
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.models import AutoEncoder, AutoEncoderConfig, Classifier, ClassifierConfig
from fader.train.data.dataset import AlignedSet, Subset
from fader.train.evaluation.evaluate import evaluate, grid

SIZE = 16


def painted(labels: Tensor) -> Tensor:
    """Return images whose red and green say what their two labels are."""
    colours = torch.cat([labels.float() * 2 - 1, torch.zeros(len(labels), 1)], dim=1)
    return colours[:, :, None, None].expand(-1, -1, SIZE, SIZE)


def paintings(labels: list[list[int]]) -> Subset:
    pixels = (painted(torch.tensor(labels)).permute(0, 2, 3, 1).numpy() + 1) * 127.5
    data = AlignedSet(
        images_NHWC=np.rint(pixels).astype(np.uint8),
        labels_NK=np.array(labels, dtype=np.float32),
        attributes=ATTRIBUTES,
    )
    return data.subset(np.arange(len(labels)))


class Painter(AutoEncoder):
    """Paints what it is told, or returns the image; `spoils` makes it change the other attribute, too."""

    def __init__(self, *, obeys: bool = True, spoils: bool = False) -> None:
        super().__init__(AutoEncoderConfig(image_size=SIZE, n_layers=1, init_fm=1, max_fm=1, n_columns=4))
        self.obeys, self.spoils = obeys, spoils

    def encode(self, images_NCHW: Tensor) -> tuple[Tensor, ...]:
        return (images_NCHW,)

    def decode(self, latents: object, values_NA: Tensor) -> Tensor:
        assert isinstance(latents, tuple)
        (images,) = latents
        assert isinstance(images, Tensor)
        if not self.obeys:
            return images
        wanted = torch.stack([values_NA[:, 1], values_NA[:, 3]], dim=1).clamp(0, 1)
        return painted(wanted[:, :1].expand(-1, 2) if self.spoils else wanted)


class Judge(Classifier):
    """Reads the two colours."""

    def __init__(self) -> None:
        super().__init__(ClassifierConfig(image_size=SIZE, n_columns=4, init_fm=1, max_fm=1, hidden=1))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        red, green = images_NCHW[:, 0].mean((1, 2)), images_NCHW[:, 1].mean((1, 2))
        return torch.stack([-red, red, -green, green], dim=1)


SHARES = ("Red added", "Red removed", "Round added", "Round removed")


def test_a_true_editor_gets_full_marks() -> None:
    figures = evaluate(Painter(), Judge(), paintings([[0, 0], [0, 1], [1, 0], [1, 1]]), ATTRIBUTES)
    assert figures.pop("psnr_db") > 50
    assert figures == dict.fromkeys((*SHARES, "others kept"), 1.0)


def test_a_model_that_ignores_the_sliders_gets_none_but_keeps_everything() -> None:
    figures = evaluate(Painter(obeys=False), Judge(), paintings([[0, 0], [1, 1]]), ATTRIBUTES)
    assert figures.pop("psnr_db") > 100
    assert figures == {**dict.fromkeys(SHARES, 0.0), "others kept": 1.0}


def test_spoiling_another_attribute_is_counted() -> None:
    # Painted as the first label alone says: the edit of Red takes Round along, that of Round does nothing.
    figures = evaluate(Painter(spoils=True), Judge(), paintings([[0, 0], [1, 1]]), ATTRIBUTES)
    assert {name: figures[name] for name in SHARES} == {
        "Red added": 1.0,
        "Red removed": 1.0,
        "Round added": 0.0,
        "Round removed": 0.0,
    }
    assert figures["others kept"] == 0.5


def test_the_reconstructions_psnr_is_that_of_8_bit_images() -> None:
    class Off(Painter):
        def decode(self, latents: object, values_NA: Tensor) -> Tensor:
            return super().decode(latents, values_NA) + 0.02

    figures = evaluate(Off(obeys=False), Judge(), paintings([[0, 1], [1, 0]]), ATTRIBUTES)
    assert figures["psnr_db"] == pytest.approx(40, abs=0.01)


def test_a_share_of_no_cases_is_left_out_instead_of_being_no_number() -> None:
    figures = evaluate(Painter(), Judge(), paintings([[0, 0], [0, 1]]), ATTRIBUTES)
    assert "Red added" in figures
    assert "Red removed" not in figures
    assert all(np.isfinite(value) for value in figures.values())


def test_a_model_of_one_attribute_has_no_others_to_keep() -> None:
    class One(Painter):
        def decode(self, latents: object, values_NA: Tensor) -> Tensor:
            return super().decode(latents, torch.cat([values_NA, values_NA], dim=1))

    attributes = AttributeSet([Attribute(name="Red")])
    subset = paintings([[0, 0], [1, 1]])
    alone = AlignedSet(
        images_NHWC=subset.parent.images_NHWC, labels_NK=subset.labels_NK[:, :1], attributes=attributes
    )
    figures = evaluate(One(), Judge(), alone.subset(np.arange(2)), attributes)
    assert set(figures) == {"psnr_db", "Red added", "Red removed"}
    assert figures["Red added"] == figures["Red removed"] == 1


def test_a_grid_shows_original_reconstruction_and_each_edit_at_two_strengths() -> None:
    subset = paintings([[0, 0], [1, 0], [0, 1]])
    picture = grid(Painter(), subset, ATTRIBUTES, positions=np.array([0, 1]))
    assert picture.shape == (2 * SIZE + 2, 6 * SIZE + 5 * 2, 3)
    reds = picture[SIZE // 2 :: SIZE + 2, SIZE // 2 :: SIZE + 2, 0]
    assert reds.tolist() == [[0, 0, 255, 255, 0, 0], [255, 255, 0, 0, 255, 255]]
