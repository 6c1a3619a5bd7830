"""One update of all networks: latent discriminator, autoencoder against it, patch discriminator.

Source: Lample et al. 2017, section 3.2. Shapes: N images, A attribute columns, K attributes.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fader.attributes import AttributeSet
from fader.models import AutoEncoder, Classifier, LatentDiscriminator, PatchDiscriminator
from fader.train.adversary import LatentAdversary
from fader.train.augment import flip
from fader.train.config import TrainConfig
from fader.train.distributed import ALONE, Processes
from fader.train.draws import Draws, seed_of
from fader.train.examples import Examples
from fader.train.linear_reader import LinearReader
from fader.train.losses import Critics, EditingLosses, patch_loss
from fader.train.objectives import columns, cooled, other_values, ramp

__all__ = ["Metrics", "Trainer"]

UPDATE, DROPOUT = 0, 1
"""Streams of random numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """Losses of one update, for logs, of this process's images."""

    reconstruction: float
    """Mean squared error in [-1, 1] units."""
    latent_discriminator: float
    """Cross-entropy summed over attributes, nats; the last of the iteration's steps; 0 with a frozen
    encoder."""
    latent_adversary: float
    """The encoder's loss against it, without its weight."""
    latent_linear: float
    """What the best linear reader of the code reads, R² summed over indicators; 0 if unused."""
    feedback: float
    """The guide's cross-entropy on edited images; 0 if unused."""
    patch: float
    """The edited images' loss against the patch discriminator; 0 if unused."""
    mask: float
    """Mean of the mask on edited images; 0 without one."""
    colour: float
    """Mean absolute change of chroma by the edits; 0 if unused."""
    monotonicity: float
    """How far edits of continuous attributes move against their sliders, 0 to 2; 0 if unused."""
    exaggeration: float
    """By how many logits the guide is not surer of sliders beyond 1 than at 1; 0 if unused."""
    examples: float
    """Error of edits whose result is known; 0 if there are none."""


