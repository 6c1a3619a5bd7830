"""The losses of images: of the autoencoder on reconstructions and edits, of the patch discriminator.

Shapes: N images, A attribute columns, K attributes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fader.attributes import AttributeSet
from fader.models import AutoEncoder, Classifier, LatentDiscriminator, PatchDiscriminator
from fader.train.adversary import LatentAdversary
from fader.train.augment import augment, chroma
from fader.train.config import TrainConfig
from fader.train.draws import Draws
from fader.train.examples import Examples
from fader.train.linear_reader import LinearReader
from fader.train.objectives import (
    attribute_loss,
    columns,
    exaggeration_loss,
    example_error,
    monotonicity_loss,
    other_values,
)

__all__ = ["Critics", "EditingLosses", "patch_loss"]

LOSSES = (
    "reconstruction",
    "latent_adversary",
    "latent_linear",
    "mask",
    "patch",
    "colour",
    "feedback",
    "monotonicity",
    "exaggeration",
    "examples",
)
"""Names in `Metrics`."""
MOST_BEYOND = 0.5
"""How far beyond 1 boolean sliders are drawn, from half of that on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Critics:
    """The networks that the autoencoder learns from."""

    latent: LatentDiscriminator
    """Reads attributes from the latent, which it should not be able to."""
    adversary: LatentAdversary
    """How it is read."""
    reader: LinearReader | None
    """Reads the latent by least squares."""
    patch: PatchDiscriminator | None
    """Tells edits from real images."""
    guide: Classifier | None
    """Reads attributes from edits, which it should be able to."""


