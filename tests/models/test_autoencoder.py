"""The autoencoder: the published configuration, every combination of options, and what the decoder reads."""

from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fader.models import AutoEncoder, AutoEncoderConfig, LatentDiscriminator
from fader.models.config import Norm, Upsampling


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def tiny(**options: Any) -> AutoEncoder:
    torch.manual_seed(0)
    return AutoEncoder(
        AutoEncoderConfig(**{"image_size": 16, "init_fm": 4, "max_fm": 8, "n_layers": 3, **options})
    )


def images(network: AutoEncoder, n: int = 2) -> Tensor:
    size = network.config.image_size
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def values(network: AutoEncoder, n: int = 2) -> Tensor:
    return torch.rand(n, network.config.n_columns, generator=torch.Generator().manual_seed(2))


def convolution_weight(layer: nn.Module) -> Tensor:
    """Return the weights, (out, in, 4, 4) or (in, out, 4, 4), of the convolution that a layer begins with."""
    return next(layer.parameters())


def test_the_published_configuration_has_the_published_size() -> None:
    network = AutoEncoder(AutoEncoderConfig()).eval()
    assert n_parameters(network) == 14_000_512
    assert n_parameters(LatentDiscriminator(network.config)) == 8_655_362
    with torch.no_grad():
        (latent,) = network.encode(torch.zeros(1, 3, 256, 256))
        assert latent.shape == (1, 512, 4, 4)
        assert network.decode((latent,), torch.tensor([[0.0, 1.0]])).shape == (1, 3, 256, 256)
    assert network.latent_names == ("latent",)
    assert network.latent_shapes == ((512, 4, 4),)


@st.composite
def configurations(draw: st.DrawFn) -> AutoEncoderConfig:
    n_layers, mask = draw(st.integers(1, 4)), draw(st.booleans())
    return AutoEncoderConfig(
        image_size=2**n_layers * draw(st.integers(2, 3)),
        n_layers=n_layers,
        n_columns=draw(st.integers(2, 7)),
        init_fm=draw(st.integers(1, 4)),
        max_fm=draw(st.sampled_from([4, 6, 64])),
        n_skip=draw(st.integers(0, n_layers - 1)),
        norm=draw(st.sampled_from(get_args(Norm))),
        upsampling=draw(st.sampled_from(get_args(Upsampling))),
        dropout=draw(st.sampled_from([0.0, 0.3])),
        mask=mask,
        n_details=draw(st.integers(0, n_layers - 1)) if mask else 0,
    )


@settings(deadline=None, max_examples=80)
@given(config=configurations())
def test_every_combination_of_options_draws_images_and_backpropagates(config: AutoEncoderConfig) -> None:
    network = AutoEncoder(config)
    pictures = images(network)
    latents = network.encode(pictures)
    assert tuple(latent.shape[1:] for latent in latents) == network.latent_shapes
    assert len(network.latent_names) == len(latents) == 1 + config.n_skip + config.mask
    assert network.latent_names[-1] == "image" or not config.mask
    rendering = network.render(latents, values(network))
    for drawn in (rendering.image, rendering.drawing):
        assert drawn.shape == pictures.shape
        assert drawn.abs().max() <= 1
    assert (rendering.mask is not None) == config.mask
    (rendering.image - pictures).pow(2).mean().backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(("image_size", "n_layers"), [(96, 5), (224, 5), (96, 3)])
def test_sizes_that_are_no_power_of_two_work(image_size: int, n_layers: int) -> None:
    network = tiny(image_size=image_size, n_layers=n_layers, n_skip=1, mask=True)
    discriminator = LatentDiscriminator(network.config, hidden=8)
    latents = network.encode(images(network))
    assert latents[0].shape[-1] == image_size // 2**n_layers
    assert network.decode(latents, values(network)).shape == (2, 3, image_size, image_size)
    assert discriminator(network.discriminated(latents)).shape == (2, 2)


def read_by_decoder(network: AutoEncoder, layer: int) -> list[Tensor]:
    """Return the inputs that one decoder layer is given, as they arrive."""
    seen: list[Tensor] = []
    hook = network.decoder[layer].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(images(network), values(network))
    hook.remove()
    return seen


def test_a_decoder_layer_reads_its_tensor_then_the_attributes_then_the_skip() -> None:
    network = tiny(n_skip=1, n_columns=4).eval()
    latents = network.encode(images(network))
    width = network.config.widths[-2]
    (inputs,) = read_by_decoder(network, 1)
    assert inputs.shape[1] == width + 4 + width
    torch.testing.assert_close(
        inputs[:, :width], network.decoder[0](read_by_decoder(network, 0)[0]), rtol=0, atol=0
    )
    expected = values(network)[:, :, None, None].expand(-1, -1, *inputs.shape[2:])
    torch.testing.assert_close(inputs[:, width : width + 4], expected, rtol=0, atol=0)
    torch.testing.assert_close(inputs[:, width + 4 :], latents[1], rtol=0, atol=0)


