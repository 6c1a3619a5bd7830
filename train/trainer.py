"""One update of all networks: latent discriminator, autoencoder against it, patch discriminator.

Source: Lample et al. 2017, section 3.2. Shapes: N images, A attribute columns, K attributes.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from fader.attributes import AttributeSet
from fader.models import AutoEncoder, Classifier, LatentDiscriminator, PatchDiscriminator, load_networks
from fader.train.augment import augment, chroma, flip
from fader.train.config import TrainConfig
from fader.train.objectives import attribute_loss, columns, other_categories, ramp

__all__ = ["Metrics", "Trainer"]

SMOOTH = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """Losses of one update, for logs."""

    reconstruction: float
    """Mean squared error in [-1, 1] units."""
    latent_discriminator: float
    """Cross-entropy summed over attributes, nats."""
    latent_adversary: float
    """The encoder's loss against it, without its weight."""
    feedback: float
    """The guide's cross-entropy on edited images; 0 if unused."""
    patch: float
    """The edited images' loss against the patch discriminator; 0 if unused."""
    mask: float
    """Mean of the mask on edited images; 0 without one."""
    colour: float
    """Mean absolute change of chroma by the edits; 0 if unused."""


class Trainer:
    """The networks of a run, their optimisers, and the update."""

    def __init__(self, config: TrainConfig, attributes: AttributeSet, guide: Classifier) -> None:
        """Make the networks.

        Args:
            config: Settings.
            attributes: The sliders; columns in this order.
            guide: A trained classifier; gives feedback on edited images and is not changed.
        """
        self.config = config
        self.attributes = attributes
        self.iteration = 0
        self.random = torch.Generator().manual_seed(config.seed)
        shape = config.autoencoder(attributes.n_columns)
        self.autoencoder = AutoEncoder(shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.latent_discriminator = LatentDiscriminator(shape)
        self.guide = guide.eval().requires_grad_(False)
        self.patch_discriminator: PatchDiscriminator | None = None
        if config.patch_weight:
            patch = PatchDiscriminator(init_fm=config.init_fm, n_columns=attributes.n_columns)
            self.patch_discriminator = patch.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = copy.deepcopy(self.autoencoder).eval().requires_grad_(False)
        self._optimiser = self._adam(self.autoencoder)
        self._latent_optimiser = self._adam(self.latent_discriminator)
        self._patch_optimiser = self._adam(self.patch_discriminator) if self.patch_discriminator else None
        self._swap_weights = torch.tensor([float(config.swap.get(name, 1.0)) for name in attributes.names])

    def begin_with(self, folder: Path) -> None:
        """Take the autoencoder's and the discriminators' weights out of a checkpoint.

        Raises:
            BundleError: they are not there or do not fit this run's networks.
        """
        networks: dict[str, nn.Module] = {
            "autoencoder": self.autoencoder,
            "latent_discriminator": self.latent_discriminator,
        }
        if self.patch_discriminator is not None:
            networks["patch_discriminator"] = self.patch_discriminator
        load_networks(folder, networks)
        self.averaged.load_state_dict(self.autoencoder.state_dict())

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), lr=self.config.learning_rate, betas=self.config.betas)

    def update(self, images_NCHW: Tensor, labels_NK: Tensor) -> Metrics:
        """Update every network once.

        Args:
            images_NCHW: (N, 3, S, S) in [-1, 1].
            labels_NK: (N, K) int64 category indices.
        """
        images_NCHW = flip(images_NCHW, self.random)
        edited_NK = self.edits(labels_NK)
        latent_loss = self._update_latent_discriminator(images_NCHW, labels_NK)
        metrics, edited_NCHW = self._update_autoencoder(images_NCHW, labels_NK, edited_NK, latent_loss)
        if self.patch_discriminator is not None and self._patch_optimiser is not None:
            real_NA, edited_NA = columns(labels_NK, self.attributes), columns(edited_NK, self.attributes)
            with self._autocast():
                loss = _patch_loss(self.patch_discriminator, images_NCHW, real_NA, edited_NCHW, edited_NA)
            self._step(self._patch_optimiser, loss)
        self.iteration += 1
        self._average()
        return metrics

    def edits(self, labels_NK: Tensor) -> Tensor:
        """Return labels in which each image has one attribute changed, by the configuration's shares."""
        other_NK = other_categories(labels_NK, self.attributes, self.random)
        chosen_N = torch.multinomial(
            self._swap_weights, len(labels_NK), replacement=True, generator=self.random
        )
        change_NK = functional.one_hot(chosen_N, len(self._swap_weights)).bool()
        return torch.where(change_NK, other_NK, labels_NK)

    def _update_latent_discriminator(self, images_NCHW: Tensor, labels_NK: Tensor) -> float:
        self.autoencoder.eval()
        self.latent_discriminator.train()
        with self._autocast():
            with torch.no_grad():
                latents = self.autoencoder.encode(images_NCHW)
            logits_NA = self.latent_discriminator(self.autoencoder.discriminated(latents))
            loss = attribute_loss(logits_NA, labels_NK, self.attributes)
        self._step(self._latent_optimiser, loss)
        return loss.item()

    def _update_autoencoder(
        self, images_NCHW: Tensor, labels_NK: Tensor, edited_NK: Tensor, latent_loss: float
    ) -> tuple[Metrics, Tensor]:
        self.autoencoder.train()
        self.latent_discriminator.eval()
        with self._autocast():
            losses, edited_NCHW = self._losses(images_NCHW, labels_NK, edited_NK)
        config = self.config
        weights = {
            "reconstruction": 1.0,
            "latent_adversary": ramp(config.latent_weight, self.iteration, config.latent_ramp),
            "feedback": config.feedback_weight,
            "patch": config.patch_weight,
            "mask": config.mask_weight,
            "colour": config.colour_weight,
        }
        self._step(
            self._optimiser, torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        )
        values = {name: loss.item() for name, loss in losses.items()}
        return Metrics(latent_discriminator=latent_loss, **values), edited_NCHW.detach()

    def _losses(
        self, images_NCHW: Tensor, labels_NK: Tensor, edited_NK: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the autoencoder's losses, unweighted, by their names in `Metrics`, and the edited images."""
        n, none = len(images_NCHW), torch.zeros(())
        latents = self.autoencoder.encode(images_NCHW)
        fooled_NK = other_categories(labels_NK, self.attributes, self.random)
        logits_NA = self.latent_discriminator(self.autoencoder.discriminated(latents))
        edited_NA = columns(edited_NK, self.attributes)
        # One pass for both renderings: half the calls, and batch norm sees the mixture it will see in use.
        rendering = self.autoencoder.render(
            [torch.cat([latent, latent]) for latent in latents],
            torch.cat([columns(labels_NK, self.attributes), edited_NA]),
        )
        edited_NCHW = rendering.image[n:]
        losses = {
            "reconstruction": functional.mse_loss(rendering.drawing[:n], images_NCHW),
            "latent_adversary": attribute_loss(logits_NA, fooled_NK, self.attributes),
            "feedback": none,
            "patch": none,
            "mask": none if rendering.mask is None else rendering.mask[n:].float().mean(),
            "colour": none,
        }
        if self.config.feedback_weight:
            guess_NA = self.guide(augment(edited_NCHW, self.random))
            losses["feedback"] = attribute_loss(guess_NA, edited_NK, self.attributes)
        if self.patch_discriminator is not None:
            score = self.patch_discriminator(edited_NCHW, edited_NA).float()
            losses["patch"] = functional.binary_cross_entropy_with_logits(score, torch.ones_like(score))
        if self.config.colour_weight:
            losses["colour"] = chroma(edited_NCHW - images_NCHW).abs().mean()
        return losses, edited_NCHW

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def _step(self, optimiser: torch.optim.Adam, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        torch.autograd.backward(loss, inputs=parameters)
        torch.nn.utils.clip_grad_norm_(parameters, self.config.clip_norm)
        optimiser.step()

    @torch.no_grad()
    def _average(self) -> None:
        # Young averages must forget the random start, so the decay grows into its final value.
        decay = min(self.config.average, (1 + self.iteration) / (10 + self.iteration))
        pairs = zip(self.averaged.state_dict().values(), self.autoencoder.state_dict().values(), strict=True)
        for mean, value in pairs:
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def _patch_loss(
    discriminator: PatchDiscriminator,
    real_NCHW: Tensor,
    real_NA: Tensor,
    edited_NCHW: Tensor,
    edited_NA: Tensor,
) -> Tensor:
    """Real images with their attributes are real; edits, and real images with others' attributes, are not."""
    right = discriminator(real_NCHW, real_NA).float()
    fake = discriminator(edited_NCHW, edited_NA).float()
    wrong = discriminator(real_NCHW, edited_NA).float()
    loss = functional.binary_cross_entropy_with_logits(right, torch.full_like(right, 1 - SMOOTH))
    for score in (fake, wrong):
        loss = loss + 0.5 * functional.binary_cross_entropy_with_logits(score, torch.zeros_like(score))
    return loss
