"""A whole run: guide and judge, then the adversarial loop with evaluations, checkpoints, grids and a log.

A run folder holds config.json, log.csv, checkpoints/last, checkpoints/best and grids/<iteration>.png.
"""

import csv
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fader.attributes import Attribute, AttributeSet
from fader.errors import ConfigError, DataError
from fader.image import write_image
from fader.models import Checkpoint, Classifier, save_checkpoint
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.train.config import TrainConfig
from fader.train.data.dataset import AlignedSet, Batches, Subset
from fader.train.evaluation.evaluate import evaluate, grid
from fader.train.fit_classifier import balanced_accuracy, fit_classifier
from fader.train.trainer import Metrics, Trainer

__all__ = ["Progress", "Run", "Splits", "require_new", "train"]

GRID_ROWS = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a run is; given to its observer."""

    phase: str
    """"guide", "judge" or "autoencoder"."""
    done: int
    """Steps done in this phase."""
    total: int
    """Steps in this phase."""
    note: str = ""
    """Latest figures, for people."""


Observer = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """Who sees which images."""

    training: Subset
    """The autoencoder's and the discriminators'."""
    feedback: Subset
    """The guide's: one half of the training images."""
    judging: Subset
    """The judge's: the other half."""
    held_out: Subset
    """Nobody's; figures come from these."""

    @classmethod
    def of(cls, data: AlignedSet, held_out: int) -> "Splits":
        """Split a set: the last `held_out` images are held out.

        Raises:
            DataError: not enough images are left for training.
        """
        n_training = len(data) - held_out
        if n_training < 2:
            raise DataError(
                f"{len(data)} images, {held_out} of them held out: too few to train; lower held_out"
            )
        indices = np.arange(len(data), dtype=np.int64)
        return cls(
            training=data.subset(indices[:n_training]),
            feedback=data.subset(indices[:n_training:2]),
            judging=data.subset(indices[1:n_training:2]),
            held_out=data.subset(indices[n_training:]),
        )


class Run:
    """One run's folder."""

    def __init__(self, folder: Path) -> None:
        """Make the folder.

        Raises:
            ConfigError: a run lies there already, or the folder cannot be made.
        """
        require_new(folder)
        try:
            (folder / "grids").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make the run's folder {folder} ({error.strerror}): choose another"
            ) from error
        self.folder = folder

    def log(self, row: Mapping[str, Any]) -> None:
        """Append a row to log.csv."""
        path = self.folder / "log.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)


def require_new(folder: Path) -> None:
    """Refuse a folder in which a run lies.

    Raises:
        ConfigError: one does.
    """
    if (folder / "config.json").exists():
        raise ConfigError(f"{folder} holds a run already: choose another folder")


def train(
    config: TrainConfig,
    data: AlignedSet,
    folder: Path,
    *,
    about: Mapping[str, Any],
    minutes: float | None = None,
    start: Path | None = None,
    observe: Observer = lambda _: None,
) -> dict[str, float]:
    """Train a model.

    Args:
        config: Settings.
        data: Aligned images of config.image_size; labels in the order of config.attributes.
        folder: The run's folder; made.
        about: What the checkpoint should tell its readers: data, licence, command.
        minutes: Stop after this time, None to go on to the last iteration.
        start: Checkpoint of the same networks whose autoencoder and discriminators this run begins with; its
            guide and judge are trained anew.
        observe: Called often with the progress.

    Returns:
        The figures of the best checkpoint.

    Raises:
        ConfigError: the folder holds a run or cannot be made.
        DataError: too few images, or they do not fit the configuration.
        BundleError: `start` is no checkpoint of such networks.
    """
    attributes = AttributeSet([Attribute(name=name) for name in config.attributes])
    splits = Splits.of(_in_order(data, config, attributes), config.held_out)
    run = Run(folder)
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
    # Weights and dropout draw from torch's own generator, which is the caller's.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        guide, judge = _fit_both(splits, attributes, config, observe)
        trainer = Trainer(config, attributes, guide)
        if start is not None:
            trainer.begin_with(start)
        about = {
            **about,
            "judge_balanced_accuracy": balanced_accuracy(judge, splits.held_out, attributes),
            "guide_balanced_accuracy": balanced_accuracy(guide, splits.held_out, attributes),
        }
        return _Loop(trainer, judge, splits, run, about).go(minutes, observe)


def _in_order(data: AlignedSet, config: TrainConfig, attributes: AttributeSet) -> AlignedSet:
    size, n_attributes = config.image_size, len(config.attributes)
    if data.images_NHWC.shape[1:] != (size, size, 3) or data.labels_NK.shape[1:] != (n_attributes,):
        raise DataError(
            f"images are {data.images_NHWC.shape[1:]} and labels {data.labels_NK.shape[1:]}, expected "
            f"{(size, size, 3)} and {(n_attributes,)}: prepare them with the same configuration"
        )
    order = [config.attributes.index(name) for name in attributes.names]
    return replace(data, labels_NK=data.labels_NK[:, order])


