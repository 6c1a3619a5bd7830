"""Images per second of every engine on this CPU, against PyTorch and ONNX Runtime as people would call them.

    python benchmarks/engines.py [--attributes 1] [--rounds 5] [--seconds 0.5]

The published 256 px configuration is measured, with untrained weights. All take turns within a round, and the
best round counts, so that a noisy machine is noisy to all. GFLOP/s relate the arithmetic of a pass to the
peaks measured in the same run: what PyTorch reaches in float32 on one large convolution, and on one large
product of matrices. At the end the fastest engine is held to what is asked of this class of CPU.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
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
from fader.models import AutoEncoder, AutoEncoderConfig, Checkpoint, Classifier
from fader.runtime import Editor
from fader.runtime.engines import Engine, open_engine
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.runtime.model import Model
from fader.train.config import TrainConfig
from fader.train.fit_classifier import classifier_shape

Work = Callable[[], object]
Rates = Mapping[tuple[str, int], Mapping[str, float]]
"""Part and batch to engine to images per second."""
ENGINES = ("onnxruntime-cpu", "openvino", "openvino-bf16")
PARTS: Mapping[str, type[EncoderGraph | DecoderGraph]] = {"encoder": EncoderGraph, "decoder": DecoderGraph}
BATCHES = (1, 32)
POSITIONS = 64
EAGER, DEFAULTS = "PyTorch eager", "ONNX Runtime, defaults"
TIMES_EAGER = {
    True: {("encoder", 1): 6.0, ("decoder", 1): 5.0, ("encoder", 32): 4.0, ("decoder", 32): 4.0},
    False: {("encoder", 1): 1.6, ("decoder", 1): 2.0},
}
"""Whether the CPU has bfloat16, to what is asked of the fastest engine."""
TIMES_DEFAULTS = 2.0
"""Asked where there is bfloat16."""
SHARE_OF_GEMM = {"encoder": 0.9, "decoder": 0.8}
"""Asked where there is none, at batch 1."""
SLIDER_COST = 1.1


PUBLISHED = AutoEncoderConfig()
"""The network of the published checkpoints."""
PAPER = AutoEncoderConfig(init_fm=16, n_layers=7)
"""The network of the paper's text, C16 to C512-C512."""

SHIPPED_256 = AutoEncoderConfig(
    init_fm=8, max_fm=256, n_details=3, mask=True, relative=True, upsampling="pixelshuffle"
)
"""The shipped model's network at 256 px: a layer more, outside the others."""


def untrained(n_attributes: int, shape: AutoEncoderConfig = PUBLISHED) -> Checkpoint:
    """Return a 256 px network with the classifier that fader-train gives it, both without training."""
    attributes = AttributeSet([Attribute(name=f"Attribute{i}") for i in range(n_attributes)])
    shape = replace(shape, n_columns=attributes.n_columns)
    settings = TrainConfig(
        attributes=attributes.names,
        image_size=shape.image_size,
        init_fm=shape.init_fm,
        max_fm=shape.max_fm,
        n_layers=shape.n_layers,
    )
    return Checkpoint(
        autoencoder=AutoEncoder(shape).eval(),
        classifier=Classifier(classifier_shape(settings, attributes)).eval(),
        attributes=attributes,
        template=template_at(CELEBA_TIGHT, shape.image_size),
    )


def rate(work: Work, n: int, seconds: float) -> float:
    """Return images per second over a while of calls."""
    work()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work()
        calls += 1
    return calls * n / (time.perf_counter() - began)


def in_turns(works: Mapping[str, Work], n: int, rounds: int, seconds: float) -> dict[str, float]:
    """Return images per second of the best round of each."""
    turns = [{name: rate(work, n, seconds) for name, work in works.items()} for _ in range(rounds)]
    return {name: max(turn[name] for turn in turns) for name in works}


