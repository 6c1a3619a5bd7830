"""What a run needs to go on exactly: networks as they are trained, and their optimisers, beside the average.

Everything random is a function of the seed and the iteration (see draws.py), so no generator is stored.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from fader.errors import BundleError
from fader.models import AutoEncoder, load_checkpoint, load_networks, load_tensors
from fader.train.trainer import Trainer

__all__ = ["begin_with", "networks", "restore", "tensors"]

TRAINED = "trained_autoencoder"


def networks(trainer: Trainer) -> dict[str, nn.Module]:
    """Return the networks to write beside the averaged autoencoder and the judge, by name."""
    named = {**_learning(trainer), TRAINED: trainer.autoencoder}
    del named["autoencoder"]
    return named | ({"guide": trainer.guide} if trainer.guide is not None else {})


def tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Return the optimisers' state, "optimiser.<network>.<parameter>.<name>"."""
    return {
        f"optimiser.{network}.{parameter}.{name}": value
        for network, optimiser in trainer.optimisers.items()
        for parameter, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def begin_with(trainer: Trainer, folder: Path) -> None:
    """Take the autoencoder's and the discriminators' weights out of a checkpoint.

    A frozen encoder's eraser is this run's to fit, whatever the checkpoint's erases. A decoder that reads
    details begins as one that ignores them, where the checkpoint's reads none.

    Raises:
        BundleError: they are not there or do not fit this run's networks.
    """
    networks, eraser = _learning(trainer), trainer.autoencoder.eraser
    start = load_checkpoint(folder).autoencoder
    if trainer.config.encoder_frozen:
        trainer.autoencoder.eraser = eraser if start.eraser is not None else None
    if trainer.config.n_details and not start.config.n_details:
        networks.pop("autoencoder")
        _ignoring_details(trainer.autoencoder, start, folder, frozen=trainer.config.encoder_frozen)
    load_networks(folder, networks)
    trainer.autoencoder.eraser = eraser
    trainer.averaged.load_state_dict(trainer.autoencoder.state_dict())


def _ignoring_details(autoencoder: AutoEncoder, start: AutoEncoder, folder: Path, *, frozen: bool) -> None:
    own, given = autoencoder.config, start.config
    fitting = replace(own, n_details=0, relative=given.relative, dropout=given.dropout)
    if frozen:
        fitting = replace(fitting, erased=given.erased)
    if fitting != given:
        raise BundleError(f"the weights in {folder} do not fit its configuration: give the same sizes")
    weights = autoencoder.state_dict()
    for name, value in start.state_dict().items():
        if frozen and name.startswith("eraser."):
            continue
        # Details are the last of a layer's inputs; a transposed convolution has its inputs first.
        wider = torch.zeros_like(weights[name])
        wider[tuple(slice(0, n) for n in value.shape)] = value
        weights[name] = wider
    autoencoder.load_state_dict(weights)


def restore(trainer: Trainer, folder: Path) -> None:
    """Put a trainer where it was when it wrote a checkpoint.

    Raises:
        BundleError: the checkpoint is damaged, holds no optimisers' state, or is of other networks.
    """
    named = {**_learning(trainer), TRAINED: trainer.autoencoder, "autoencoder": trainer.averaged}
    load_networks(folder, named)
    for network, optimiser in trainer.optimisers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in load_tensors(folder, f"optimiser.{network}.").items():
            parameter, name = key.split(".")
            state.setdefault(int(parameter), {})[name] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    trainer.iteration = int(load_checkpoint(folder).training["iterations"])
    if trainer.iteration and not all(optimiser.state for optimiser in trainer.optimisers.values()):
        raise BundleError(f"{folder} holds no state to go on from: name a run whose last checkpoint does")


def _learning(trainer: Trainer) -> dict[str, nn.Module]:
    """Return what changes in a run: the networks, and the linear reader, which no optimiser moves."""
    reader = {"linear_reader": trainer.reader} if trainer.reader is not None else {}
    return trainer.networks | reader
