"""A model repository for NVIDIA Triton Inference Server from a bundle's verified graphs.

    encoder/      "pixels" to the latents: the slow half, once for every image
    decoder/      latents and "values" to "rendering": for clients that keep the latents
    classifier/   "pixels" to "probabilities": what the attributes are already
    edit/         an ensemble of encoder and decoder: one request from "pixels" and "values" to "rendering"

Each has config.pbtxt and 1/, in which lies model.onnx, the bundle's graph byte for byte.

Source: Triton's user guide (model_repository.md, model_configuration.md, batcher.md, ensemble_models.md) and
the checks that its core makes of a configuration (model_config_utils.cc, ensemble_utils.cc).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from fader.bundle import Bundle
from fader.errors import BundleError
from fader.export.pbtxt import Enumerator, Fields, pbtxt
from fader.export.replacing import replacing

__all__ = ["ENSEMBLE", "SERVED", "write_triton_repository"]

SERVED = ("encoder", "decoder", "classifier")
"""The bundle's graphs that become models of the same name."""
ENSEMBLE = "edit"
"""The ensemble's name."""
CONFIG, MODEL = "config.pbtxt", "1/model.onnx"
# Triton wants a version's folder of an ensemble too, and object stores and git drop empty folders.
KEEP = "1/.keep"
FIRST_LINE = "# Written by fader-export"
QUEUE_DELAY_US = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tensor:
    """An input or output of a graph, float32."""

    name: str
    """The graph's name of it."""
    dims: tuple[int, ...]
    """Shape of one image's; the batch axis comes before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Graph:
    """A graph and what its file says of it."""

    content: bytes
    """The ONNX file."""
    inputs: tuple[_Tensor, ...]
    """In the graph's order."""
    outputs: tuple[_Tensor, ...]
    """In the graph's order."""


def write_triton_repository(bundle: Bundle, folder: Path) -> tuple[str, ...]:
    """Write a model repository for Triton's ONNX Runtime backend, on the server's GPUs or else its CPU.

    Args:
        bundle: Verified bundle.
        folder: The repository's folder. A repository there that this function wrote, and to which nothing was
            added, is replaced once the new one is whole.

    Returns:
        The models' names.

    Raises:
        BundleError: a graph cannot be served in batches, or the folder is something else or cannot be
            written.
    """
    graphs = {name: _read(bundle.graph(name)) for name in SERVED}
    configs = {name: _model(name, graph, bundle) for name, graph in graphs.items()}
    configs[ENSEMBLE] = _ensemble(graphs["encoder"], graphs["decoder"], bundle)
    with replacing(folder, "Triton repository", _require_repository) as partial:
        for name, config in configs.items():
            (partial / name / "1").mkdir(parents=True)
            head = f"{FIRST_LINE} from bundle {bundle.id[:12]}.\n"
            (partial / name / CONFIG).write_text(head + pbtxt(config), encoding="utf-8")
        for name, graph in graphs.items():
            (partial / name / MODEL).write_bytes(graph.content)
        (partial / ENSEMBLE / KEEP).touch()
    return tuple(configs)


def _read(path: Path) -> _Graph:
    content = path.read_bytes()
    try:
        graph = onnx.load_from_string(content).graph
    except DecodeError as error:
        raise BundleError(f"{path} is no ONNX file: export the bundle again") from error
    return _Graph(
        content=content,
        inputs=tuple(_tensor(value, path) for value in graph.input),
        outputs=tuple(_tensor(value, path) for value in graph.output),
    )


def _tensor(value: onnx.ValueInfoProto, path: Path) -> _Tensor:
    tensor = value.type.tensor_type
    shape = [dim.dim_value for dim in tensor.shape.dim]  # 0 is an axis of any size
    if tensor.elem_type != onnx.TensorProto.FLOAT or len(shape) < 2 or shape[0] or not all(shape[1:]):
        raise BundleError(
            f"{path} has {value.name!r} of type {tensor.elem_type} and shape {shape}, expected type "
            f"{onnx.TensorProto.FLOAT} (float32) and a batch axis of any size (0) before fixed ones: "
            "export the bundle again"
        )
    return _Tensor(name=value.name, dims=tuple(shape[1:]))


