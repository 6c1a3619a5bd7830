"""How much an edit flickers: warp error of the output against the input's own, inside the faces.

    python benchmarks/flicker.py CLIP... [--attr Eyeglasses=1 --attr Smiling=1] [--model DIR]

E = sum M |V(t) - warp(V(t+1))|^2 / sum M: the next frame is warped back by the optical flow of the *input*
(DIS), and M leaves out what is hidden in one of the two (forward and backward flow disagree) and what no edit
touched in either. A steady edit moves with the face and adds nothing; the excess is what flickers. Levels are
0 to 255, so a root of 2 is a mean change of 2 levels.

Source: Ruder et al. 2016, "Artistic style transfer for videos" (occlusions); Lai et al. 2018 (warp error).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from following import Picture, edited_pairs
from numpy.typing import NDArray

from fader.runtime import Editor

Flow = NDArray[np.float32]
TOUCHED_LEVELS = 4
"""Where an edit changes a pixel by more, it is looked at."""


@dataclass(kw_only=True, slots=True)
class Sums:
    """Squared errors in levels, and pixels."""

    before: float = 0.0
    after: float = 0.0
    pixels: int = 0

    def add(self, first: tuple[Picture, Picture], second: tuple[Picture, Picture]) -> None:
        """Compare two frames that follow each other, each before and after the edit."""
        flow, visible = flow_between(first[0], second[0])
        touched = changed(*first) | (warp(changed(*second).astype(np.uint8), flow) > 0)
        mask = touched & visible
        self.before += squared_error(first[0], second[0], flow, mask)
        self.after += squared_error(first[1], second[1], flow, mask)
        self.pixels += int(mask.sum())


def flow_between(first: Picture, second: Picture) -> tuple[Flow, NDArray[np.bool_]]:
    """Return (H, W, 2) flow in pixels from the first picture to the second, and where both show the same."""
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second)]
    there, back = (
        np.asarray(method.calc(one, other, np.zeros((*one.shape, 2), np.float32)), dtype=np.float32)
        for one, other in (grey, grey[::-1])
    )
    back = warp(back, there)
    apart = ((there + back) ** 2).sum(axis=2)
    lengths = (there**2).sum(axis=2) + (back**2).sum(axis=2)
    return there, apart <= 0.01 * lengths + 0.5


def warp(picture: NDArray[np.generic], flow: Flow) -> NDArray[np.float32]:
    """Return the picture as seen from where the flow begins."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    moved = cv2.remap(picture.astype(np.float32), x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    return np.asarray(moved, dtype=np.float32)


def changed(before: Picture, after: Picture) -> NDArray[np.bool_]:
    """Return (H, W): where the edit shows."""
    touched: NDArray[np.bool_] = np.abs(after.astype(np.int16) - before).max(axis=2) > TOUCHED_LEVELS
    return touched


def squared_error(first: Picture, second: Picture, flow: Flow, mask: NDArray[np.bool_]) -> float:
    """Return the sum over the mask of the squared difference, the mean of the channels."""
    difference = first.astype(np.float32) - warp(second, flow)
    return float((difference**2).mean(axis=2)[mask].sum())


def flicker_of(pairs: Iterable[tuple[Picture, Picture]]) -> tuple[float, float] | None:
    """Return the warp error before and after the edit, levels; None where nothing was edited."""
    sums, last = Sums(), None
    for pair in pairs:
        if last is not None:
            sums.add(last, pair)
        last = pair
    if not sums.pixels:
        return None
    return (sums.before / sums.pixels) ** 0.5, (sums.after / sums.pixels) ** 0.5


def main(
    clips: Annotated[list[Path], typer.Argument(exists=True, help="Videos.")],
    attr: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, one row each.")] = None,
    model: Annotated[Path | None, typer.Option(help="Bundle; default: the shipped one.")] = None,
) -> None:
    """Print the warp error of each clip and attribute, before and after."""
    print("| clip | edit | warp error of the input, levels | of the output | excess |")
    print("|---|---|---|---|---|")
    with Editor.open(model) as editor:
        for clip in clips:
            for option in attr or ["Eyeglasses=1", "Smiling=1"]:
                name, _, value = option.partition("=")
                errors = flicker_of(edited_pairs(editor, clip, {name: float(value)}))
                if errors is None:
                    print(f"| {clip.name} | {option} | nothing was edited | | |")
                    continue
                before, after = errors
                print(
                    f"| {clip.name} | {option} | {before:.2f} | {after:.2f} | {after - before:+.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    typer.run(main)
