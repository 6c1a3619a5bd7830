"""TensorRT's engines of a bundle, built into the user's cache now instead of at the first use."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fader.bundle import Bundle
from fader.errors import EngineError
from fader.runtime.engines.signatures import SIGNED
from fader.runtime.engines.tensorrt import EngineCache, TensorRt

__all__ = ["Built", "OnProgress", "build_engines"]

OnProgress = Callable[[float, str, str], None]
"""Called with the share of all builds that is done (0 to 1, never falling), the graph, and what is done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What came of it."""

    folder: Path
    """The cache."""
    graphs: tuple[str, ...]
    """Those that were built; the others' engines were there already."""


def build_engines(bundle: Bundle, on_progress: OnProgress) -> Built:
    """Build the engines of all graphs for this machine's GPU, each in a child process, and load each once.

    Args:
        bundle: Verified bundle.
        on_progress: See `OnProgress`; called for engines that are built.

    Raises:
        EngineError: TensorRT, the CUDA bindings, a driver or a GPU is missing, or one of them fails. The
            bundle is as it was, and engines that were finished stay.
        BundleError: a graph's inputs and outputs are not the manifest's.
    """
    cache, begun = EngineCache(), list[str]()

    def tell(share: float, what: str) -> None:
        graph, _, phase = what.partition(": ")
        if graph not in begun:
            begun.append(graph)
        on_progress((len(begun) - 1 + share) / len(SIGNED), graph, phase)

    try:
        TensorRt(bundle, cache=cache, on_progress=tell).close()
    except EngineError as error:
        raise EngineError(
            f"the bundle {bundle.folder} is whole, its TensorRT engines are not built: {error}"
        ) from error
    return Built(folder=cache.folder, graphs=tuple(begun))