def _head(name: str, bundle: Bundle) -> Fields:
    return {
        "name": name,
        "max_batch_size": _batch_sizes(bundle)[-1],
        # Latents fit no other model: by this a client tells whether those that it kept are this one's.
        "parameters": {"key": "bundle_id", "value": {"string_value": bundle.id}},
    }


def _batch_sizes(bundle: Bundle) -> list[int]:
    return sorted({1, *bundle.manifest.verified_batch_sizes})


def _model(name: str, graph: _Graph, bundle: Bundle) -> Fields:
    sizes = _batch_sizes(bundle)
    return {
        **_head(name, bundle),
        "backend": "onnxruntime",
        "input": _signature(graph.inputs),
        "output": _signature(graph.outputs),
        # Every GPU, or the CPU where there is none; there Triton's own choice would be two instances of each
        # model, which compete for the same cores.
        "instance_group": {"kind": Enumerator("KIND_AUTO"), "count": 1},
        "dynamic_batching": {
            # A batch of a preferred size does not wait: with 1 among them, nothing would wait for company.
            "preferred_batch_size": [size for size in sizes if size > 1],
            "max_queue_delay_microseconds": QUEUE_DELAY_US,
        },
        "model_warmup": [_warmup(size, graph.inputs) for size in sorted({sizes[0], sizes[-1]})],
    }


def _warmup(batch: int, inputs: Iterable[_Tensor]) -> Fields:
    # Triton's random data are random bytes: as float32 some are no numbers and some are huge.
    return {
        "name": f"batch {batch}",
        "batch_size": batch,
        "inputs": [{"key": tensor.name, "value": {**_shape(tensor), "zero_data": True}} for tensor in inputs],
    }


def _ensemble(encoder: _Graph, decoder: _Graph, bundle: Bundle) -> Fields:
    latents = {tensor.name for tensor in encoder.outputs}
    own = [tensor for tensor in decoder.inputs if tensor.name not in latents]
    return {
        **_head(ENSEMBLE, bundle),
        "platform": "ensemble",
        "input": _signature((*encoder.inputs, *own)),
        "output": _signature(decoder.outputs),
        "ensemble_scheduling": {"step": [_step("encoder", encoder), _step("decoder", decoder)]},
    }


def _step(name: str, graph: _Graph) -> Fields:
    # The ensemble calls every tensor what the graphs call it.
    return {
        "model_name": name,
        "model_version": -1,
        "input_map": [{"key": tensor.name, "value": tensor.name} for tensor in graph.inputs],
        "output_map": [{"key": tensor.name, "value": tensor.name} for tensor in graph.outputs],
    }


def _signature(tensors: Iterable[_Tensor]) -> list[Fields]:
    return [{"name": tensor.name, **_shape(tensor)} for tensor in tensors]


def _shape(tensor: _Tensor) -> Fields:
    return {"data_type": Enumerator("TYPE_FP32"), "dims": tensor.dims}


def _require_repository(folder: Path) -> None:
    configs = {f"{name}/{CONFIG}" for name in (*SERVED, ENSEMBLE)}
    expected = {*configs, *(f"{name}/{MODEL}" for name in SERVED), f"{ENSEMBLE}/{KEEP}"}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if found != expected or not all(_is_ours(folder / config) for config in configs):
        raise BundleError(
            f"{folder} exists and is not a Triton repository as fader-export writes it, with nothing added, "
            "expected a new folder or such a repository to replace: choose another folder, or move it away"
        )


def _is_ours(config: Path) -> bool:
    return config.read_bytes().startswith(FIRST_LINE.encode())
