"""The two adversaries and the classifier: their sizes, shapes and what they must be given."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fader.models import (
    AutoEncoder,
    AutoEncoderConfig,
    Classifier,
    ClassifierConfig,
    LatentDiscriminator,
    PatchDiscriminator,
)


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


@settings(deadline=None, max_examples=40)
@given(cells=st.integers(1, 9), n_skip=st.integers(0, 2), n_columns=st.integers(2, 7))
def test_the_latent_discriminator_reads_every_shared_latent(cells: int, n_skip: int, n_columns: int) -> None:
    config = AutoEncoderConfig(
        image_size=8 * cells, n_layers=3, init_fm=2, max_fm=8, n_skip=n_skip, n_columns=n_columns
    )
    autoencoder, discriminator = AutoEncoder(config), LatentDiscriminator(config, hidden=4)
    latents = autoencoder.encode(torch.zeros(2, 3, 8 * cells, 8 * cells))
    logits = discriminator(autoencoder.discriminated(latents))
    assert logits.shape == (2, n_columns)
    assert logits.isfinite().all()


def test_the_published_latent_discriminator_has_two_convolutions_with_batch_norm_and_dropout() -> None:
    discriminator = LatentDiscriminator(AutoEncoderConfig(norm="instance"))
    assert len(convolutions(discriminator)) == 2
    norms = [module for module in discriminator.modules() if isinstance(module, nn.BatchNorm2d)]
    dropouts = [module for module in discriminator.modules() if isinstance(module, nn.Dropout)]
    assert len(norms) == 2
    assert [dropout.p for dropout in dropouts] == [0.3, 0.3]


def test_scale_and_offset_of_a_number_hide_nothing_from_a_standardising_latent_discriminator() -> None:
    config = AutoEncoderConfig(image_size=32, n_layers=3, init_fm=2, max_fm=8)
    latent_NCHW = torch.randn(8, 8, 4, 4)
    hidden_NCHW = 0.05 * latent_NCHW + torch.randn(8, 4, 4)
    for standardise in (True, False):
        torch.manual_seed(0)
        discriminator = LatentDiscriminator(config, hidden=4, dropout=0, standardise=standardise)
        seen, hidden = discriminator(latent_NCHW), discriminator(hidden_NCHW)
        assert torch.allclose(seen, hidden, atol=0.02) == standardise


def test_the_latent_discriminator_reads_in_full_precision_even_in_a_half_precision_run() -> None:
    config = AutoEncoderConfig(image_size=32, n_layers=3, init_fm=2, max_fm=8)
    discriminator = LatentDiscriminator(config, hidden=4).eval()
    latent_NCHW = torch.randn(8, 8, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        half = discriminator(latent_NCHW)
    assert half.dtype == torch.float32
    assert torch.equal(half, discriminator(latent_NCHW))


@pytest.mark.parametrize(("size", "patches"), [(32, 2), (64, 6), (256, 30)])
def test_the_patch_discriminator_gives_a_logit_for_each_patch(size: int, patches: int) -> None:
    network = PatchDiscriminator(init_fm=2).eval()
    assert [conv.stride for conv in convolutions(network)] == [(s, s) for s in (2, 2, 2, 1, 1)]
    with torch.no_grad():
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 1, patches, patches)


def test_a_conditional_patch_discriminator_needs_the_attributes() -> None:
    network = PatchDiscriminator(init_fm=2, n_columns=4).eval()
    images = torch.zeros(2, 3, 32, 32)
    with pytest.raises(ValueError, match="pass values_NA"):
        network(images)
    with torch.no_grad():
        one, other = network(images, torch.zeros(2, 4)), network(images, torch.ones(2, 4))
    assert not torch.equal(one, other)


def test_an_unconditional_patch_discriminator_reads_the_image_only() -> None:
    network = PatchDiscriminator(init_fm=2).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(images), network(images, torch.ones(2, 4)))


@settings(deadline=None, max_examples=30)
@given(size=st.integers(2, 70), n_columns=st.integers(2, 7))
def test_the_classifier_goes_down_to_one_pixel_from_any_size(size: int, n_columns: int) -> None:
    config = ClassifierConfig(image_size=size, n_columns=n_columns, init_fm=2, max_fm=4, hidden=4)
    classifier = Classifier(config).eval()
    with torch.no_grad():
        before_head = classifier.layers[:-1](torch.zeros(2, 3, size, size))
        assert before_head.shape[2:] == (1, 1)
        assert classifier(torch.zeros(2, 3, size, size)).shape == (2, n_columns)


def test_the_published_classifier_halves_256_pixels_eight_times() -> None:
    classifier = Classifier(ClassifierConfig())
    assert len(convolutions(classifier)) == 8
    assert [conv.out_channels for conv in convolutions(classifier)] == [32, 64, 128, 256, 512, 512, 512, 512]


def test_a_classifier_that_shrinks_reads_the_mean_of_each_square() -> None:
    torch.manual_seed(0)
    classifier = Classifier(ClassifierConfig(image_size=12, init_fm=2, hidden=4, shrink=3)).eval()
    assert len(convolutions(classifier)) == 2
    images = torch.rand(2, 3, 12, 12)
    means = images.unfold(2, 3, 3).unfold(3, 3, 3).mean((4, 5))
    with torch.no_grad():
        flat = means.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
        torch.testing.assert_close(classifier(images), classifier(flat))
        torch.testing.assert_close(classifier(images), classifier.layers(means))


def test_spectral_norm_bounds_every_layer_and_needs_no_batch_norm() -> None:
    torch.manual_seed(0)
    critic = PatchDiscriminator(init_fm=4, n_columns=2, spectral=True).train()
    images, values = torch.randn(2, 3, 32, 32), torch.eye(2)
    for _ in range(30):  # each pass brings the estimate of the largest singular value nearer
        critic(images, values)
    convolutions = [module for module in critic.modules() if isinstance(module, nn.Conv2d)]
    largest = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in convolutions]
    assert largest == pytest.approx([1.0] * 5, abs=0.05)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in critic.modules())


@pytest.mark.parametrize(("halvings", "width"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_a_patch_is_as_wide_as_documented(halvings: int, width: int) -> None:
    critic = PatchDiscriminator(init_fm=1, max_fm=2, halvings=halvings, spectral=True)
    images = torch.randn(1, 3, 320, 320, requires_grad=True)
    scores = critic(images)
    (slope,) = torch.autograd.grad(scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2], images)
    touched = slope[0].abs().sum(dim=0).sum(dim=0).nonzero()
    assert (touched.max() - touched.min() + 1).item() == width


@pytest.mark.parametrize("halvings", [1, 2, 3, 4])
def test_the_smallest_image_of_a_patch_discriminator_is_as_documented(halvings: int) -> None:
    critic = PatchDiscriminator(init_fm=2, halvings=halvings, spectral=True)
    assert critic(torch.zeros(1, 3, 4 * 2**halvings, 4 * 2**halvings)).shape == (1, 1, 2, 2)