def peaks(rounds: int, seconds: float) -> tuple[float, float]:
    """Return FLOP/s of a 3 x 3 convolution of 256 channels on 32 x 32 cells, and of a product, in float32."""
    convolution = nn.Conv2d(256, 256, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(8, 256, 32, 32).to(memory_format=torch.channels_last)
    square = torch.randn(1536, 1536)
    with torch.no_grad():
        works = {"convolution": lambda: convolution(x), "product": lambda: square @ square}
        found = in_turns(works, 1, rounds, seconds)
    return found["convolution"] * 8 * 2 * 256 * 256 * 9 * 32 * 32, found["product"] * 2 * 1536**3


def works(
    checkpoint: Checkpoint, bundle: Bundle, engines: dict[str, Engine], part: str, n: int
) -> dict[str, Work]:
    """Return what is compared: name to a call with a batch of n images."""
    graph: Graph = PARTS[part](checkpoint.autoencoder)
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
        EAGER: eager,
        DEFAULTS: lambda: session.run(None, feed),
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


def sliders(bundle: Bundle, engine: Engine, rounds: int, seconds: float) -> dict[str, float]:
    """Return images per second of 64 latents, of one at 64 positions, and of as many calls for one each."""
    model = Model(bundle, engine, cache_bytes=0, max_batch=8)
    editor, name = Editor(model), next(iter(bundle.manifest.attributes)).name
    size, positions = model.image_size, np.linspace(-1, 2, POSITIONS)
    crops = np.random.default_rng(0).integers(0, 256, (POSITIONS, size, size, 3), np.uint8)
    many = editor.encode(crops)
    one = many[:1]
    same = many[np.zeros(POSITIONS, np.int64)]
    values_NA = np.concatenate([model.attributes.apply({name: float(p)}, one.source_NA) for p in positions])
    return in_turns(
        {
            "plain": lambda: model.render(many, many.source_NA, many.source_NA),
            "in one batch": lambda: model.render(same, values_NA, same.source_NA),
            "one by one": lambda: [model.render(one, row[None], one.source_NA) for row in values_NA],
        },
        POSITIONS,
        rounds,
        seconds,
    )


def instructions() -> list[str]:
    """Return which of the instructions that matter the processor has."""
    flags: set[str] = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
    return [name for name in wanted if name in flags]


def verdict(what: str, found: float, asked: float, *, at_most: bool = False) -> None:
    """Print a row of what was asked."""
    holds = found <= asked if at_most else found >= asked
    sign = "≤" if at_most else "≥"
    print(f"| {what} | {found:.2f} | {sign} {asked:g} | {'holds' if holds else 'MISSED'} |", flush=True)


def judge(rates: Rates, flop: Mapping[str, float], gemm: float, slid: Mapping[str, float]) -> None:
    """Print what was asked of this class of CPU, and whether it holds."""
    bf16 = any("bf16" in name for name in instructions())
    print(f"\nAsked of CPUs {'with' if bf16 else 'without'} bfloat16, of the fastest engine:\n")
    print("| what | found | asked | |\n|---|---|---|---|")
    best = {key: max(found[name] for name in ENGINES if name in found) for key, found in rates.items()}
    for (part, n), asked in TIMES_EAGER[bf16].items():
        verdict(f"{part}, batch {n}, times {EAGER}", best[part, n] / rates[part, n][EAGER], asked)
    for (part, n), value in best.items() if bf16 else ():
        verdict(f"{part}, batch {n}, times {DEFAULTS}", value / rates[part, n][DEFAULTS], TIMES_DEFAULTS)
    for part, share in {} if bf16 else SHARE_OF_GEMM.items():
        verdict(f"{part}, batch 1, share of the product's peak", best[part, 1] * flop[part] / gemm, share)
    what = f"{POSITIONS} positions of one latent in one batch, cost of {POSITIONS} latents"
    verdict(what, slid["plain"] / slid["in one batch"], SLIDER_COST, at_most=True)
    print(f"\nOne by one they cost {slid['plain'] / slid['one by one']:.2f} times as much.")


def main(
    attributes: Annotated[int, typer.Option(min=1, help="Boolean attributes of the model.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="The best of so many counts.")] = 5,
    seconds: Annotated[float, typer.Option(help="For each in each round.")] = 0.5,
) -> None:
    """Print a row for each part, batch and engine, then what was asked and whether it holds."""
    checkpoint = untrained(attributes)
    peak, gemm = peaks(rounds, seconds)
    print(
        f"{torch.get_num_threads()} threads, {', '.join(instructions())}; float32 peaks: convolution "
        f"{peak / 1e9:.0f} GFLOP/s, product {gemm / 1e9:.0f} GFLOP/s\n"
    )
    flop = {part: count_flop(graph(checkpoint.autoencoder)) for part, graph in PARTS.items()}
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(checkpoint, Path(folder) / "bundle", name="published configuration")
        bundle = Bundle(Path(folder) / "bundle")
        engines = opened(bundle)
        print(
            "| part | batch | engine | images/s | times PyTorch eager | GFLOP/s | of the convolution's peak |"
        )
        print("|---|---|---|---|---|---|---|")
        rates: dict[tuple[str, int], dict[str, float]] = {}
        for part in PARTS:
            for n in BATCHES:
                candidates = works(checkpoint, bundle, engines, part, n)
                found = rates[part, n] = in_turns(candidates, n, rounds, seconds)
                for name, value in found.items():
                    print(
                        f"| {part} | {n} | {name} | {value:.0f} | {value / found[EAGER]:.2f} | "
                        f"{value * flop[part] / 1e9:.0f} | {value * flop[part] / peak:.0%} |",
                        flush=True,
                    )
        fastest = max(engines, key=lambda name: rates["decoder", BATCHES[-1]][name])
        judge(rates, flop, gemm, sliders(bundle, engines[fastest], rounds, seconds))


if __name__ == "__main__":
    typer.run(main)
