"""What an adversary leaves of a continuous attribute in the code: ages of drawn faces, one run for each row.

    python benchmarks/continuous.py [--iterations 1000] [--only bins] [--images 9000]

Each row trains anew with the settings of fast-64, one slider (Age) and its own adversary. R² is what a fresh
probe reads of the age from the code of faces that no run saw (0 is nothing); Spearman is the rank correlation
of the slider with the age that an independent judge sees, the mean over faces; "true edit" is the PSNR of
faces drawn by the model ten years older or younger against the true drawing.
"""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from fader.attributes import AttributeSet
from fader.image import to_model
from fader.models import Checkpoint, load_checkpoint
from fader.train import train
from fader.train.data.dataset import AlignedSet, Subset
from fader.train.data.drawn_faces import DrawnFaces, draw_face, drawn_faces
from fader.train.data.drawn_factors import AGES
from fader.train.evaluation.assess import assess
from fader.train.objectives import columns
from fader.train.settings import config_from, read_preset
from fader.train.splits import Splits

SIZE, HELD_OUT, NAME = 64, 1500, "Age"
STEP_YEARS = 10.0
ALONE = {"latent_linear": False, "latent_standardised": False}
ROWS: dict[str, dict[str, Any]] = {
    "none": {"latent_weight": 0.0},
    "the value itself, discriminator alone": {**ALONE, "continuous_adversary": "regression"},
    "16 equally full bins, discriminator alone": ALONE,
    "the value itself, with linear reader": {"continuous_adversary": "regression"},
    "16 equally full bins, with linear reader": {},
}


def as_set(faces: DrawnFaces) -> AlignedSet:
    """Return the faces labelled with their ages."""
    k = faces.attributes.names.index(NAME)
    return AlignedSet(
        images_NHWC=faces.images_NHWC,
        labels_NK=faces.labels_NK[:, k : k + 1],
        attributes=AttributeSet([faces.attributes[NAME]]),
    )


@torch.no_grad()
def true_edit_psnr_db(checkpoint: Checkpoint, faces: DrawnFaces, held_out: Subset) -> float:
    """Return the PSNR of faces made older (the younger half) or younger against drawings of that age."""
    age = held_out.parent.attributes[NAME]
    errors = []
    for positions in np.array_split(np.arange(len(held_out)), len(held_out) // 50):
        images_NCHW, _ = held_out.batch(positions)
        factors = [faces.factors[i] for i in held_out.indices[positions]]
        middle = sum(AGES) / 2
        wanted = [f.age + (STEP_YEARS if f.age < middle else -STEP_YEARS) for f in factors]
        edited_NK = torch.tensor([[age.position(value)] for value in wanted], dtype=torch.float32)
        drawn = checkpoint.autoencoder.decode(
            checkpoint.autoencoder.encode(images_NCHW), columns(edited_NK, held_out.parent.attributes)
        )
        true = to_model(
            np.stack(
                [
                    draw_face(dataclasses.replace(face, age=value), SIZE)
                    for face, value in zip(factors, wanted, strict=True)
                ]
            )
        )
        errors.append(((drawn.numpy() - true) / 2) ** 2)
    return float(-10 * np.log10(np.mean(np.concatenate(errors))))


def main(
    iterations: Annotated[int, typer.Option(help="For each row.")] = 1000,
    images: Annotated[int, typer.Option(help="Faces, 1,500 of them held out.")] = 9000,
    only: Annotated[str, typer.Option(help="Only rows with this text in their name.")] = "",
    precision: Annotated[str, typer.Option(help="Of the training.")] = "bfloat16",
) -> None:
    """Print a row for each adversary as soon as it is measured."""
    faces = drawn_faces(images, SIZE, seed=0)
    data = as_set(faces)
    print("| adversary | R² of a probe | Spearman | monotone sliders | true edit, dB | minutes |")
    print("|---|---|---|---|---|---|")
    for name, settings in ROWS.items():
        if only not in name:
            continue
        own = {"attributes": [NAME], "precision": precision, "held_out": HELD_OUT, "iterations": iterations}
        config = config_from(read_preset("fast-64"), own, settings)
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            started = time.perf_counter()
            train(config, data, run, about={"data": "drawn faces"})
            minutes = (time.perf_counter() - started) / 60
            checkpoint = load_checkpoint(run / "checkpoints" / "last")
        held_out = Splits.of(data, HELD_OUT).held_out
        figures = assess(checkpoint, held_out).attributes[0]
        if figures.code is None or figures.slider is None:
            raise SystemExit("too few faces to tell: give more --images")
        print(
            f"| {name} | {figures.code.score.value:.2f} | {figures.slider.spearman.value:.3f} | "
            f"{figures.slider.monotone.value:.1%} | {true_edit_psnr_db(checkpoint, faces, held_out):.1f} | "
            f"{minutes:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(main)