class EditingLosses(nn.Module):
    """The autoencoder's losses: a module, because DistributedDataParallel averages a module's gradients."""

    def __init__(
        self, autoencoder: AutoEncoder, critics: Critics, attributes: AttributeSet, config: TrainConfig
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.critics, self.attributes, self.config = critics, attributes, config

    def forward(
        self,
        images_NCHW: Tensor,
        labels_NK: Tensor,
        edited_NK: Tensor,
        draws: Draws,
        examples: Examples | None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the losses, unweighted, by their names in `Metrics`, and the edited images.

        Args:
            images_NCHW: (N, 3, S, S) in [-1, 1].
            labels_NK: What they show; see `fader.train.objectives`.
            edited_NK: What they shall show.
            draws: Source of randomness.
            examples: Edits whose result is known.
        """
        if examples is not None and self.config.encoder_frozen and not self.config.draws_edits:
            return self._of_examples(examples), images_NCHW[:0]
        n, critics = len(images_NCHW), self.critics
        others_NK = other_values(labels_NK, self.attributes, draws)
        encoded = self.autoencoder.encode(
            images_NCHW if examples is None else torch.cat([images_NCHW, examples.images_NCHW])
        )
        latents = [latent[:n] for latent in encoded]
        code_NCHW = self.autoencoder.discriminated(latents)
        none = adversary = images_NCHW.new_zeros(())
        if not self.config.encoder_frozen:
            adversary = critics.adversary.encoder_loss(critics.latent(code_NCHW), labels_NK, others_NK)
        edited_NA = columns(edited_NK, self.attributes)
        raised_M, beyond_MK = self._beyond(labels_NK, edited_NK, draws)
        # One pass for all renderings: fewer calls, and batch norm sees the mixture it will see in use.
        asked = [
            (labels_NK, labels_NK, latents),
            (edited_NK, labels_NK, latents),
            (beyond_MK, labels_NK[raised_M], [z[raised_M] for z in latents]),
        ]
        if examples is not None:
            asked.append((examples.wanted_NK, examples.shown_NK, [z[n:] for z in encoded]))
        wanted, shown, drawn = zip(*asked, strict=True)
        rendering = self.autoencoder.render(
            [torch.cat(parts) for parts in zip(*drawn, strict=True)],
            self.autoencoder.asked(
                columns(torch.cat(wanted), self.attributes), columns(torch.cat(shown), self.attributes)
            ),
        )
        _, edited_NCHW, beyond_MCHW, *results = torch.split(rendering.image, [len(one) for one in wanted])
        losses = dict.fromkeys(LOSSES, none)
        losses["reconstruction"] = functional.mse_loss(rendering.drawing[:n], images_NCHW)
        losses["latent_adversary"] = adversary
        if critics.reader is not None:
            losses["latent_linear"] = critics.reader(code_NCHW.flatten(1))
        if rendering.mask is not None:
            losses["mask"] = rendering.mask[n : 2 * n].float().mean()
        if critics.guide is not None:
            guess_NA = critics.guide(augment(edited_NCHW, draws))
            weights_N = self._feedback_weights(labels_NK, edited_NK)
            losses["feedback"] = attribute_loss(
                guess_NA, edited_NK, self.attributes, weights_N, enough=self.config.feedback_enough
            )
            losses["monotonicity"] = self._monotonicity(guess_NA, images_NCHW, edited_NK - labels_NK)
            losses["exaggeration"] = self._exaggeration(
                edited_NCHW[raised_M], beyond_MCHW, beyond_MK - edited_NK[raised_M]
            )
        if critics.patch is not None:
            losses["patch"] = _real(critics.patch(edited_NCHW, edited_NA).float())
        if self.config.colour_weight:
            losses["colour"] = chroma(edited_NCHW - images_NCHW).abs().mean()
        if examples is not None:
            losses["examples"] = example_error(results[0], examples.targets_NCHW, examples.images_NCHW)
        return losses, edited_NCHW

    def _of_examples(self, examples: Examples) -> dict[str, Tensor]:
        """Return the losses of a decoder that learns from nothing else."""
        wanted_NA, shown_NA = (
            columns(part, self.attributes) for part in (examples.wanted_NK, examples.shown_NK)
        )
        rendering = self.autoencoder.render(
            self.autoencoder.encode(examples.images_NCHW), self.autoencoder.asked(wanted_NA, shown_NA)
        )
        losses = dict.fromkeys(LOSSES, wanted_NA.new_zeros(()))
        losses["reconstruction"] = functional.mse_loss(rendering.drawing, examples.targets_NCHW)
        losses["examples"] = example_error(rendering.image, examples.targets_NCHW, examples.images_NCHW)
        return losses

    def _monotonicity(self, guess_NA: Tensor, images_NCHW: Tensor, moved_NK: Tensor) -> Tensor:
        continuous = [k for k, a in enumerate(self.attributes) if a.kind == "continuous"]
        if not continuous or not self.config.monotonicity_weight or self.critics.guide is None:
            return guess_NA.new_zeros(())
        with torch.no_grad():
            before_NK = self._seen(self.critics.guide(images_NCHW))
        change_NK = self._seen(guess_NA) - before_NK
        return monotonicity_loss(change_NK[:, continuous], moved_NK[:, continuous])

    def _feedback_weights(self, labels_NK: Tensor, edited_NK: Tensor) -> Tensor | None:
        if self.config.feedback_on_removal == 1:
            return None
        removed_N = (self._booleans(labels_NK) & (edited_NK < labels_NK)).any(dim=1)
        return 1 + (self.config.feedback_on_removal - 1) * removed_N

    def _booleans(self, labels_NK: Tensor) -> Tensor:
        return torch.tensor([a.kind == "boolean" for a in self.attributes], device=labels_NK.device)

    def _beyond(self, labels_NK: Tensor, edited_NK: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return which edits are drawn beyond 1 too, M of at most half the batch, and for what (M, K)."""
        if not self.config.exaggeration_weight or self.critics.guide is None:
            return torch.empty(0, dtype=torch.int64, device=labels_NK.device), edited_NK[:0]
        n = len(labels_NK) // 2
        raised_NK = (edited_NK > labels_NK)[:n] & self._booleans(labels_NK)
        beyond_NK = edited_NK[:n] + raised_NK * (MOST_BEYOND * (1 + draws.uniform(1)[:n]) / 2)
        raised_M = raised_NK.any(dim=1).nonzero()[:, 0]
        return raised_M, beyond_NK[raised_M]

    def _exaggeration(self, edited_MCHW: Tensor, beyond_MCHW: Tensor, raised_MK: Tensor) -> Tensor:
        if not len(raised_MK) or self.critics.guide is None:
            return raised_MK.new_zeros(())
        with torch.no_grad():
            at_1_MK = self._seen(self.critics.guide(edited_MCHW))
        return exaggeration_loss(self._seen(self.critics.guide(beyond_MCHW)) - at_1_MK, raised_MK)

    def _seen(self, logits_NA: Tensor) -> Tensor:
        """Return (N, K): how much of each slider a classifier sees, in logits."""
        last = [self.attributes.slice(name).stop - 1 for name in self.attributes.names]
        first = [self.attributes.slice(name).start for name in self.attributes.names]
        return logits_NA[:, last].float() - logits_NA[:, first].float()


def _real(score: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(score, torch.ones_like(score))


def patch_loss(
    discriminator: nn.Module, real: tuple[Tensor, Tensor], edited: tuple[Tensor, Tensor], smoothing: float
) -> Tensor:
    """Real images with their attributes are real; edits, and real images with others' attributes, are not.

    Args:
        discriminator: Reads images and columns.
        real: Images and their columns.
        edited: Images and the columns that they were drawn for.
        smoothing: What real images lack to 1.
    """
    n = len(real[0])
    # One pass, because DistributedDataParallel allows one before it wants the gradients.
    scores = discriminator(
        torch.cat([real[0], edited[0], real[0]]), torch.cat([real[1], edited[1], edited[1]])
    ).float()
    right, fake, wrong = scores[:n], scores[n : 2 * n], scores[2 * n :]
    loss = functional.binary_cross_entropy_with_logits(right, torch.full_like(right, 1 - smoothing))
    for score in (fake, wrong):
        loss = loss + 0.5 * functional.binary_cross_entropy_with_logits(score, torch.zeros_like(score))
    return loss
