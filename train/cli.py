"""fader-train: images and labels to a checkpoint."""

import os
import platform
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from fader.console import Bar, progress, run
from fader.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fader.attributes import Kind
    from fader.train.config import TrainConfig
    from fader.train.data.preparation import Prepared
    from fader.train.inputs import Inputs
    from fader.train.session import Progress

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

EXAMPLES = """
Examples:

    fader-train faces.zip list_attr.txt runs/faces --attr Eyeglasses=3 --attr Smiling --minutes 90

    fader-train img_align_celeba list_attr_celeba.txt runs/celeba --attr Male --preset paper-256

    fader-train flowers.zip flowers.csv runs/flowers --attr Pink --attr Yellow --no-align --preset fast-64

    fader-train faces.zip faces.csv runs/ages --attr Age --span Age=20:70 --skip-bad-rows

    fader-train --resume runs/faces

    torchrun --nproc-per-node=8 -m fader.train faces.zip list_attr.txt runs/faces --attr Smiling
"""
DATA, METHOD, RUN = "Data", "Method", "Run"


@app.command(epilog=EXAMPLES)
def train_command(
    images: Annotated[Path | None, typer.Argument(help="Folder or zip archive with the images.")] = None,
    labels: Annotated[
        Path | None, typer.Argument(help="Labels: CelebA's, a CSV table, or a folder of captions.")
    ] = None,
    out: Annotated[Path | None, typer.Argument(help="Folder of the run; made.")] = None,
    attr: Annotated[
        list[str] | None,
        typer.Option(
            "--attr",
            help="Attribute to train; NAME=3 draws images that have it three times as often.",
            rich_help_panel=DATA,
        ),
    ] = None,
    edit_share: Annotated[
        list[str] | None,
        typer.Option(
            "--edit-share",
            help="NAME=2: change this attribute twice as often as others.",
            rich_help_panel=DATA,
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            help="NAME=categorical: what a table's column is, where its cells would tell otherwise.",
            rich_help_panel=DATA,
        ),
    ] = None,
    span: Annotated[
        list[str] | None,
        typer.Option(
            "--span", help="Age=20:70: the slider's ends of a continuous column.", rich_help_panel=DATA
        ),
    ] = None,
    partition: Annotated[
        Path | None,
        typer.Option(
            help="CelebA's list_eval_partition.txt, if not beside the labels.", rich_help_panel=DATA
        ),
    ] = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align/--no-align",
            help="Find and align faces; --no-align takes the middle of pictures of something else.",
            rich_help_panel=DATA,
        ),
    ] = True,
    skip_bad_rows: Annotated[
        bool,
        typer.Option("--skip-bad-rows", help="Leave bad rows out instead of stopping.", rich_help_panel=DATA),
    ] = False,
    held_out: Annotated[
        int | None, typer.Option(help="Images kept for evaluation.", rich_help_panel=DATA)
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder for aligned images; default: the user's cache.", rich_help_panel=DATA),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            help="Bundle whose detector finds the faces; default: the shipped one.", rich_help_panel=DATA
        ),
    ] = None,
    licence: Annotated[
        str,
        typer.Option(help="Source and licence of the images, for the model card.", rich_help_panel=DATA),
    ] = "not stated",
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that align images.", rich_help_panel=DATA)
    ] = 2,
    preset: Annotated[
        str,
        typer.Option(
            help="Settings to begin with: fast-64, fast-128, paper-256, reference-256.",
            rich_help_panel=METHOD,
        ),
    ] = "fast-128",
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with settings of your own, over the preset's.", rich_help_panel=METHOD),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(help="Height and width of the model's images, pixels.", rich_help_panel=METHOD),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images in an update.", rich_help_panel=METHOD)
    ] = None,
    latent_weight: Annotated[
        float | None,
        typer.Option(help="Weight of the latent adversary after its ramp.", rich_help_panel=METHOD),
    ] = None,
    feedback_weight: Annotated[
        float | None, typer.Option(help="Weight of the guide's feedback.", rich_help_panel=METHOD)
    ] = None,
    patch_weight: Annotated[
        float | None, typer.Option(help="Weight of the patch adversary.", rich_help_panel=METHOD)
    ] = None,
    mask: Annotated[
        bool | None,
        typer.Option(
            "--mask/--no-mask",
            help="Draw a mask and keep the image outside it.",
            rich_help_panel=METHOD,
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="float32, or bfloat16: faster on GPUs and on processors with avx512_bf16 or amx.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of weights, order and flips.", rich_help_panel=METHOD)
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Updates.", rich_help_panel=RUN)] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this time.", rich_help_panel=RUN)] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint of the same networks to begin with; guide and judge are trained anew.",
            rich_help_panel=RUN,
        ),
    ] = None,
    keep_classifiers: Annotated[
        bool,
        typer.Option(
            "--keep-classifiers",
            help="Take guide and judge from --start, too; its run must have held out the same images.",
            rich_help_panel=RUN,
        ),
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the run in this folder, exactly; nothing else need be said.", rich_help_panel=RUN
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar.", rich_help_panel=RUN)
    ] = False,
) -> None:
    """Train sliders from a folder of images and a label file.

    Faces are found and aligned by the code that fader-run uses, once; the aligned images are cached. Then two
    classifiers are trained (the guide helps the autoencoder to learn what an edit is, the judge only
    measures), then the autoencoder against its adversaries. Checkpoints, pictures and logs lie in the run's
    folder; fader-export makes a bundle of it. Ctrl-C stops after a whole iteration; --resume goes on.
    """
    from fader.train.distributed import processes
    from fader.train.inputs import Inputs
    from fader.train.loading import load
    from fader.train.run_folder import read_config, require_new
    from fader.train.settings import config_from, read_preset, read_settings

    if resume is not None:
        if images is not None or attr:
            raise typer.BadParameter("--resume takes all else from the run: give no images and no attributes")
        settings, inputs, folder = read_config(resume), Inputs.read(resume), resume
    else:
        if images is None or labels is None or out is None or not attr:
            raise typer.BadParameter("expected IMAGES LABELS OUT and --attr NAME, or --resume RUN")
        require_new(out)
        pairs = _pairs(attr)
        options = {
            "attributes": sorted(pairs),
            "oversample": {name: factor for name, factor in pairs.items() if factor != 1},
            "swap": _pairs(edit_share or []),
            "image_size": size,
            "iterations": iterations,
            "batch_size": batch_size,
            "latent_weight": latent_weight,
            "feedback_weight": feedback_weight,
            "patch_weight": patch_weight,
            "mask": mask,
            "held_out": held_out,
            "seed": seed,
            "precision": precision,
        }
        said = {name: value for name, value in options.items() if value not in (None, {})}
        settings = config_from(read_preset(preset), read_settings(config) if config else {}, said)
        inputs = Inputs(
            images=images,
            labels=labels,
            partition=partition,
            kinds=_kinds(kind or []),
            spans=_spans(span or []),
            align=align,
            skip_bad_rows=skip_bad_rows,
            cache=cache,
            detector=detector,
            start=start,
            keep_classifiers=keep_classifiers,
            licence=licence,
            command=_command([images, labels, out, partition, cache, detector, start, config]),
        )
        folder = out
    with processes() as those:
        quiet = quiet or not those.leads
        if not those.leads:
            those.wait()
        prepared = load(inputs, settings.attributes, settings.image_size, workers=workers, quiet=quiet)
        if those.leads:
            those.wait()
        figures = _run(
            settings,
            inputs,
            prepared,
            folder,
            minutes,
            those,
            quiet,
            again=bool(resume),
        )
    if those.leads:
        _show(figures, folder)


