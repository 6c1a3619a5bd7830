"""A whole run: guide and judge, then the adversarial loop with evaluations; begun, or gone on with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fader.attributes import AttributeSet
from fader.errors import BundleError, ConfigError, DataError
from fader.models import Checkpoint, Classifier, load_checkpoint, load_networks, load_tensors
from fader.train.adversary import LatentAdversary
from fader.train.config import TrainConfig
from fader.train.data.dataset import AlignedSet, Subset
from fader.train.erasure import erase_linearly
from fader.train.fit_classifier import balanced_accuracy, classifier_shape, fit_classifier
from fader.train.inputs import Inputs
from fader.train.loop import Loop
from fader.train.run_folder import RunFolder, read_config, require_new
from fader.train.session import Observer, Progress, Session
from fader.train.splits import Splits
from fader.train.state import begin_with, restore
from fader.train.trainer import Trainer

__all__ = ["resume", "train"]

ALONE_TO_THE_END = Session()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Readers:
    """The classifiers that train nothing else, and what they know."""

    guide: Classifier | None
    judge: Classifier
    about: Mapping[str, Any]


def train(
    config: TrainConfig,
    data: AlignedSet,
    folder: Path,
    *,
    about: Mapping[str, Any],
    inputs: Inputs | None = None,
    start: Path | None = None,
    keep_classifiers: bool = False,
    session: Session = ALONE_TO_THE_END,
) -> dict[str, float]:
    """Train a model.

    Args:
        config: Settings.
        data: Aligned images of config.image_size with the attributes that the settings name.
        folder: The run's folder; made.
        about: What the checkpoint should tell its readers: data, licence, command.
        inputs: Where the data came from, kept for those who go on with the run.
        start: Checkpoint of the same networks whose autoencoder and discriminators this run begins with.
        keep_classifiers: Take its guide and judge as well, instead of training them anew. Its run must have
            held out these images: a judge that learnt from them says nothing.
        session: For how long, by which processes, and who is told.

    Returns:
        The figures of the best checkpoint.

    Raises:
        ConfigError: the folder holds a run or cannot be made, or an encoder that stays frozen, or classifiers
            that are kept, have no `start`.
        DataError: too few images, or they do not fit the configuration.
        BundleError: `start` is no checkpoint of such networks and attributes.
        KeyboardInterrupt: Ctrl-C; checkpoints/last holds the state to go on from.
        SystemExit: SIGTERM; the same.
    """
    _require_fit(data, config)
    if config.encoder_frozen and start is None:
        raise ConfigError("encoder_frozen needs a trained encoder: name its checkpoint with --start")
    if keep_classifiers and start is None:
        raise ConfigError("kept classifiers need a checkpoint that has them: name it with --start")
    if start is not None:
        _require_attributes(start, data.attributes)
        if keep_classifiers and config.guided:
            _require_guide(start)
    splits = Splits.of(data, config.held_out)
    session.processes.rows(config.batch_size)
    if session.processes.leads:
        require_new(folder)
    run = RunFolder(folder)
    if session.processes.leads:
        run.write_config(config)
        if inputs is not None:
            inputs.write(folder)
    return _go(config, splits, run, about, session, start=start, keep_classifiers=keep_classifiers)


def resume(
    data: AlignedSet,
    folder: Path,
    *,
    about: Mapping[str, Any],
    start: Path | None = None,
    keep_classifiers: bool = False,
    session: Session = ALONE_TO_THE_END,
) -> dict[str, float]:
    """Go on with a run as if it had not been interrupted; arguments, result and errors as of `train`.

    The run ends in the weights that it would have ended in without the interruption, on the same machine with
    as many threads. `start` and `keep_classifiers`, as they were, count where no checkpoint was written yet.
    """
    config = read_config(folder)
    _require_fit(data, config)
    run = RunFolder(folder)
    if config.guided and run.checkpoint("last").exists():
        _require_guide(run.checkpoint("last"))
    splits = Splits.of(data, config.held_out)
    return _go(config, splits, run, about, session, start=start, keep_classifiers=keep_classifiers)


def _go(
    config: TrainConfig,
    splits: Splits,
    run: RunFolder,
    about: Mapping[str, Any],
    session: Session,
    *,
    start: Path | None = None,
    keep_classifiers: bool = False,
) -> dict[str, float]:
    attributes = splits.training.parent.attributes
    last = run.checkpoint("last")
    # Weights and dropout draw from torch's own generator, which is the caller's.
    with torch.random.fork_rng():
        known = _known(last, config)
        if config.encoder_frozen and known is None and start is None:
            raise ConfigError(
                f"{run.path} was stopped before its first checkpoint, and does not say what it began with: "
                "begin it again in a new folder, with --start"
            )
        kept = _known(start, config) if start is not None and keep_classifiers else None
        readers = known or kept or _fit_readers(splits, attributes, config, session.observe)
        adversary = LatentAdversary(
            attributes,
            splits.training.labels_NK,
            target=config.latent_target,
            continuous=config.continuous_adversary,
            n_bins=config.n_bins,
        )
        torch.manual_seed(config.seed)
        trainer = Trainer(config, attributes, readers.guide, adversary, session.processes)
        if known:
            restore(trainer, last)
        elif start is not None:
            begin_with(trainer, start)
            if config.encoder_frozen:
                erase_linearly(trainer.autoencoder.eval(), splits.training, adversary)
                trainer.averaged.load_state_dict(trainer.autoencoder.state_dict())
        loop = Loop(trainer, readers.judge, splits, run, {**about, **readers.about})
        return loop.go(session)


def _require_fit(data: AlignedSet, config: TrainConfig) -> None:
    size, names = config.image_size, tuple(sorted(config.attributes))
    if data.images_NHWC.shape[1:] != (size, size, 3) or tuple(sorted(data.attributes.names)) != names:
        raise DataError(
            f"images are {data.images_NHWC.shape[1:]} with {', '.join(data.attributes.names)}, expected "
            f"{(size, size, 3)} with {', '.join(names)}: prepare them with the same settings"
        )
    kinds = {attribute.name: attribute.kind for attribute in data.attributes}
    for setting, named in (("oversample", [*config.oversample]), ("prototypes", [*config.prototypes])):
        for name in named:
            if kinds[name] != "boolean":
                raise ConfigError(
                    f"{setting} names {name}, which is {kinds[name]}: expected boolean attributes"
                )
    for setting in ("drawn_glasses", "beards"):
        if getattr(config, setting) and data.landmarks_N52 is None:
            raise ConfigError(f"{setting} needs aligned faces: leave --no-align away, or the setting")
    glasses = config.drawn_glasses
    if glasses and kinds[glasses] != "boolean":
        raise ConfigError(f"drawn_glasses names {glasses}, which is {kinds[glasses]}: expected a boolean one")


def _require_attributes(start: Path, attributes: AttributeSet) -> None:
    found = load_checkpoint(start).attributes.names
    if found != attributes.names:
        raise BundleError(
            f"{start} has the sliders {', '.join(found)}, expected {', '.join(attributes.names)}: give the "
            "same attributes, or another checkpoint"
        )


def _require_guide(checkpoint: Path) -> None:
    if not load_tensors(checkpoint, "guide."):
        raise BundleError(
            f"{checkpoint} holds no guide, which these settings need: begin a new run with --start "
            f"{checkpoint}, without --keep-classifiers"
        )


def _known(last: Path, config: TrainConfig) -> _Readers | None:
    """Return the guide and judge of a run that goes on, None where no checkpoint lies."""
    try:
        checkpoint: Checkpoint = load_checkpoint(last)
    except BundleError:
        if last.exists():
            raise
        return None
    guide = None
    if config.guided:
        guide = Classifier(checkpoint.classifier.config)
        load_networks(last, {"guide": guide})
    said = {key: value for key, value in checkpoint.training.items() if key.endswith("balanced_accuracy")}
    return _Readers(guide=guide, judge=checkpoint.classifier, about=said)


def _fit_readers(
    splits: Splits, attributes: AttributeSet, config: TrainConfig, observe: Observer
) -> _Readers:
    shape = classifier_shape(config, attributes)

    def fit(phase: str, subset: Subset, *, seed: int, attack: float) -> Classifier:
        def report(done: int, total: int) -> None:
            observe(Progress(phase=phase, done=done, total=total))

        return fit_classifier(subset, shape, config, seed=seed, attack=attack, on_step=report)

    guide = None
    if config.guided:
        guide = fit("guide", splits.feedback, seed=config.seed + 1, attack=config.classifier_attack)
    # Not attacked, because it also tells the runtime what a face has: it must read as well as can be.
    judge = fit("judge", splits.judging, seed=config.seed + 2, attack=0.0)
    networks = {"judge": judge} | ({"guide": guide} if guide else {})
    about = {
        f"{name}_balanced_accuracy": balanced_accuracy(network, splits.held_out, attributes)
        for name, network in networks.items()
    }
    return _Readers(guide=guide, judge=judge, about=about)
