"""The adversarial loop: updates, evaluations, checkpoints, alarms, and an end that loses nothing."""

import itertools
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fader.errors import BundleError, ConfigError
from fader.models import Checkpoint, Classifier, load_checkpoint, save_checkpoint
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at
from fader.runtime.prefetch import prefetch
from fader.train.alarms import alarm
from fader.train.data.dataset import Batches
from fader.train.draws import Draws, seed_of
from fader.train.erasure import erase_linearly
from fader.train.evaluation.evaluate import evaluate, grid
from fader.train.evaluation.swaps import DIRECTIONS
from fader.train.examples import ExampleMaker, Examples
from fader.train.interruption import Interruption
from fader.train.prototypes import Prototypes
from fader.train.run_folder import RunFolder
from fader.train.session import Observer, Progress, Session
from fader.train.splits import Splits, draw_weights
from fader.train.state import networks, tensors
from fader.train.trainer import Metrics, Trainer

__all__ = ["Loop"]

GRID_ROWS = 10
EXAMPLES = 2
"""Stream of random numbers; the trainer has others."""
AHEAD = 4
"""Batches that are read while others are trained on."""


class Loop:
    """Trains from the iteration that the trainer is at."""

    def __init__(
        self, trainer: Trainer, judge: Classifier, splits: Splits, run: RunFolder, about: Mapping[str, Any]
    ) -> None:
        """Prepare.

        Args:
            trainer: At its first iteration, or restored.
            judge: Judges edits; gave no feedback.
            splits: Who sees which images.
            run: Where results go.
            about: What checkpoints tell their readers.
        """
        self.trainer, self.splits, self.run, self.about = trainer, splits, run, about
        self.judge: Classifier = trainer.processes.place(judge)
        config = trainer.config
        weights_N = draw_weights(splits.training, trainer.attributes, config.oversample)
        rows = trainer.processes.rows(config.batch_size)
        self.batches = Batches(
            splits.training, weights_N, batch_size=config.batch_size, seed=config.seed, rows=rows
        )
        self.baseline = trainer.adversary.baseline(splits.training.labels_NK, weights_N)
        self.maker: ExampleMaker | None = None
        self.best = {name: _figures(run, name) for name in ("best", "best-reconstruction")}
        self.before_s = 60 * float(_training(run, "last").get("minutes", 0.0))
        self.started = time.monotonic()

    def go(self, session: Session) -> dict[str, float]:
        """Train to the last iteration or for the session's minutes; return the best checkpoint's figures."""
        config, trainer = self.trainer.config, self.trainer
        limit_s = math.inf if session.minutes is None else 60 * session.minutes
        if trainer.processes.leads:
            self.run.forget_after(trainer.iteration)
            if not trainer.iteration:
                self.save("last", {})
        self.maker = _maker(trainer, self.splits, session.observe)
        ahead = prefetch(self._after(trainer.iteration), AHEAD, name="batches")
        with Interruption() as interruption, ahead as batches, closing(self.run):
            for batch in batches if trainer.iteration < config.iterations else ():
                metrics = trainer.update(*batch)
                late = time.monotonic() - self.started > limit_s
                interrupted, late = trainer.processes.agree(interruption.signal is not None, late)
                done, words = trainer.iteration, ""
                if done % config.evaluate_every == 0 or done == config.iterations or late:
                    words = self.evaluate(metrics)
                elif interrupted and trainer.processes.leads:
                    # Nobody has measured these weights, and what is erased is as of the last evaluation.
                    self.save("last", {})
                session.observe(
                    Progress(
                        phase="autoencoder",
                        done=done,
                        total=config.iterations,
                        note=self.note(metrics),
                        alarm=words,
                    )
                )
                if interrupted:
                    interruption.reraise()
                if late or done >= config.iterations:
                    break
        return dict(self.best["best"])

    def _after(self, number: int) -> Iterator[tuple[Tensor, Tensor, Examples | None]]:
        for following in itertools.count(number):
            images_NCHW, labels_NK = self.batches.batch(following)
            yield images_NCHW, labels_NK, self._examples(following, images_NCHW, labels_NK)

    def _examples(self, number: int, images_NCHW: Tensor, labels_NK: Tensor) -> Examples | None:
        if self.maker is None:
            return None
        config, training = self.trainer.config, self.splits.training
        positions_N = self.batches.positions(number)
        all_N52 = training.parent.landmarks_N52
        landmarks_N52 = None if all_N52 is None else torch.from_numpy(all_N52[training.indices[positions_N]])
        rows = self.trainer.processes.rows(config.batch_size)
        draws = Draws(seed_of(config.seed, EXAMPLES, number), rows, config.batch_size)
        return self.maker.make(images_NCHW, labels_NK, landmarks_N52, torch.from_numpy(positions_N), draws)

    def note(self, metrics: Metrics) -> str:
        """Return the latest figures in a few words."""
        psnr_db = -10 * np.log10(max(metrics.reconstruction / 4, 1e-12))
        best = self.best["best"]
        return f"PSNR {psnr_db:.1f} dB" + (f", edits {_seen(best):.0%}" if best else "")

    def evaluate(self, metrics: Metrics) -> str:
        """Measure, log, and keep what is best; return what there is to worry about."""
        trainer, config = self.trainer, self.trainer.config
        words = ""
        if trainer.processes.leads:
            held_out, attributes = self.splits.held_out, trainer.attributes
            if not config.encoder_frozen:
                erase_linearly(trainer.averaged, self.splits.training, trainer.adversary)
            figures = evaluate(trainer.averaged, self.judge, held_out, attributes)
            rows = np.arange(min(GRID_ROWS, len(held_out)), dtype=np.int64)
            row = {
                "iteration": trainer.iteration,
                "minutes": round(self.minutes(), 2),
                **asdict(metrics),
                "latent_baseline": self.baseline,
                **figures,
                "edits seen": _seen(figures),
            }
            words = alarm([*self.run.rows(), row])
            self.run.log(
                {**row, "alarm": words}, grid(trainer.averaged, held_out, attributes, positions=rows)
            )
            self.save("last", figures)
            self._keep("best", figures, _seen)
            self._keep("best-reconstruction", figures, _psnr)
        trainer.processes.wait()
        return words

    def _keep(self, name: str, figures: dict[str, float], score: Any) -> None:
        best = self.best[name]
        if not best or score(figures) > score(best):
            self.best[name] = figures
            self.save(name, figures)

    def minutes(self) -> float:
        """Return how long the run has trained, interruptions left out."""
        return (self.before_s + time.monotonic() - self.started) / 60

    def save(self, name: str, figures: Mapping[str, float]) -> None:
        """Write a checkpoint."""
        trainer, config = self.trainer, self.trainer.config
        training = {
            **self.about,
            "configuration": asdict(config),
            "iterations": trainer.iteration,
            "images_seen": trainer.iteration * config.batch_size,
            "minutes": round(self.minutes(), 1),
            "metrics": dict(figures),
        }
        checkpoint = Checkpoint(
            autoencoder=trainer.averaged,
            classifier=self.judge,
            attributes=trainer.attributes,
            template=template_at(CELEBA_TIGHT, config.image_size),
            training=training,
        )
        state = tensors(trainer) if name == "last" else {}
        save_checkpoint(checkpoint, self.run.checkpoint(name), extra=networks(trainer), tensors=state)


