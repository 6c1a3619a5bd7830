"""From what a run was given to the set that it trains on, with a bar while images are read."""

from collections.abc import Sequence

import platformdirs

from fader.bundle import Bundle, shipped_bundle
from fader.console import progress
from fader.train.data.preparation import Prepared, prepare
from fader.train.data.reading import read_labels
from fader.train.inputs import Inputs

__all__ = ["load"]


def load(inputs: Inputs, names: Sequence[str], size: int, *, workers: int, quiet: bool) -> Prepared:
    """Read labels and prepare images, or take the result of an earlier call from the cache.

    Args:
        inputs: Where they lie and how they are read.
        names: Attributes.
        size: Height and width of the set's images, pixels.
        workers: Processes.
        quiet: Show no bar.

    Raises:
        ConfigError: the labels lack an attribute.
        DataError: there are bad rows, or something cannot be read.
    """
    labels = read_labels(
        inputs.labels, kinds=inputs.kinds, spans=inputs.spans, partition=inputs.partition
    ).select(names)
    detector = Bundle(inputs.detector or shipped_bundle()) if inputs.align else None
    with progress("align", unit="images", total=len(labels.images), quiet=quiet) as bar:
        return prepare(
            labels,
            inputs.images,
            size=size,
            cache=inputs.cache or platformdirs.user_cache_path("fader") / "aligned",
            detector=detector,
            workers=workers,
            skip_bad_rows=inputs.skip_bad_rows,
            on_image=bar.at,
        )
