"""A loaded model: crops to latents, and latents with attribute values to renderings.

Shapes: N images, C channels, S image size, A attribute columns.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fader.attributes import AttributeSet
from fader.bundle import Bundle
from fader.errors import BundleError, ConfigError
from fader.image import to_model
from fader.runtime.cache import LatentCache, image_key
from fader.runtime.engines import Engine
from fader.runtime.engines.signatures import IMAGE
from fader.runtime.faces.selection import check_values
from fader.runtime.latents import Latents
from fader.runtime.motion import Values

__all__ = ["Model"]


class Model:
    """A bundle on an engine, with a memory cache of latents."""

    def __init__(self, bundle: Bundle, engine: Engine, *, cache_bytes: int, max_batch: int) -> None:
        """Join the parts.

        Args:
            bundle: Verified bundle.
            engine: Has loaded that bundle.
            cache_bytes: Bound of the memory cache; 0 for none.
            max_batch: Images in one call of the engine at most.
        """
        self.bundle, self.engine, self.max_batch = bundle, engine, max_batch
        self.cache = LatentCache(cache_bytes)

    @property
    def attributes(self) -> AttributeSet:
        """The sliders."""
        return self.bundle.manifest.attributes

    @property
    def image_size(self) -> int:
        """Height and width of the model's images, pixels."""
        return self.bundle.manifest.image_size

    @property
    def template(self) -> NDArray[np.float64]:
        """(3, 2) alignment template, pixels of the crop."""
        return np.array(self.bundle.manifest.template, dtype=np.float64)

    def encode(self, crops_NSS3: NDArray[Any], *, remember: bool = True) -> Latents:
        """Encode aligned crops, each only once as long as the cache holds it.

        Args:
            crops_NSS3: (N, S, S, 3) uint8 RGB.
            remember: Whether to use the cache.

        Raises:
            ConfigError: another shape or type.
        """
        size = self.image_size
        if crops_NSS3.dtype != np.uint8 or crops_NSS3.shape[1:] != (size, size, 3):
            raise ConfigError(
                f"found images of shape {crops_NSS3.shape} and type {crops_NSS3.dtype}, expected "
                f"(N, {size}, {size}, 3) uint8 RGB, aligned; Editor.edit takes whole pictures"
            )
        if not len(crops_NSS3):
            return self.join([])
        if not (remember and self.cache.max_bytes):
            return self._encode(crops_NSS3)
        keys = [image_key(crop) for crop in crops_NSS3]
        entries = self.cache.get(keys)
        fresh = [i for i, entry in enumerate(entries) if entry is None]
        if fresh:
            made = self._encode(crops_NSS3[fresh])
            for row, i in enumerate(fresh):
                # a copy: a view would keep the whole batch alive
                entry = made[np.array([row])]
                self.cache.put(keys[i], entry)
                entries[i] = entry
        return self.join([entry for entry in entries if entry is not None])

    def render(
        self, latents: Latents, wanted_NA: NDArray[np.float32], shown_NA: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Render latents as (N, 3, S, S) float32 in [-1, 1].

        Args:
            latents: Of batch N.
            wanted_NA: (N, columns) of the result.
            shown_NA: (N, columns) of the images as they are; some models draw by what changes.

        Raises:
            BundleError: the latents come from another bundle.
        """
        values_NA = wanted_NA - shown_NA if self.bundle.manifest.relative else wanted_NA
        if latents.bundle_id != self.bundle.id:
            raise BundleError(
                f"these latents were made by bundle {latents.bundle_id[:12]}, this is {self.bundle.id[:12]}: "
                "encode the images again"
            )
        parts = [
            self.engine.decode(latents[rows].tensors, values_NA[rows]) for rows in self._batches(len(latents))
        ]
        if len(parts) == 1:
            return parts[0]
        size = self.image_size
        return np.concatenate(parts) if parts else np.empty((0, 3, size, size), np.float32)

    @property
    def draws_changes(self) -> bool:
        """Whether the decoder blends what changes into the image, which stays as it is where nothing does."""
        manifest = self.bundle.manifest
        return manifest.relative and any(latent.name == IMAGE for latent in manifest.latents)

    def unedited(self, latents: Latents, shown_NA: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what renderings of an edit are compared with, (N, 3, S, S) float32 in [-1, 1].

        Args:
            latents: Of batch N.
            shown_NA: (N, columns) of the images as they are.
        """
        if self.draws_changes:
            return latents.tensors[[latent.name for latent in self.bundle.manifest.latents].index(IMAGE)]
        return self.render(latents, shown_NA, shown_NA)

    def join(self, parts: list[Latents]) -> Latents:
        """Return one batch of several, in their order; an empty one of none."""
        # Always a copy: what the cache holds must not change when a caller changes what it got.
        empty = [np.empty((0, *latent.shape), np.float32) for latent in self.bundle.manifest.latents]
        return Latents(
            tensors=tuple(
                np.concatenate([part.tensors[i] for part in parts]) if parts else empty[i]
                for i in range(len(empty))
            ),
            source_NA=(
                np.concatenate([part.source_NA for part in parts])
                if parts
                else np.empty((0, self.attributes.n_columns), np.float32)
            ),
            bundle_id=self.bundle.id,
        )

    def check(self, values: Values) -> None:
        """Refuse values that this model does not know.

        Raises:
            ConfigError: an attribute is unknown, or a value is not valid.
        """
        check_values(self.attributes, values)

    def _encode(self, crops_NSS3: NDArray[np.uint8]) -> Latents:
        parts = []
        for rows in self._batches(len(crops_NSS3)):
            pixels_NCHW = to_model(crops_NSS3[rows])
            tensors = self.engine.encode(pixels_NCHW)
            source_NA = self.engine.classify(pixels_NCHW)
            parts.append(Latents(tensors=tensors, source_NA=source_NA, bundle_id=self.bundle.id))
        return parts[0] if len(parts) == 1 else self.join(parts)

    def _batches(self, n: int) -> list[slice]:
        return [slice(start, min(start + self.max_batch, n)) for start in range(0, n, self.max_batch)]
