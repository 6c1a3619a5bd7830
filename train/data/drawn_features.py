"""Eyes, brows, nose, mouth, hair and glasses of a drawn face, in the face's coordinates.

The eyes lie at (0.33, 0.40) and (0.67, 0.40), the middle of the mouth at (0.5, 0.78).
"""

import numpy as np
from numpy.typing import NDArray

from fader.train.data.drawn_factors import FaceFactors
from fader.train.data.drawn_pen import Colour, Pen, Points, arc, blob, curve, mirrored, mix, stroke
from fader.train.data.drawn_skin import (
    EYE_Y,
    MOUTH_Y,
    WHITE,
    along,
    darker_skin,
    eye_x,
    head_width,
    old,
    tone,
)

__all__ = ["brows", "eyes", "front_hair", "glasses", "hair_behind", "mouth", "nose"]

IRISES: tuple[Colour, ...] = ((84, 140, 200), (92, 150, 110), (140, 112, 60), (92, 56, 34))
HAIR_COLOURS: dict[str, Colour] = {
    "black": (40, 34, 40),
    "brown": (120, 64, 34),
    "fair": (232, 190, 108),
    "grey": (176, 178, 186),
}
DARK: Colour = (30, 24, 28)
FRAME: Colour = (34, 30, 54)
GLASS: Colour = (226, 240, 250)
SMILE, NEUTRAL = 0.92, 0.18
"""Curvature of the mouth in the middle of each class."""
MOUTH_SPREAD = 0.07
"""How far curvature lies from there at most."""


def hair_behind(pen: Pen, face: FaceFactors) -> None:
    """Draw the hair behind the head."""
    half, length = head_width(face) + 0.06, 0.12 + 0.62 * face.hair_length
    above = arc((0.5, 0.40), (half, 0.50), 180, 360)
    below = arc((0.5, 0.40), (half, length), 0, 180, power=4.5)
    pen.fill([np.concatenate([above, below])], mix(HAIR_COLOURS[face.hair], DARK, 0.25))


def front_hair(pen: Pen, face: FaceFactors) -> None:
    """Draw the hair over the forehead: parted, with strands and a gloss."""
    colour = HAIR_COLOURS[face.hair]
    part = 0.5 + 0.17 * face.parting
    half = head_width(face) + 0.06
    for side in (-1, 1):
        _half_of_front_hair(pen, side, part, 0.5 + side * half, face.hair_length, colour)


def _half_of_front_hair(pen: Pen, side: int, part: float, edge: float, length: float, colour: Colour) -> None:
    temple = edge - side * 0.09
    reach = temple - part
    hairline = curve((part, 0.11), (part + 0.5 * reach, 0.20), (temple, 0.30))
    lock = curve((temple, 0.30), (temple + side * 0.02, 0.40), (edge - side * 0.02, 0.42 + 0.25 * length))
    crown = curve((edge, 0.36), (edge, -0.14), (part, -0.14))
    pen.fill([np.concatenate([hairline, lock, crown])], colour)
    strands = [
        curve((part, -0.02), (part + 0.3 * share * reach, 0.03), (part + share * reach, rise))
        for share, rise in ((0.3, 0.10), (0.6, 0.14), (0.9, 0.2))
    ]
    pen.fill([stroke(line, 0.012) for line in strands], mix(colour, DARK, 0.3))
    gloss = curve((part + 0.35 * reach, 0.045), (part + 0.6 * reach, 0.05), (part + 0.8 * reach, 0.11))
    pen.fill([stroke(gloss, 0.024)], mix(colour, WHITE, 0.28))


def nose(pen: Pen, face: FaceFactors) -> None:
    """Draw the ridge, the tip and the wings of the nose."""
    ridge = curve((0.492, 0.46), (0.49, 0.53), (0.492, 0.585))
    tip = curve((0.452, 0.625), (0.5, 0.665), (0.548, 0.625))
    wing = curve((0.553, 0.595), (0.568, 0.622), (0.545, 0.633))
    pen.fill([stroke(ridge, 0.014)], mix(tone(face), WHITE, 0.14))
    pen.fill([stroke(tip, 0.016)], darker_skin(face, 0.42))
    pen.fill(mirrored(stroke(wing, 0.012)), darker_skin(face, 0.35))


def eyes(pen: Pen, face: FaceFactors) -> None:
    """Draw the eyes; lids grow heavy with age."""
    age, x = old(face), eye_x(face)
    inner, outer = (x - 0.084, EYE_Y + 0.012), (x + 0.084, EYE_Y + 0.002 + 0.014 * age)
    upper = curve(inner, (x - 0.005, EYE_Y - 0.100 + 0.03 * age), outer)
    lower = curve(outer, (x, EYE_Y + 0.082), inner)
    almonds = mirrored(np.concatenate([upper, lower]))
    pen.fill(almonds, (250, 247, 243))
    pen.reveal(almonds, _irises(pen, face))
    pen.fill(mirrored(stroke(upper, 0.022)), DARK)
    pen.fill(mirrored(stroke(lower, 0.008)), darker_skin(face, 0.6))
    crease = upper - (0.0, 0.024 - 0.006 * age)
    pen.fill(mirrored(stroke(crease, 0.008 + 0.006 * age)), darker_skin(face, 0.4 + 0.3 * age))


