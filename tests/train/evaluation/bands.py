"""Pictures whose bands of grey say what their labels are, a model that paints them, a judge that reads them.

What such a model gets wrong is known, so figures can be told in advance.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.models import AutoEncoder, AutoEncoderConfig, Classifier, ClassifierConfig, Rendering
from fader.train.data.dataset import AlignedSet, Subset

SIZE = 24
ATTRIBUTES = AttributeSet(
    [
        Attribute(name="Glasses"),
        Attribute(name="Age", span=(20.0, 80.0)),
        Attribute(name="Hair", categories=("black", "blond", "red")),
    ]
)
"""In the set's order: Age, Glasses, Hair."""
AGE, GLASSES, HAIR = range(3)


def greys(labels_NK: Tensor) -> Tensor:
    """Return (N, K) greys in [-1, 1] for labels of ATTRIBUTES."""
    ends = torch.tensor([1.0, 1.0, 2.0])
    return (labels_NK / ends * 1.2 - 0.6).clamp(-1, 1)


def paint(greys_NK: Tensor) -> Tensor:
    """Return (N, 3, SIZE, SIZE) images with a band for each grey."""
    rows = greys_NK.repeat_interleave(SIZE // 3, dim=1)
    return rows[:, None, :, None].expand(-1, 3, -1, SIZE).contiguous()


def labels_from(values_NA: Tensor) -> Tensor:
    """Return (N, K) labels of the decoder's columns."""
    hair_N = values_NA[:, 4:] @ torch.tensor([0.0, 1.0, 2.0])
    return torch.stack([values_NA[:, 1], values_NA[:, 3], hair_N], dim=1)


def read_bands(images_NCHW: Tensor) -> Tensor:
    """Return (N, K) mean greys of the bands' inner halves, which a blur leaves alone."""
    rows = images_NCHW.mean(dim=(1, 3)).reshape(len(images_NCHW), 3, -1)
    return rows[:, :, SIZE // 12 : -(SIZE // 12)].mean(dim=2)


def pictures(labels: Sequence[Sequence[float]] | NDArray[np.float32]) -> Subset:
    """Return pictures with such labels of ATTRIBUTES."""
    labels_NK = np.array(labels, dtype=np.float32)
    pixels = (paint(greys(torch.from_numpy(labels_NK))).permute(0, 2, 3, 1).numpy() + 1) * 127.5
    data = AlignedSet(
        images_NHWC=np.rint(pixels).astype(np.uint8), labels_NK=labels_NK, attributes=ATTRIBUTES
    )
    return data.subset(np.arange(len(labels_NK)))


def random_labels(n: int, *, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    columns = random.uniform(0, 1, n), random.integers(0, 2, n), random.integers(0, 3, n)
    return np.stack(columns, axis=1).astype(np.float32)


class Painter(AutoEncoder):
    """Paints what it is told, but for `deaf` attributes; `spoils` moves Hair along with Glasses."""

    def __init__(self, *, deaf: Sequence[int] = (), spoils: bool = False, mask: bool = False) -> None:
        super().__init__(
            AutoEncoderConfig(image_size=SIZE, n_layers=1, init_fm=1, max_fm=1, n_columns=7, mask=mask)
        )
        self.deaf, self.spoils = list(deaf), spoils

    def encode(self, images_NCHW: Tensor) -> tuple[Tensor, ...]:
        return (images_NCHW,)

    def render(self, latents: Sequence[Tensor], values_NA: Tensor) -> Rendering:
        (images,) = latents
        bands_NK = greys(labels_from(values_NA))
        bands_NK[:, self.deaf] = read_bands(images)[:, self.deaf]
        if self.spoils:
            bands_NK[:, HAIR] = bands_NK[:, GLASSES]
        image = paint(bands_NK)
        return (
            Rendering(image, image / 2, torch.ones(len(image), 1, SIZE, SIZE))
            if self.config.mask
            else (Rendering(image, image, None))
        )


class Judge(Classifier):
    """Reads the bands; its features are their greys."""

    def __init__(self) -> None:
        super().__init__(ClassifierConfig(image_size=SIZE, n_columns=7, init_fm=1, max_fm=1, hidden=3))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        bands_NK = read_bands(images_NCHW)
        last = [layer for layer in self.modules() if isinstance(layer, torch.nn.Linear)][-1]
        last(bands_NK)
        places_NK = (bands_NK + 0.6) / 1.2
        odds_N = torch.logit(places_NK[:, AGE].clamp(0.001, 0.999))
        glasses_N = 10 * (places_NK[:, GLASSES] - 0.5)
        hair_NC = -100 * (places_NK[:, HAIR, None] - torch.tensor([0.0, 0.5, 1.0])) ** 2
        return torch.cat(
            [torch.stack([-odds_N / 2, odds_N / 2, -glasses_N, glasses_N], dim=1), hair_NC], dim=1
        )
