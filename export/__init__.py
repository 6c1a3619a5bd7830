"""Export: from a PyTorch checkpoint to a bundle of ONNX graphs that the runtime reads without PyTorch.

Names are imported when they are first used, so that importing the package, or asking a command for its help,
does not wait for torch.
"""

from typing import TYPE_CHECKING

from fader.lazy import lazy_names

if TYPE_CHECKING:
    from fader.export.bundle_writer import write_bundle
    from fader.export.decoder_forms import MapDecoderGraph
    from fader.export.detector import convert_detector
    from fader.export.graphs import ClassifierGraph, DecoderGraph, EncoderGraph, Graph
    from fader.export.half_graph import HalfGraph
    from fader.export.half_weights import round_weights
    from fader.export.onnx_graphs import export_graph
    from fader.export.parity import check_parity
    from fader.export.shared_weights import read_graph, share_weights
    from fader.export.triton import write_triton_repository
    from fader.export.uint8_ends import with_uint8_ends

__all__ = [
    "ClassifierGraph",
    "DecoderGraph",
    "EncoderGraph",
    "Graph",
    "HalfGraph",
    "MapDecoderGraph",
    "check_parity",
    "convert_detector",
    "export_graph",
    "read_graph",
    "round_weights",
    "share_weights",
    "with_uint8_ends",
    "write_bundle",
    "write_triton_repository",
]

_HOMES = {
    "ClassifierGraph": "graphs",
    "DecoderGraph": "graphs",
    "EncoderGraph": "graphs",
    "Graph": "graphs",
    "HalfGraph": "half_graph",
    "MapDecoderGraph": "decoder_forms",
    "check_parity": "parity",
    "convert_detector": "detector",
    "export_graph": "onnx_graphs",
    "read_graph": "shared_weights",
    "round_weights": "half_weights",
    "share_weights": "shared_weights",
    "with_uint8_ends": "uint8_ends",
    "write_bundle": "bundle_writer",
    "write_triton_repository": "triton",
}


__getattr__ = lazy_names(__name__, _HOMES)
