"""One pass over held-out images: encode once, draw every edit once, ask the judge, and keep what it says.

Shapes: N images, M of them edited in one way, K attributes, P positions of a slider, D numbers of a code.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fader.attributes import AttributeSet
from fader.image import from_model, to_model
from fader.models import AutoEncoder, Classifier
from fader.runtime.paste import delta
from fader.train.data.dataset import Subset
from fader.train.evaluation.evaluate import on_device
from fader.train.evaluation.judging import ORIGINAL, Reading, read, softmax_columns
from fader.train.evaluation.probe import MOST
from fader.train.evaluation.reconstruction import psnr, ssim
from fader.train.evaluation.sliders import POSITIONS
from fader.train.evaluation.swaps import Swap, draw_swaps, medians, plan
from fader.train.objectives import columns

__all__ = ["Measured", "SwapReadings", "measure"]

SLIDER_IMAGES = 500
"""Images whose sliders are moved through all positions."""
SMALL = 32
"""Height and width of the images that the probe reads for comparison."""

Latents = tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SwapReadings:
    """What the judge says of images that were edited in one way."""

    swap: Swap
    """The way."""
    rows: NDArray[np.int64]
    """(M,) which of the images."""
    reading: Reading
    """Of those M, after the edit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Everything that figures are computed from; image by image."""

    labels_NK: NDArray[np.float32]
    """(N, K) as an aligned set has them."""
    real: Reading
    """Of the N images as they are."""
    rebuilt: Reading
    """Of the N images drawn with their own labels; of no copies."""
    swaps: tuple[SwapReadings, ...]
    """Of all edits, in the plan's order; edits of no image are left out."""
    pasted: tuple[SwapReadings, ...]
    """The same edits as fader-run makes them: of copies none."""
    closeness: dict[str, NDArray[np.float32]]
    """(N,) each: "psnr_db" and "ssim" of the image drawn with its own labels; "neutral_psnr_db",
    "neutral_ssim" and "neutral_levels" (mean change, 0 to 255) of it drawn with the judge's estimates, where
    an edit starts; with a mask "drawing_psnr_db" of the decoder's own picture."""
    sliders: dict[str, NDArray[np.float32]]
    """(some images, P) each: by attribute, the judge's logit of present over absent, or high over low."""
    pasted_sliders: dict[str, NDArray[np.float32]]
    """The same where the edit is made as fader-run makes it."""
    probed: NDArray[np.int64]
    """Rows of the images that the next two are of."""
    codes_ND: NDArray[np.float32]
    """What the latent discriminator reads, flattened."""
    small_ND: NDArray[np.float32]
    """The images themselves, averaged down to 32 pixels, flattened."""


@torch.no_grad()
def measure(
    autoencoder: AutoEncoder,
    judge: Classifier,
    subset: Subset,
    attributes: AttributeSet,
    on_image: Callable[[int, int], None] = lambda _done, _total: None,
) -> Measured:
    """Edit every image in every way.

    Args:
        autoencoder: In eval mode.
        judge: In eval mode, on the same device; gave no feedback.
        subset: Held-out images, at least one.
        attributes: Those of the labels.
        on_image: Called with images done and in all.
    """
    run = _Pass(autoencoder, judge, attributes, len(subset), medians(subset.labels_NK))
    for images_NCHW, labels_NK in on_device(subset, autoencoder):
        run.batch(images_NCHW, labels_NK)
        on_image(run.done, len(subset))
    return run.result()


