"""From a trained model and held-out images to all figures.

Shapes: N images, M of them edited in one way, K attributes, C kinds of copies, P positions, F features.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fader.attributes import AttributeSet
from fader.models import Checkpoint
from fader.train.data.dataset import Subset
from fader.train.evaluation.distance import Distance, distance
from fader.train.evaluation.estimates import Estimate, balanced, mean, share
from fader.train.evaluation.groups import Group, groups_of
from fader.train.evaluation.judging import COPIES, Reading
from fader.train.evaluation.measuring import Measured, SwapReadings, measure
from fader.train.evaluation.probe import probe
from fader.train.evaluation.report import AttributeFigures, Report, SliderFigures, SwapFigures
from fader.train.evaluation.sliders import MONOTONE, POSITIONS, spearman
from fader.train.evaluation.swaps import kept, medians

__all__ = ["assess"]


def assess(
    checkpoint: Checkpoint,
    held_out: Subset,
    *,
    groups: Mapping[str, Group] | None = None,
    about: Mapping[str, Any] | None = None,
    on_image: Callable[[int, int], None] = lambda _done, _total: None,
) -> Report:
    """Measure a model on images that none of its networks has seen.

    Args:
        checkpoint: The model; its classifier is the judge, which must not have given feedback. Both move to
            the GPU where there is one.
        held_out: At least one image, with the labels of the checkpoint's attributes, in ascending order.
        groups: Groups of these images in which swaps are told apart, None for those that the attributes make.
        about: What the report tells of model and data.
        on_image: Called with images done and in all.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    networks = checkpoint.autoencoder, checkpoint.classifier
    for network in networks:
        network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    measured = measure(*networks, held_out, checkpoint.attributes, on_image)
    if groups is None:
        groups = groups_of(measured.labels_NK, checkpoint.attributes)
    figures = _Figures(measured, checkpoint.attributes, groups)
    return Report(
        about=dict(about or {}),
        n_images=len(held_out),
        attributes=figures.attributes(),
        swaps=tuple(figures.swap(readings) for readings in measured.swaps),
        closeness=_estimates({name: mean(values_N) for name, values_N in measured.closeness.items()}),
    )


def _estimates(figures: Mapping[str, Estimate | None]) -> dict[str, Estimate]:
    return {name: figure for name, figure in figures.items() if figure is not None}


def _known(figure: Estimate | None) -> Estimate:
    if figure is None:
        raise ValueError("a figure of no images")
    return figure


class _Figures:
    def __init__(self, measured: Measured, set_: AttributeSet, groups: Mapping[str, Group]) -> None:
        self.measured, self.set, self.groups = measured, set_, groups
        self.labels_K = medians(measured.labels_NK)
        self.said_CK = [medians(said_NK) for said_NK in measured.real.estimates_CNK]
        self.pasted = {readings.swap: readings for readings in measured.pasted}
        features_NF = measured.real.features_NF
        self.mean_F, self.deviation_F = features_NF.mean(axis=0), features_NF.std(axis=0) + 1e-6

    def swap(self, readings: SwapReadings) -> SwapFigures:
        swap, rows = readings.swap, readings.rows
        real_NK = self.measured.real.plain_NK
        others = np.ones(len(self.measured.labels_NK), dtype=np.bool_)
        others[rows] = False
        said_N = swap.seen(real_NK, self.said_CK[0])
        seen_CM = [
            swap.seen(said_MK, said_K)
            for said_MK, said_K in zip(readings.reading.estimates_CNK, self.said_CK, strict=True)
        ]
        kept_MK = self._others_kept(readings)
        pasted = self.pasted[swap]
        names = [name for name in self.set.names if name != swap.attribute.name]
        return SwapFigures(
            name=swap.name,
            attribute=swap.attribute.name,
            seen=_estimates(dict(zip(COPIES, map(share, seen_CM), strict=True))),
            before=_known(share(said_N[rows])),
            real=share(said_N[others]),
            others_kept=mean(kept_MK.mean(axis=1)) if names else None,
            kept=_estimates({name: share(kept_MK[:, i]) for i, name in enumerate(names)}),
            pasted=_known(share(swap.seen(pasted.reading.plain_NK, self.said_CK[0]))),
            pasted_kept=mean(self._others_kept(pasted).mean(axis=1)) if names else None,
            groups=self._by_group(seen_CM[0], rows),
            distance=self._distance(readings),
        )

    def _others_kept(self, readings: SwapReadings) -> NDArray[np.bool_]:
        before_MK = self.measured.real.plain_NK[readings.rows]
        return np.delete(kept(before_MK, readings.reading.plain_NK, self.set), readings.swap.k, axis=1)

    def _by_group(self, seen_M: NDArray[np.bool_], rows: NDArray[np.int64]) -> dict[str, Estimate]:
        """Return the share in each group that some of the images belong to, and others do not."""
        members = {name: in_N[rows] for name, in_N in self.groups.items()}
        figures = {name: share(seen_M[in_M]) for name, in_M in members.items() if not in_M.all()}
        return _estimates(figures)

    def _distance(self, readings: SwapReadings) -> Distance | None:
        real_NF = self._scaled(self.measured.real)
        like_N = readings.swap.like(self.measured.labels_NK)
        return distance(self._scaled(readings.reading), real_NF[readings.rows], real_NF[like_N])

    def _scaled(self, reading: Reading) -> NDArray[np.float32]:
        return np.asarray((reading.features_NF - self.mean_F) / self.deviation_F)

    def attributes(self) -> tuple[AttributeFigures, ...]:
        measured = self.measured
        labels_NK = measured.labels_NK[measured.probed]
        codes = probe(measured.codes_ND, labels_NK, self.set)
        images = probe(measured.small_ND, labels_NK, self.set)
        kept_NK = kept(measured.real.plain_NK, measured.rebuilt.plain_NK, self.set)
        return tuple(
            AttributeFigures(
                name=attribute.name,
                kind=attribute.kind,
                judge=self._judge(k, continuous=attribute.kind == "continuous"),
                rebuilt_kept=_known(share(kept_NK[:, k])),
                slider=self._slider(attribute.name),
                code=codes.get(attribute.name),
                image=images.get(attribute.name),
            )
            for k, attribute in enumerate(self.set)
        )

    def _judge(self, k: int, *, continuous: bool) -> dict[str, Estimate]:
        labels_N = self.measured.labels_NK[:, k]
        figures = {}
        for kind, said_NK, said_K in zip(COPIES, self.measured.real.estimates_CNK, self.said_CK, strict=True):
            said_N = said_NK[:, k]
            if continuous:
                high_N = labels_N >= self.labels_K[k]
                figures[kind] = balanced((said_N >= said_K[k]) == high_N, high_N)
            else:
                figures[kind] = balanced(said_N == labels_N, labels_N)
        return _estimates(figures)

    def _slider(self, name: str) -> SliderFigures | None:
        if name not in self.measured.sliders:
            return None
        seen_NP = self.measured.sliders[name]
        rho_N, pasted_N = (
            spearman(np.array(POSITIONS), sliders[name])
            for sliders in (self.measured.sliders, self.measured.pasted_sliders)
        )
        change_N = seen_NP[:, POSITIONS.index(1.0)] - seen_NP[:, POSITIONS.index(0.0)]
        return SliderFigures(
            spearman=_known(mean(rho_N)),
            monotone=_known(share(rho_N >= MONOTONE)),
            pasted_monotone=_known(share(pasted_N >= MONOTONE)),
            change=_known(mean(change_N)),
        )