def test_the_weights_of_the_attributes_stand_between_those_of_the_tensor_and_the_skip() -> None:
    network = tiny(n_skip=1, n_columns=3).eval()
    width = network.config.widths[-2]
    with torch.no_grad():
        weight = convolution_weight(network.decoder[1])
        assert weight.shape[0] == width + 3 + width
        weight[width : width + 3] = 0
        for layer in (0, 2):
            channels = network.config.widths[-1 - layer]
            convolution_weight(network.decoder[layer])[channels : channels + 3] = 0
        latents = network.encode(images(network))
        one, other = (network.decode(latents, scale * values(network)) for scale in (1, -5))
        assert torch.equal(one, other)
        without_skip = (latents[0], torch.zeros_like(latents[1]))
        assert not torch.equal(network.decode(without_skip, values(network)), one)
        weight[width + 3 :] = 0
        with_skip = network.decode(latents, values(network))
        assert torch.equal(network.decode(without_skip, values(network)), with_skip)


@pytest.mark.parametrize("n_skip", [0, 1, 2])
@pytest.mark.parametrize("mask", [False, True])
def test_the_discriminated_latent_is_the_shallowest_that_the_decoder_reads(n_skip: int, mask: bool) -> None:
    network = tiny(n_skip=n_skip, mask=mask)
    latents = network.encode(images(network))
    found = network.discriminated(latents)
    shared = latents[: 1 + n_skip]
    assert max(latent.shape[-1] for latent in shared) == found.shape[-1]
    assert found.shape[1:] == network.config.latent_shape(n_skip)
    # Nothing bypasses it: all that the decoder gets, but the image under the mask, is made of it.
    for latent in shared:
        (gradient,) = torch.autograd.grad(latent.sum(), found, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_details_tell_the_outermost_layers_where_things_are_and_are_no_part_of_the_code() -> None:
    network = tiny(mask=True, n_details=2).eval()
    latents = network.encode(images(network))
    assert network.latent_names == ("latent", "image")
    assert torch.equal(network.discriminated(latents), latents[0])
    half, quarter = network.config.widths[0], network.config.widths[1] // 2
    (outermost,), (before,) = read_by_decoder(network, -1), read_by_decoder(network, -2)
    assert outermost.shape[1:] == (network.config.widths[0] + network.config.n_columns + half, 8, 8)
    assert before.shape[1:] == (network.config.widths[1] + network.config.n_columns + quarter, 4, 4)
    other = (latents[0], -latents[1])
    assert not torch.equal(
        network.render(latents, values(network)).drawing, network.render(other, values(network)).drawing
    )


def test_with_a_mask_the_result_mixes_drawing_and_image() -> None:
    network = tiny(mask=True).eval()
    pictures = images(network)
    with torch.no_grad():
        rendering = network.render(network.encode(pictures), values(network))
        assert rendering.mask is not None
        assert rendering.mask.shape == (2, 1, 16, 16)
        assert 0 < rendering.mask.min() < rendering.mask.max() < 1
        expected = rendering.mask * rendering.drawing + (1 - rendering.mask) * pictures
        torch.testing.assert_close(rendering.image, expected, rtol=0, atol=1e-6)


def test_without_a_mask_the_drawing_is_the_result() -> None:
    network = tiny().eval()
    rendering = network.render(network.encode(images(network)), values(network))
    assert rendering.image is rendering.drawing
    assert rendering.mask is None


def test_a_closed_mask_leaves_the_image_as_it_is() -> None:
    network = tiny(mask=True, upsampling="nearest").eval()
    with torch.no_grad():
        weight, bias = network.decoder[-1].parameters()
        weight[3], bias[3] = 0, -200
        pictures = images(network)
        assert torch.equal(network(pictures, values(network)), pictures)


@pytest.mark.parametrize(("n_layers", "with_dropout"), [(1, 0), (2, 1), (3, 2), (4, 3), (5, 3), (6, 3)])
def test_dropout_is_in_the_innermost_layers_only_between_norm_and_relu(
    n_layers: int, with_dropout: int
) -> None:
    network = tiny(image_size=64, n_layers=n_layers, dropout=0.25)
    for j, layer in enumerate(network.decoder):
        parts = list(layer.children())
        dropouts = [part for part in parts if isinstance(part, nn.Dropout)]
        assert [dropout.p for dropout in dropouts] == [0.25] * (j < with_dropout)
        if dropouts:
            assert [type(part) for part in parts[-3:]] == [nn.BatchNorm2d, nn.Dropout, nn.ReLU]
    assert not any(isinstance(module, nn.Dropout) for module in network.encoder.modules())


def test_outermost_layers_have_no_norm() -> None:
    network = tiny()
    for layer in (network.encoder[0], network.decoder[-1]):
        assert not any(isinstance(module, nn.BatchNorm2d) for module in layer.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.encoder[1].modules())


def test_instance_norm_keeps_no_running_statistics() -> None:
    network = tiny(norm="instance")
    assert not [name for name, _ in network.named_buffers()]
    norms = [module for module in network.modules() if isinstance(module, nn.InstanceNorm2d)]
    assert len(norms) == 4
    assert all(norm.affine for norm in norms)
    with torch.no_grad():
        both = network.eval()(images(network), values(network))
        alone = network(images(network)[:1], values(network)[:1])
    torch.testing.assert_close(both[:1], alone, rtol=0, atol=1e-5)
