"""A checkpoint on disk: a folder with weights.safetensors and checkpoint.json. Nothing is unpickled.

The weights of each network stand under its name as prefix ("autoencoder.encoder.0.0.weight"); the JSON holds
the configurations, the attributes, the alignment template and what the training loop tells its readers.

A folder is replaced by two renames. A process killed between them leaves the old checkpoint under its other
name, ".<name>.old"; it is read from there until the next one is written.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fader.attributes import Attribute, AttributeSet
from fader.checkpoint_folders import SIDECAR
from fader.errors import BundleError, FaderError
from fader.models.autoencoder import AutoEncoder
from fader.models.classifier import Classifier
from fader.models.config import AutoEncoderConfig, ClassifierConfig

__all__ = ["Checkpoint", "load_checkpoint", "load_networks", "load_tensors", "save_checkpoint"]

SCHEMA = 1
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Everything that export needs of a trained model."""

    autoencoder: AutoEncoder
    """In eval mode after loading."""
    classifier: Classifier
    """In eval mode after loading; its columns are the attributes' columns."""
    attributes: AttributeSet
    """The sliders."""
    template: tuple[tuple[float, float], ...]
    """Where alignment puts the image-left eye, image-right eye and mouth centre: (x, y) in pixels of the
    image size, 0-based at pixel centres."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """What the training loop says of itself, for the model card: data, configuration, iterations, metrics."""


def save_checkpoint(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    extra: Mapping[str, nn.Module] | None = None,
    tensors: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a checkpoint; one of the same name is replaced only when the new one is whole.

    Args:
        checkpoint: What to write.
        folder: The checkpoint's folder.
        extra: Further networks whose weights go along (discriminators, a guide), by name.
        tensors: Further tensors (an optimiser's state), by names that begin with none of the networks'.

    Raises:
        BundleError: the folder cannot be written; an old checkpoint there is still whole.
    """
    networks = {"autoencoder": checkpoint.autoencoder, "classifier": checkpoint.classifier, **(extra or {})}
    weights = {
        f"{name}.{key}": tensor.detach().contiguous()
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    weights |= {name: tensor.detach().contiguous() for name, tensor in (tensors or {}).items()}
    text = json.dumps(_describe(checkpoint), indent=2) + "\n"
    folder = folder.resolve()
    partial = _beside(folder, "partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(weights, partial / WEIGHTS)
        (partial / SIDECAR).write_text(text, encoding="utf-8")
        _replace(folder, partial)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"cannot write the checkpoint {folder} ({error}): make room or choose another folder"
        ) from error


def _describe(checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "autoencoder": asdict(checkpoint.autoencoder.config),
        "classifier": asdict(checkpoint.classifier.config),
        "attributes": [a.to_fields() for a in checkpoint.attributes],
        "template": checkpoint.template,
        "training": dict(checkpoint.training),
    }


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f".{folder.name}.{suffix}")


def _replace(folder: Path, new: Path) -> None:
    old = _beside(folder, "old")
    # Without the folder, what is called old may be the only whole checkpoint.
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _whole(folder: Path) -> Path:
    """Return the folder, or the one that a save was about to replace when it was killed."""
    old = _beside(folder.resolve(), "old")
    return old if old.exists() and not folder.exists() else folder


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint back; networks are on the CPU and in eval mode.

    Raises:
        BundleError: a file is missing or damaged, or the weights do not fit the configuration.
    """
    folder = _whole(folder)
    sidecar = _read_sidecar(folder / SIDECAR)
    try:
        autoencoder = AutoEncoder(AutoEncoderConfig(**sidecar["autoencoder"]))
        classifier = Classifier(ClassifierConfig(**sidecar["classifier"]))
        attributes = AttributeSet([Attribute.from_fields(fields) for fields in sidecar["attributes"]])
        template = tuple((float(x), float(y)) for x, y in sidecar["template"])
    except (KeyError, TypeError, ValueError, FaderError) as error:
        raise BundleError(
            f"{folder / SIDECAR} does not describe a model ({error!r}): take another checkpoint"
        ) from error
    load_networks(folder, {"autoencoder": autoencoder, "classifier": classifier})
    return Checkpoint(
        autoencoder=autoencoder.eval(),
        classifier=classifier.eval(),
        attributes=attributes,
        template=template,
        training=sidecar.get("training", {}),
    )


def load_networks(folder: Path, networks: Mapping[str, nn.Module]) -> None:
    """Load weights of a checkpoint into networks.

    Args:
        folder: The checkpoint's folder.
        networks: By the names under which `save_checkpoint` wrote them.

    Raises:
        BundleError: the weights are missing or damaged, or do not fit a network.
    """
    folder = _whole(folder)
    weights = _read_weights(folder)
    for name, network in networks.items():
        _load_network(network, weights, name, folder)


def load_tensors(folder: Path, prefix: str) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint whose names begin with a prefix, without it.

    Raises:
        BundleError: the weights are missing or damaged.
    """
    weights = _read_weights(_whole(folder))
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _read_weights(folder: Path) -> dict[str, Tensor]:
    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise BundleError(
            f"cannot read the checkpoint's weights {folder / WEIGHTS} ({error}): take another checkpoint"
        ) from error


def _read_sidecar(path: Path) -> dict[str, Any]:
    try:
        sidecar = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"cannot read {path} ({error.strerror}): expected a checkpoint folder as fader-train writes it"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not JSON ({error}): take another checkpoint") from error
    if not isinstance(sidecar, dict) or sidecar.get("schema") != SCHEMA:
        raise BundleError(
            f"{path} is not a checkpoint of schema {SCHEMA}: write it with this version's fader-train"
        )
    return sidecar


def _load_network(network: nn.Module, weights: Mapping[str, Tensor], name: str, folder: Path) -> None:
    prefix = f"{name}."
    own = {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
    # load_state_dict itself fills in some buffers that are missing.
    if wrong := network.state_dict().keys() ^ own.keys():
        raise BundleError(
            f"the weights in {folder} do not fit its configuration: {len(wrong)} names are missing or "
            f"too many, such as {name}.{min(wrong)}"
        )
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise BundleError(f"the weights in {folder} do not fit its configuration: {detail}") from error
