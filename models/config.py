"""Sizes and options of the networks; checked when they are made, written into every checkpoint."""

from dataclasses import dataclass
from typing import Literal, get_args

from fader.errors import ConfigError

__all__ = ["AutoEncoderConfig", "ClassifierConfig", "Norm", "Upsampling"]

Norm = Literal["batch", "instance"]
Upsampling = Literal["convtranspose", "nearest", "pixelshuffle"]


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoEncoderConfig:
    """The autoencoder. The defaults are the published 256 px models with one boolean attribute."""

    image_size: int = 256
    """Height and width in pixels; a multiple of 2 ** n_layers."""
    n_columns: int = 2
    """Columns of the attribute input: two for each boolean, one for each category of the others."""
    init_fm: int = 32
    """Feature maps after the first encoder layer; each layer doubles them."""
    max_fm: int = 512
    """Feature maps at most."""
    n_layers: int = 6
    """Encoder layers, and as many decoder layers; each halves or doubles the resolution."""
    n_skip: int = 0
    """Decoder layers, from the second innermost on, that also read the encoder's output of their size."""
    n_details: int = 0
    """Decoder layers, from the outermost inwards, that also read the image that a mask keeps, through
    convolutions of their own that bring it to their size. It is no part of the code: it may tell anything."""
    norm: Norm = "batch"
    """Normalisation of all layers but the outermost."""
    upsampling: Upsampling = "convtranspose"
    """How a decoder layer doubles the resolution."""
    dropout: float = 0.0
    """Probability in the innermost decoder layers (0 to 1, below 1)."""
    erased: int = 0
    """Directions that the end of the encoder erases from the code; see `fader.models.eraser`."""
    mask: bool = False
    """Whether the decoder also draws a mask m and returns m * drawing + (1 - m) * image."""
    relative: bool = False
    """Whether the decoder reads by how much the values change, instead of the values, so that 0 everywhere
    asks for the image as it is (relative attributes: Liu et al. 2019, STGAN; Wu et al. 2019, RelGAN)."""

    def __post_init__(self) -> None:
        _require(self.n_layers >= 1, f"n_layers = {self.n_layers}: expected 1 or more")
        step = 2**self.n_layers
        _require(
            self.image_size > 0 and self.image_size % step == 0,
            f"image_size = {self.image_size}: expected a multiple of {step} for {self.n_layers} layers",
        )
        _require(self.n_columns >= 2, f"n_columns = {self.n_columns}: expected 2 or more")
        _require(
            1 <= self.init_fm <= self.max_fm,
            f"init_fm = {self.init_fm}: expected 1 to max_fm = {self.max_fm}",
        )
        _require(
            0 <= self.n_skip < self.n_layers,
            f"n_skip = {self.n_skip}: expected 0 to {self.n_layers - 1} (n_layers - 1)",
        )
        _require(
            0 <= self.n_details < self.n_layers,
            f"n_details = {self.n_details}: expected 0 to {self.n_layers - 1} (n_layers - 1)",
        )
        _require(
            self.mask or not self.n_details,
            f"n_details = {self.n_details}: expected 0 without a mask, because then no image is kept",
        )
        _require(self.erased >= 0, f"erased = {self.erased}: expected 0 or more")
        _require(0 <= self.dropout < 1, f"dropout = {self.dropout}: expected 0 to 1, without 1")
        _require(self.norm in get_args(Norm), f"norm = {self.norm!r}: expected one of {get_args(Norm)}")
        _require(
            self.upsampling in get_args(Upsampling),
            f"upsampling = {self.upsampling!r}: expected one of {get_args(Upsampling)}",
        )
        # Instance norm takes its statistics over space, of which a 1 x 1 latent has none.
        _require(
            self.norm != "instance" or self.n_layers == 1 or self.image_size > step,
            f"image_size = {self.image_size}: expected {2 * step} or more for {self.n_layers} layers "
            "with instance norm",
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature maps after each encoder layer, outermost first."""
        return tuple(min(self.init_fm * 2**i, self.max_fm) for i in range(self.n_layers))

    @property
    def detail_widths(self) -> tuple[int, ...]:
        """Feature maps of the image that decoder layers read, outermost first.

        The outermost ones can hold every pixel; the others tell where things are.
        """
        return tuple(
            max(1, width // (2 if i else 1)) for i, width in enumerate(self.widths[: self.n_details])
        )

    def latent_shape(self, depth: int = 0) -> tuple[int, int, int]:
        """Return (channels, height, width) of the encoder's output `depth` layers before the last."""
        size: int = self.image_size // 2 ** (self.n_layers - depth)
        return self.widths[-1 - depth], size, size


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassifierConfig:
    """The attribute classifier; also the judge of edits."""

    image_size: int = 256
    """Height and width in pixels, 2 or more."""
    n_columns: int = 2
    """Columns of the output, as for the autoencoder's input."""
    init_fm: int = 32
    """Feature maps after the first layer; each layer doubles them."""
    max_fm: int = 512
    """Feature maps at most."""
    hidden: int = 512
    """Width of the fully connected layer before the output."""
    shrink: int = 1
    """Factor by which images are averaged down at first: less work, and no eye for the finest detail."""

    def __post_init__(self) -> None:
        _require(self.image_size >= 2, f"image_size = {self.image_size}: expected 2 or more")
        _require(self.n_columns >= 2, f"n_columns = {self.n_columns}: expected 2 or more")
        _require(
            1 <= self.init_fm <= self.max_fm,
            f"init_fm = {self.init_fm}: expected 1 to max_fm = {self.max_fm}",
        )
        _require(self.hidden >= 1, f"hidden = {self.hidden}: expected 1 or more")
        _require(
            1 <= self.shrink < self.image_size and self.image_size % self.shrink == 0,
            f"shrink = {self.shrink}: expected a divisor of image_size = {self.image_size}, not itself",
        )
