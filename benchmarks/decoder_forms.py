"""CPU time of the decoder in each form that it could be exported in, relative to the plain one, in one run.

    python benchmarks/decoder_forms.py [--network paper-256] [--batch 8] [--seconds 20]

Forms: attribute columns as channels of every layer (the network itself), as maps (what is exported), as maps
computed once for a whole batch with one edit, and as maps in the shuffle form. Each engine runs all of them
in turns, in one thread, and what counts is the CPU's time, so that a busy machine does not change the ratios.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime
import openvino
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from fader.export import DecoderGraph, Graph, MapDecoderGraph, export_graph
from fader.models import AutoEncoder
from fader.train.settings import config_from, read_preset

COLUMNS = (2, 80)
ENGINES = ("ONNX Runtime", "OpenVINO f32", "OpenVINO bf16")
Run = Callable[[], object]
Inputs = Mapping[str, NDArray[np.float32]]


class OneEdit(MapDecoderGraph):
    """Takes the first row's values for all."""

    def network(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """As for `StagedGraph`."""
        return super().network(*inputs[:-1], inputs[-1][:1])


def forms(preset: str, n_columns: int) -> tuple[DecoderGraph, dict[str, Graph]]:
    """Return a decoder, and its forms by name; speed does not depend on the weights."""
    config = config_from(read_preset(preset), {"attributes": ["Smiling"]}).autoencoder(n_columns)
    decoder = DecoderGraph(AutoEncoder(config))
    maps = MapDecoderGraph(decoder)
    found = {"channels": decoder, "maps": maps, "maps, one edit": OneEdit(decoder)}
    return decoder, {**found, "shuffle": maps.shuffled()} if maps.transposed else found


def load(content: bytes, engine: str, inputs: Inputs) -> Run:
    """Return a call that runs the graph in one thread; OpenVINO's have a fixed batch."""
    if engine == "ONNX Runtime":
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, dict(inputs))
    core = openvino.Core()
    model = core.read_model(content)
    model.reshape({name: list(array.shape) for name, array in inputs.items()})
    settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    settings["INFERENCE_PRECISION_HINT"] = engine.split()[1]
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda: request.infer(dict(inputs))


def measure(runs: Mapping[str, Run], seconds: float) -> dict[str, float]:
    """Return the median CPU seconds of each call, made in turns after two that do not count."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name in np.random.permutation(list(runs)):  # noqa: NPY002  # an order, not a result
            start = time.process_time()
            runs[name]()
            taken[name].append(time.process_time() - start)
    return {name: float(np.median(times)) for name, times in taken.items()}


def flags() -> str:
    """Return what decides the speed here."""
    present = set(Path("/proc/cpuinfo").read_text().split())
    isa = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in present]
    return f"{os.cpu_count()} processors ({', '.join(isa)}), one thread"


def main(
    network: Annotated[str, typer.Option(help="A preset of fader-train.")] = "paper-256",
    batch: Annotated[int, typer.Option(help="Images a call.")] = 8,
    seconds: Annotated[float, typer.Option(help="For each engine.")] = 20,
) -> None:
    """Print a table of ratios."""
    torch.set_num_threads(1)
    contents, inputs = {}, {}
    for n_columns in COLUMNS:
        decoder, graphs = forms(network, n_columns)
        example = zip(decoder.input_names, decoder.example(batch), strict=True)
        inputs[n_columns] = {name: tensor.numpy() for name, tensor in example}
        contents[n_columns] = {form: export_graph(graph) for form, graph in graphs.items()}
    print(f"{network}, batch {batch}, {flags()}\n")
    print(f"CPU time relative to channels at {COLUMNS[0]} columns\n")
    names = list(contents[COLUMNS[0]])
    print(f"| engine | columns | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for engine in ENGINES:
        runs = {
            f"{n_columns} {form}": load(content, engine, inputs[n_columns])
            for n_columns, graphs in contents.items()
            for form, content in graphs.items()
        }
        times = measure(runs, seconds)
        for n_columns in COLUMNS:
            ratios = [times[f"{n_columns} {name}"] / times[f"{COLUMNS[0]} {names[0]}"] for name in names]
            print(
                f"| {engine} | {n_columns} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |", flush=True
            )


if __name__ == "__main__":
    typer.run(main)
