"""One update: who moves when, in which mode, in which direction, and what stays."""

import copy
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from tests.train.shapes import ATTRIBUTES, make_shapes, make_trainer, tiny_config
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from fader.models import Classifier, ClassifierConfig, Rendering
from fader.train.adversary import LatentAdversary
from fader.train.draws import Draws
from fader.train.objectives import attribute_loss, columns
from fader.train.trainer import Trainer


def batch(n: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    data = make_shapes(n, seed=seed)
    return data.subset(torch.arange(n).numpy()).batch(torch.arange(n).numpy())


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def differs(before: dict[str, Tensor], network: nn.Module) -> bool:
    return any(not torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def guide_of(trainer: Trainer) -> Classifier:
    assert trainer.guide is not None
    return trainer.guide


def record_update(trainer: Trainer) -> list[str]:
    """Run one update and return what happened, in order."""
    events: list[str] = []

    def note(name: str) -> Any:
        def hook(module: nn.Module, _: Any) -> None:
            mode = "train" if module.training else "eval"
            events.append(f"{name} {mode}{'' if torch.is_grad_enabled() else ' no grad'}")

        return hook

    assert trainer.patch_discriminator is not None
    networks = {
        "autoencoder": trainer.autoencoder,
        "latent": trainer.latent_discriminator,
        "patch": trainer.patch_discriminator,
    }
    places = {
        "encode": trainer.autoencoder.encoder[0],
        "decode": trainer.autoencoder.decoder[0],
        "latent": trainer.latent_discriminator,
        "guide": guide_of(trainer),
        "patch": trainer.patch_discriminator,
    }
    hooks = [place.register_forward_pre_hook(note(name)) for name, place in places.items()]

    def stepped(optimiser: torch.optim.Optimizer, _: Any, __: Any) -> None:
        moved = optimiser.param_groups[0]["params"][0]
        events.extend(f"step {name}" for name, net in networks.items() if moved is next(net.parameters()))

    hooks.append(register_optimizer_step_post_hook(stepped))
    trainer.update(*batch())
    for hook in hooks:
        hook.remove()
    return events


def test_discriminator_then_autoencoder_then_patch_discriminator() -> None:
    trainer = make_trainer(tiny_config())
    expected = [
        *("encode eval no grad", "latent train", "step latent"),
        *(
            "encode train",
            "latent eval",
            "decode train",
            "guide eval",
            "patch train",
            "step autoencoder",
        ),
        *("patch train", "step patch"),
    ]
    assert record_update(trainer) == expected
    assert record_update(trainer) == expected


def test_several_discriminator_steps_learn_from_one_encoding() -> None:
    events = record_update(make_trainer(tiny_config(discriminator_steps=3)))
    assert events[:8] == ["encode eval no grad", *(["latent train", "step latent"] * 3), "encode train"]


def test_one_update_moves_every_network_but_the_guide() -> None:
    trainer = make_trainer(tiny_config())
    assert trainer.patch_discriminator is not None
    moving = (
        trainer.autoencoder,
        trainer.latent_discriminator,
        trainer.patch_discriminator,
        trainer.averaged,
    )
    before, classifier = [state(network) for network in moving], state(guide_of(trainer))
    trainer.update(*batch())
    for network, old in zip(moving, before, strict=True):
        for name, parameter in network.named_parameters():
            assert not torch.equal(old[name], parameter), name
    assert not differs(classifier, guide_of(trainer))
    assert not any(parameter.requires_grad for parameter in guide_of(trainer).parameters())
    assert trainer.iteration == 1


@pytest.mark.parametrize("n_skip", [0, 1])
def test_the_encoder_moves_to_where_the_discriminator_is_wrong(n_skip: int) -> None:
    options = {
        "latent_weight": 1e4,
        "latent_ramp": 0,
        "feedback_weight": 0,
        "patch_weight": 0,
        "mask": False,
        "colour_weight": 0,
    }
    trainer = make_trainer(tiny_config(n_skip=n_skip, **options))
    images, labels = batch(8)
    images = (images + images.flip(3)) / 2
    before = copy.deepcopy(trainer.autoencoder)
    trainer.update(images, labels)
    discriminator = trainer.latent_discriminator.eval()

    def loss_of_the_truth(autoencoder: nn.Module) -> float:
        assert isinstance(autoencoder, type(before))
        with torch.no_grad():
            latent = autoencoder.train().discriminated(autoencoder.encode(images))
            return attribute_loss(discriminator(latent), labels, ATTRIBUTES).item()

    assert loss_of_the_truth(trainer.autoencoder) > loss_of_the_truth(before) + 1e-4


def test_the_adversarys_figures_are_those_of_its_own_loss() -> None:
    trainer = make_trainer(tiny_config())
    metrics = trainer.update(*batch())
    assert metrics.latent_discriminator == pytest.approx(2 * 0.693, abs=0.6)
    assert metrics.latent_adversary > 0
    assert metrics.feedback > 0
    assert metrics.patch > 0
    assert 0 < metrics.mask < 1
    assert metrics.colour > 0


def test_the_drawing_for_the_true_labels_is_compared_with_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tiny_config())
    images, labels = batch(4)
    images = (images + images.flip(3)) / 2
    asked: list[Tensor] = []

    def perfect(latents: list[Tensor], values: Tensor) -> Rendering:
        asked.append(values)
        edited = latents[0].mean() * torch.ones_like(images)
        drawing = torch.cat([images, edited])
        return Rendering(drawing, drawing, None)

    monkeypatch.setattr(trainer.autoencoder, "render", perfect)
    assert trainer.update(images, labels).reconstruction == 0
    true, edited = asked[0].chunk(2)
    assert torch.equal(true, columns(labels, ATTRIBUTES))
    assert ((edited != true).reshape(4, 2, 2).all(dim=2).sum(dim=1) == 1).all()


def test_feedback_asks_for_the_edited_labels() -> None:
    class AlwaysAbsent(Classifier):
        def forward(self, images_NCHW: Tensor) -> Tensor:
            return torch.tensor([[30.0, 0.0, 30.0, 0.0]]).expand(len(images_NCHW), 4)

    classifier = AlwaysAbsent(ClassifierConfig(image_size=32, n_columns=4, init_fm=1, max_fm=1, hidden=1))
    labels = np.array([[0, 0], [1, 1]], dtype=np.float32)
    trainer = Trainer(tiny_config(), ATTRIBUTES, classifier, LatentAdversary(ATTRIBUTES, labels))
    # Both are present; an edit makes one of them absent, and the other costs 30 nats.
    metrics = trainer.update(batch()[0], torch.ones(4, 2))
    assert metrics.feedback == pytest.approx(30, rel=1e-5)


def test_an_edit_changes_exactly_one_attribute_of_each_image() -> None:
    trainer = make_trainer(tiny_config())
    labels = batch(64)[1]
    changed = trainer.edits(labels, Draws.for_images(0, 64)) != labels
    assert changed.sum(dim=1).tolist() == [1] * 64
    assert changed.any(dim=0).all()


@pytest.mark.parametrize(("swap", "share"), [({}, 0.5), ({"Red": 3.0}, 0.75), ({"Round": 4.0}, 0.2)])
def test_shares_of_the_edits_follow_the_configuration(swap: dict[str, float], share: float) -> None:
    trainer = make_trainer(tiny_config(swap=swap))
    labels = torch.zeros(4000, 2)
    edited = trainer.edits(labels, Draws.for_images(0, 4000))
    assert edited[:, 0].float().mean().item() == pytest.approx(share, abs=0.03)
    assert (edited.sum(dim=1) == 1).all()


def test_the_learning_rate_of_every_network_cools_down() -> None:
    trainer = make_trainer(tiny_config(iterations=4, cooldown=2))
    rates = []
    for _ in range(4):
        trainer.update(*batch())
        rates.append(
            {o.param_groups[0]["lr"] / trainer.config.learning_rate for o in trainer.optimisers.values()}
        )
    assert rates == [{1.0}, {1.0}, {1.0}, {0.5}]


def test_edits_that_add_something_are_drawn_beyond_1_too_in_half_of_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[Tensor] = []
    trainer = make_trainer(tiny_config(exaggeration_weight=0.1))
    render = trainer.autoencoder.render

    def recording(latents: list[Tensor], values_NA: Tensor) -> Rendering:
        drawn.append(values_NA)
        return render(latents, values_NA)

    monkeypatch.setattr(trainer.autoencoder, "render", recording)
    images, labels = batch(16)
    said = [trainer.update(images, labels).exaggeration for _ in range(4)]
    assert all(value >= 0 for value in said)
    assert any(value > 0 for value in said)
    for values_NA in drawn:
        edited, beyond = values_NA[16:32], values_NA[32:]
        assert len(beyond) <= 8
        assert ((beyond > 1.24) & (beyond <= 1.5)).sum(dim=1).tolist() == [1] * len(beyond)
        # Each is one of the first eight edits but for the attribute that it exaggerates.
        nearest = (beyond[:, None] - edited[None, :8]).abs().sum(dim=2).min(dim=1).values
        assert (nearest <= 1).all()
    assert sum(len(values_NA) > 32 for values_NA in drawn) > 0


def test_feedback_on_removals_weighs_more_where_it_shall() -> None:
    images, labels = batch(16)
    plain, more = (
        make_trainer(tiny_config(feedback_on_removal=factor)).update(images, labels).feedback
        for factor in (1.0, 5.0)
    )
    assert plain < more < 5 * plain


def test_a_guide_of_prototypes_alone_gives_no_feedback() -> None:
    options = {"encoder_frozen": True, "prototypes": {"Red": (1.0, 1.0)}, "exaggeration_weight": 0.1}
    trainer = make_trainer(tiny_config(feedback_weight=0.0, **options))
    assert trainer.guide is not None
    last = trainer.update(*batch(6))
    assert last.feedback == last.exaggeration == 0
    assert last.patch > 0


def test_without_adversaries_it_is_an_autoencoder_that_learns_its_images() -> None:
    options = {"latent_weight": 0, "feedback_weight": 0, "patch_weight": 0, "mask": False, "colour_weight": 0}
    trainer = make_trainer(tiny_config(learning_rate=3e-3, **options))
    assert trainer.patch_discriminator is None
    assert trainer.guide is None
    images, labels = batch(6)
    errors = [trainer.update(images, labels) for _ in range(60)]
    assert errors[-1].reconstruction < errors[0].reconstruction / 5
    last = errors[-1]
    assert last.feedback == last.patch == last.mask == last.colour == last.monotonicity == 0


def test_the_autoencoders_loss_is_the_weighted_sum_of_its_parts_with_the_adversary_on_its_ramp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses: list[float] = []
    backward = torch.autograd.backward

    def recording(loss: Tensor, inputs: list[Tensor]) -> None:
        losses.append(loss.item())
        backward(loss, inputs=inputs)

    monkeypatch.setattr(torch.autograd, "backward", recording)
    names = ("latent", "feedback", "patch", "mask", "colour")
    weights = dict(zip([f"{name}_weight" for name in names], (0.7, 0.3, 0.2, 0.9, 0.4), strict=True))
    trainer = make_trainer(tiny_config(latent_ramp=2, **weights))
    for latent_weight in (0, 0.35, 0.7, 0.7):
        metrics = trainer.update(*batch())
        (latent_loss, loss, _) = losses[-3:]
        assert latent_loss == pytest.approx(metrics.latent_discriminator)
        expected = metrics.reconstruction + latent_weight * metrics.latent_adversary
        expected += latent_weight * metrics.latent_linear
        expected += 0.3 * metrics.feedback + 0.2 * metrics.patch + 0.9 * metrics.mask + 0.4 * metrics.colour
        assert loss == pytest.approx(expected, rel=1e-5)


def test_the_running_average_starts_quickly_and_ends_at_its_decay() -> None:
    trainer = make_trainer(tiny_config(average=0.3))
    for decay in (2 / 11, 3 / 12, 0.3, 0.3):
        before = state(trainer.averaged)
        trainer.update(*batch())
        now = trainer.autoencoder.state_dict()
        for name, mean in trainer.averaged.state_dict().items():
            if mean.is_floating_point():
                expected = decay * before[name] + (1 - decay) * now[name]
                torch.testing.assert_close(mean, expected, rtol=1e-5, atol=1e-6)
            else:
                assert torch.equal(mean, now[name])
    assert not trainer.averaged.training


def weights_after(n_updates: int, seed: int) -> dict[str, Tensor]:
    trainer = make_trainer(tiny_config(seed=seed))
    for i in range(n_updates):
        trainer.update(*batch(seed=i))
    assert trainer.patch_discriminator is not None
    networks = (trainer.averaged, trainer.latent_discriminator, trainer.patch_discriminator)
    return {f"{i} {name}": tensor for i, net in enumerate(networks) for name, tensor in state(net).items()}


def test_the_same_seed_gives_identical_weights_after_five_updates() -> None:
    one, same, other = weights_after(5, seed=0), weights_after(5, seed=0), weights_after(5, seed=1)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_bfloat16_computes_nearly_the_same_and_keeps_weights_and_losses_in_float32() -> None:
    exact, coarse = (make_trainer(tiny_config(precision=name)) for name in ("float32", "bfloat16"))
    images, labels = batch(8)
    dtypes: list[torch.dtype] = []
    hooked = coarse.autoencoder.get_submodule("encoder.1.0")
    hooked.register_forward_hook(lambda _module, _inputs, output: dtypes.append(output.dtype))
    one, other = asdict(exact.update(images, labels)), asdict(coarse.update(images, labels))
    assert set(dtypes) == {torch.bfloat16}
    assert one != other
    # Not nearer, because dropout draws another mask.
    assert other == pytest.approx(one, rel=0.2, abs=0.01)
    for network in (coarse.autoencoder, coarse.averaged, coarse.latent_discriminator):
        assert {p.dtype for p in network.parameters()} == {torch.float32}
