"""Between a frame's components and RGB, and between changes of both, by the stream's matrix, range and depth.

Source: ITU-R BT.601, BT.709, BT.2020; matrix codes of ITU-T H.273.
"""

from dataclasses import dataclass

import av
import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Colour"]

BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
WEIGHTS = {1: BT709, 4: (0.30, 0.11), 5: BT601, 6: BT601, 7: (0.212, 0.087), 9: BT2020, 10: BT2020}
"""H.273 matrix code to the weights of red and blue."""
HD_HEIGHT = 720
FULL_RANGE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Colour:
    """How one frame's components stand for colours."""

    model: str
    """"yuv", "gray" or "rgb"; components come in this order of letters."""
    kr: float
    """Weight of red in luma."""
    kb: float
    """Weight of blue in luma."""
    full: bool
    """Whether components use their whole range."""
    bits: int
    """Bits of a component."""
    step: int
    """Difference of neighbouring codes: 1, or 64 where ten bits are kept as the upper ones of sixteen."""

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "Colour":
        """Read a frame's colour description; an unspecified matrix is BT.601 below 720 lines, then BT.709."""
        name = frame.format.name
        parts = frame.format.components
        model = "rgb" if frame.format.is_rgb else "gray" if name.startswith("gray") else "yuv"
        guess = BT709 if frame.height >= HD_HEIGHT else BT601
        kr, kb = WEIGHTS.get(int(frame.colorspace), guess)
        full = model == "rgb" or name.startswith("yuvj") or int(frame.color_range) == FULL_RANGE
        # swscale's gray has full range unless the stream says otherwise
        full = full or (model == "gray" and int(frame.color_range) == 0)
        step = 64 if name == "p010le" else 1
        return cls(model=model, kr=kr, kb=kb, full=full, bits=parts[0].bits, step=step)

    @property
    def maximum(self) -> int:
        """Largest code of a component."""
        return int(2**self.bits - 1) * self.step

    @property
    def white(self) -> list[int]:
        """Code of each component where the picture is white."""
        if self.model == "rgb":
            return [self.maximum] * 3
        luma = round(sum(self._luma))
        return [luma] if self.model == "gray" else [luma, *[round(self._chroma[0])] * 2]

    @property
    def n_of_luma(self) -> int:
        """How many components, from the first, luma is made of."""
        return 3 if self.model == "rgb" else 1

    @property
    def _luma(self) -> tuple[float, float]:
        """(code of black, codes from black to white)."""
        if self.full:
            return 0.0, float(self.maximum)
        return float(16 * self._scale), float(219 * self._scale)

    @property
    def _chroma(self) -> tuple[float, float]:
        """(code of zero, codes over the whole span)."""
        span = float(self.maximum) if self.full else float(224 * self._scale)
        return float(128 * self._scale), span

    @property
    def _scale(self) -> int:
        """Codes for each code of 8 bits."""
        return int(self.step << (self.bits - 8))

    def to_rgb(self, channels: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Convert (H, W) components in codes to (H, W, 3) float32 RGB in 0 to 255, clipped."""
        black, span = self._luma
        if self.model == "rgb":
            rgb = np.stack(channels, axis=-1) * np.float32(255 / self.maximum)
            return _clipped(rgb)
        if self.model == "gray":
            return _clipped(np.repeat(((channels[0] - black) / span * 255)[..., None], 3, axis=-1))
        y, cb, cr = channels
        zero, chroma_span = self._chroma
        kg, per_code = 1 - self.kr - self.kb, 255 / span
        of_red, of_blue = (2 * (1 - k) * 255 / chroma_span for k in (self.kr, self.kb))
        in_green_red, in_green_blue = -of_red * self.kr / kg, -of_blue * self.kb / kg
        red = _weighted(y, per_code, cr, of_red, -per_code * black - of_red * zero)
        blue = _weighted(y, per_code, cb, of_blue, -per_code * black - of_blue * zero)
        green = _weighted(y, per_code, cr, in_green_red, -per_code * black - in_green_red * zero)
        green = _weighted(green, 1, cb, in_green_blue, -in_green_blue * zero)
        return _clipped(np.asarray(cv2.merge([red, green, blue]), dtype=np.float32))

    def to_luma(self, channels: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Convert the first `n_of_luma` components, (H, W) in codes, to (H, W) float32 luma in 0 to 255."""
        if self.model == "rgb":
            red, green, blue = channels
            y = (self.kr * red + (1 - self.kr - self.kb) * green + self.kb * blue) / self.maximum
        else:
            black, span = self._luma
            y = (channels[0] - black) / span
        return _clipped(y * 255)

    def changes(self, delta: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Convert a (3, H, W) change of RGB, in units of 0 to 255, to each component's change in codes."""
        if self.model == "rgb":
            return list(delta * np.float32(self.maximum / 255))
        red, green, blue = delta
        per_level = self._luma[1] / 255
        luma = _weighted(red, self.kr * per_level, green, (1 - self.kr - self.kb) * per_level)
        luma = _weighted(luma, 1, blue, self.kb * per_level)
        if self.model == "gray":
            return [luma]
        of_blue, of_red = (self._chroma[1] / 255 / (2 * (1 - k)) for k in (self.kb, self.kr))
        return [
            luma,
            _weighted(blue, of_blue, luma, -of_blue / per_level),
            _weighted(red, of_red, luma, -of_red / per_level),
        ]


def _weighted(
    first: NDArray[np.float32], a: float, second: NDArray[np.float32], b: float, constant: float = 0.0
) -> NDArray[np.float32]:
    # In one pass over memory: NumPy's, one for each sign, took several times as long.
    return np.asarray(cv2.addWeighted(first, a, second, b, constant), dtype=np.float32)


def _clipped(rgb: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(np.clip(rgb, 0, 255), dtype=np.float32)
