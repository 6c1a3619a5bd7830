"""What a drawn face is made of: attributes with labels, what else differs, and random draws of both.

Every factor is drawn independently of the others, unless a correlation is asked for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fader.attributes import Attribute, AttributeSet
from fader.errors import ConfigError

__all__ = ["AGES", "ATTRIBUTES", "HAIRS", "FaceFactors", "labels_of", "sample_factors"]

AGES = (20.0, 70.0)
"""Youngest and oldest face, in years."""
HAIRS = ("black", "brown", "fair", "grey")
"""Colours of hair."""
ATTRIBUTES = AttributeSet(
    [
        Attribute(name="Eyeglasses"),
        Attribute(name="Smiling"),
        Attribute(name="Hair", categories=HAIRS),
        Attribute(name="Age", span=AGES),
    ]
)
"""What drawn faces are labelled with, in the order of the labels: Age, Eyeglasses, Smiling, Hair."""
NOISE_SEEDS = 2**31
UNIT = (0.0, 1.0)
SIGNED = (-1.0, 1.0)
RANGES = {
    "age": AGES,
    "mouth_spread": SIGNED,
    "skin": UNIT,
    "width": SIGNED,
    "jaw": SIGNED,
    "eye_colour": UNIT,
    "eye_spacing": SIGNED,
    "parting": SIGNED,
    "hair_length": UNIT,
    "backdrop_hue": UNIT,
    "backdrop_angle": (0.0, 360.0),
    "shift_x": (-0.02, 0.02),
    "shift_y": (-0.02, 0.02),
    "scale": (0.95, 1.05),
    "rotation": (-5.0, 5.0),
    "light_angle": (0.0, 360.0),
    "noise": (0.0, 3.0),
}
"""Lowest and highest value of every factor that is a number; all are drawn evenly from there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FaceFactors:
    """All that a picture depends on. `dataclasses.replace` of one factor gives the counterfactual.

    Raises:
        ConfigError: a factor is out of its range.
    """

    eyeglasses: bool
    """Attribute Eyeglasses. The frame is always the same, so that a true edit can be known."""
    smiling: bool
    """Attribute Smiling: a wide mouth that shows teeth; else it is closed."""
    hair: str
    """Attribute Hair: one of HAIRS; brows have the same colour."""
    age: float
    """Attribute Age in years, within AGES: lines, bags under the eyes, heavy lids, sag; not the hair."""
    mouth_spread: float
    """Curvature of the mouth within its class, -1 (less) to 1 (more)."""
    skin: float
    """Tone of the skin, 0 (light) to 1 (dark)."""
    width: float
    """Width of the head, -1 (narrow) to 1 (wide)."""
    jaw: float
    """Shape of the jaw, -1 (pointed) to 1 (square)."""
    eye_colour: float
    """Place in the row of colours, 0 (blue), then green and hazel, to 1 (dark brown)."""
    eye_spacing: float
    """Distance of the eyes, -1 (close) to 1 (wide)."""
    parting: float
    """Where the hair parts, -1 (image-left) to 1 (image-right)."""
    hair_length: float
    """0 (above the ears) to 1 (below the chin)."""
    backdrop_hue: float
    """Hue of the background on the colour circle, 0 to 1."""
    backdrop_angle: float
    """Degrees: where the background grows darker."""
    shift_x: float
    """Shift of the face to the right as a share of the picture's side, -0.02 to 0.02."""
    shift_y: float
    """Shift downwards, likewise."""
    scale: float
    """Size of the face, 0.95 to 1.05; 1 puts the eyes at 0.33 and 0.67 of the side."""
    rotation: float
    """Degrees clockwise in the plane of the picture, -5 to 5."""
    light_angle: float
    """Degrees: where the light comes from; 0 is the right, 90 is below."""
    noise: float
    """Standard deviation of the sensor's noise, 0 to 3 of 255 levels."""
    noise_seed: int
    """Which noise, 0 to 2**31 - 1."""

    def __post_init__(self) -> None:
        if self.hair not in HAIRS:
            raise ConfigError(f"hair {self.hair!r}: expected one of {', '.join(HAIRS)}")
        if not 0 <= self.noise_seed < NOISE_SEEDS:
            raise ConfigError(f"noise_seed {self.noise_seed}: expected 0 to {NOISE_SEEDS - 1}")
        for name, (low, high) in RANGES.items():
            value = float(getattr(self, name))
            if not low <= value <= high:
                raise ConfigError(f"{name} {value:g}: expected a number from {low:g} to {high:g}")

    def labels(self) -> NDArray[np.float32]:
        """Return the (4,) float32 labels in the order of ATTRIBUTES; see `labels_of`."""
        label = {
            "Age": ATTRIBUTES["Age"].position(self.age),
            "Eyeglasses": float(self.eyeglasses),
            "Smiling": float(self.smiling),
            "Hair": float(HAIRS.index(self.hair)),
        }
        return np.array([label[name] for name in ATTRIBUTES.names], dtype=np.float32)


def labels_of(faces: Sequence[FaceFactors]) -> NDArray[np.float32]:
    """Return (n, K) float32 labels, K in the order of ATTRIBUTES.

    Boolean and categorical attributes have the category's index, Age its place in the span, 0 to 1.
    """
    return np.stack([face.labels() for face in faces])


def sample_factors(n: int, *, seed: int, correlation: float = 0.0) -> list[FaceFactors]:
    """Draw the factors of n faces; face i depends on the seed and i alone, whatever n is.

    Args:
        n: At least 1.
        seed: At least 0.
        correlation: Between Eyeglasses and being in the older half, from -1 to 1 (Pearson's coefficient of
            the two booleans): with 0 they are independent, with 1 all the old and nobody else wear glasses.
            It changes nothing but who wears glasses.

    Raises:
        ConfigError: an argument is out of its range.
    """
    if n < 1 or seed < 0:
        raise ConfigError(f"{n} drawn faces of seed {seed}: expected at least 1 of a seed of at least 0")
    if not abs(correlation) <= 1 or math.isnan(correlation):
        raise ConfigError(f"correlation {correlation:g}: expected a number from -1 to 1")
    return [_sample(np.random.default_rng([seed, i]), correlation) for i in range(n)]


def _sample(random: np.random.Generator, correlation: float) -> FaceFactors:
    numbers = {name: float(random.uniform(low, high)) for name, (low, high) in RANGES.items()}
    older = numbers["age"] > sum(AGES) / 2
    return FaceFactors(
        eyeglasses=bool(random.random() < (1 + (correlation if older else -correlation)) / 2),
        smiling=bool(random.random() < 0.5),
        hair=HAIRS[random.integers(len(HAIRS))],
        noise_seed=int(random.integers(NOISE_SEEDS)),
        **numbers,
    )
