"""The command: parses, measures, prints and writes."""

import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fader import console
from fader.errors import ConfigError, EngineError, ParityError

__all__ = ["app", "main"]

RESULTS = Path(__file__).resolve().parents[1] / "results"
BATCHES, TINY_BATCHES = (1, 8, 32, 128, 512), (1, 2, 3)
KINDS = ("cuda", "cpu")
app = typer.Typer(add_completion=False)


@app.command()
def measure(
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the benchmark itself.")] = "cuda",
    batch: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Images of a call; may be repeated.", show_default="1, 8, 32, 128 and 512"),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="For each row of the table.")] = 1.0,
    only: Annotated[str, typer.Option(help="Contenders whose name holds this.")] = "",
    bundle: Annotated[
        Path | None, typer.Option(help="Measure this bundle.", show_default="the shipped model")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write here.", show_default="benchmarks/results, of a GPU")
    ] = None,
) -> None:
    """Compare and time every engine and PyTorch on a GPU."""
    if device not in KINDS:
        raise ConfigError(f"--device is {device!r}: expected one of {', '.join(KINDS)}")
    if device == "cpu" and output is not None and output.resolve().is_relative_to(RESULTS):
        raise ConfigError(f"{output} holds results of GPUs: name another folder for those of a processor")
    try:
        from on_gpu.machine import find_machine
    except ModuleNotFoundError as error:
        raise EngineError(f"the package {error.name} is missing: pip install 'fader[export]'") from error
    find_machine(device)
    _measure(device, tuple(batch or ()), seconds, only, bundle, output)


def _measure(
    device: str, batches: Sequence[int], seconds: float, only: str, bundle: Path | None, output: Path | None
) -> None:
    from on_gpu.machine import find_machine
    from on_gpu.report import Report, write_report
    from on_gpu.runs import Settings, run_subject
    from on_gpu.subjects import published_subject, shipped_subject

    from fader.models import AutoEncoderConfig

    def tell(step: str) -> None:
        print(step, file=sys.stderr, flush=True)

    machine = find_machine(device)
    settings = Settings(
        batches=sorted(batches or (BATCHES if machine.is_gpu else TINY_BATCHES)), seconds=seconds, only=only
    )
    tell("measuring the machine's ceilings")
    ceilings = machine.ceilings(size=8192 if machine.is_gpu else 256, seconds=min(seconds, 1.0))
    tiny = AutoEncoderConfig(image_size=32, init_fm=8, max_fm=32, n_layers=3)
    with tempfile.TemporaryDirectory() as folder:
        tell("exporting the published configuration")
        published = AutoEncoderConfig() if machine.is_gpu else tiny
        subjects = [
            published_subject(published, machine, Path(folder) / "published"),
            shipped_subject(bundle),
        ]
        found = {s.name: run_subject(s, machine, ceilings, settings, tell) for s in subjects}
    report = Report(
        machine=machine.describe(),
        is_gpu=machine.is_gpu,
        command=shlex.join(["python", "benchmarks/gpu.py", *sys.argv[1:]]),
        ceilings=ceilings,
        subjects=found,
    )
    print(report.to_markdown())
    folder_of_results = output or (RESULTS if machine.is_gpu else None)
    if folder_of_results is not None:
        tell(f"written: {write_report(report, folder_of_results)} and the same as .json")
    if wrong := [result.name for _, results in found.values() for result in results if result.differs]:
        raise ParityError(
            f"not measured, because their results differ from the reference's: {', '.join(wrong)}"
        )


def main() -> None:
    """Run the command; it exits with 1 and one line where something is missing or a result is wrong."""
    console.run(app)