def _fit_both(
    splits: Splits, attributes: AttributeSet, config: TrainConfig, observe: Observer
) -> tuple[Classifier, Classifier]:
    def fit(phase: str, subset: Subset, *, seed: int, attack: float) -> Classifier:
        def report(done: int, total: int) -> None:
            observe(Progress(phase=phase, done=done, total=total))

        return fit_classifier(subset, attributes, config, seed=seed, attack=attack, on_step=report)

    guide = fit("guide", splits.feedback, seed=config.seed + 1, attack=config.classifier_attack)
    # Not attacked, because it also tells the runtime what a face has: it must read as well as can be.
    judge = fit("judge", splits.judging, seed=config.seed + 2, attack=0.0)
    return guide, judge


class _Loop:
    def __init__(
        self, trainer: Trainer, judge: Classifier, splits: Splits, run: Run, about: Mapping[str, Any]
    ) -> None:
        self.trainer, self.judge, self.splits, self.run, self.about = trainer, judge, splits, run, about
        self.best: dict[str, float] = {}
        self.best_score = -1.0
        self.images_seen = 0
        self.started = time.monotonic()

    def go(self, minutes: float | None, observe: Observer) -> dict[str, float]:
        config = self.trainer.config
        weights = draw_weights(self.splits.training, self.trainer.attributes, config.oversample)
        batches = Batches(self.splits.training, weights, batch_size=config.batch_size, seed=config.seed)
        try:
            for images_NCHW, labels_NK in batches:
                metrics = self.trainer.update(images_NCHW, labels_NK)
                self.images_seen += len(images_NCHW)
                done = self.trainer.iteration
                late = minutes is not None and time.monotonic() - self.started > 60 * minutes
                if done % config.evaluate_every == 0 or done == config.iterations or late:
                    self.evaluate(metrics)
                note = self.note(metrics)
                observe(Progress(phase="autoencoder", done=done, total=config.iterations, note=note))
                if late or done >= config.iterations:
                    return self.best
        except KeyboardInterrupt:
            # Nobody has measured these weights.
            self.save("last", {})
            raise
        return self.best

    def note(self, metrics: Metrics) -> str:
        psnr_db = -10 * np.log10(max(metrics.reconstruction / 4, 1e-12))
        return f"PSNR {psnr_db:.1f} dB" + (f", edits {self.best_score:.0%}" if self.best else "")

    def evaluate(self, metrics: Metrics) -> None:
        trainer = self.trainer
        figures = evaluate(trainer.averaged, self.judge, self.splits.held_out, trainer.attributes)
        minutes = (time.monotonic() - self.started) / 60
        self.run.log(
            {"iteration": trainer.iteration, "minutes": round(minutes, 2), **asdict(metrics), **figures}
        )
        rows = np.arange(min(GRID_ROWS, len(self.splits.held_out)), dtype=np.int64)
        picture = grid(trainer.averaged, self.splits.held_out, trainer.attributes, positions=rows)
        write_image(self.run.folder / "grids" / f"{trainer.iteration:07d}.png", picture)
        self.save("last", figures)
        score = float(np.mean([v for k, v in figures.items() if k.endswith(("added", "removed"))]))
        if score > self.best_score:
            self.best_score, self.best = score, figures
            self.save("best", figures)

    def save(self, name: str, figures: Mapping[str, float]) -> None:
        trainer = self.trainer
        training = {
            **self.about,
            "configuration": asdict(trainer.config),
            "iterations": trainer.iteration,
            "images_seen": self.images_seen,
            "minutes": round((time.monotonic() - self.started) / 60, 1),
            "metrics": dict(figures),
        }
        extra: dict[str, torch.nn.Module] = {
            "guide": trainer.guide,
            "latent_discriminator": trainer.latent_discriminator,
        }
        if trainer.patch_discriminator is not None:
            extra["patch_discriminator"] = trainer.patch_discriminator
        checkpoint = Checkpoint(
            autoencoder=trainer.averaged,
            classifier=self.judge,
            attributes=trainer.attributes,
            template=template_at(CELEBA_TIGHT, trainer.config.image_size),
            training=training,
        )
        save_checkpoint(checkpoint, self.run.folder / "checkpoints" / name, extra=extra)


def draw_weights(
    subset: Subset, attributes: AttributeSet, oversample: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return (n,) weights: the product of the factors of the attributes that an image has."""
    weights = np.ones(len(subset))
    for name, factor in oversample.items():
        weights[subset.labels_NK[:, attributes.names.index(name)] == 1] *= factor
    return weights