class Trainer:
    """The networks of a run, their optimisers, and the update."""

    def __init__(
        self,
        config: TrainConfig,
        attributes: AttributeSet,
        guide: Classifier | None,
        adversary: LatentAdversary,
        processes: Processes = ALONE,
    ) -> None:
        """Make the networks.

        Args:
            config: Settings.
            attributes: The sliders; columns in this order.
            guide: A trained classifier that gives feedback on edited images, or reads prototypes, and is not
                changed; None where the settings have no use for it.
            adversary: How the latent discriminator is read.
            processes: This process and its device.
        """
        self.config, self.attributes, self.adversary, self.processes = (
            config,
            attributes,
            adversary,
            processes,
        )
        self.iteration = 0
        shape = config.autoencoder(
            attributes.n_columns, erased=adversary.n_indicators if config.erases else 0
        )
        self.autoencoder: AutoEncoder = processes.place(AutoEncoder(shape))
        if config.encoder_frozen:
            self.autoencoder.encoder.requires_grad_(False)
        self.latent_discriminator: LatentDiscriminator = processes.place(
            LatentDiscriminator(
                shape,
                dropout=config.latent_dropout,
                n_outputs=adversary.n_outputs,
                standardise=config.latent_standardised,
            )
        )
        self.reader: LinearReader | None = None
        if config.reads_linearly:
            n = math.prod(shape.latent_shape(shape.n_skip))
            self.reader = LinearReader(n, adversary.n_indicators).to(processes.device)
        self.guide: Classifier | None = None
        if guide is not None:
            self.guide = processes.place(guide.eval().requires_grad_(False))
        self.patch_discriminator: PatchDiscriminator | None = None
        if config.patch_weight:
            patch = PatchDiscriminator(
                init_fm=config.init_fm,
                n_columns=attributes.n_columns,
                # What is left of an image must be 4 pixels wide for the last two layers.
                halvings=min(config.patch_halvings, int(math.log2(config.image_size / 4))),
                spectral=config.patch_norm == "spectral",
            )
            self.patch_discriminator = processes.place(patch)
        self.averaged = copy.deepcopy(self.autoencoder).eval().requires_grad_(False)
        critics = Critics(
            latent=self.latent_discriminator,
            adversary=adversary,
            reader=self.reader,
            patch=self.patch_discriminator,
            guide=self.guide if config.feedback_weight else None,
        )
        self._losses = processes.share(EditingLosses(self.autoencoder, critics, attributes, config))
        self._latent = processes.share(self.latent_discriminator)
        self._patch = None if self.patch_discriminator is None else processes.share(self.patch_discriminator)
        self.optimisers = {name: self._adam(network) for name, network in self.networks.items()}

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that learn, by name."""
        networks: dict[str, nn.Module] = {"autoencoder": self.autoencoder}
        if not self.config.encoder_frozen:
            networks["latent_discriminator"] = self.latent_discriminator
        if self.patch_discriminator is not None:
            networks["patch_discriminator"] = self.patch_discriminator
        return networks

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        return torch.optim.Adam(learning, lr=self.config.learning_rate, betas=self.config.betas)

    def update(self, images_NCHW: Tensor, labels_NK: Tensor, examples: Examples | None = None) -> Metrics:
        """Update every network once.

        Args:
            images_NCHW: (N, 3, S, S) in [-1, 1], this process's of the batch.
            labels_NK: (N, K) float32; see `fader.train.objectives`.
            examples: Edits whose result is known.
        """
        draws = self._draws(len(images_NCHW))
        images_NCHW = flip(self._here(images_NCHW), draws)
        labels_NK = self._here(labels_NK)
        edited_NK = self.edits(labels_NK, draws)
        latent_loss = 0.0
        if not self.config.encoder_frozen:
            latent_loss = self._update_latent_discriminator(images_NCHW, labels_NK)
        losses, edited_NCHW = self._update_autoencoder(images_NCHW, labels_NK, edited_NK, draws, examples)
        if self._patch is not None:
            real_NA, edited_NA = columns(labels_NK, self.attributes), columns(edited_NK, self.attributes)
            with self._autocast():
                loss = patch_loss(
                    self._patch, (images_NCHW, real_NA), (edited_NCHW, edited_NA), self.config.patch_smoothing
                )
            self._step("patch_discriminator", loss)
        self.iteration += 1
        self._average()
        return Metrics(latent_discriminator=latent_loss, **losses)

    def _draws(self, n: int) -> Draws:
        # Everything random depends on the iteration alone, dropout too: a resumed run goes on as if nothing
        # had happened.
        seed, processes = self.config.seed, self.processes
        torch.manual_seed(seed_of(seed, DROPOUT, self.iteration, processes.rank))
        total = n * processes.count
        stream = seed_of(seed, UPDATE, self.iteration)
        return Draws(stream, processes.rows(total), total, processes.device)

    def _here(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.processes.device, non_blocking=True)

    def edits(self, labels_NK: Tensor, draws: Draws) -> Tensor:
        """Return labels in which each image has one attribute changed, by the configuration's shares."""
        shares = [float(self.config.swap.get(name, 1.0)) for name in self.attributes.names]
        chosen_NK = functional.one_hot(draws.choice(shares), len(shares)).bool()
        return torch.where(chosen_NK, other_values(labels_NK, self.attributes, draws), labels_NK)

    def _update_latent_discriminator(self, images_NCHW: Tensor, labels_NK: Tensor) -> float:
        self.autoencoder.eval()
        self.latent_discriminator.train()
        with torch.no_grad(), self._autocast():
            latent_NCHW = self.autoencoder.discriminated(self.autoencoder.encode(images_NCHW))
        if self.reader is not None:
            indicators_NT = self.adversary.indicators(labels_NK)
            self.reader.observe(latent_NCHW.flatten(1), indicators_NT, self.processes.average)
        losses = []
        for _ in range(self.config.discriminator_steps):
            losses.append(self.adversary.discriminator_loss(self._latent(latent_NCHW), labels_NK))
            self._step("latent_discriminator", losses[-1])
        return losses[-1].item()

    def _update_autoencoder(
        self,
        images_NCHW: Tensor,
        labels_NK: Tensor,
        edited_NK: Tensor,
        draws: Draws,
        examples: Examples | None,
    ) -> tuple[dict[str, float], Tensor]:
        self.autoencoder.train()
        if self.config.encoder_frozen:
            self.autoencoder.encoder.eval()
        self.latent_discriminator.eval()
        here = None if examples is None else examples.to(self.processes.device)
        with self._autocast():
            losses, edited_NCHW = self._losses(images_NCHW, labels_NK, edited_NK, draws, here)
        weights = self._weights()
        self._step("autoencoder", torch.stack([weights[name] * loss for name, loss in losses.items()]).sum())
        return {name: loss.item() for name, loss in losses.items()}, edited_NCHW.detach()

    def _weights(self) -> Mapping[str, float]:
        config = self.config
        latent = ramp(config.latent_weight, self.iteration, config.latent_ramp)
        return {
            "reconstruction": 1.0,
            "latent_adversary": latent,
            "latent_linear": latent,
            "feedback": config.feedback_weight,
            "patch": config.patch_weight,
            "mask": config.mask_weight,
            "colour": config.colour_weight,
            "monotonicity": config.monotonicity_weight,
            "exaggeration": config.exaggeration_weight,
            "examples": config.examples_weight,
        }

    def _autocast(self) -> torch.autocast:
        half = self.config.precision == "bfloat16"
        return torch.autocast(self.processes.device.type, torch.bfloat16, enabled=half)

    def _step(self, name: str, loss: Tensor) -> None:
        optimiser, config = self.optimisers[name], self.config
        rate = cooled(config.learning_rate, self.iteration, config.iterations, config.cooldown)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        torch.autograd.backward(loss, inputs=parameters)
        torch.nn.utils.clip_grad_norm_(parameters, config.clip_norm)
        optimiser.step()

    @torch.no_grad()
    def _average(self) -> None:
        # Young averages must forget the random start, so the decay grows into its final value.
        decay = min(self.config.average, (1 + self.iteration) / (10 + self.iteration))
        means, values = self.averaged.state_dict(), self.autoencoder.state_dict()
        for name in (name for name in means if not name.startswith("eraser.")):
            mean, value = means[name], values[name]
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)
