"""What a training run is told; written into every checkpoint it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fader.errors import ConfigError

__all__ = ["TrainConfig"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Settings of a run. The defaults train a 128 px model of several attributes on two CPU cores in hours."""

    attributes: tuple[str, ...]
    """Names in the label file; all are boolean."""
    image_size: int = 128
    """Height and width of the model's images, pixels."""
    init_fm: int = 16
    """Feature maps after the first encoder layer."""
    max_fm: int = 256
    """Feature maps at most."""
    n_layers: int = 5
    """Encoder layers, and as many decoder layers."""
    n_skip: int = 0
    """Skip connections."""
    mask: bool = True
    """Whether the decoder draws a mask and keeps the image outside it."""
    upsampling: str = "pixelshuffle"
    """How the decoder doubles the resolution."""
    iterations: int = 100_000
    """Autoencoder updates."""
    batch_size: int = 32
    """Images in an update."""
    learning_rate: float = 2e-4
    """Of Adam, for all networks."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Of Adam."""
    clip_norm: float = 5.0
    """Largest joint gradient norm of an update."""
    latent_weight: float = 0.01
    """Weight of the latent adversary at the end of its ramp (the paper's lambda)."""
    latent_ramp: int = 1500
    """Iterations over which that weight grows from 0; the paper's is 500,000 with 1e-4."""
    feedback_weight: float = 0.02
    """Weight of the classifier's cross-entropy on edited images; 0 is the paper's method."""
    patch_weight: float = 0.01
    """Weight of the patch adversary on edited images; 0 is the paper's method."""
    mask_weight: float = 0.02
    """Weight of the mean of the mask on edited images."""
    oversample: Mapping[str, float] = field(default_factory=dict)
    """Attribute name to how many times more often images that have it are drawn."""
    swap: Mapping[str, float] = field(default_factory=dict)
    """Attribute name to its relative share of the edits; 1 where not named."""
    held_out: int = 1500
    """Images, the last of the label file, that no network trains on."""
    classifier_epochs: int = 6
    """Passes over its half of the training images, for the classifier and for the judge."""
    average: float = 0.999
    """Decay of the running average of the autoencoder's weights, which checkpoints hold."""
    evaluate_every: int = 1000
    """Iterations between evaluations; each writes a checkpoint."""
    seed: int = 0
    """Of weights, order and flips."""

    def __post_init__(self) -> None:
        if not self.attributes:
            raise ConfigError("attributes is empty: name at least one, for example Eyeglasses")
        for label, names in (("oversample", self.oversample), ("swap", self.swap)):
            if unknown := set(names) - set(self.attributes):
                raise ConfigError(f"{label} names {sorted(unknown)}: expected some of {list(self.attributes)}")
            if bad := [name for name, weight in names.items() if not weight > 0]:
                raise ConfigError(f"{label} of {bad} must be above 0")
        for name in ("iterations", "batch_size", "evaluate_every", "held_out", "classifier_epochs", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} = {getattr(self, name)}: expected more than 0")
        for name in ("latent_weight", "latent_ramp", "feedback_weight", "patch_weight", "mask_weight"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} = {getattr(self, name)}: expected 0 or more")