def _irises(pen: Pen, face: FaceFactors) -> NDArray[np.uint8]:
    balls = Pen(pen.canvas.copy(), pen.pose)
    iris, middle = along(IRISES, face.eye_colour), (eye_x(face), EYE_Y - 0.004)
    for radius, colour in ((0.046, mix(iris, DARK, 0.45)), (0.038, iris), (0.020, DARK)):
        balls.fill(mirrored(blob(middle, (radius, radius))), colour)
    # Both eyes reflect one lamp: the glints are not mirrored.
    glints = [blob((x + 0.014, EYE_Y - 0.018), (0.012, 0.012)) for x in (middle[0], 1 - middle[0])]
    balls.fill(glints, WHITE)
    return balls.canvas


def brows(pen: Pen, face: FaceFactors) -> None:
    """Draw the brows in the hair's colour; they sink with age."""
    x, sink = eye_x(face), 0.012 * old(face)
    brow = curve((x - 0.092, 0.306 + sink), (x + 0.01, 0.252 + sink), (x + 0.1, 0.312 + 1.5 * sink))
    pen.fill(mirrored(stroke(brow, 0.034)), mix(HAIR_COLOURS[face.hair], DARK, 0.5))


def mouth(pen: Pen, face: FaceFactors) -> None:
    """Draw the mouth: closed, or smiling with teeth."""
    bend = (SMILE if face.smiling else NEUTRAL) + MOUTH_SPREAD * face.mouth_spread
    opening = max(0.0, bend - 0.35) * 0.21
    full = 0.038 - 0.011 * old(face)
    half, middle = 0.112 + 0.045 * bend, MOUTH_Y + 0.012 * bend
    left, right = (0.5 - half, MOUTH_Y - 0.034 * bend), (0.5 + half, MOUTH_Y - 0.034 * bend)
    sag = middle + 0.034 * bend
    gap = curve(left, (0.5, sag), right)
    bow = [
        curve(left, (0.45, middle - 2.0 * full), (0.5, middle - 0.6 * full)),
        curve((0.5, middle - 0.6 * full), (0.55, middle - 2.0 * full), right),
    ]
    lip = mix(mix(tone(face), (196, 70, 84), 0.55), tone(face), 0.25 * old(face))
    pen.fill([np.concatenate([*bow, gap[::-1]])], mix(lip, DARK, 0.12))
    for depth, colour in ((opening + 2.6 * full, lip), (opening, (112, 36, 44)), (0.62 * opening, WHITE)):
        if opening > 0 or colour is lip:
            pen.fill([np.concatenate([gap, curve(right, (0.5, sag + depth), left)])], colour)
    pen.fill([stroke(gap, 0.012)], mix(lip, (60, 10, 20), 0.7))
    x, y = right
    dimple = curve((x + 0.012, y - 0.03), (x + 0.034, y), (x + 0.014, y + 0.03))
    pen.fill(mirrored(stroke(dimple, 0.011)), darker_skin(face, 0.5 * bend))


def glasses(pen: Pen, face: FaceFactors) -> None:
    """Draw frames with lenses."""
    x = eye_x(face)
    centre = (x + 0.004, EYE_Y + 0.018)
    outside, inside = blob(centre, (0.143, 0.114), power=2.9), blob(centre, (0.122, 0.093), power=2.9)
    lenses = Pen(pen.canvas.copy(), pen.pose)
    lenses.fill(mirrored(inside), GLASS)
    lenses.fill([_glint(x), _glint(1 - x)], WHITE)
    pen.reveal(mirrored(inside), lenses.canvas, opacity=0.17)
    pen.reveal([_glint(x), _glint(1 - x)], lenses.canvas, opacity=0.3)
    for ring in zip(mirrored(outside), mirrored(inside), strict=True):
        pen.fill(ring, FRAME)
    bridge = curve((1.132 - x, EYE_Y), (0.5, EYE_Y - 0.035), (x - 0.132, EYE_Y))
    ear = 0.5 + head_width(face) + 0.03
    temple = [(x + 0.14, EYE_Y - 0.022), (ear, EYE_Y - 0.028), (ear, EYE_Y), (x + 0.14, EYE_Y + 0.012)]
    pen.fill([stroke(bridge, 0.03)], FRAME)
    pen.fill(mirrored(np.array(temple)), FRAME)


def _glint(x: float) -> Points:
    y = EYE_Y + 0.01
    return np.array(
        [(x - 0.085, y + 0.09), (x - 0.06, y + 0.09), (x - 0.005, y - 0.06), (x - 0.03, y - 0.06)]
    )
