"""fader-eval: what a trained model is worth, in figures and in pictures."""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fader import console
from fader.checkpoint_folders import find_checkpoint, run_folder
from fader.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fader.models import Checkpoint
    from fader.train.data.dataset import AlignedSet, Subset
    from fader.train.evaluation.groups import Group
    from fader.train.inputs import Inputs

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

EXAMPLES = """
Examples:

    fader-eval run runs/faces

    fader-eval run runs/faces/checkpoints/last faces.zip list_attr.txt -o evaluations/last

    fader-eval run runs/faces --group Male --group Senior --json > metrics.json
"""
STUDY_EXAMPLES = """
Examples:

    fader-eval study make runs/faces --attr Eyeglasses --attr Smiling --faces 30

    fader-eval study make runs/new --against runs/old -o study.html

    fader-eval study score study.key.json answers/*.csv
"""
DATA, PICTURES, OUTPUT = "Data", "Pictures", "Output"
study_app = typer.Typer(
    rich_markup_mode="rich", help="Ask people: blind pictures, and scores of the answers."
)
app.add_typer(study_app, name="study")


@app.callback()
def evaluate_command() -> None:
    """Say what a trained model is worth: figures with intervals, and grids to look at."""


@app.command(name="run", epilog=EXAMPLES)
def run_command(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="Folder of a run of fader-train (its best checkpoint, else its last), or of a checkpoint.",
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Argument(
            help="Folder or zip archive that the run was given.", show_default="as the run was told"
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Argument(
            help="Label file that the run was given; the last images of it, which the run held out, are "
            "evaluated.",
            show_default="as the run was told",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for metrics.json, metrics.md and grids/; made.",
            show_default="evaluations/ and the names of run and checkpoint",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON instead of tables.", rich_help_panel=OUTPUT)
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar.", rich_help_panel=OUTPUT)
    ] = False,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME",
            help="Attribute of the label file by which edits are told apart; may be repeated.",
            show_default="every attribute of the model",
            rich_help_panel=DATA,
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder for aligned images.", show_default="as the run was told", rich_help_panel=DATA
        ),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            help="Bundle whose detector finds the faces.",
            show_default="as the run was told",
            rich_help_panel=DATA,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that align images.", rich_help_panel=DATA)
    ] = 2,
    rows: Annotated[int, typer.Option(min=1, help="Images in a grid.", rich_help_panel=PICTURES)] = 8,
    start: Annotated[
        float, typer.Option("--from", help="Lowest strength in grids.", rich_help_panel=PICTURES)
    ] = -0.5,
    stop: Annotated[
        float, typer.Option("--to", help="Highest strength in grids.", rich_help_panel=PICTURES)
    ] = 1.5,
    steps: Annotated[int, typer.Option(min=2, help="Strengths in grids.", rich_help_panel=PICTURES)] = 9,
) -> None:
    """Measure a model on the images that its run held out, and draw its sliders.

    The judge is the classifier in the checkpoint: it was trained on other images than the guide, and gave no
    feedback. Its word is necessary and not sufficient: look at the grids.
    """
    from fader.models import load_checkpoint
    from fader.train.evaluation.assess import assess
    from fader.train.evaluation.folder import EvaluationFolder
    from fader.train.evaluation.source import held_out_images
    from fader.train.evaluation.tables import markdown

    alphas = _alphas(start, stop, steps)
    source = find_checkpoint(run)
    inputs = _inputs(run_folder(source), images, labels, cache, detector)
    checkpoint = load_checkpoint(source)
    name = f"{run_folder(source).name}-{source.resolve().name}"
    data = _prepare(checkpoint, inputs, checkpoint.attributes.names, workers, quiet=quiet)
    held_out = held_out_images(checkpoint, data)
    groups = _groups(checkpoint, inputs, group, held_out, workers, quiet=quiet) if group else None
    target = EvaluationFolder(output or Path("evaluations") / name)
    with console.progress("evaluate", unit="images", total=len(held_out), quiet=quiet) as bar:
        about = _about(checkpoint, name, inputs, len(data))
        report = assess(checkpoint, held_out, groups=groups, about=about, on_image=bar.at)
    target.write_figures(report)
    target.draw(checkpoint, held_out, rows=rows, alphas=alphas)
    if json:
        typer.echo(report.to_json(), nl=False)
    else:
        typer.echo(f"{markdown(report)}\nwritten: {target.path}")


