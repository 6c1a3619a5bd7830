"""From a run and its evaluation to what is committed of the shipped model.

    fader-eval run RUN -o EVALUATION
    python benchmarks/shipped_model.py RUN EVALUATION --command ... --machine ... --updates 4156 --updates ...
    fader-export checkpoints/faces -o models/pretrained/faces --name faces --int8 fairface_frontal.zip

writes checkpoints/faces, in float16, with the figures in its card, and the tables of docs/shipped-model.md.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from safetensors.torch import load_file, save_file

from fader.checkpoint_folders import find_checkpoint

ROOT = Path(__file__).parents[1]
NEEDED = ("autoencoder.", "classifier.", "guide.", "patch_discriminator.")
"""What a run needs that begins there; its decoder is the averaged one."""
BATCH = 32
FIRST_TABLE = "## Edits that the judge sees, %"


def percent(figure: Mapping[str, float]) -> str:
    """Return a share with its interval."""
    value, low, high = (100 * figure[name] for name in ("value", "low", "high"))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"


def metrics(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the card's figures."""
    said = {}
    for swap in report["swaps"]:
        said[swap["name"]] = (
            f"{percent(swap['seen']['plain'])} drawn; {percent(swap['pasted'])} as fader-run pastes it; "
            f"others kept {percent(swap['others_kept'])} drawn, {percent(swap['pasted_kept'])} pasted"
        )
    for attribute in report["attributes"]:
        code, image = (percent(attribute[what]["score"]) for what in ("code", "image"))
        said[f"a fresh probe reads {attribute['name']}"] = f"{code}, of the image {image}"
    for attribute in report["attributes"]:
        slider = attribute["slider"]
        said[f"slider of {attribute['name']}"] = (
            f"Spearman {slider['spearman']['value']:.2f}; 0.9 or more in {percent(slider['monotone'])} of "
            f"images drawn, {percent(slider['pasted_monotone'])} pasted"
        )
    psnr = report["closeness"]["psnr_db"]
    said["PSNR, dB"] = f"{psnr['value']:.1f} ({psnr['low']:.1f} to {psnr['high']:.1f})"
    said["SSIM"] = f"{report['closeness']['ssim']['value']:.3f}"
    return said


def main(
    run: Annotated[Path, typer.Argument(exists=True, help="Folder of a run.")],
    evaluation: Annotated[Path, typer.Argument(exists=True, help="Folder that fader-eval made of it.")],
    command: Annotated[str, typer.Option(help="How it was trained, for the card.")],
    machine: Annotated[str, typer.Option(help="Where, and how long.")],
    updates: Annotated[list[int], typer.Option(help="Of each run that led to it; 32 images each.")],
    out: Annotated[Path, typer.Option(help="Checkpoint, overwritten.")] = ROOT / "checkpoints" / "faces",
    document: Annotated[Path, typer.Option(help="Its tables are replaced.")] = ROOT
    / "docs"
    / "shipped-model.md",
) -> None:
    """Write them."""
    source = find_checkpoint(run)
    sidecar = json.loads((source / "checkpoint.json").read_text(encoding="utf-8"))
    known = json.loads((out / "checkpoint.json").read_text(encoding="utf-8"))["training"]
    report = json.loads((evaluation / "metrics.json").read_text(encoding="utf-8"))
    own = {name: known[name] for name in ("data", "licence")}
    counts = {"iterations": ", ".join(map(str, updates)), "images_seen": BATCH * sum(updates)}
    told = {**counts, "command": command, "machine": machine, "metrics": metrics(report)}
    sidecar["training"] = {**sidecar["training"], **own, **told}
    weights = {
        name: value.half() if value.dtype == torch.float32 else value
        for name, value in load_file(source / "weights.safetensors").items()
        if name.startswith(NEEDED)
    }
    save_file(weights, out / "weights.safetensors")
    (out / "checkpoint.json").write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
    words = document.read_text(encoding="utf-8").partition(FIRST_TABLE)[0]
    tables = (evaluation / "metrics.md").read_text(encoding="utf-8").partition(FIRST_TABLE)[2]
    document.write_text(f"{words}{FIRST_TABLE}{tables}", encoding="utf-8")
    print(f"{out}, {document}")


if __name__ == "__main__":
    typer.run(main)
