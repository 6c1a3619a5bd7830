"""What a training run is told; written into every checkpoint it makes."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from fader.errors import ConfigError
from fader.models import AutoEncoderConfig
from fader.models.config import Norm, Upsampling
from fader.train.linear_reader import MOST_NUMBERS

__all__ = ["Precision", "TrainConfig"]

Precision = Literal["float32", "bfloat16"]

PATCH_MIN_SIZE = 8
MOST_CELLS = 8
COUNTS = (
    "iterations",
    "evaluate_every",
    "held_out",
    "classifier_epochs",
    "discriminator_steps",
    "patch_halvings",
)
ABOVE_0 = (*COUNTS, "learning_rate", "clip_norm")
FROM_0 = (
    "n_layers",
    "latent_weight",
    "latent_ramp",
    "cooldown",
    "feedback_weight",
    "feedback_on_removal",
    "feedback_enough",
    "patch_weight",
    "mask_weight",
    "colour_weight",
    "monotonicity_weight",
    "exaggeration_weight",
    "examples_weight",
    "classifier_attack",
)
CHANCES = ("dropout", "latent_dropout", "patch_smoothing", "average")
CHOICES = {
    "precision": get_args(Precision),
    "continuous_adversary": ("bins", "regression"),
    "latent_target": ("other", "uniform"),
    "patch_norm": ("batch", "spectral"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Settings of a run. The defaults train a 128 px model of a few attributes on two CPU cores in hours."""

    attributes: tuple[str, ...]
    """Names in the label file, all different."""
    image_size: int = 128
    """Height and width of the model's images, pixels."""
    init_fm: int = 16
    """Feature maps after the first encoder layer."""
    max_fm: int = 256
    """Feature maps at most."""
    n_layers: int = 5
    """Encoder layers, and as many decoder layers; 0 for as many as the image size can be halved. The fewer
    cells are left, the better the attributes can be removed from them."""
    n_skip: int = 0
    """Skip connections."""
    n_details: int = 0
    """Decoder layers, from the outermost inwards, that also read the image. For edits whose result is known
    (`drawn_glasses`, `prototypes`): a decoder that has no such edits learns to copy the image."""
    mask: bool = True
    """Whether the decoder draws a mask and keeps the image outside it."""
    relative: bool = False
    """Whether the decoder reads by how much values change instead of what they become: where nothing changes,
    it then need not draw anything over the image."""
    norm: Norm = "batch"
    """Normalisation of encoder and decoder."""
    upsampling: Upsampling = "pixelshuffle"
    """How the decoder doubles the resolution."""
    dropout: float = 0.0
    """Probability (0 to 1, without 1) in the decoder's innermost layers."""
    iterations: int = 100_000
    """Autoencoder updates."""
    batch_size: int = 32
    """Images in an update, 2 or more."""
    learning_rate: float = 6e-4
    """Of Adam, for all networks."""
    cooldown: int = 0
    """Last iterations of the run, over which the learning rate falls to 0 along a straight line."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Of Adam."""
    clip_norm: float = 5.0
    """Largest joint gradient norm of an update."""
    latent_weight: float = 0.01
    """Weight of the latent adversary at the end of its ramp (the paper's lambda)."""
    latent_ramp: int = 1500
    """Iterations over which that weight grows from 0; the paper's is 500,000 with 1e-4."""
    latent_dropout: float = 0.3
    """Probability in the latent discriminator."""
    latent_standardised: bool = False
    """Whether the latent discriminator reads every number of the latent at mean 0 and variance 1, so that the
    encoder hides nothing in numbers that vary little; the paper's does not."""
    latent_linear: bool = True
    """Whether the best linear reader of the code is an adversary as well, and what it still reads is erased
    from the encoders that checkpoints hold. Codes of more than 1,024 numbers go without."""
    encoder_frozen: bool = False
    """Whether the encoder stays as the checkpoint has it that the run begins with, with what a linear reader
    reads of the attributes erased from its code, and only the decoder learns to do without. The latent
    adversaries rest; codes may be of any size."""
    latent_target: Literal["other", "uniform"] = "other"
    """What the encoder wants the latent discriminator to say of categories: another one, as in the paper, or
    that all are equally likely."""
    discriminator_steps: int = 1
    """Updates of the latent discriminator in an iteration."""
    continuous_adversary: Literal["bins", "regression"] = "bins"
    """What the latent discriminator is asked about continuous attributes: which of equally full bins the
    value is in, or, much weaker, the value itself."""
    n_bins: int = 16
    """Bins of a continuous attribute."""
    feedback_weight: float = 0.02
    """Weight of the guide's cross-entropy on edited images; 0 is the paper's method."""
    feedback_on_removal: float = 1.0
    """How many times as much the guide weighs where an edit takes a boolean attribute away: a weak guide
    draws finer glasses, but leaves real ones on."""
    feedback_enough: float = 0.0
    """Cross-entropy of an attribute, in nats, with which the guide is content: more would only please it."""
    patch_weight: float = 0.2
    """Weight of the patch adversary on edited images; 0 is the paper's method."""
    patch_halvings: int = 4
    """Layers of the patch discriminator that halve the resolution; small images take fewer."""
    patch_norm: Literal["batch", "spectral"] = "spectral"
    """What keeps the patch discriminator from winning: the published one has batch norm."""
    patch_smoothing: float = 0.2
    """What the patch discriminator's target for real images lacks to 1."""
    mask_weight: float = 0.01
    """Weight of the mean of the mask on edited images."""
    colour_weight: float = 0.05
    """Weight of the mean absolute change of chroma by an edit: sliders move shapes and shades, not tints."""
    monotonicity_weight: float = 0.02
    """Weight of the demand that what the guide sees of a continuous attribute moves with its slider."""
    exaggeration_weight: float = 0.0
    """Weight of the demand that the guide is a little surer of boolean sliders at 1.25 to 1.5 than at 1."""
    drawn_glasses: str = ""
    """Attribute that means glasses, if the decoder is to learn from glasses drawn on faces without any too;
    the faces must be aligned."""
    prototypes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Boolean attribute name to two strengths, if the decoder is to learn it from what the averages of alike
    faces without and with it differ in (`fader.train.prototypes`): by how many times the difference a slider
    from 0 to 1 changes a face, and one from 1 to 0. For a frozen encoder; a guide is trained to read the
    averages. `drawn_glasses` may be among them with 0 first: what real ones hide is then taken from averages
    of bare faces."""
    beards: str = ""
    """Attribute among `prototypes` of whom may have a beard: where it is taken away from aligned faces, the
    shade of one makes way, if there is one, instead of a change that would leave faces without one pale."""
    examples_weight: float = 1.0
    """Weight of the error of edits whose result is known: those of the last three settings."""
    oversample: Mapping[str, float] = field(default_factory=dict)
    """Attribute name to how many times more often images that have it are drawn."""
    swap: Mapping[str, float] = field(default_factory=dict)
    """Attribute name to its relative share of the edits; 1 where not named."""
    held_out: int = 1500
    """Images, the last of the label file, that no network trains on."""
    classifier_attack: float = 0.02
    """Largest change of a value, in [-1, 1] units, by which each image is attacked while the guide trains on
    it (0 for none): what still convinces it is visible. The judge is not attacked."""
    classifier_epochs: int = 10
    """Passes over its half of the training images, for the guide and for the judge."""
    average: float = 0.999
    """Decay (0 to 1, without 1) of the average of the autoencoder's weights that checkpoints hold."""
    evaluate_every: int = 1000
    """Iterations between evaluations; each writes a checkpoint."""
    precision: Precision = "float32"
    """Of convolutions and matrix products; weights, norms and losses stay float32. "bfloat16" is faster where
    the processor has instructions for it."""
    seed: int = 0
    """Of weights, order and flips."""

    def __post_init__(self) -> None:
        if not self.attributes or len(set(self.attributes)) != len(self.attributes):
            raise ConfigError(f"attributes = {list(self.attributes)}: expected one or more, all different")
        self._require_names("drawn_glasses", [self.drawn_glasses] if self.drawn_glasses else [])
        self._require_prototypes()
        for label, weights in (("oversample", self.oversample), ("swap", self.swap)):
            self._require_names(label, weights)
            self._require_weights(label, weights)
        for name in ABOVE_0:
            self._require(name, getattr(self, name) > 0, "a finite number above 0")
        for name in FROM_0:
            self._require(name, getattr(self, name) >= 0, "a finite number, 0 or more")
        # Batch norm of a single 1 x 1 map has nothing to take a variance of.
        self._require("batch_size", self.batch_size >= 2, "2 or more")
        self._require("n_bins", self.n_bins >= 2, "2 or more")
        for name in CHANCES:
            self._require(name, 0 <= getattr(self, name) < 1, "0 to 1, without 1")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} = {getattr(self, name)!r}: expected one of {choices}")
        self._require(
            "patch_weight",
            not self.patch_weight or self.image_size >= PATCH_MIN_SIZE,
            f"0 for images under {PATCH_MIN_SIZE} px",
        )
        self._require(
            "image_size",
            bool(self.n_layers) or 0 < self.image_size // 2**self._halvings < MOST_CELLS,
            "a power of two, or 3, 5 or 7 times one, or n_layers as well",
        )
        self.autoencoder(2 * len(self.attributes))

    def autoencoder(self, n_columns: int, erased: int = 0) -> AutoEncoderConfig:
        """Return the network's configuration.

        Args:
            n_columns: Columns of the attributes.
            erased: Directions that are erased from the code.

        Raises:
            ConfigError: the sizes do not fit each other.
        """
        return AutoEncoderConfig(
            image_size=self.image_size,
            n_columns=n_columns,
            init_fm=self.init_fm,
            max_fm=self.max_fm,
            n_layers=self.n_layers or self._halvings,
            n_skip=self.n_skip,
            n_details=self.n_details,
            norm=self.norm,
            erased=erased,
            mask=self.mask,
            relative=self.relative,
            upsampling=self.upsampling,
            dropout=self.dropout,
        )

    @property
    def reads_linearly(self) -> bool:
        """Whether there is a linear reader."""
        numbers = math.prod(self.autoencoder(2).latent_shape(self.n_skip))
        return self.latent_linear and numbers <= MOST_NUMBERS and not self.encoder_frozen

    @property
    def erases(self) -> bool:
        """Whether encoders end in an eraser."""
        return self.reads_linearly or self.encoder_frozen

    @property
    def _halvings(self) -> int:
        return (self.image_size & -self.image_size).bit_length() - 1

    @property
    def has_examples(self) -> bool:
        """Whether there are edits whose result is known."""
        return bool((self.drawn_glasses or self.prototypes) and self.examples_weight)

    @property
    def draws_edits(self) -> bool:
        """Whether there are losses on edits whose result is not known."""
        return bool(self.feedback_weight or self.patch_weight or self.colour_weight)

    @property
    def guided(self) -> bool:
        """Whether a guide is needed: for its feedback, or for what it reads of prototypes."""
        return bool(self.feedback_weight or (self.prototypes and self.examples_weight))

    def _require(self, name: str, holds: bool, expected: str) -> None:
        value = getattr(self, name)
        if not holds or not math.isfinite(value):
            raise ConfigError(f"{name} = {value}: expected {expected}")

    def _require_names(self, label: str, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.attributes:
                raise ConfigError(f"{label} names {name!r}: expected some of {', '.join(self.attributes)}")

    def _require_prototypes(self) -> None:
        self._require_names("prototypes", self.prototypes)
        for name, strengths in self.prototypes.items():
            if len(strengths) != 2 or not all(s >= 0 and math.isfinite(s) for s in strengths):
                raise ConfigError(
                    f"prototypes of {name!r} is {list(strengths)}: expected two numbers, 0 or more, such as "
                    "[2.0, 3.0]"
                )
        worn = self.prototypes.get(self.drawn_glasses)
        if worn is not None and worn[0]:
            raise ConfigError(
                f"prototypes of {self.drawn_glasses!r} is {list(worn)}: expected 0 first, such as [0, 1.1], "
                "because the glasses that are put on are drawn"
            )
        if self.beards and self.beards not in self.prototypes:
            raise ConfigError(
                f"beards = {self.beards!r}: expected one of prototypes ({', '.join(self.prototypes)})"
            )
        if self.prototypes and not self.encoder_frozen:
            raise ConfigError("prototypes wants encoder_frozen = true: its averages are of alike codes")

    def _require_weights(self, label: str, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            if not (weight > 0 and math.isfinite(weight)):
                raise ConfigError(f"{label} of {name!r} is {weight}: expected a finite number above 0")
