"""Mouths and brows borrowed from other faces: what a face would look like with another label.

Labels tell who smiles, but no face is shown smiling and not: from them alone a decoder learns whatever
satisfies a guide. Here another face lends its features, one that is as bright, turned alike and equal in all
other attributes. Few faces lend: a decoder that is shown a new smile each time learns their blurred mean.
What they lend is made brighter or darker, channel by channel, so that it goes over into the face's own
colour all around (after Pérez et al. 2003, "Poisson image editing", but by factors).

Shapes: M images, B of the bank, S height and width, G cells a side of a coarse grid, R of its cells around
features.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fader.runtime.faces.alignment import CELEBA_TIGHT
from fader.train.data.dataset import Subset

__all__ = ["Bank", "Region", "borrowed"]

Region = Literal["mouth", "mouth and brows"]

BANK = 8192
"""Faces that are looked at, at most."""
SHARP, TYPICAL = 0.5, 0.3
"""Of faces with the same labels, what share is sharp enough to lend, and what share of those typical."""
CLOSEST, FARTHEST = 2.2, 3.0
"""Distances in the units below: lenders with the same labels are further apart, and lend to nearer faces."""
COLOUR, YAW, PITCH, LABEL = 1.0, 0.08, 0.3, 0.3
"""What is a distance of 1: root mean square of colours in [-1, 1] around the features; where the nose lies to
the side, and up or down, in distances of the eyes; another attribute's position in its span."""
CHUNK = 256

GRID = 32
RING = (0.95, 1.35)
"""Where colours are compared, as multiples of a feature's own border."""
SOFT = 0.35
"""Width of a feature's soft border, a multiple likewise."""

DARKEST = 0.02
"""Of 1, so that black is not made grey."""
GAINS = (0.4, 2.5)

MOUTH_CENTRE = CELEBA_TIGHT[2]
MOUTH = (MOUTH_CENTRE[0], MOUTH_CENTRE[1], 0.29, 0.17, 0.23)
BROWS = (0.5, 0.215, 0.4, 0.085, 0.065)
"""Ellipses: centre, half width, half height upwards and downwards, as shares of the side of a tight crop."""
FEATURES: dict[Region, tuple[tuple[float, ...], ...]] = {"mouth": (MOUTH,), "mouth and brows": (MOUTH, BROWS)}


def borrowed(images_MCHW: Tensor, lenders_MCHW: Tensor, region: Region) -> Tensor:
    """Return (M, 3, S, S) images with other faces' features.

    Args:
        images_MCHW: (M, 3, S, S) in [-1, 1], faces aligned to CelebA's tight template.
        lenders_MCHW: The same, of those that lend.
        region: Which features.
    """
    size, membrane = images_MCHW.shape[-1], _membrane(region).T
    own, lent = (
        functional.adaptive_avg_pool2d(image / 2 + 0.5, GRID).flatten(2) @ membrane
        for image in (images_MCHW, lenders_MCHW)
    )
    gain = ((own + DARKEST) / (lent + DARKEST)).clamp(*GAINS).reshape(*own.shape[:2], GRID, GRID)
    gain_MCHW = functional.interpolate(gain, size=size, mode="bilinear")
    shaded_MCHW = ((lenders_MCHW + 1) * gain_MCHW - 1).clamp(max=1)
    return torch.lerp(images_MCHW, shaded_MCHW, _opacity(size, region))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Faces:
    """What faces are compared by."""

    around_MF: Tensor
    """(M, 3R) colours around the features."""
    pose_M2: Tensor
    """(M, 2) where the nose lies, in units of YAW and PITCH."""
    labels_MK: Tensor


