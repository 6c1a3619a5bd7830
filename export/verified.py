"""Every graph of a bundle's networks, exported and compared with PyTorch at every served batch size."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from fader.errors import ParityError
from fader.export.decoder_forms import SHUFFLE, MapDecoderGraph
from fader.export.graphs import ClassifierGraph, DecoderGraph, EncoderGraph, Graph, StagedGraph
from fader.export.half_graph import HalfGraph
from fader.export.half_weights import round_weights
from fader.export.onnx_graphs import export_graph
from fader.export.parity import EXACT, HALF_ARITHMETIC, HALF_WEIGHTS, check_parity
from fader.export.shared_weights import share_weights
from fader.export.uint8_ends import UINT8, check_uint8_ends, with_uint8_ends
from fader.models import Checkpoint

__all__ = ["Verified", "export_verified"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A graph that computes what its network computes."""

    content: bytes
    """The ONNX file; a variant's refers to the file of the graph that it varies."""
    parity: dict[str, float]
    """Worst figures against the checkpoint; those of the graph inside, where images have uint8 ends."""


def export_verified(
    checkpoint: Checkpoint, *, half_weights: bool, tell: Callable[[str], None]
) -> dict[str, Verified]:
    """Export encoder, decoder and classifier, and the variants of each.

    Args:
        checkpoint: Networks on the CPU; left in eval mode.
        half_weights: Store weights as float16.
        tell: Called with a few words before each step, and of each variant that is left out.

    Returns:
        Name in the manifest to graph. A variant that does not keep to its tolerance is left out: float16 does
        not hold the numbers of every network.

    Raises:
        ParityError: a graph that is no variant does not compute what its network computes.
    """
    verified: dict[str, Verified] = {}
    autoencoder = checkpoint.autoencoder
    for original in (
        EncoderGraph(autoencoder),
        DecoderGraph(autoencoder),
        ClassifierGraph(checkpoint.classifier, checkpoint.attributes),
    ):
        form = MapDecoderGraph(original) if isinstance(original, DecoderGraph) else original
        form = round_weights(form) if half_weights else form
        whole = {form.name: _export(form, original, half_weights=half_weights, tell=tell)}
        for variant in _variants(form):
            with _left_out(variant.name, tell):
                whole[variant.name] = _export(variant, original, half_weights=half_weights, tell=tell)
        for name, inside in list(whole.items()):
            if not name.endswith(SHUFFLE):  # that is for CPUs, and such ends are for GPUs
                with _left_out(f"{name}{UINT8}", tell):
                    whole[f"{name}{UINT8}"] = _ended(name, inside, form, tell)
        verified |= _sharing(whole)
    return verified


def _variants(form: StagedGraph) -> Iterator[StagedGraph]:
    yield HalfGraph(form)
    if isinstance(form, MapDecoderGraph) and form.transposed:
        yield form.shuffled()


@contextmanager
def _left_out(variant: str, tell: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except ParityError as error:
        tell(f"leaving the {variant} out: {error}")


def _ended(name: str, inside: Verified, form: StagedGraph, tell: Callable[[str], None]) -> Verified:
    variant = f"{name}{UINT8}"
    tell(f"making the {variant} and comparing it with the {name}")
    content = with_uint8_ends(inside.content)
    check_uint8_ends(content, inside.content, form, name=variant)
    return replace(inside, content=content)


def _sharing(whole: Mapping[str, Verified]) -> dict[str, Verified]:
    """Let each of a network's graphs refer to the weights of those before it."""
    written: dict[str, Verified] = {}
    for name, graph in whole.items():
        content = graph.content
        for donor, before in written.items():
            content = share_weights(content, before.content, f"{donor}.onnx")
        written[name] = replace(graph, content=content)
    return written


def _export(
    graph: StagedGraph, original: Graph, *, half_weights: bool, tell: Callable[[str], None]
) -> Verified:
    tell(f"exporting the {graph.name} and comparing it with PyTorch")
    half = isinstance(graph, HalfGraph)
    content = export_graph(graph, half_weights=half_weights and not half)
    if half_weights and not half:
        check_parity(content, graph, EXACT[original.name])
    tolerances = HALF_ARITHMETIC if half else HALF_WEIGHTS if half_weights else EXACT
    parity = check_parity(content, original, tolerances[original.name], name=graph.name)
    return Verified(content=content, parity=parity)
