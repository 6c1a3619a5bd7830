"""Prototypes: what faces like a given one look like on average without an attribute, and with it.

What the two averages differ in is what the attribute looks like on such a face; added to the face itself, it
keeps everything else. Averages of faces with and without were used so by Rowland and Perrett 1995
("Manipulating facial appearance through shape and color"), those of nearest neighbours by Upchurch et al.
2017 ("Deep feature interpolation for image content changes"). Here faces are alike whose codes are near,
since a code holds everything but the attributes, and whose other labels are the same. By regression (Abadie
and Imbens 2011, "Bias-corrected matching estimators"), the averages lose what the neighbours' codes still
differ in from the face's, and a part of what one average shows more of the other attributes than the other,
as the guide reads them. Of women, those who smile have more of what a classifier knows women by; a smile
should bring little of it along.

Shapes: N training images, M images of a batch, P images that averages are made of, Q those and their mirror
images, C numbers of a code, D of a reduced one, K attributes, A attribute columns, T numbers of an average,
S and s pixels of images and of averages.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fader.attributes import AttributeSet
from fader.models import AutoEncoder, Classifier
from fader.train.augment import blurred, chroma, low_pass, luma
from fader.train.data.dataset import Subset
from fader.train.evaluation.evaluate import on_device
from fader.train.regions import rising

__all__ = ["Prototypes", "replaced", "shaded", "shaved", "towards"]

NEIGHBOURS = 300
"""Faces in an average. What is left of each, sliders multiply."""
POOL = 20_000
"""Training images that averages are made of at most; each counts as its mirror image as well."""
DIRECTIONS = 128
"""Principal directions of the codes, which tell how near two are."""
SIZE = 64
"""Height and width of averages at most: they are smooth."""
RIDGE = 10.0
"""Of the regression of pixels on codes and readings."""
OTHERS = 0.3
"""Share of what the averages differ in as other attributes that is taken out: a part of what the guide reads
as others is what the attribute itself looks like. With more, the judge took no fewer faces for others, but
saw the attribute in fewer."""
PATCHES = 4
"""Factor of `low_pass` that tells skin from what is finer: lips, teeth, stubble."""
TINT = 0.3
"""Share of what a change does to the colour of skin, beside its shade, that is kept: much of it is that of
other people's light and make-up."""
SHAPE = 2.5
"""Deviation of a blur, in 64ths of the image: what is finer is shape, not shade."""
LITTLE, MUCH = 0.08, 0.14
"""Changes of shape, beside a face's mean in [0, 1], up to which nothing makes way, and from which it does."""
TAKEN, PUT = (0.15, 0.4), (0.4, 0.8)
"""Shares of the greatest change of shape, from where on, more and more, and from where on wholly, what was
there makes way. Bared teeth would shine through a mouth that closes; one that opens covers what was there."""
AROUND = 5
"""Width, in 64ths of the image, of what a change of shape takes along."""
BEARD = 0.75
"""Share of a change that comes on top of an average where it replaces the shade of a beard."""
STUBBLE = 1.0
"""Deviation of a blur, in 64ths of the image: what is finer than the shade of a beard."""
TONES = ((2.0, 1.0), (5.0, 0.1), (12.0, 0.01))
"""Deviations, in 64ths of the image, and weights of what is looked at around what is replaced for its tone:
what is near counts, what is far where nothing else is."""


