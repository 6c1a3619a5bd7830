"""Interpolation grids as in the paper's figures: original, reconstruction, and a slider from end to end.

Source: Lample et al. 2017, figures 2 to 4. N images, K attributes, A attribute columns.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.image import from_model
from fader.models import AutoEncoder
from fader.train.data.dataset import Subset
from fader.train.evaluation.captions import captioned
from fader.train.objectives import columns

__all__ = ["FIRST_COLUMNS", "faces_for", "interpolation", "portraits"]

FIRST_COLUMNS = ("original", "rebuilt")
TILE = 128
"""Smaller models' pictures are enlarged to about this size, so that people see something."""

Picture = NDArray[np.uint8]


def faces_for(subset: Subset, k: int, n: int) -> NDArray[np.int64]:
    """Return positions of at most n images: half of the lower half of attribute k, then of the upper."""
    labels_N = subset.labels_NK[:, k]
    upper_N = labels_N > np.median(labels_N) if len(np.unique(labels_N)) > 2 else labels_N > labels_N.mean()
    lower, upper = np.flatnonzero(~upper_N), np.flatnonzero(upper_N)
    n_upper = min(len(upper), n // 2)
    return np.concatenate([lower[: n - n_upper], upper[:n_upper]]).astype(np.int64)


@torch.no_grad()
def interpolation(
    autoencoder: AutoEncoder,
    subset: Subset,
    attributes: AttributeSet,
    name: str,
    *,
    positions: NDArray[np.int64],
    alphas: Sequence[float],
) -> Picture:
    """Draw a row for each image: the original, the reconstruction, and one slider at every alpha.

    Args:
        autoencoder: In eval mode.
        subset: Images and labels; what is not moved stays as the labels say.
        attributes: Those of the labels.
        name: The attribute to move; a categorical one shows each category instead.
        positions: Which images of the subset.
        alphas: 0 absent or lowest, 1 present or highest, beyond exaggerates.

    Returns:
        (H, W, 3) uint8 RGB, with captions: strengths, values in units, or categories.
    """
    drawn = _Drawn(autoencoder, subset, attributes, positions)
    stops, words = _stops(attributes[name], alphas)
    tiles = [*drawn.first(), *drawn.moved(name, stops)]
    rows = [[tile[i] for tile in tiles] for i in range(len(positions))]
    return captioned(rows, columns=(*FIRST_COLUMNS, *words))


@torch.no_grad()
def portraits(
    autoencoder: AutoEncoder,
    subset: Subset,
    attributes: AttributeSet,
    *,
    positions: NDArray[np.int64],
    alphas: Sequence[float],
) -> list[Picture]:
    """Draw a sheet for each image, with a row for every slider; arguments as for `interpolation`.

    Categorical attributes are left out: they have categories where the others have alphas.
    """
    drawn = _Drawn(autoencoder, subset, attributes, positions)
    sliders = [attribute for attribute in attributes if attribute.kind != "categorical"]
    if not sliders:
        return []
    first = drawn.first()
    moved = [drawn.moved(attribute.name, alphas) for attribute in sliders]
    return [
        captioned(
            [[tile[i] for tile in (*first, *tiles)] for tiles in moved],
            columns=(*FIRST_COLUMNS, *(f"{alpha:g}" for alpha in alphas)),
            names=[attribute.name for attribute in sliders],
        )
        for i in range(len(positions))
    ]


def _stops(attribute: Attribute, alphas: Sequence[float]) -> tuple[Sequence[float], list[str]]:
    """Return where a row's columns put an attribute, as labels have it, and what to call that."""
    if attribute.kind == "categorical":
        return range(attribute.n_columns), list(attribute.categories)
    return alphas, [f"{attribute.value_at(alpha):.3g}" for alpha in alphas]


class _Drawn:
    """Some images, encoded once."""

    def __init__(
        self,
        autoencoder: AutoEncoder,
        subset: Subset,
        attributes: AttributeSet,
        positions: NDArray[np.int64],
    ) -> None:
        self.autoencoder, self.attributes = autoencoder, attributes
        device = next(autoencoder.parameters()).device
        # One by one, since a batch is sorted.
        batches = [subset.batch(positions[i : i + 1]) for i in range(len(positions))]
        self.images_NCHW, self.labels_NK = (
            torch.cat(parts).to(device) for parts in zip(*batches, strict=True)
        )
        self.latents = autoencoder.encode(self.images_NCHW)

    def first(self) -> list[list[Picture]]:
        return [_pictures(self.images_NCHW), self._drawn(self.labels_NK)]

    def moved(self, name: str, stops: Sequence[float]) -> list[list[Picture]]:
        tiles = []
        for stop in stops:
            moved_NK = self.labels_NK.clone()
            moved_NK[:, self.attributes.names.index(name)] = stop
            tiles.append(self._drawn(moved_NK))
        return tiles

    def _drawn(self, labels_NK: Tensor) -> list[Picture]:
        shown_NA, wanted_NA = (columns(part, self.attributes) for part in (self.labels_NK, labels_NK))
        return _pictures(self.autoencoder.decode(self.latents, self.autoencoder.asked(wanted_NA, shown_NA)))


def _pictures(images_NCHW: Tensor) -> list[Picture]:
    factor = max(1, round(TILE / images_NCHW.shape[-1]))
    pictures = from_model(images_NCHW.contiguous().cpu().numpy())
    return [picture.repeat(factor, axis=0).repeat(factor, axis=1) for picture in pictures]
