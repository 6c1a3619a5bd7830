"""The command fader-export: from a training run, or a published model, to a bundle that fader-run reads."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fader import console
from fader.bundle import INT8_GRAPHS, MANIFEST, VARIANTS, Bundle, Manifest
from fader.checkpoint_folders import find_checkpoint, run_folder
from fader.errors import ConfigError

if TYPE_CHECKING:
    from fader.models import Checkpoint

__all__ = ["app", "main"]

PUBLISHED = ".pth"
EPILOG = """\
Examples:

    fader-export runs/faces

    fader-export runs/faces -o bundles/faces-128 --name "Faces, 128 px"

    fader-export runs/faces/checkpoints/last --full-weights

    fader-export eyeglasses.pth --classifier runs/faces

    fader-export bundles/faces --triton repository

    fader-export runs/faces --tensorrt

    fader-export runs/faces --int8 photographs
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(epilog=EPILOG)
def export(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A run folder of fader-train (its best checkpoint, else its last), a checkpoint's folder, "
            "or the .pth file of a published model. With --triton or --tensorrt also a bundle.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="The bundle's folder; a bundle there is replaced.",
            show_default="bundles/ and the run's name",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The model's name.", show_default="the bundle folder's name"),
    ] = None,
    classifier: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="For a .pth file: the run or checkpoint whose classifier reads the attributes that a face "
            "has, which a published file cannot.",
        ),
    ] = None,
    full_weights: Annotated[
        bool,
        typer.Option("--full-weights", help="Store weights as float32, which doubles the bundle's size."),
    ] = False,
    triton: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also write the bundle as a model repository for NVIDIA Triton Inference Server; one there "
            "that this command wrote is replaced.",
        ),
    ] = None,
    tensorrt: Annotated[
        bool,
        typer.Option(
            "--tensorrt",
            help="Also build the bundle's TensorRT engines for this machine's GPU, into the user's cache: "
            "minutes now instead of at the first use.",
        ),
    ] = False,
    int8: Annotated[
        Path | None,
        typer.Option(
            metavar="PHOTOS",
            help="Also write int8 graphs, for fader-run --engine openvino-int8: about twice as fast as "
            "float32, and not as exact. They are calibrated on the faces in a folder or zip archive of "
            "photographs such as the model was trained on, each face at least half as high as its picture.",
        ),
    ] = None,
) -> None:
    """Export a trained model as a bundle: verified ONNX graphs, face detector, manifest and model card."""
    if (run / MANIFEST).is_file():
        _require_only(run, triton is not None or tensorrt, output, name, classifier, full_weights, int8)
        target = run
    else:
        target = _export(run, output, name, classifier, full_weights=full_weights, photos=int8)
    if triton is not None:
        _write_triton(target, triton)
    if tensorrt:
        _build_engines(target)


def _require_only(bundle: Path, is_used: bool, *of_runs: Path | str | bool | None) -> None:
    if not is_used or any(of_runs):
        raise ConfigError(
            f"{bundle} is a bundle already, expected --triton or --tensorrt and no other option with it: "
            "name the run that it came from to export it anew"
        )


def _export(
    run: Path,
    output: Path | None,
    name: str | None,
    classifier: Path | None,
    *,
    full_weights: bool,
    photos: Path | None,
) -> Path:
    source, run_name = _find_model(run)
    if classifier is not None and source.is_dir():
        raise ConfigError(
            f"--classifier goes with a published model's .pth file, and {run} has a classifier of its own: "
            "leave it out"
        )
    target = output or Path("bundles") / run_name
    manifest = _write(
        source,
        classifier,
        target,
        name=name or target.resolve().name,
        half_weights=not full_weights,
        photos=photos,
    )
    total_bytes = sum(record["bytes"] for record in manifest.files.values())
    worst_db = min(figures["psnr_db"] for name, figures in manifest.parity.items() if name not in INT8_GRAPHS)
    variants = [name for name in VARIANTS if name in manifest.graphs]
    typer.echo(
        f"{target}: {total_bytes / 1e6:.1f} MB, {', '.join(manifest.attributes.names)}; "
        f"{', '.join(variants) or 'no variants'}; parity with PyTorch {worst_db:.0f} dB or better"
    )
    if photos is not None:
        typer.echo(_int8_line(manifest))
    return target


def _int8_line(manifest: Manifest) -> str:
    figures = manifest.parity.get(INT8_GRAPHS[0])
    if figures is None:
        return "int8: left out, as said above"
    return (
        f"int8: {', '.join(INT8_GRAPHS)}; calibrated on {figures['calibration_faces']:.0f} faces; on "
        f"{figures['faces']:.0f} others {figures['psnr_db']:.1f} dB against float32, pixels off by up to "
        f"{figures['worst_levels']:.0f} levels"
    )


def _write_triton(bundle: Path, folder: Path) -> None:
    with _export_extra():
        from fader.export.triton import write_triton_repository
    models = write_triton_repository(Bundle(bundle), folder)
    served = shlex.quote(str(folder.resolve()))
    typer.echo(f"{folder}: models {', '.join(models)}; tritonserver --model-repository={served}")


def _build_engines(bundle: Path) -> None:
    from fader.export.engines import build_engines

    begun: set[str] = set()
    with console.progress("TensorRT engines", unit="%", total=100) as bar:

        def show(share: float, graph: str, phase: str) -> None:
            if graph not in begun and not sys.stderr.isatty():  # where the bar shows nothing
                typer.echo(f"building the engine of {graph}", err=True)
            begun.add(graph)
            bar.at(int(100 * share), note=f"{graph}: {phase}")

        built = build_engines(Bundle(bundle), show)
        bar.at(100, note="")
    made = f"built {', '.join(built.graphs)}" if built.graphs else "all were there"
    typer.echo(f"{built.folder}: TensorRT engines of {bundle}; {made}")


def _write(
    source: Path,
    classifier: Path | None,
    target: Path,
    *,
    name: str,
    half_weights: bool,
    photos: Path | None,
) -> Manifest:
    with _export_extra():
        from fader.export.bundle_writer import write_bundle
        from fader.models import load_checkpoint
    with ExitStack() as shown:

        def show(step: str) -> None:
            shown.close()
            shown.enter_context(console.status(step))

        show(f"reading {source}")
        checkpoint = load_checkpoint(source) if source.is_dir() else _read_published(source, classifier)
        return write_bundle(
            checkpoint, target, name=name, half_weights=half_weights, photos=photos, on_step=show
        )


@contextmanager
def _export_extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"fader-export needs the package {error.name}: pip install 'fader[export]'"
        ) from error


def _read_published(file: Path, classifier: Path | None) -> "Checkpoint":
    from fader.models import load_checkpoint
    from fader.models.published import load_published, with_classifier

    model = load_published(file)
    if classifier is None:
        raise ConfigError(
            f"{file} has no classifier, expected one that reads {', '.join(model.attributes.names)} from "
            "faces, because an edit starts at what a face has: name a run of fader-train with --classifier"
        )
    return with_classifier(model, load_checkpoint(find_checkpoint(classifier)))


def _find_model(run: Path) -> tuple[Path, str]:
    """Return the published file or the checkpoint's folder that the argument means, and the run's name."""
    if run.is_file() or (run.suffix == PUBLISHED and not run.is_dir()):
        return run, run.stem
    folder = find_checkpoint(run)
    return folder, run_folder(folder).name


def main() -> None:
    """Run the command; exit codes are 0 done, 1 an error in one line, 2 wrong usage, 130 interrupted."""
    console.run(app)