class Prototypes:
    """The averages for every training image, made as they are asked for."""

    def __init__(
        self,
        autoencoder: AutoEncoder,
        guide: Classifier,
        training: Subset,
        attributes: AttributeSet,
        names: Iterable[str],
        on_image: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        """Find each image's neighbours: those that differ in one attribute alone.

        Args:
            autoencoder: In eval mode; its encoder does not change any more.
            guide: In eval mode, on the same device.
            training: Images.
            attributes: Those of the labels.
            names: Boolean attributes that averages are wanted of.
            on_image: Called with images read and in all.
        """
        step = -(-len(training) // POOL)
        pool_P = np.arange(0, len(training), step)
        total = len(pool_P) + (len(training) if step > 1 else 0)
        pool = Subset(parent=training.parent, indices=training.indices[pool_P])
        codes_PC, mirrored_PC, self._table_PT, readings_PA = _read(
            autoencoder, guide, pool, lambda done: on_image(done, total)
        )
        space = _Space.of(codes_PC)
        self._pool_QD = torch.cat([space.reduced(codes_PC), space.reduced(mirrored_PC)])
        self._codes_ND = self._pool_QD[: len(pool_P)]
        if step > 1:
            parts = []
            for images_NCHW, _ in on_device(training, autoencoder):
                parts.append(space.reduced(_codes(autoencoder, images_NCHW)))
                on_image(len(pool_P) + sum(map(len, parts)), total)
            self._codes_ND = torch.cat(parts)
        labels_NK = torch.from_numpy(training.labels_NK)
        self._attributes, self._readings_QA = attributes, readings_PA.repeat(2, 1)
        self._per_code_DT, self._per_reading_AT = _regression(
            self._pool_QD[: len(pool_P)], readings_PA, labels_NK[pool_P], self._table_PT.float()
        )
        self._near = {
            name: self._neighbours(labels_NK, labels_NK[pool_P].repeat(2, 1), k, pool_P)
            for k, name in enumerate(attributes.names)
            if name in set(names)
        }

    def _neighbours(
        self, labels_NK: Tensor, pool_labels_QK: Tensor, k: int, pool_P: NDArray[np.int64]
    ) -> Tensor:
        """Return (N, 2, NEIGHBOURS) int32 places among the Q, without and with; -1 where there are none."""
        near = torch.full((len(labels_NK), 2, NEIGHBOURS), -1, dtype=torch.int32)
        others = [j for j in range(labels_NK.shape[1]) if j != k]
        places_Q = torch.from_numpy(np.concatenate([pool_P, pool_P]))
        for group in torch.unique(labels_NK[:, others], dim=0):
            rows = (labels_NK[:, others] == group).all(dim=1).nonzero()[:, 0]
            for value in (0, 1):
                alike = (pool_labels_QK[:, others] == group).all(dim=1) & (pool_labels_QK[:, k] == value)
                found = alike.nonzero()[:, 0]
                for some in rows.split(1024):
                    distance = torch.cdist(self._codes_ND[some], self._pool_QD[found])
                    # An image is no neighbour of its own.
                    itself = some[:, None] == places_Q[found]
                    distance[itself] = torch.inf
                    n = min(NEIGHBOURS, len(found) - int(itself.sum(dim=1).max()))
                    if n < 1:
                        continue
                    nearest = found[distance.topk(n, largest=False).indices].int()
                    near[some, value] = nearest[:, torch.arange(NEIGHBOURS) % n]
        return near

    def means(self, positions_M: Tensor, name: str) -> tuple[Tensor, Tensor, Tensor]:
        """Return averages for some images.

        Args:
            positions_M: (M,) where in the training images they are.
            name: An attribute.

        Returns:
            (M, 3, s, s) in [-1, 1] without the attribute, as many with it, and (M,) whether there are such
            faces.
        """
        near = self._near[name][positions_M]
        codes_MD = self._codes_ND[positions_M]
        without, with_ = near[:, 0].clamp(min=0).long(), near[:, 1].clamp(min=0).long()
        more_MA = self._readings_QA[with_].mean(dim=1) - self._readings_QA[without].mean(dim=1)
        more_MA[:, self._attributes.slice(name)] = 0
        beside_MT = OTHERS / 2 * more_MA @ self._per_reading_AT
        return (
            self._mean(without, codes_MD, beside_MT),
            self._mean(with_, codes_MD, -beside_MT),
            (near[:, :, 0] >= 0).all(dim=1),
        )

    def _mean(self, places: Tensor, codes_MD: Tensor, beside_MT: Tensor) -> Tensor:
        p = len(self._table_PT)
        summed = []
        for mirrored in (False, True):
            weights = ((places >= p) == mirrored).to(self._table_PT.dtype) / NEIGHBOURS
            summed.append(
                functional.embedding_bag(
                    places % p, self._table_PT, per_sample_weights=weights, mode="sum"
                ).float()
            )
        missing_MT = (codes_MD - self._pool_QD[places].mean(dim=1)) @ self._per_code_DT + beside_MT
        plain, flipped, missing = (_pictures(part) for part in (*summed, missing_MT))
        return (plain + flipped.flip(3) + missing).clamp(-1, 1)


def shaded(images_MCHW: Tensor, own_MCHW: Tensor, change_MCHW: Tensor) -> Tensor:
    """Give a change of shade the tint that a face's own skin has in light and shadow.

    What darkens skin takes from each channel in proportion to its colour; taken from another skin's averages
    as it is, it would leave a face greyer or redder. Cf. Liu, Shan and Zhang 2001, "Expressive expression
    mapping with ratio images".

    Args:
        images_MCHW: (M, 3, S, S) in [-1, 1].
        own_MCHW: (M, 3, s, s), the average of faces like each of them.
        change_MCHW: (M, 3, s, s), what is to be added.

    Returns:
        (M, 3, s, s).
    """
    size = change_MCHW.shape[-1]
    small_MCHW = functional.interpolate(images_MCHW, size=size, mode="bilinear", antialias=True)
    tint_MCHW = low_pass(chroma(change_MCHW), PATCHES)
    shade_M1HW = low_pass(luma(change_MCHW), PATCHES)
    beside_MCHW = tint_MCHW - shade_M1HW * _colour(own_MCHW)
    return change_MCHW - tint_MCHW + shade_M1HW * _colour(small_MCHW) + TINT * beside_MCHW


def _colour(images_MCHW: Tensor) -> Tensor:
    """Return chroma by luma, of large patches."""
    coarse_MCHW = low_pass((images_MCHW + 1) / 2, PATCHES)
    return chroma(coarse_MCHW) / luma(coarse_MCHW).clamp(min=0.1)


def replaced(
    own_MCHW: Tensor,
    difference_MCHW: Tensor,
    added_M: Tensor,
    where_HW: Tensor | None = None,
) -> Tensor:
    """Return where a face must make way for a change of shape, as of a mouth, instead of being shaded by it.

    Args:
        own_MCHW: (M, 3, s, s) in [-1, 1], the averages of faces like some.
        difference_MCHW: (M, 3, s, s), of the averages with and without.
        added_M: Whether what they differ in is put on, or taken away.
        where_HW: (s, s) in [0, 1], what may make way; all, if None.

    Returns:
        (M, 1, s, s) in [0, 1].
    """
    unit = own_MCHW.shape[-1] / 64
    shape_MCHW = difference_MCHW - blurred(difference_MCHW, SHAPE * unit)
    light_M111 = (own_MCHW.mean(dim=(1, 2, 3), keepdim=True) + 1) / 2
    around = 2 * int(AROUND * unit / 2) + 1
    size_M1HW = functional.max_pool2d(shape_MCHW.abs().amax(dim=1, keepdim=True), around, 1, around // 2)
    size_M1HW = blurred(size_M1HW, unit) / (2 * light_M111).clamp(min=0.15)
    size_M1HW = size_M1HW if where_HW is None else size_M1HW * where_HW
    peak_M111 = size_M1HW.amax(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    first, wholly = (torch.where(added_M, put, taken) for put, taken in zip(PUT, TAKEN, strict=True))
    share_M1HW = rising(size_M1HW / peak_M111, first[:, None, None, None], wholly[:, None, None, None])
    return share_M1HW * rising(peak_M111, LITTLE, MUCH)


def towards(images_MCHW: Tensor, own_MCHW: Tensor, change_MCHW: Tensor, replaced_M1HW: Tensor) -> Tensor:
    """Add a change to faces, whose own detail stays but where averages replace it.

    The averages take on the tone of what surrounds them there, as in seamless cloning (Perez, Gangnet and
    Blake 2003, "Poisson image editing"; Farbman et al. 2009, "Coordinates for instant image cloning").

    Args:
        images_MCHW: (M, 3, S, S) in [-1, 1].
        own_MCHW: (M, 3, s, s), the average of faces like each of them.
        change_MCHW: (M, 3, s, s), what is added.
        replaced_M1HW: (M, 1, s, s) in [0, 1], where averages replace faces.

    Returns:
        (M, 3, S, S) in [-1, 1].
    """
    small = functional.interpolate(images_MCHW, size=own_MCHW.shape[-1], mode="bilinear", antialias=True)
    redrawn = own_MCHW + change_MCHW + _surroundings(small - own_MCHW, 1 - replaced_M1HW)
    shade = shaded(images_MCHW, own_MCHW, change_MCHW)
    redrawn, shade, share = (
        functional.interpolate(part, size=images_MCHW.shape[-1], mode="bilinear")
        for part in (redrawn, shade, replaced_M1HW)
    )
    return torch.lerp(images_MCHW + shade, redrawn, share).clamp(-1, 1)


def shaved(
    images_MCHW: Tensor, own_MCHW: Tensor, change_MCHW: Tensor, moved_M: Tensor, where_M1HW: Tensor
) -> Tensor:
    """Add a change that takes beards away to faces, of which some have none.

    What averages differ in would take the shade of a beard from all of them, and leave those without one pale
    around the mouth. There, their shade comes from averages that take on the tone of the rest of the face;
    what is finer, as lips and teeth, is their own, with the change.

    Args:
        images_MCHW: (M, 3, S, S) in [-1, 1].
        own_MCHW: (M, 3, s, s), the average of faces like each of them.
        change_MCHW: (M, 3, s, s), what is added.
        moved_M: (M,) by how much the slider is moved; 1 is from 1 to 0.
        where_M1HW: (M, 1, s, s) in [0, 1], where beards grow.

    Returns:
        (M, 3, S, S) in [-1, 1].
    """
    size = own_MCHW.shape[-1]
    small_MCHW = functional.interpolate(images_MCHW, size=size, mode="bilinear", antialias=True)
    apart_MCHW = own_MCHW - small_MCHW
    apart_MCHW = apart_MCHW - _surroundings(apart_MCHW, 1 - where_M1HW)
    smooth_MCHW = blurred(change_MCHW, STUBBLE * size / 64)
    tone_MCHW = moved_M.clamp(max=1)[:, None, None, None] * blurred(apart_MCHW, STUBBLE * size / 64)
    tone_MCHW = tone_MCHW + change_MCHW - (1 - BEARD) * smooth_MCHW
    added_MCHW = torch.lerp(shaded(images_MCHW, own_MCHW, change_MCHW), tone_MCHW, where_M1HW)
    added_MCHW = functional.interpolate(added_MCHW, size=images_MCHW.shape[-1], mode="bilinear")
    return (images_MCHW + added_MCHW).clamp(-1, 1)


def _surroundings(difference_MCHW: Tensor, known_M1HW: Tensor) -> Tensor:
    """Carry a difference from where it is known to where it is not."""
    total, weight = torch.zeros_like(difference_MCHW), torch.zeros_like(known_M1HW)
    for deviation, importance in TONES:
        sigma = deviation * difference_MCHW.shape[-1] / 64
        total = total + importance * blurred(difference_MCHW * known_M1HW, sigma)
        weight = weight + importance * blurred(known_M1HW, sigma)
    return total / weight.clamp(min=1e-4)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Space:
    """The directions in which codes vary the most."""

    centre_C: Tensor
    axes_CD: Tensor

    @classmethod
    def of(cls, codes_PC: Tensor) -> "_Space":
        centre_C = codes_PC.mean(dim=0)
        # Whoever goes on with a run must find the same neighbours.
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            _, scale_D, axes_CD = torch.pca_lowrank(
                codes_PC - centre_C, q=min(DIRECTIONS, *codes_PC.shape), niter=3
            )
        # By the root of their deviation: those in which codes vary much would count for all others.
        scale_D = (scale_D / len(codes_PC) ** 0.5).clamp(min=1e-6).sqrt()
        return cls(centre_C=centre_C, axes_CD=axes_CD / scale_D)

    def reduced(self, codes_NC: Tensor) -> Tensor:
        return (codes_NC - self.centre_C) @ self.axes_CD


@torch.no_grad()
def _codes(autoencoder: AutoEncoder, images_NCHW: Tensor) -> Tensor:
    return autoencoder.discriminated(autoencoder.encode(images_NCHW)).flatten(1).float().cpu()


def _read(
    autoencoder: AutoEncoder, guide: Classifier, pool: Subset, on_image: Callable[[int], None]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return codes, mirror images' codes, small images in half precision, flattened, and logits."""
    codes: list[Tensor] = []
    mirrored: list[Tensor] = []
    small: list[Tensor] = []
    readings: list[Tensor] = []
    for images_NCHW, _ in on_device(pool, autoencoder):
        size = min(SIZE, images_NCHW.shape[-1])
        small.append(functional.adaptive_avg_pool2d(images_NCHW, size).flatten(1).half().cpu())
        codes.append(_codes(autoencoder, images_NCHW))
        mirrored.append(_codes(autoencoder, images_NCHW.flip(3)))
        readings.append(_readings(guide, images_NCHW))
        on_image(sum(map(len, small)))
    return torch.cat(codes), torch.cat(mirrored), torch.cat(small), torch.cat(readings)


@torch.no_grad()
def _readings(guide: Classifier, images_NCHW: Tensor) -> Tensor:
    logits_NA: Tensor = guide(images_NCHW) + guide(images_NCHW.flip(3))
    return logits_NA.float().cpu() / 2


def _regression(
    codes_PD: Tensor, readings_PA: Tensor, labels_PK: Tensor, pixels_PT: Tensor
) -> tuple[Tensor, Tensor]:
    """Return (D, T) and (A, T): how pixels change with codes and readings where labels are the same."""
    known = torch.cat([codes_PD, readings_PA, labels_PK, torch.ones(len(codes_PD), 1)], dim=1)
    normal = known.T @ known + RIDGE * torch.eye(known.shape[1])
    slopes: Tensor = torch.linalg.solve(normal, known.T @ pixels_PT)
    n_codes, n_readings = codes_PD.shape[1], readings_PA.shape[1]
    return slopes[:n_codes], slopes[n_codes : n_codes + n_readings]


def _pictures(flat_MT: Tensor) -> Tensor:
    size = round((flat_MT.shape[1] // 3) ** 0.5)
    return flat_MT.reshape(-1, 3, size, size)