class Bank:
    """Faces of a training set that lend features."""

    def __init__(self, subset: Subset, region: Region, *, seed: int) -> None:
        """Look at the faces.

        Args:
            subset: Aligned faces with landmarks; at most BANK of them, drawn at random, are taken.
            region: Which features they lend.
            seed: Of that draw.
        """
        if subset.parent.landmarks_N52 is None:
            raise ValueError("faces that lend features need landmarks")
        self._region: Region = region
        self._subset = subset
        taken = np.random.default_rng(seed).permutation(len(subset))[:BANK]
        self.positions_B = np.sort(taken).astype(np.int64)
        """(B,) int64, ascending: where in the subset those that lend are."""
        chunks = np.array_split(self.positions_B, -(-len(taken) // CHUNK))
        faces, features, sharpness = [], [], []
        for chunk in chunks:
            images_MCHW, labels_MK = subset.batch(chunk)
            faces.append(self._faces(images_MCHW, labels_MK, self._landmarks(chunk)))
            features.append(_unshaded(images_MCHW, region))
            sharpness.append(_sharpness(images_MCHW, region))
        known = _Faces(
            around_MF=torch.cat([one.around_MF for one in faces]),
            pose_M2=torch.cat([one.pose_M2 for one in faces]),
            labels_MK=torch.cat([one.labels_MK for one in faces]),
        )
        lenders = _typical(known, torch.cat(features), torch.cat(sharpness))
        self.positions_B = self.positions_B[lenders.numpy()]
        self._known = _Faces(
            around_MF=known.around_MF[lenders],
            pose_M2=known.pose_M2[lenders],
            labels_MK=known.labels_MK[lenders],
        )

    def lend(
        self, images_MCHW: Tensor, labels_MK: Tensor, landmarks_M52: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        """Return which faces are lent features that change an attribute, and what they then look like.

        Args:
            images_MCHW: (M, 3, S, S) in [-1, 1].
            labels_MK: (M, K), see `AlignedSet`.
            landmarks_M52: (M, 5, 2) pixels.
            k: The column of the attribute, a boolean one.

        Returns:
            (L,) int64 of the M images, and (L, 3, S, S).
        """
        distance_MB = self._distances(self._faces(images_MCHW, labels_MK, landmarks_M52), k)
        nearest_M, lenders_M = distance_MB.min(dim=1)
        rows_L = (nearest_M < FARTHEST).nonzero()[:, 0]
        lenders_LCHW = self._images(self.positions_B[lenders_M[rows_L].numpy()])
        return rows_L, borrowed(images_MCHW[rows_L], lenders_LCHW, self._region)

    def _distances(self, faces: _Faces, k: int) -> Tensor:
        known = self._known
        others = [j for j in range(faces.labels_MK.shape[1]) if j != k]
        features_MF, features_BF = (
            torch.cat([f.around_MF, f.pose_M2, f.labels_MK[:, others] / LABEL], dim=1) for f in (faces, known)
        )
        distance_MB = torch.cdist(features_MF, features_BF)
        same_MB = faces.labels_MK[:, k, None] == known.labels_MK[None, :, k]
        return distance_MB.masked_fill(same_MB, torch.inf)

    def _faces(self, images_MCHW: Tensor, labels_MK: Tensor, landmarks_M52: Tensor) -> _Faces:
        around_MCR = functional.adaptive_avg_pool2d(images_MCHW, GRID).flatten(2)[:, :, _ring(self._region)]
        unit = images_MCHW.shape[-1] * (CELEBA_TIGHT[1][0] - CELEBA_TIGHT[0][0])
        nose_M2 = (landmarks_M52[:, 2] - landmarks_M52[:, :2].mean(dim=1)) / unit
        return _Faces(
            around_MF=around_MCR.flatten(1) / (COLOUR * around_MCR[0].numel() ** 0.5),
            pose_M2=nose_M2 / torch.tensor([YAW, PITCH]),
            labels_MK=labels_MK,
        )

    def _landmarks(self, positions: NDArray[np.int64]) -> Tensor:
        landmarks = self._subset.parent.landmarks_N52
        assert landmarks is not None  # noqa: S101 - the constructor asked
        return torch.from_numpy(landmarks[self._subset.indices[positions]])

    def _images(self, positions: NDArray[np.int64]) -> Tensor:
        return self._subset.parent.images(self._subset.indices[positions])


def _typical(faces: _Faces, features_BF: Tensor, sharpness_B: Tensor) -> Tensor:
    """Return which faces are sharp, near the mean of their labels and pose, and unlike each other."""
    chosen = []
    for labels in np.unique(faces.labels_MK.numpy(), axis=0):
        rows = (faces.labels_MK == torch.from_numpy(labels)).all(dim=1).nonzero()[:, 0]
        rows = rows[sharpness_B[rows].argsort(descending=True)[: -int(-len(rows) * SHARP // 1)]]
        alike = torch.exp(-(torch.cdist(faces.pose_M2[rows], faces.pose_M2[rows]) ** 2) / 2)
        mean = alike @ features_BF[rows] / alike.sum(dim=1, keepdim=True)
        apart = (features_BF[rows] - mean).square().mean(dim=1)
        rows = rows[apart.argsort()[: -int(-len(rows) * TYPICAL // 1)]]
        looks = torch.cat([faces.around_MF[rows], faces.pose_M2[rows]], dim=1)
        distances = torch.cdist(looks, looks)
        kept: list[int] = []
        for i in range(len(rows)):
            if not kept or distances[i, kept].min() > CLOSEST:
                kept.append(i)
        chosen.append(rows[kept])
    return torch.cat(chosen).sort().values


def _unshaded(images_MCHW: Tensor, region: Region) -> Tensor:
    """Return (M, F): the features at the grid's resolution, as shares of the colour around them."""
    cells = functional.adaptive_avg_pool2d(images_MCHW / 2 + 0.5, GRID).flatten(2)
    around = cells @ _membrane(region).T
    inside = _border(GRID, region).flatten() < 1
    return ((cells + DARKEST) / (around + DARKEST)).clamp(max=2 * GAINS[1])[:, :, inside].flatten(1)


def _sharpness(images_MCHW: Tensor, region: Region) -> Tensor:
    """Return (M,): how much finest detail the features have, beside their contrast."""
    luma_MHW = images_MCHW.mean(dim=1)
    inside = _border(images_MCHW.shape[-1], region) < 1
    fine_MHW = luma_MHW - functional.avg_pool2d(luma_MHW, 3, stride=1, padding=1)
    return fine_MHW[:, inside].std(dim=1) / (luma_MHW[:, inside].std(dim=1) + DARKEST)


@cache
def _opacity(size: int, region: Region) -> Tensor:
    """Return (S, S) 0 to 1: where the lender's features show."""
    inside = ((1 + SOFT / 6 - _border(size, region)) / SOFT).clamp(0, 1)
    # Smoothstep: no visible edge.
    return inside * inside * (3 - 2 * inside)


def _border(size: int, region: Region) -> Tensor:
    """Return (S, S): how far pixels are from the features' middles, as multiples of their borders."""
    axis = (torch.arange(size) + 0.5) / size
    distances = []
    for x, y, wide, up, down in FEATURES[region]:
        below = axis[:, None] - y
        high = torch.where(below < 0, up, down)
        distances.append(torch.hypot((axis[None, :] - x) / wide, below / high))
    return torch.stack(distances).amin(dim=0)


@cache
def _ring(region: Region) -> Tensor:
    """Return (G²,) bool: the cells around features."""
    border = _border(GRID, region).flatten()
    return (border > RING[0]) & (border < RING[1])


@cache
def _membrane(region: Region) -> Tensor:
    """Return (G², G²): how each cell takes its value from the cells around features."""
    axis = (torch.arange(GRID) + 0.5) / GRID
    cells = torch.cartesian_prod(axis, axis)
    weights = _ring(region) / (torch.cdist(cells, cells) ** 2 + 1e-3) ** 1.5
    return weights / weights.sum(dim=1, keepdim=True)
