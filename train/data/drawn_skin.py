"""The skin of a drawn face: outline, tone, soft shadows, and the lines and the sag of age."""

import numpy as np

from fader.train.data.drawn_factors import ATTRIBUTES, FaceFactors
from fader.train.data.drawn_pen import Colour, Pen, Points, Xy, arc, blob, curve, mirrored, mix, stroke

__all__ = [
    "EYE_Y",
    "MOUTH_Y",
    "WHITE",
    "along",
    "darker_skin",
    "ears_and_neck",
    "eye_x",
    "head_width",
    "old",
    "outline",
    "soft_shadows",
    "tone",
    "wrinkles",
]

EYE_Y = 0.40
MOUTH_Y = 0.78
WHITE: Colour = (255, 255, 255)
SHADOW: Colour = (120, 52, 40)
TONES: tuple[Colour, ...] = ((252, 222, 200), (240, 196, 164), (214, 158, 120), (172, 120, 88), (136, 92, 69))
FOREHEAD = ((0.14, 0.205), (0.17, 0.24), (0.135, 0.275))
"""Half the width, and the height of each line."""


def along(colours: tuple[Colour, ...], place: float) -> Colour:
    """Return the colour at a place from 0 to 1 in a row of colours."""
    at = place * (len(colours) - 1)
    i = min(int(at), len(colours) - 2)
    return mix(colours[i], colours[i + 1], at - i)


def tone(face: FaceFactors) -> Colour:
    """Return the colour of the lit skin."""
    return along(TONES, face.skin)


def darker_skin(face: FaceFactors, share: float) -> Colour:
    """Return the skin's colour in shadow, 0 (lit) to 1."""
    return mix(tone(face), SHADOW, share)


def old(face: FaceFactors) -> float:
    """Return 0 for the youngest to 1 for the oldest."""
    return ATTRIBUTES["Age"].position(face.age)


def eye_x(face: FaceFactors) -> float:
    """Return the middle of the image-right eye."""
    return 0.67 + 0.012 * face.eye_spacing


def head_width(face: FaceFactors) -> float:
    """Return half the width of the head."""
    return 0.375 + 0.02 * face.width


def outline(face: FaceFactors) -> Points:
    """Return the outline of face and skull; the jaw sags with age."""
    half, jaw = head_width(face), 2.15 + 0.2 * face.jaw + 0.5 * old(face)
    above = arc((0.5, 0.44), (half, 0.46), 180, 360)
    return np.concatenate([above, arc((0.5, 0.44), (half, 0.525), 0, 180, power=jaw)])


def ears_and_neck(pen: Pen, face: FaceFactors) -> None:
    """Draw what the head is set before."""
    pen.fill([np.array([(0.33, 0.8), (0.67, 0.8), (0.70, 1.2), (0.30, 1.2)])], darker_skin(face, 0.4))
    x = 0.5 + head_width(face)
    pen.fill(mirrored(blob((x, 0.47), (0.045, 0.085))), darker_skin(face, 0.15))
    pen.fill(mirrored(blob((x + 0.006, 0.475), (0.02, 0.05))), darker_skin(face, 0.4))


def soft_shadows(pen: Pen, face: FaceFactors) -> None:
    """Draw blush, hollows and bags on a white canvas, which is to be blurred and multiplied with the skin."""
    age, x = old(face), eye_x(face)

    def shade(strength: float, tint: Colour = (150, 90, 80)) -> Colour:
        return mix(WHITE, tint, strength)

    hollow = np.array([(0.77, 0.60), (0.80, 0.72), (0.70, 0.88), (0.715, 0.74)])
    pen.fill(mirrored(blob((0.735, 0.635), (0.085, 0.06))), shade(0.35, (255, 150, 140)))
    pen.fill(mirrored(blob((x, EYE_Y - 0.03), (0.095, 0.06))), shade(0.16 + 0.2 * age))
    pen.fill(mirrored(arc((x - 0.01, EYE_Y + 0.05), (0.085, 0.055), -10, 190)), shade(0.7 * age))
    pen.fill([np.array([(0.47, 0.42), (0.53, 0.42), (0.575, 0.625), (0.425, 0.625)])], shade(0.14))
    pen.fill([blob((0.5, 0.885), (0.10, 0.02))], shade(0.3))
    pen.fill(mirrored(hollow), shade(0.55 * age))


def wrinkles(pen: Pen, face: FaceFactors) -> None:
    """Draw lines on a white canvas, which is to be multiplied with the skin."""
    age, x = old(face), eye_x(face)
    width = 0.007 + 0.009 * age
    fine, deep = mix(WHITE, (140, 84, 70), age), mix(WHITE, (130, 74, 62), 0.06 + 0.94 * age)
    bag = curve((x - 0.085, EYE_Y + 0.06), (x - 0.01, EYE_Y + 0.11 + 0.015 * age), (x + 0.075, EYE_Y + 0.065))
    frown = curve((0.524, 0.318), (0.517, 0.338), (0.525, 0.362))
    droop = curve((0.648, 0.845), (0.655, 0.87), (0.643, 0.865 + 0.045 * age))
    fold = curve((0.585, 0.605), (0.655, 0.655), (0.672, 0.745 + 0.03 * age))
    forehead = [curve((0.5 - w, y + 0.008), (0.5, y - 0.018), (0.5 + w, y + 0.008)) for w, y in FOREHEAD]
    crows = [_crows_foot((x + 0.098, EYE_Y + 0.012), rise) for rise in (-0.05, 0.0, 0.05)]
    pen.fill([stroke(line, width) for line in forehead], fine)
    pen.fill(mirrored(*(stroke(line, width) for line in (*crows, bag))), fine)
    pen.fill(mirrored(*(stroke(line, 0.8 * width) for line in (frown, droop))), mix(WHITE, fine, 0.7))
    pen.fill(mirrored(stroke(fold, 1.15 * width)), deep)


def _crows_foot(corner: Xy, rise: float) -> Points:
    x, y = corner
    return curve((x, y + 0.25 * rise), (x + 0.02, y + 0.5 * rise), (x + 0.048, y + rise))
