"""Layers that several networks share."""

import pytest
import torch
from torch import nn

from fader.models.layers import attribute_maps, downsample, upsample


def test_pixel_shuffle_starts_without_a_checkerboard() -> None:
    torch.manual_seed(0)
    layer = nn.Sequential(*upsample("pixelshuffle", 5, 7))
    with torch.no_grad():
        blocks = layer(torch.randn(2, 5, 6, 6)).unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    assert blocks.shape == (2, 7, 6, 6, 4)
    assert blocks.std() > 0.1
    torch.testing.assert_close(blocks, blocks[..., :1].expand_as(blocks), rtol=0, atol=1e-6)


def test_pixel_shuffle_can_learn_different_pixels() -> None:
    conv = upsample("pixelshuffle", 3, 2)[0]
    assert isinstance(conv, nn.Conv2d)
    assert conv.weight.shape == (8, 3, 3, 3)
    assert conv.weight.is_leaf
    assert conv.weight.requires_grad


@pytest.mark.parametrize("kind", ["convtranspose", "nearest", "pixelshuffle"])
def test_upsampling_doubles_the_resolution(kind: str) -> None:
    layers = upsample(kind, 4, 6)  # type: ignore[arg-type]
    assert nn.Sequential(*layers)(torch.zeros(2, 4, 5, 7)).shape == (2, 6, 10, 14)


def test_only_the_transposed_convolution_has_no_bias() -> None:
    convolutions = {kind: upsample(kind, 4, 4) for kind in ("convtranspose", "nearest", "pixelshuffle")}
    biases = {
        kind: any(
            isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None for layer in layers
        )
        for kind, layers in convolutions.items()
    }
    assert biases == {"convtranspose": False, "nearest": True, "pixelshuffle": True}


def test_downsampling_is_convolution_norm_activation_dropout() -> None:
    layer = downsample(3, 8, norm="batch", dropout=0.3)
    assert [type(module) for module in layer] == [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU, nn.Dropout]
    assert layer(torch.zeros(2, 3, 6, 10)).shape == (2, 8, 3, 5)
    assert layer[0].bias is not None
    assert layer[2].negative_slope == 0.2


def test_attributes_are_constant_over_space_and_take_the_tensors_type() -> None:
    maps = attribute_maps(
        torch.tensor([[0.25, 0.75], [1.0, 0.0]]), torch.zeros(2, 9, 3, 4, dtype=torch.float64)
    )
    assert maps.shape == (2, 2, 3, 4)
    assert maps.dtype == torch.float64
    assert (maps[0, 1] == 0.75).all()
    assert (maps[1, 1] == 0).all()
