"""Images per second of training, against the same networks in a straightforward loop, in one run.

    python benchmarks/training.py [--preset fast-128] [--seconds 60]

The straightforward loop is the same update in float32, in torch's default memory layout, that reads a batch
when it needs one. Both take turns, so that a noisy machine is noisy to both. Its share of the peak is what an
update's matrix products and convolutions, forwards and backwards, would take at the rate of one large
matrix product of the same precision, measured in the same run.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from on_gpu.machine import Machine, find_machine
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fader.attributes import Attribute, AttributeSet
from fader.models import Classifier
from fader.runtime.prefetch import prefetch
from fader.train import TrainConfig
from fader.train.adversary import LatentAdversary
from fader.train.data.dataset import AlignedSet, Batches
from fader.train.distributed import processes
from fader.train.fit_classifier import classifier_shape
from fader.train.settings import config_from, read_preset
from fader.train.trainer import Trainer

NAMES = ("Eyeglasses", "Male", "Smiling", "Young")
ROUNDS = 3


def noise(config: TrainConfig, n: int) -> AlignedSet:
    """Return a set of random images: speed does not depend on what they show."""
    random = np.random.default_rng(0)
    size = config.image_size
    return AlignedSet(
        images_NHWC=random.integers(0, 256, (n, size, size, 3), dtype=np.uint8),
        labels_NK=random.integers(0, 2, (n, len(NAMES))).astype(np.float32),
        attributes=AttributeSet([Attribute(name=name) for name in NAMES]),
    )


def make_trainer(config: TrainConfig, data: AlignedSet, *, plain: bool) -> Trainer:
    """Return a trainer; a plain one has the default memory layout."""
    with processes() as those:
        adversary = LatentAdversary(data.attributes, data.labels_NK)
        guide = Classifier(classifier_shape(config, data.attributes)) if config.guided else None
        trainer = Trainer(config, data.attributes, guide, adversary, those)
    if plain:
        for network in (*trainer.networks.values(), trainer.guide, trainer.averaged):
            if network is not None:
                network.to(memory_format=torch.contiguous_format)
    return trainer


def plain_batches(batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches in the default memory layout, each read when it is asked for."""
    for images_NCHW, labels_NK in batches.after(0):
        yield images_NCHW.contiguous(), labels_NK


def rate(
    trainer: Trainer, batches: Iterator[tuple[Tensor, Tensor]], seconds: float, machine: Machine
) -> float:
    """Return images per second, after two updates that do not count."""
    for _ in range(2):
        trainer.update(*next(batches))
    machine.wait()
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        images_NCHW, labels_NK = next(batches)
        trainer.update(images_NCHW, labels_NK)
        n += len(images_NCHW)
    machine.wait()
    return n / (time.perf_counter() - start)


def image_flop(trainer: Trainer, batch: tuple[Tensor, Tensor]) -> float:
    """Return the FLOP of an update for each of its images."""
    with FlopCounterMode(display=False) as counter:
        trainer.update(*batch)
    return float(counter.get_total_flops() / len(batch[0]))


def hardware(machine: Machine) -> str:
    """Return what decides the speed here."""
    if machine.is_gpu:
        return machine.name
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    isa = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{os.cpu_count()} processors ({', '.join(isa)}), {torch.get_num_threads()} threads"


def main(
    preset: Annotated[str, typer.Option(help="Of fader-train.")] = "fast-128",
    seconds: Annotated[float, typer.Option(help="For each loop and round.")] = 20,
    precision: Annotated[str, typer.Option(help="Of the loop that is measured.")] = "bfloat16",
) -> None:
    """Print a table and the ratio."""
    config = config_from(read_preset(preset), {"attributes": list(NAMES), "precision": precision})
    data = noise(config, 512)
    subset = data.subset(np.arange(len(data)))
    batches = Batches(subset, np.ones(len(data)), batch_size=config.batch_size, seed=0)
    # True float32, as on processors: cuDNN's convolutions round to TF32 unless they are told not to.
    torch.backends.cudnn.allow_tf32 = False
    ours = make_trainer(config, data, plain=False)
    plain = make_trainer(replace(config, precision="float32"), data, plain=True)
    machine = find_machine("cuda" if torch.cuda.is_available() else "cpu")
    rates: dict[str, list[float]] = {"straightforward, float32": [], f"fader-train, {precision}": []}
    with prefetch(batches.after(0), 4, name="batches") as ahead:
        for _ in range(ROUNDS):
            for row, trainer, source in zip(
                rates.values(), (plain, ours), (plain_batches(batches), ahead), strict=True
            ):
                row.append(rate(trainer, source, seconds, machine))
    print(f"{preset}, batch {config.batch_size}, {hardware(machine)}, torch {torch.__version__}\n")
    if machine.is_gpu:
        print(f"memory, with both loops' networks: {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB\n")
    print("| loop | images/s, median of 3 | from | to | of the peak |\n|---|---|---|---|---|")
    flop = image_flop(ours, next(batches.after(0)))
    for (name, row), kind in zip(rates.items(), ("float32", precision), strict=True):
        peak = machine.matrix_rate(kind, size=8192 if machine.is_gpu else 2048, seconds=1)
        middle = float(np.median(row))
        print(f"| {name} | {middle:.1f} | {min(row):.1f} | {max(row):.1f} | {middle * flop / peak:.1%} |")
    slow, fast = (float(np.median(row)) for row in rates.values())
    print(f"\n{fast / slow:.2f} times as fast; {flop / 1e9:.2f} GFLOP an image")


if __name__ == "__main__":
    typer.run(main)
