"""From an ONNX graph to a serialized TensorRT engine ("plan"), in this process.

Precision is the graph's: every network is strongly typed, so a float16 graph gives a float16 engine and a
float32 graph computes in float32 throughout (TF32, which TensorRT would allow itself, is switched off).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fader.errors import EngineError
from fader.runtime.engines.tensorrt.library import Library, make_log
from fader.runtime.engines.tensorrt.progress import OnProgress, Phases, make_monitor

__all__ = ["BUCKETS", "FLAGS", "Built", "add_profiles", "build_plan", "parse_graph"]

BUCKETS = (1, 2, 4, 8, 16, 32)
"""Batch sizes with an optimisation profile of their own."""
FLAGS = {"strongly_typed": True, "tf32": False}
"""What else decides how a plan is built; part of the cache's key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What a build gives."""

    plan: bytes
    """The serialized engine, for this GPU model and library version alone."""
    timings: bytes
    """The timing cache, with what this build measured added."""


def build_plan(
    library: Library,
    graph: bytes,
    *,
    where: Path,
    buckets: Sequence[int] = BUCKETS,
    timings: bytes = b"",
    on_progress: OnProgress | None = None,
) -> Built:
    """Build an engine with one optimisation profile for each batch bucket, in their order.

    Args:
        library: From `load_library`.
        graph: Contents of an ONNX file whose inputs have a dynamic first axis and no other.
        where: The file's name, for messages.
        buckets: Batch sizes, 1 or more each.
        timings: An earlier build's timing cache; of another GPU or version, or damaged, it is not used.
        on_progress: See `OnProgress`.

    Raises:
        EngineError: TensorRT cannot read the graph or build the engine.
    """
    trt = library.trt
    log, errors = make_log(trt)
    builder = trt.Builder(log)
    network = parse_graph(library, builder, log, graph, where=where)
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    add_profiles(builder, config, network, buckets, where=where)
    monitor = make_monitor(trt, Phases(on_progress)) if on_progress else None
    if monitor:
        config.progress_monitor = monitor
    # TensorRT for RTX keeps the timing cache's functions, but warns that they no longer do anything.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        _use_timings(config, timings)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise EngineError(f"TensorRT cannot build an engine from {where}: {_first(errors)}")
        return Built(plan=bytes(plan), timings=bytes(config.get_timing_cache().serialize()))


def parse_graph(library: Library, builder: Any, log: Any, graph: bytes, *, where: Path) -> Any:
    """Return the graph as an INetworkDefinition, strongly typed.

    Raises:
        EngineError: the graph is damaged, or has an operator that TensorRT does not know.
    """
    network = builder.create_network(library.network_flags())
    parser = library.trt.OnnxParser(network, log)
    # The path is where weights that lie in another file of the bundle are looked for.
    if not parser.parse(graph, str(where)):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        raise EngineError(
            f"TensorRT cannot read {where}: {'; '.join(map(_in_one_line, errors)) or 'no reason'}"
        )
    return network


def add_profiles(builder: Any, config: Any, network: Any, buckets: Sequence[int], *, where: Path) -> None:
    """Add an optimisation profile for each batch size: TensorRT then chooses kernels for exactly that shape.

    Raises:
        EngineError: an input's shape is not (-1, fixed, ...), or TensorRT refuses a profile.
    """
    for bucket in buckets:
        profile = builder.create_optimization_profile()
        for i in range(network.num_inputs):
            name, shape = network.get_input(i).name, tuple(network.get_input(i).shape)
            if shape[:1] != (-1,) or min(shape[1:], default=1) < 1:
                raise EngineError(
                    f"input {name} of {where} has shape {shape}, expected a dynamic first axis and no other: "
                    "export the bundle again"
                )
            wanted = (bucket, *shape[1:])
            profile.set_shape(name, wanted, wanted, wanted)
        if config.add_optimization_profile(profile) < 0:
            raise EngineError(f"TensorRT refuses batches of {bucket} for {where}: use other batch sizes")


def _use_timings(config: Any, timings: bytes) -> None:
    cache = config.create_timing_cache(timings)
    if not cache or not config.set_timing_cache(cache, False):  # False: not one of another GPU
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _in_one_line(error: Any) -> str:
    node = f"{error.node_operator()} {error.node_name()!r}: " if error.node_name() else ""
    return node + " ".join(error.desc().split())


def _first(errors: Sequence[str]) -> str:
    """Return the first error: those that follow are its consequences."""
    return errors[0] if errors else "it gives no reason"