def _run(
    settings: "TrainConfig",
    inputs: "Inputs",
    prepared: "Prepared",
    folder: Path,
    minutes: float | None,
    those: Any,
    quiet: bool,
    *,
    again: bool,
) -> dict[str, float]:
    from fader.train.run import resume, train
    from fader.train.session import Session

    about = {
        "data": inputs.images.resolve().name,
        "licence": inputs.licence,
        "command": inputs.command,
        "machine": f"{os.cpu_count()} processors, {platform.machine()}",
        "images": len(prepared.data),
        "images_without_face": prepared.n_without_face,
        "images_turned_away": prepared.n_turned,
        "bad_rows_left_out": len(prepared.problems),
    }
    with progress("train", unit="steps", total=settings.iterations, quiet=quiet) as bar:
        session = Session(minutes=minutes, processes=those, observe=_Show(bar))
        if again:
            return resume(
                prepared.data,
                folder,
                about=about,
                start=inputs.start,
                keep_classifiers=inputs.keep_classifiers,
                session=session,
            )
        return train(
            settings,
            prepared.data,
            folder,
            about=about,
            inputs=inputs,
            start=inputs.start,
            keep_classifiers=inputs.keep_classifiers,
            session=session,
        )


def _show(figures: dict[str, float], folder: Path) -> None:
    for name, value in figures.items():
        typer.echo(f"{name:24} {value:7.2f}" if name == "psnr_db" else f"{name:24} {value:7.1%}")
    typer.echo(f"best checkpoint: {folder / 'checkpoints' / 'best'}\nnext: fader-export {folder}")


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


def _kinds(options: list[str]) -> "dict[str, Kind]":
    kinds: dict[str, Kind] = {}
    for option in options:
        name, _, kind = option.partition("=")
        if kind not in ("boolean", "continuous", "categorical"):
            raise ConfigError(f"--kind {option}: expected NAME=boolean, NAME=continuous or NAME=categorical")
        kinds[name] = cast("Kind", kind)
    return kinds


def _spans(options: list[str]) -> dict[str, tuple[float, float]]:
    spans = {}
    for option in options:
        name, _, ends = option.partition("=")
        low, colon, high = ends.partition(":")
        try:
            spans[name] = (float(low), float(high if colon else "none"))
        except ValueError:
            raise ConfigError(f"--span {option}: expected NAME=LOW:HIGH, such as Age=20:70") from None
    return spans


class _Show:
    """Turns a run's progress into the bar, and alarms into lines."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def __call__(self, progress: "Progress") -> None:
        self._bar.at(progress.done, progress.total, f"{progress.phase} {progress.note}")
        if progress.alarm:
            typer.echo(f"warning: {progress.alarm}", err=True)


def main() -> None:
    """Run the command line."""
    run(app)
