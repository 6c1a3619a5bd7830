"""Does a contender compute what the reference computes? Asked at every batch size, before any timing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from on_gpu.subjects import Array, Coder, Subject, pixels, values

__all__ = ["Parity", "compare", "compare_at"]

MIN_PSNR_DB = {"float32": 55.0, "tf32": 50.0, "float16": 50.0, "bfloat16": 35.0, "int8": 35.0}
"""By what is computed in; fader.export asks 55 dB of float16 graphs. bfloat16 has three bits fewer, and int8
is calibrated on faces, which these pictures are not."""
MIN_COSINE = 0.999
LIMIT_DB = 150.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """The worst figures over the outputs of one batch."""

    batch: int
    """Images."""
    max_abs: float
    """Largest difference, as a share of the output's range."""
    psnr_db: float
    """20 log10(range / rms of the difference), at most 150."""
    cosine: float
    """Cosine of reference and result."""
    min_psnr_db: float
    """What is asked."""

    @property
    def holds(self) -> bool:
        """Whether the results may stand for the reference's; differences that are not numbers may not."""
        return self.psnr_db >= self.min_psnr_db and self.cosine >= MIN_COSINE


def compare_at(
    batches: Sequence[int], coder: Coder, subject: Subject, *, precision: str = "float32"
) -> list[Parity]:
    """Compare encoder and decoder, the latter on the reference's latents, at each batch size.

    Args:
        batches: Their numbers of images.
        coder: What is compared.
        subject: It must have a reference.
        precision: A key of MIN_PSNR_DB: what is computed in.
    """
    reference = subject.reference
    assert reference is not None  # noqa: S101  # the caller looks
    config = subject.network.config
    images, columns = pixels(max(batches), config.image_size), values(max(batches), config.n_columns)
    latents = reference.encode(images)
    rendering = reference.decode(latents, columns)
    found = []
    for n in batches:
        codes = tuple(latent[:n] for latent in latents)
        results = (*coder.encode(images[:n]), coder.decode(codes, columns[:n]))
        found.append(compare(n, (*codes, rendering[:n]), results, precision=precision))
    return found


def compare(
    batch: int, expected: Sequence[Array], found: Sequence[Array], *, precision: str = "float32"
) -> Parity:
    """Return the worst figures of some outputs; another shape, or no number, is as bad as can be."""
    figures = [_figures(one.astype(np.float64), other) for one, other in zip(expected, found, strict=True)]
    max_abs, psnr_db, cosine = zip(*figures, strict=True)
    return Parity(
        batch=batch,
        max_abs=max(max_abs),
        psnr_db=min(psnr_db),
        cosine=min(cosine),
        min_psnr_db=MIN_PSNR_DB[precision],
    )


def _figures(expected: NDArray[np.float64], found: Array) -> tuple[float, float, float]:
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf"), 0.0, 0.0
    difference = found.astype(np.float64) - expected
    span = max(float(np.ptp(expected)), 1e-12)
    rms = float(np.sqrt(np.mean(difference**2)))
    norms = max(float(np.linalg.norm(expected) * np.linalg.norm(found.astype(np.float64))), 1e-12)
    psnr_db = LIMIT_DB if rms == 0 else min(20 * float(np.log10(span / rms)), LIMIT_DB)
    cosine = float(np.vdot(expected, found)) / norms
    return float(np.abs(difference).max()) / span, psnr_db, cosine
