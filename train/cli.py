"""fader-train: images and labels to a checkpoint."""

import os
import platform
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from fader.console import Bar, progress, run
from fader.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fader.train.config import Precision, TrainConfig
    from fader.train.data.preparation import Prepared
    from fader.train.observer import Progress

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

EXAMPLES = """
Examples:

    fader-train faces.zip list_attr.txt runs/faces --attr Eyeglasses --attr Smiling --minutes 90

    fader-train img_align_celeba list_attr_celeba.txt runs/celeba --attr Eyeglasses=4 --attr Male --size 128
"""


@app.command(epilog=EXAMPLES)
def train_command(
    images: Annotated[Path, typer.Argument(help="Folder or zip archive with the images.")],
    labels: Annotated[Path, typer.Argument(help="Label file in CelebA's format (list_attr_celeba.txt).")],
    out: Annotated[Path, typer.Argument(help="Folder of the run; made.")],
    attr: Annotated[
        list[str],
        typer.Option(
            "--attr", help="Attribute to train; NAME=3 draws images that have it three times as often."
        ),
    ],
    edit_share: Annotated[
        list[str] | None,
        typer.Option("--edit-share", help="NAME=2: change this attribute twice as often as others."),
    ] = None,
    size: Annotated[int, typer.Option(help="Height and width of the model's images, pixels.")] = 128,
    iterations: Annotated[int, typer.Option(help="Updates.")] = 100_000,
    minutes: Annotated[float | None, typer.Option(help="Stop after this time.")] = None,
    batch_size: Annotated[int, typer.Option(help="Images in an update.")] = 32,
    latent_weight: Annotated[
        float, typer.Option(help="Weight of the latent adversary after its ramp.")
    ] = 0.01,
    feedback_weight: Annotated[float, typer.Option(help="Weight of the guide's feedback.")] = 0.02,
    patch_weight: Annotated[float, typer.Option(help="Weight of the patch adversary.")] = 0.2,
    mask: Annotated[bool, typer.Option(help="Draw a mask and keep the image outside it.")] = True,
    held_out: Annotated[int, typer.Option(help="Images kept for evaluation.")] = 1500,
    seed: Annotated[int, typer.Option(help="Of weights, order and flips.")] = 0,
    precision: Annotated[
        str, typer.Option(help="float32, or bfloat16: faster where the processor has it (avx512_bf16, amx).")
    ] = "float32",
    start: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of the same networks to begin with; guide and judge are trained anew."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for aligned images; default: the user's cache.")
    ] = None,
    detector: Annotated[
        Path | None, typer.Option(help="Bundle whose detector finds the faces; default: the shipped one.")
    ] = None,
    licence: Annotated[
        str, typer.Option(help="Source and licence of the images, for the model card.")
    ] = "not stated",
    workers: Annotated[int, typer.Option(min=1, help="Processes that align images.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Train sliders from a folder of faces and a label file.

    Faces are found and aligned by the code that fader-run uses, once; the aligned images are cached. Then two
    classifiers are trained (one guides the training, the other judges it), then the autoencoder against its
    adversaries. Checkpoints, pictures and a log lie in the run's folder; fader-export makes a bundle of it.
    """
    from fader.train.config import TrainConfig
    from fader.train.run import train
    from fader.train.run_folder import require_new

    require_new(out)
    config = TrainConfig(
        attributes=tuple(sorted(_pairs(attr))),
        oversample={name: factor for name, factor in _pairs(attr).items() if factor != 1},
        swap=_pairs(edit_share or []),
        image_size=size,
        iterations=iterations,
        batch_size=batch_size,
        latent_weight=latent_weight,
        feedback_weight=feedback_weight,
        patch_weight=patch_weight,
        mask=mask,
        held_out=held_out,
        seed=seed,
        precision=cast("Precision", precision),
    )
    prepared = _prepare(config, images, labels, cache, detector, workers, quiet=quiet)
    about = {
        "data": images.resolve().name,
        "licence": licence,
        "command": _command([images, labels, out, cache, detector, start]),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}",
        "images": len(prepared.data),
        "images_without_face": prepared.n_without_face,
        "images_turned_away": prepared.n_turned,
    }
    with progress("train", unit="steps", total=iterations, quiet=quiet) as bar:
        figures = train(
            config, prepared.data, out, about=about, minutes=minutes, start=start, observe=_Show(bar)
        )
    for name, value in figures.items():
        typer.echo(f"{name:24} {value:7.2f}" if name == "psnr_db" else f"{name:24} {value:7.1%}")
    typer.echo(f"best checkpoint: {out / 'checkpoints' / 'best'}\nnext: fader-export {out}")


def _command(paths: "Sequence[Path | None]") -> str:
    """Return this process's command line with names for paths: a model card must not tell where they lay."""

    def named(word: str) -> str:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        return f"{option}{equals}{Path(value).resolve().name}" if Path(value) in paths else word

    return shlex.join(["fader-train", *map(named, sys.argv[1:])])


def _pairs(options: list[str]) -> dict[str, float]:
    pairs = {}
    for option in options:
        name, _, number = option.partition("=")
        try:
            pairs[name] = float(number or 1)
        except ValueError:
            raise ConfigError(f"{option!r}: expected NAME or NAME=NUMBER, such as Eyeglasses=3") from None
    return pairs


def _prepare(
    config: "TrainConfig",
    images: Path,
    labels: Path,
    cache: Path | None,
    detector: Path | None,
    workers: int,
    *,
    quiet: bool,
) -> "Prepared":
    import platformdirs

    from fader.bundle import Bundle, shipped_bundle
    from fader.train.data.labels import read_celeba_labels
    from fader.train.data.preparation import prepare

    read = read_celeba_labels(labels)
    with progress("align", unit="images", total=len(read.images), quiet=quiet) as bar:
        return prepare(
            read,
            images,
            names=config.attributes,
            size=config.image_size,
            detector=Bundle(detector or shipped_bundle()),
            cache=cache or platformdirs.user_cache_path("fader") / "aligned",
            workers=workers,
            on_image=bar.at,
        )


class _Show:
    """Turns a run's progress into the bar."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def __call__(self, progress: "Progress") -> None:
        self._bar.at(progress.done, progress.total, f"{progress.phase} {progress.note}")


def main() -> None:
    """Run the command line."""
    run(app)
