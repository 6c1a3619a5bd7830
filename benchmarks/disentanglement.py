"""What each part of the training is for: drawn faces, whose true edits are known, one run for each setting.

    python benchmarks/disentanglement.py [--iterations 1000] [--only "adversary"] [--images 9000]

Each row trains anew with the settings of fast-64 and its own, and is measured on faces that no run saw: edits
that an independent judge sees (the worst attribute and direction), the other attributes it sees kept, what a
fresh probe reads from the code (the attribute that leaks most; 50 % is nothing), and the PSNR of the model's
edits against the same faces drawn with that one factor changed.
"""

import dataclasses
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from fader.attributes import Attribute, AttributeSet
from fader.image import to_model
from fader.models import Checkpoint, load_checkpoint
from fader.train import train
from fader.train.data.dataset import AlignedSet, Subset
from fader.train.data.drawn_faces import DrawnFaces, draw_face, drawn_faces
from fader.train.evaluation.assess import assess
from fader.train.objectives import columns
from fader.train.settings import config_from, read_preset
from fader.train.splits import Splits

SIZE, HELD_OUT = 64, 1500
FACTORS = {"Eyeglasses": "eyeglasses", "Smiling": "smiling"}
ATTRIBUTES = AttributeSet([Attribute(name=name) for name in FACTORS])
OFF: dict[str, Any] = {
    "feedback_weight": 0.0,
    "patch_weight": 0.0,
    "mask": False,
    "mask_weight": 0.0,
    "colour_weight": 0.0,
}
ROWS: dict[str, dict[str, Any]] = {
    "everything (fast-64)": {},
    "adversary off": {"latent_weight": 0.0},
    "adversary reads the code as it is": {"latent_standardised": False},
    "code of 4 x 4 cells (no linear reader)": {"n_layers": 4},
    "no guide": {"feedback_weight": 0.0},
    "no patch adversary": {"patch_weight": 0.0},
    "no mask": {"mask": False, "mask_weight": 0.0},
    "one skip": {"n_skip": 1},
    "the paper's terms, with linear reader": {**OFF, "latent_standardised": False},
    "the same, standardised code": OFF,
}


def as_set(faces: DrawnFaces) -> AlignedSet:
    """Return the faces with the labels that runs train on; hair and age vary without being told."""
    chosen = [faces.attributes.names.index(name) for name in ATTRIBUTES.names]
    return AlignedSet(
        images_NHWC=faces.images_NHWC, labels_NK=faces.labels_NK[:, chosen], attributes=ATTRIBUTES
    )


@torch.no_grad()
def true_edit_psnr_db(checkpoint: Checkpoint, faces: DrawnFaces, held_out: Subset) -> float:
    """Return the PSNR of edits against the pictures that they should be."""
    errors = []
    for positions in np.array_split(np.arange(len(held_out)), len(held_out) // 50):
        images_NCHW, labels_NK = held_out.batch(positions)
        latents = checkpoint.autoencoder.encode(images_NCHW)
        for k, name in enumerate(ATTRIBUTES.names):
            edited_NK = labels_NK.clone()
            edited_NK[:, k] = 1 - edited_NK[:, k]
            drawn = checkpoint.autoencoder.decode(latents, columns(edited_NK, ATTRIBUTES)).numpy()
            errors.append(((drawn - _true(faces, held_out.indices[positions], name)) / 2) ** 2)
    return float(-10 * np.log10(np.mean(np.concatenate(errors))))


def _true(faces: DrawnFaces, indices: NDArray[np.int64], name: str) -> NDArray[np.float32]:
    factor = FACTORS[name]
    changed = [
        dataclasses.replace(faces.factors[i], **{factor: not getattr(faces.factors[i], factor)})
        for i in indices
    ]
    return to_model(np.stack([draw_face(face, SIZE) for face in changed]))


def measure(run: Path, faces: DrawnFaces, data: AlignedSet) -> Mapping[str, float]:
    """Return a run's figures; it is the last checkpoint that counts, not the best by the judge."""
    checkpoint = load_checkpoint(run / "checkpoints" / "last")
    held_out = Splits.of(data, HELD_OUT).held_out
    report = assess(checkpoint, held_out)
    return {
        "edits seen": min(swap.seen["plain"].value for swap in report.swaps),
        "others kept": min(swap.others_kept.value for swap in report.swaps if swap.others_kept),
        "probe": max(figures.code.score.value for figures in report.attributes if figures.code),
        "true edit, dB": true_edit_psnr_db(checkpoint, faces, held_out),
    }


def main(
    iterations: Annotated[int, typer.Option(help="For each row.")] = 1000,
    images: Annotated[int, typer.Option(help="Faces, 1,500 of them held out.")] = 9000,
    only: Annotated[str, typer.Option(help="Only rows with this text in their name.")] = "",
    precision: Annotated[str, typer.Option(help="Of the training.")] = "bfloat16",
) -> None:
    """Print a row for each setting as soon as it is measured."""
    faces = drawn_faces(images, SIZE, seed=0)
    data = as_set(faces)
    print("| setting | edits seen, worst | others kept | probe | true edit, dB | minutes |")
    print("|---|---|---|---|---|---|")
    for name, settings in ROWS.items():
        if only not in name:
            continue
        own = {
            "attributes": list(ATTRIBUTES.names),
            "precision": precision,
            "held_out": HELD_OUT,
            "iterations": iterations,
        }
        config = config_from(read_preset("fast-64"), own, settings)
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            started = time.perf_counter()
            train(config, data, run, about={"data": "drawn faces"})
            minutes = (time.perf_counter() - started) / 60
            found = measure(run, faces, data)
        print(
            f"| {name} | {found['edits seen']:.1%} | {found['others kept']:.1%} | {found['probe']:.1%} | "
            f"{found['true edit, dB']:.1f} | {minutes:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(main)
