"""What a run reports of itself on held-out images: edits that the judge sees, and what is kept.

The judge was trained on other images than the classifier that gave feedback, and sees low-passed copies:
patterns that networks read and people don't should not count. It is a necessary figure, not a sufficient one:
look at the grids.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import AttributeSet
from fader.image import from_model, sheet
from fader.models import AutoEncoder, Classifier
from fader.train.augment import low_pass
from fader.train.data.dataset import Subset
from fader.train.objectives import columns

__all__ = ["evaluate", "grid"]

LOW_PASS = 2.0


@torch.no_grad()
def evaluate(
    autoencoder: AutoEncoder, judge: Classifier, subset: Subset, attributes: AttributeSet
) -> dict[str, float]:
    """Measure reconstruction and edits.

    Args:
        autoencoder: In eval mode.
        judge: In eval mode.
        subset: Held-out images.
        attributes: All boolean.

    Returns:
        "psnr_db" of the reconstruction; for each attribute "<name> added" and "<name> removed", the share
        (0 to 1) of images whose edit the judge sees; "others kept", the share of other attributes on which
        the judge does not change its mind. A share of no cases is left out.
    """
    squared_error, n_values = 0.0, 0
    seen: dict[str, list[Tensor]] = {}
    kept: list[Tensor] = []
    for images_NCHW, labels_NK in subset.in_order(64):
        latents = autoencoder.encode(images_NCHW)
        before_NK = _verdict(judge, images_NCHW, attributes)
        same_NCHW = autoencoder.decode(latents, columns(labels_NK, attributes))
        squared_error += float(((same_NCHW - images_NCHW) / 2).pow(2).sum())
        n_values += images_NCHW.numel()
        for k, attribute in enumerate(attributes):
            edited_NK = labels_NK.clone()
            edited_NK[:, k] = 1 - labels_NK[:, k]
            edited_NCHW = autoencoder.decode(latents, columns(edited_NK, attributes))
            after_NK = _verdict(judge, edited_NCHW, attributes)
            success_N = after_NK[:, k] == edited_NK[:, k]
            seen.setdefault(f"{attribute.name} added", []).append(success_N[edited_NK[:, k] == 1])
            seen.setdefault(f"{attribute.name} removed", []).append(success_N[edited_NK[:, k] == 0])
            others = [i for i in range(len(attributes.names)) if i != k]
            kept.append((after_NK == before_NK)[:, others].flatten())
    cases = {name: torch.cat(parts) for name, parts in {**seen, "others kept": kept}.items()}
    shares = {name: float(found.float().mean()) for name, found in cases.items() if len(found)}
    psnr_db = float(-10 * np.log10(max(squared_error / n_values, 1e-12)))
    return {"psnr_db": psnr_db, **shares}


def _verdict(judge: Classifier, images_NCHW: Tensor, attributes: AttributeSet) -> Tensor:
    logits_NA = judge(low_pass(images_NCHW, LOW_PASS))
    return torch.stack([logits_NA[:, attributes.slice(a.name)].argmax(1) for a in attributes], dim=1)


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

    Args:
        autoencoder: In eval mode.
        subset: Images.
        attributes: All boolean.
        positions: Which images of the subset.
        strengths: 1 is the opposite, more exaggerates it.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    images_NCHW, labels_NK = subset.batch(positions)
    latents = autoencoder.encode(images_NCHW)
    source_NA = columns(labels_NK, attributes)
    tiles = [images_NCHW, autoencoder.decode(latents, source_NA)]
    for k, attribute in enumerate(attributes):
        for strength in strengths:
            # from 0 to strength, or from 1 to 1 - strength
            present_N = (1 - labels_NK[:, k]) * strength + labels_NK[:, k] * (1 - strength)
            edited_NA = source_NA.clone()
            edited_NA[:, attributes.slice(attribute.name)] = torch.stack([1 - present_N, present_N], dim=1)
            tiles.append(autoencoder.decode(latents, edited_NA))
    pictures = [from_model(tile.contiguous().numpy()) for tile in tiles]
    return sheet([[picture[i] for picture in pictures] for i in range(len(positions))])
