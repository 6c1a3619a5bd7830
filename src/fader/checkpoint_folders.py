"""Where a training run keeps its checkpoints: for commands that look before they load PyTorch."""

from pathlib import Path

from fader.errors import BundleError

__all__ = ["SIDECAR", "find_checkpoint", "run_folder"]

SIDECAR = "checkpoint.json"
"""The file that makes a folder a checkpoint."""
CHECKPOINTS = ("checkpoints/best", "checkpoints/last")


def find_checkpoint(run: Path) -> Path:
    """Return the checkpoint that a run's folder (its best, else its last) or a checkpoint's folder means.

    Raises:
        BundleError: there is none.
    """
    for folder in (run, *(run / name for name in CHECKPOINTS)):
        if (folder / SIDECAR).is_file():
            return folder
    raise BundleError(
        f"found no checkpoint in {run}, expected {SIDECAR}, or {' or '.join(CHECKPOINTS)}, in it: "
        "name a folder that fader-train wrote"
    )


def run_folder(checkpoint: Path) -> Path:
    """Return the run's folder that a checkpoint lies in, or the checkpoint's own if it lies elsewhere."""
    folder = checkpoint.resolve()
    return folder.parent.parent if folder.parent.name == "checkpoints" else folder
