"""Images per second of every engine on this CPU, against PyTorch and ONNX Runtime as people would call them.

    python benchmarks/engines.py [--attributes 1] [--rounds 5]

The published 256 px configuration is measured, with untrained weights. All take turns within a round, and the
best round counts, so that a noisy machine is noisy to all. The last column relates the arithmetic of a pass
to the convolution peak measured in the same run: what PyTorch reaches in float32 on one large convolution.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import onnxruntime
import torch
import typer
from torch import nn

from fader.attributes import Attribute, AttributeSet
from fader.bundle import Bundle
from fader.errors import EngineError
from fader.export import write_bundle
from fader.export.arithmetic import count_flop
from fader.export.graphs import DecoderGraph, EncoderGraph, Graph
from fader.models import AutoEncoder, AutoEncoderConfig, Checkpoint, Classifier, ClassifierConfig
from fader.runtime.engines import ENGINES, Engine, open_engine
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at

Work = Callable[[], object]
BATCHES = (1, 32)
SECONDS = 0.5


def published(n_attributes: int) -> Checkpoint:
    """Return the published configuration with other attributes and without training."""
    attributes = AttributeSet([Attribute(name=f"Attribute{i}") for i in range(n_attributes)])
    shape = AutoEncoderConfig(n_columns=attributes.n_columns)
    classifier = ClassifierConfig(image_size=shape.image_size, n_columns=attributes.n_columns)
    return Checkpoint(
        autoencoder=AutoEncoder(shape).eval(),
        classifier=Classifier(classifier).eval(),
        attributes=attributes,
        template=template_at(CELEBA_TIGHT, shape.image_size),
    )


def rate(work: Work, n: int) -> float:
    """Return images per second over half a second of calls."""
    work()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        work()
        calls += 1
    return calls * n / (time.perf_counter() - began)


def convolution_peak() -> float:
    """Return FLOP/s of a 3 x 3 convolution of 256 channels on 32 x 32 cells in float32."""
    convolution = nn.Conv2d(256, 256, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(8, 256, 32, 32).to(memory_format=torch.channels_last)
    flop = 2 * 256 * 256 * 9 * 32 * 32
    with torch.no_grad():
        return max(rate(lambda: convolution(x), 8) for _ in range(3)) * flop


def works(
    checkpoint: Checkpoint, bundle: Bundle, engines: dict[str, Engine], part: str, n: int
) -> dict[str, Work]:
    """Return what is compared: name to a call with a batch of n images."""
    graph: Graph = (EncoderGraph if part == "encoder" else DecoderGraph)(checkpoint.autoencoder)
    inputs = graph.example(n)
    arrays = [tensor.numpy() for tensor in inputs]
    session = onnxruntime.InferenceSession(bundle.graph(part), providers=["CPUExecutionProvider"])
    feed = dict(zip(graph.input_names, arrays, strict=True))

    def eager() -> object:
        with torch.no_grad():
            return graph(*inputs)

    def by(engine: Engine) -> Work:
        if part == "encoder":
            return lambda: engine.encode(arrays[0])
        return lambda: engine.decode(tuple(arrays[:-1]), arrays[-1])

    return {
        "PyTorch eager": eager,
        "ONNX Runtime, defaults": lambda: session.run(None, feed),
        **{name: by(engine) for name, engine in engines.items()},
    }


def opened(bundle: Bundle) -> dict[str, Engine]:
    """Return the engines that work here."""
    engines: dict[str, Engine] = {}
    for name in ENGINES:
        try:
            engines[name] = open_engine(bundle, name)
        except EngineError as error:
            print(f"{name}: {error}")
    return engines


def instructions() -> str:
    """Return which of the instructions that matter the processor has."""
    flags: set[str] = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
    return ", ".join(name for name in wanted if name in flags)


def main(
    attributes: Annotated[int, typer.Option(min=1, help="Boolean attributes of the model.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="The best of so many counts.")] = 5,
) -> None:
    """Print a row for each part, batch and engine."""
    checkpoint = published(attributes)
    peak = convolution_peak()
    print(f"{torch.get_num_threads()} threads, {instructions()}; convolution peak {peak / 1e9:.0f} GFLOP/s\n")
    print("| part | batch | engine | images/s | times PyTorch eager | share of the peak |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(checkpoint, Path(folder) / "bundle", name="published configuration")
        bundle = Bundle(Path(folder) / "bundle")
        engines = opened(bundle)
        for part, graph in (("encoder", EncoderGraph), ("decoder", DecoderGraph)):
            flop = count_flop(graph(checkpoint.autoencoder))
            for n in BATCHES:
                candidates = works(checkpoint, bundle, engines, part, n)
                turns = [{name: rate(work, n) for name, work in candidates.items()} for _ in range(rounds)]
                best = {name: max(turn[name] for turn in turns) for name in candidates}
                for name, value in best.items():
                    print(
                        f"| {part} | {n} | {name} | {value:.0f} | {value / best['PyTorch eager']:.2f} | "
                        f"{value * flop / peak:.0%} |",
                        flush=True,
                    )


if __name__ == "__main__":
    typer.run(main)