def _maker(trainer: Trainer, splits: Splits, observe: Observer) -> ExampleMaker | None:
    config = trainer.config

    def report(done: int, total: int) -> None:
        observe(Progress(phase="prototypes", done=done, total=total))

    if not config.has_examples:
        return None
    prototypes = None
    if config.prototypes:
        if trainer.guide is None:
            raise ConfigError("prototypes need a guide")
        prototypes = Prototypes(
            trainer.averaged, trainer.guide, splits.training, trainer.attributes, config.prototypes, report
        )
    return ExampleMaker(
        trainer.attributes,
        glasses=config.drawn_glasses,
        beards=config.beards,
        prototypes=prototypes,
        strengths=config.prototypes,
        shares=config.swap,
    )


def _seen(figures: Mapping[str, float]) -> float:
    return float(np.mean([value for name, value in figures.items() if name.endswith(DIRECTIONS)] or [0.0]))


def _psnr(figures: Mapping[str, float]) -> float:
    return figures["psnr_db"]


def _training(run: RunFolder, name: str) -> Mapping[str, Any]:
    try:
        return load_checkpoint(run.checkpoint(name)).training
    except BundleError:
        return {}


def _figures(run: RunFolder, name: str) -> dict[str, float]:
    return dict(_training(run, name).get("metrics", {}))