@dataclass(slots=True)
class _Pass:
    autoencoder: AutoEncoder
    judge: Classifier
    attributes: AttributeSet
    total: int
    medians_K: NDArray[np.float32]
    done: int = 0
    labels: list[NDArray[np.float32]] = field(default_factory=list)
    real: list[Reading] = field(default_factory=list)
    rebuilt: list[Reading] = field(default_factory=list)
    swaps: dict[Swap, list[tuple[NDArray[np.int64], Reading]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    pasted: dict[Swap, list[tuple[NDArray[np.int64], Reading]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    closeness: dict[str, list[NDArray[np.float32]]] = field(default_factory=lambda: defaultdict(list))
    sliders: dict[str, list[NDArray[np.float32]]] = field(default_factory=lambda: defaultdict(list))
    pasted_sliders: dict[str, list[NDArray[np.float32]]] = field(default_factory=lambda: defaultdict(list))
    probed: list[NDArray[np.int64]] = field(default_factory=list)
    codes: list[Tensor] = field(default_factory=list)
    small: list[Tensor] = field(default_factory=list)

    def batch(self, images_NCHW: Tensor, labels_NK: Tensor) -> None:
        rows = np.arange(self.done, self.done + len(images_NCHW))
        self.labels.append(labels_NK.cpu().numpy())
        latents = self.autoencoder.encode(images_NCHW)
        self.real.append(read(self.judge, images_NCHW, self.attributes))
        self._rebuild(images_NCHW, latents, labels_NK)
        estimates_NA = softmax_columns(torch.from_numpy(self.real[-1].logits_NA), self.attributes)
        read_NA = torch.from_numpy(self.attributes.decided(estimates_NA.numpy())).to(images_NCHW.device)
        neutral_NCHW = self.autoencoder.decode(latents, self.autoencoder.asked(read_NA, read_NA))
        self._rest_at_neutral(images_NCHW, neutral_NCHW)
        if self.autoencoder.config.relative and self.autoencoder.config.mask:
            neutral_NCHW = images_NCHW
        self._paste(images_NCHW, latents, labels_NK, rows, (read_NA, neutral_NCHW))
        swapped = self._swap(latents, labels_NK, rows)
        chosen = self._chosen(rows, SLIDER_IMAGES)
        if chosen.any():
            self._slide(latents, labels_NK, chosen, swapped)
            some = torch.from_numpy(chosen).to(images_NCHW.device)
            start = (read_NA[some], neutral_NCHW[some])
            self._slide_pasted(images_NCHW[some], tuple(latent[some] for latent in latents), start)
        self._keep_codes(images_NCHW, latents, rows)
        self.done += len(rows)

    def _chosen(self, rows: NDArray[np.int64], most: int) -> NDArray[np.bool_]:
        """Return which rows belong to a sample of at most so many images, evenly spread."""
        return np.asarray(rows % -(-self.total // most) == 0)

    def _rebuild(self, images_NCHW: Tensor, latents: Latents, labels_NK: Tensor) -> None:
        shown_NA = columns(labels_NK, self.attributes)
        rendering = self.autoencoder.render(latents, self.autoencoder.asked(shown_NA, shown_NA))
        self.rebuilt.append(read(self.judge, rendering.image, self.attributes, ORIGINAL))
        self.closeness["psnr_db"].append(psnr(rendering.image, images_NCHW))
        self.closeness["ssim"].append(ssim(rendering.image, images_NCHW))
        if rendering.mask is not None:
            self.closeness["drawing_psnr_db"].append(psnr(rendering.drawing, images_NCHW))

    def _rest_at_neutral(self, images_NCHW: Tensor, drawn_NCHW: Tensor) -> None:
        self.closeness["neutral_psnr_db"].append(psnr(drawn_NCHW, images_NCHW))
        self.closeness["neutral_ssim"].append(ssim(drawn_NCHW, images_NCHW))
        levels_N = 127.5 * (drawn_NCHW - images_NCHW).abs().mean(dim=(1, 2, 3))
        self.closeness["neutral_levels"].append(levels_N.cpu().numpy())

    def _paste(
        self,
        images_NCHW: Tensor,
        latents: Latents,
        labels_NK: Tensor,
        rows: NDArray[np.int64],
        start: tuple[Tensor, Tensor],
    ) -> None:
        """Make every swap as fader-run does: from what the judge reads, and only the difference is pasted."""
        read_NA, neutral_NCHW = start
        drawn = draw_swaps(self.autoencoder, latents, labels_NK, self.medians_K, self.attributes, read_NA)
        for swap, applies, drawn_MCHW in drawn:
            if len(drawn_MCHW):
                some = torch.from_numpy(applies).to(images_NCHW.device)
                pasted_MCHW = _pasted(images_NCHW[some], drawn_MCHW, neutral_NCHW[some])
                reading = read(self.judge, pasted_MCHW, self.attributes, ORIGINAL)
                self.pasted[swap].append((rows[applies], reading))

    def _swap(self, latents: Latents, labels_NK: Tensor, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Make every swap; return (N, K) the judge's logits after a boolean attribute's one."""
        swapped_NK = np.zeros((len(rows), len(self.attributes.names)), dtype=np.float32)
        drawn = draw_swaps(self.autoencoder, latents, labels_NK, self.medians_K, self.attributes)
        for swap, applies, drawn_MCHW in drawn:
            if len(drawn_MCHW):
                reading = read(self.judge, drawn_MCHW, self.attributes)
                self.swaps[swap].append((rows[applies], reading))
                swapped_NK[applies, swap.k] = self._logit(reading, swap.attribute.name)
        return swapped_NK

    def _logit(self, reading: Reading, name: str) -> NDArray[np.float32]:
        own_NC = reading.logits_NA[:, self.attributes.slice(name)]
        return np.asarray(own_NC[:, 1] - own_NC[:, 0])

    def _slide(
        self, latents: Latents, labels_NK: Tensor, chosen: NDArray[np.bool_], swapped_NK: NDArray[np.float32]
    ) -> None:
        some = tuple(latent[torch.from_numpy(chosen)] for latent in latents)
        some_NK = labels_NK[torch.from_numpy(chosen)]
        for k, attribute in enumerate(self.attributes):
            if attribute.kind == "categorical":
                continue
            known: dict[float, NDArray[np.float32]] = {}
            if attribute.kind == "boolean":
                # What the slider shows at its ends was drawn already: as the label says, and swapped.
                rebuilt_N = self._logit(self.rebuilt[-1], attribute.name)[chosen]
                has_N = some_NK[:, k].cpu().numpy() == 1
                swapped_N = swapped_NK[chosen, k]
                known = {
                    0.0: np.where(has_N, swapped_N, rebuilt_N),
                    1.0: np.where(has_N, rebuilt_N, swapped_N),
                }
            seen = [known[at] if at in known else self._logit_at(some, some_NK, k, at) for at in POSITIONS]
            self.sliders[attribute.name].append(np.stack(seen, axis=1))

    def _slide_pasted(self, images_NCHW: Tensor, latents: Latents, start: tuple[Tensor, Tensor]) -> None:
        read_NA, neutral_NCHW = start
        for attribute in (a for a in self.attributes if a.kind != "categorical"):
            wanted_NA, seen = read_NA.clone(), []
            for at in POSITIONS:
                wanted_NA[:, self.attributes.slice(attribute.name)] = torch.tensor([1 - at, at]).to(wanted_NA)
                drawn_NCHW = self.autoencoder.decode(latents, self.autoencoder.asked(wanted_NA, read_NA))
                pasted_NCHW = _pasted(images_NCHW, drawn_NCHW, neutral_NCHW)
                seen.append(
                    self._logit(read(self.judge, pasted_NCHW, self.attributes, ORIGINAL), attribute.name)
                )
            self.pasted_sliders[attribute.name].append(np.stack(seen, axis=1))

    def _logit_at(self, latents: Latents, labels_NK: Tensor, k: int, position: float) -> NDArray[np.float32]:
        moved_NK = labels_NK.clone()
        moved_NK[:, k] = position
        wanted_NA, shown_NA = (columns(part, self.attributes) for part in (moved_NK, labels_NK))
        drawn_NCHW = self.autoencoder.decode(latents, self.autoencoder.asked(wanted_NA, shown_NA))
        return self._logit(read(self.judge, drawn_NCHW, self.attributes, ORIGINAL), self.attributes.names[k])

    def _keep_codes(self, images_NCHW: Tensor, latents: Latents, rows: NDArray[np.int64]) -> None:
        chosen = self._chosen(rows, MOST)
        some = torch.from_numpy(chosen)
        self.probed.append(rows[chosen])
        self.codes.append(self.autoencoder.discriminated(latents)[some].flatten(1).cpu())
        small_NCHW = functional.adaptive_avg_pool2d(images_NCHW[some], min(SMALL, images_NCHW.shape[-1]))
        self.small.append(small_NCHW.flatten(1).cpu())

    def result(self) -> Measured:
        return Measured(
            labels_NK=np.concatenate(self.labels),
            real=Reading.joined(self.real),
            rebuilt=Reading.joined(self.rebuilt),
            swaps=self._in_order(self.swaps),
            pasted=self._in_order(self.pasted),
            closeness={name: np.concatenate(parts) for name, parts in self.closeness.items()},
            sliders={name: np.concatenate(parts) for name, parts in self.sliders.items()},
            pasted_sliders={name: np.concatenate(parts) for name, parts in self.pasted_sliders.items()},
            probed=np.concatenate(self.probed),
            codes_ND=torch.cat(self.codes).numpy(),
            small_ND=torch.cat(self.small).numpy(),
        )

    def _in_order(
        self, found: Mapping[Swap, Sequence[tuple[NDArray[np.int64], Reading]]]
    ) -> tuple[SwapReadings, ...]:
        planned = (swap for swaps in plan(self.attributes) for swap in swaps)
        return tuple(_joined(swap, found[swap]) for swap in planned if swap in found)


def _pasted(images_NCHW: Tensor, edited_NCHW: Tensor, neutral_NCHW: Tensor) -> Tensor:
    """Return images with the difference of two drawings pasted into them."""
    pictures = from_model(images_NCHW.cpu().numpy())
    drawn = zip(edited_NCHW.float().cpu().numpy(), neutral_NCHW.float().cpu().numpy(), strict=True)
    is_drawn = not torch.equal(images_NCHW, neutral_NCHW)
    changed = [
        crop + np.moveaxis(delta(*pair, crop if is_drawn else None), 0, 2)
        for pair, crop in zip(drawn, pictures, strict=True)
    ]
    pasted_NSS3 = np.rint(np.clip(np.stack(changed), 0, 255)).astype(np.uint8)
    return torch.from_numpy(to_model(pasted_NSS3)).to(images_NCHW.device)


def _joined(swap: Swap, parts: Sequence[tuple[NDArray[np.int64], Reading]]) -> SwapReadings:
    rows, readings = zip(*parts, strict=True)
    return SwapReadings(swap=swap, rows=np.concatenate(rows), reading=Reading.joined(readings))
