"""The decoder's exported forms compute what the decoder computes, whatever its options: exactly."""

from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.export.conftest import look_trained
from torch import nn

from fader.export import DecoderGraph, MapDecoderGraph, export_graph
from fader.export.attribute_maps import AttributeMaps, Convolution
from fader.export.decoder_forms import ShuffleConvolution
from fader.export.depth_to_space import depth_to_space
from fader.export.folding import folded
from fader.export.graphs import Graph
from fader.models import AutoEncoder, AutoEncoderConfig
from fader.models.config import Norm, Upsampling

EXAMPLES = settings(deadline=None, max_examples=60)


@st.composite
def configurations(draw: st.DrawFn) -> AutoEncoderConfig:
    n_layers, mask = draw(st.integers(1, 4)), draw(st.booleans())
    norm: Norm = draw(st.sampled_from(get_args(Norm)))
    cells = draw(st.integers(2 if norm == "instance" else 1, 4))
    return AutoEncoderConfig(
        image_size=cells * 2**n_layers,
        n_columns=draw(st.integers(2, 7)),
        init_fm=draw(st.integers(1, 5)),
        max_fm=draw(st.integers(5, 12)),
        n_layers=n_layers,
        n_skip=draw(st.integers(0, n_layers - 1)),
        norm=norm,
        upsampling=draw(st.sampled_from(get_args(Upsampling))),
        mask=mask,
        n_details=draw(st.integers(0, n_layers - 1)) if mask else 0,
        dropout=draw(st.sampled_from([0.0, 0.3])),
    )


def decoder_of(config: AutoEncoderConfig, seed: int) -> DecoderGraph:
    torch.manual_seed(seed)
    autoencoder = AutoEncoder(config)
    look_trained(autoencoder)
    return DecoderGraph(autoencoder.eval())


def rendering(graph: Graph, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    with torch.no_grad():
        return graph.eval()(*inputs)[0]  # type: ignore[no-any-return]


@EXAMPLES
@given(config=configurations(), batch=st.integers(1, 3), seed=st.integers(0, 99))
def test_both_forms_draw_what_the_decoder_draws(config: AutoEncoderConfig, batch: int, seed: int) -> None:
    decoder = decoder_of(config, seed)
    inputs = decoder.example(batch)
    expected = rendering(decoder, inputs)
    form = MapDecoderGraph(decoder)
    torch.testing.assert_close(rendering(form, inputs), expected, rtol=0, atol=1e-5)
    assert form.transposed == (config.upsampling == "convtranspose")
    torch.testing.assert_close(rendering(form.shuffled(), inputs), expected, rtol=0, atol=1e-5)
    assert not form.shuffled().transposed


@EXAMPLES
@given(
    size=st.integers(1, 7), n_columns=st.integers(1, 5), channels=st.integers(1, 4), transposed=st.booleans()
)
def test_maps_are_what_a_convolution_makes_of_constant_channels(
    size: int, n_columns: int, channels: int, transposed: bool
) -> None:
    convolution: Convolution = (
        nn.ConvTranspose2d(n_columns, channels, 4, 2, 1, bias=False)
        if transposed
        else nn.Conv2d(n_columns, channels, 3, 1, 1, bias=False)
    )
    values = torch.empty(3, n_columns).uniform_(-10, 10)
    with torch.no_grad():
        expected = convolution(values[:, :, None, None].expand(-1, -1, size, size))
        found = AttributeMaps(convolution, size)(values)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@EXAMPLES
@given(
    size=st.integers(1, 7),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 5),
    bias=st.booleans(),
    framed=st.booleans(),
)
def test_the_shuffle_form_is_the_transposed_convolution(
    size: int, inputs: int, outputs: int, bias: bool, framed: bool
) -> None:
    convolution = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=bias)
    images = torch.empty(2, inputs, size, size).uniform_(-1, 1)
    with torch.no_grad():
        given = nn.functional.pad(images, (1, 1, 1, 1)) if framed else images
        drawn = depth_to_space(ShuffleConvolution(convolution, framed=framed)(given))
        torch.testing.assert_close(drawn[:, :, 1:-1, 1:-1], convolution(images), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [lambda: nn.ConvTranspose2d(2, 3, 4, 2, 1), lambda: nn.Conv2d(2, 3, 3), lambda: nn.Conv2d(2, 12, 3)],
)
def test_folding_changes_no_number_and_leaves_the_network(make: Any) -> None:
    torch.manual_seed(0)
    convolution = make()
    shuffle = [nn.PixelShuffle(2)] if convolution.out_channels == 12 else []
    network = nn.Sequential(nn.Sequential(convolution, *shuffle, nn.BatchNorm2d(3), nn.ReLU())).eval()
    look_trained(network)
    images = torch.empty(2, 2, 5, 5).uniform_(-1, 1)
    copy = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    with torch.no_grad():
        torch.testing.assert_close(copy(images), network(images), rtol=0, atol=1e-5)


def test_forms_leave_the_decoder_as_it_is(make_checkpoint: Any) -> None:
    decoder = DecoderGraph(make_checkpoint().autoencoder)
    before = {key: value.clone() for key, value in decoder.state_dict().items()}
    MapDecoderGraph(decoder).shuffled()
    assert all(torch.equal(value, before[key]) for key, value in decoder.state_dict().items())


def test_a_column_costs_its_distinct_numbers_and_nothing_else(make_checkpoint: Any) -> None:
    few, many = (
        export_graph(MapDecoderGraph(DecoderGraph(make_checkpoint(categories=names).autoencoder)))
        for names in (("a", "b", "c"), tuple("abcdefghijk"))
    )
    # 8 columns more, of 4 x 4 float32 numbers for each of the layers' 8 and 3 channels, and longer lengths.
    assert 0 <= len(many) - len(few) - 8 * 16 * 11 * 4 < 20
