"""What a run reports of itself while it trains: edits that the judge sees, and what is kept.

The judge was trained on other images than the guide that gave feedback, and sees low-passed copies: patterns
that networks read and people don't should not count. It is a necessary figure, not a sufficient one: look at
the grids. For all figures there are, see `fader.train.evaluation.assess`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.image import from_model, sheet
from fader.models import AutoEncoder, Classifier
from fader.train.augment import low_pass
from fader.train.data.dataset import Subset
from fader.train.evaluation.judging import LOW_PASS, estimates
from fader.train.evaluation.swaps import Swap, draw_swaps, kept, medians
from fader.train.objectives import columns

__all__ = ["evaluate", "grid", "on_device"]

BATCH = 64
Said = list[NDArray[np.float32]]


@torch.no_grad()
def evaluate(
    autoencoder: AutoEncoder, judge: Classifier, subset: Subset, attributes: AttributeSet
) -> dict[str, float]:
    """Measure reconstruction and edits.

    Args:
        autoencoder: In eval mode.
        judge: In eval mode, on the same device.
        subset: Held-out images, at least one.
        attributes: Those of the labels.

    Returns:
        "psnr_db" of the reconstruction; for each swap (see `fader.train.evaluation.swaps`), by its name, the
        share (0 to 1) of images whose edit the judge sees; "others kept", the share of other attributes on
        which the judge does not change its mind. A share of no cases is left out.
    """
    squared_error, n_values = 0.0, 0
    before: Said = []
    after: dict[Swap, Said] = defaultdict(list)
    others_kept: list[NDArray[np.bool_]] = []
    medians_K = medians(subset.labels_NK)
    for images_NCHW, labels_NK in on_device(subset, autoencoder):
        latents = autoencoder.encode(images_NCHW)
        shown_NA = columns(labels_NK, attributes)
        same_NCHW = autoencoder.decode(latents, autoencoder.asked(shown_NA, shown_NA))
        squared_error += float(((same_NCHW - images_NCHW) / 2).pow(2).sum())
        n_values += images_NCHW.numel()
        before.append(_said(judge, images_NCHW, attributes))
        for swap, rows, drawn in draw_swaps(autoencoder, latents, labels_NK, medians_K, attributes):
            if len(drawn):
                after[swap].append(_said(judge, drawn, attributes))
                same_NK = kept(before[-1][rows], after[swap][-1], attributes)
                others_kept.append(np.delete(same_NK, swap.k, axis=1).ravel())
    psnr_db = float(-10 * np.log10(max(squared_error / n_values, 1e-12)))
    return {"psnr_db": psnr_db, **_shares(before, after, others_kept)}


def _shares(before: Said, after: dict[Swap, Said], others_kept: list[NDArray[np.bool_]]) -> dict[str, float]:
    said_K = medians(np.concatenate(before))
    cases = {swap.name: swap.seen(np.concatenate(parts), said_K) for swap, parts in after.items()}
    cases["others kept"] = np.concatenate(others_kept)
    return {name: float(hits.mean()) for name, hits in cases.items() if len(hits)}


def _said(judge: Classifier, images_NCHW: Tensor, attributes: AttributeSet) -> NDArray[np.float32]:
    said_NK: NDArray[np.float32] = estimates(judge(low_pass(images_NCHW, LOW_PASS)), attributes).cpu().numpy()
    return said_NK


def on_device(subset: Subset, network: torch.nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the subset's images and labels in batches, on the network's device."""
    device = next(network.parameters()).device
    for images_NCHW, labels_NK in subset.in_order(BATCH):
        yield images_NCHW.to(device), labels_NK.to(device)


@torch.no_grad()
def grid(
    autoencoder: AutoEncoder,
    subset: Subset,
    attributes: AttributeSet,
    *,
    positions: NDArray[np.int64],
    strengths: Sequence[float] = (1.0, 1.5),
) -> NDArray[np.uint8]:
    """Draw a row for each image: original, reconstruction, and each attribute moved to its opposite.

    A categorical attribute shows all its categories instead.

    Args:
        autoencoder: In eval mode.
        subset: Images.
        attributes: Those of the labels.
        positions: Which images of the subset.
        strengths: 1 is the opposite end of a slider, more exaggerates it.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    device = next(autoencoder.parameters()).device
    images_NCHW, labels_NK = (part.to(device) for part in subset.batch(positions))
    latents = autoencoder.encode(images_NCHW)
    shown_NA = columns(labels_NK, attributes)
    tiles = [images_NCHW, autoencoder.decode(latents, autoencoder.asked(shown_NA, shown_NA))]
    for k, attribute in enumerate(attributes):
        for moved_N in _moved(labels_NK[:, k], attribute, strengths):
            edited_NK = labels_NK.clone()
            edited_NK[:, k] = moved_N
            wanted_NA = columns(edited_NK, attributes)
            tiles.append(autoencoder.decode(latents, autoencoder.asked(wanted_NA, shown_NA)))
    pictures = [from_model(tile.contiguous().cpu().numpy()) for tile in tiles]
    return sheet([[picture[i] for picture in pictures] for i in range(len(positions))])


def _moved(labels_N: Tensor, attribute: Attribute, strengths: Sequence[float]) -> list[Tensor]:
    if attribute.kind == "categorical":
        return [torch.full_like(labels_N, c) for c in range(attribute.n_columns)]
    # from the lower half to strength, from the upper half to 1 - strength
    return [torch.where(labels_N < 0.5, strength, 1 - strength) for strength in strengths]