@study_app.command(name="make", epilog=STUDY_EXAMPLES)
def make_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run or checkpoint to ask about.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The page; its key lies beside it.")
    ] = Path("study.html"),
    attr: Annotated[
        list[str] | None,
        typer.Option(
            "--attr",
            metavar="NAME",
            help="Attribute to ask about; may be repeated.",
            show_default="all boolean ones",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="A second model, whose swaps are asked about and compared."),
    ] = None,
    faces: Annotated[int, typer.Option(min=1, help="Faces for each attribute.")] = 30,
    per_participant: Annotated[
        int | None, typer.Option(min=1, help="Ask each participant about so many pictures and pairs.")
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Pictures of faces",
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of choice and order; keep it to yourself.", show_default="random"),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that align images.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Write one HTML page that asks people about a model's pictures, and the key that scores the answers.

    The images are those that the run held out. How to run a study: docs/study.md.
    """
    import secrets

    from fader.models import load_checkpoint
    from fader.train.evaluation.source import held_out_images
    from fader.train.evaluation.study import write_study
    from fader.train.evaluation.study.of_models import questions_about

    source = find_checkpoint(run)
    checkpoint = load_checkpoint(source)
    models = {"swap": checkpoint.autoencoder}
    if against is not None:
        models["second model's swap"] = load_checkpoint(find_checkpoint(against)).autoencoder
    inputs = _inputs(run_folder(source), None, None, None, None)
    data = _prepare(checkpoint, inputs, checkpoint.attributes.names, workers, quiet=quiet)
    names = attr or [a.name for a in checkpoint.attributes if a.kind == "boolean"]
    chosen = secrets.randbits(32) if seed is None else seed
    held_out = held_out_images(checkpoint, data)
    questions = questions_about(models, held_out, names, faces=faces, seed=chosen)
    key = write_study(questions, output, title=title, seed=chosen, per_participant=per_participant)
    typer.echo(f"page: {output} ({len(questions)} pictures and pairs)\nkey: {key} (keep it to yourself)")


@study_app.command(name="score", epilog=STUDY_EXAMPLES)
def score_command(
    key: Annotated[Path, typer.Argument(help="The key that was written beside the page.")],
    answers: Annotated[list[Path], typer.Argument(help="CSV files that participants saved.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score answers: naturalness and accuracy in the form of the paper's Table 1, with Wilson intervals."""
    from fader.train.evaluation.study import score_study

    table = score_study(answers, key)
    typer.echo(table.to_json() if json else table.to_text())


def _alphas(start: float, stop: float, steps: int) -> list[float]:
    if not math.isfinite(start) or not math.isfinite(stop) or start >= stop:
        raise ConfigError(f"--from {start:g} --to {stop:g}: expected two finite numbers, the lower one first")
    return [start + (stop - start) * i / (steps - 1) for i in range(steps)]


def _inputs(
    run: Path, images: Path | None, labels: Path | None, cache: Path | None, detector: Path | None
) -> "Inputs":
    """Return where the images come from: as the command says, else as the run was told."""
    from fader.train.inputs import Inputs

    if images is not None and labels is None:
        raise typer.BadParameter("expected IMAGES and LABELS, or neither")
    if images is None or labels is None:
        told = Inputs.read(run)
        return replace(told, cache=cache or told.cache, detector=detector or told.detector)
    return Inputs(images=images, labels=labels, cache=cache, detector=detector)


def _prepare(
    checkpoint: "Checkpoint", inputs: "Inputs", names: "Sequence[str]", workers: int, *, quiet: bool
) -> "AlignedSet":
    from fader.train.loading import load

    size = checkpoint.autoencoder.config.image_size
    return load(inputs, names, size, workers=workers, quiet=quiet).data


def _groups(
    checkpoint: "Checkpoint",
    inputs: "Inputs",
    names: "Sequence[str]",
    held_out: "Subset",
    workers: int,
    *,
    quiet: bool,
) -> "Mapping[str, Group]":
    from fader.train.evaluation.groups import groups_of

    # The same images, aligned once, with other labels.
    others = _prepare(checkpoint, inputs, names, workers, quiet=quiet).subset(held_out.indices)
    return groups_of(others.labels_NK, others.parent.attributes)


def _about(checkpoint: "Checkpoint", name: str, inputs: "Inputs", n_images: int) -> dict[str, object]:
    """Return what the report says of model and data; warn where the data are not those of the run."""
    said, data = checkpoint.training, inputs.images.resolve().name
    if (said.get("data"), said.get("images")) != (data, n_images):
        typer.echo(
            f"warning: the model was trained with {said.get('images')} images of {said.get('data')}, these "
            f"are {n_images} of {data}: it may have seen some of those that are evaluated",
            err=True,
        )
    return {
        "model": name,
        "iterations": said.get("iterations"),
        "images_seen": said.get("images_seen"),
        "data": data,
        "image_size": checkpoint.autoencoder.config.image_size,
    }


def main() -> None:
    """Run the command line."""
    console.run(app)
