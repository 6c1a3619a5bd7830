"""The bundle's README.md: what the model is, where it comes from, how good it is, what it is not for.

What training says of itself is a free mapping: the card prints what is there and says "not stated" for what
is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fader.bundle import INT8_GRAPHS, Manifest
from fader.export.arithmetic import count_flop, count_parameters
from fader.export.detector import DETECTOR_NOTICE
from fader.export.graphs import DecoderGraph, EncoderGraph
from fader.models import Checkpoint

__all__ = ["ModelSize", "measure", "model_card"]

NOT_STATED = "not stated"
STATED = ("data", "licence", "command", "iterations", "images seen", "machine")
USE = """\
For moving attributes of faces in pictures and videos of people who agreed to it: research, teaching, art,
film and effects. Not for deceiving anyone about what a person looks like or did, not for recognising or
classifying people, and not for judging anyone by an attribute that the classifier estimates.

- The model knows what its data show. Where the data under-represent people by age, skin colour, sex or
  origin, edits and estimates are worse; attributes are labels that annotators gave, not facts about a person.
- It sees faces upright, roughly frontal, and aligned by the template of this bundle. Profiles, small or
  covered faces and hands before the face come out badly.
- Attributes that go together in the data (such as age and glasses) move together to a degree; sliders beyond
  0 and 1 exaggerate, artefacts included.
- An edited video should be labelled as edited."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSize:
    """Arithmetic and parameters of the networks."""

    encoder_flop: int
    """Floating-point operations to encode one image."""
    decoder_flop: int
    """Floating-point operations to decode one image."""
    encoder_parameters: int
    """Trained values of the encoder."""
    decoder_parameters: int
    """Trained values of the decoder."""
    classifier_parameters: int
    """Trained values of the classifier."""


def measure(checkpoint: Checkpoint) -> ModelSize:
    """Count a checkpoint's arithmetic and parameters."""
    autoencoder = checkpoint.autoencoder
    return ModelSize(
        encoder_flop=count_flop(EncoderGraph(autoencoder)),
        decoder_flop=count_flop(DecoderGraph(autoencoder)),
        encoder_parameters=count_parameters(autoencoder.encoder),
        decoder_parameters=count_parameters([*autoencoder.decoder, *autoencoder.details]),
        classifier_parameters=count_parameters([checkpoint.classifier]),
    )


def model_card(
    manifest: Manifest, size: ModelSize, training: Mapping[str, Any], *, half_weights: bool
) -> str:
    """Return the Markdown of a bundle's README.

    Args:
        manifest: The bundle's; its `files` need not be complete.
        size: From `measure`.
        training: A checkpoint's `training`.
        half_weights: Whether the graphs store float16 weights.
    """
    stated = {key.lower().replace("_", " "): value for key, value in training.items()}
    sections = [
        f"# {manifest.name}",
        "A Fader Network (Lample et al. 2017, arXiv:1706.00409) that moves attributes of faces by sliders. "
        "Verified and read by `fader-run --model` and `fader.runtime.Editor`.",
        "## Attributes",
        _table(("attribute", "values"), ((a.name, a.describe()) for a in manifest.attributes)),
        "## Size",
        _table(("", ""), _size_rows(manifest, size, half_weights)),
        "## Training",
        _table(("", ""), ((key, stated.get(key, NOT_STATED)) for key in STATED)),
        "## Metrics",
        _metrics(stated.get("metrics")),
        *_rest(stated),
        "## Parity with PyTorch",
        _parity(manifest),
        *_int8(manifest),
        "## Intended use and limits",
        USE,
        "## Notices",
        "detector/pnet.onnx, detector/rnet.onnx and detector/onet.onnx are networks of the `mtcnn` package, "
        f"(c) Iván de Paz Centeno, MIT licence: see detector/{DETECTOR_NOTICE}.",
    ]
    return "\n\n".join(sections) + "\n"


def _size_rows(manifest: Manifest, size: ModelSize, half_weights: bool) -> list[tuple[str, str]]:
    latents = [f"{latent.name} {' x '.join(map(str, latent.shape))}" for latent in manifest.latents]
    return [
        ("image", f"{manifest.image_size} x {manifest.image_size} pixels, RGB"),
        ("latents", ", ".join(latents)),
        ("encoder", f"{size.encoder_flop / 1e9:.3f} GFLOP an image, {size.encoder_parameters:,} parameters"),
        ("decoder", f"{size.decoder_flop / 1e9:.3f} GFLOP an image, {size.decoder_parameters:,} parameters"),
        ("classifier", f"{size.classifier_parameters:,} parameters"),
        ("weights", "stored as float16, computed with as float32" if half_weights else "float32"),
    ]


def _metrics(metrics: Any) -> str:
    if not isinstance(metrics, Mapping) or not metrics:
        return NOT_STATED if not metrics else _cell(metrics)
    return _table(("metric", "value"), _flat(metrics))


def _rest(stated: Mapping[str, Any]) -> list[str]:
    rest = {key: value for key, value in stated.items() if key not in (*STATED, "metrics")}
    return ["## Settings and other records of the training", _table(("", ""), _flat(rest))] if rest else []


def _parity(manifest: Manifest) -> str:
    sizes = ", ".join(map(str, manifest.verified_batch_sizes))
    rows = (
        (name, f"{figures['max_abs']:.2g}", f"{figures['psnr_db']:.1f}", f"{figures['cosine']:.7f}")
        for name, figures in manifest.parity.items()
        if name not in INT8_GRAPHS
    )
    table = _table(("graph", "largest difference", "PSNR, dB", "cosine"), rows)
    return (
        f"Worst figures against the checkpoint, with ONNX Runtime on the CPU, batch sizes {sizes}.\n\n{table}"
    )


def _int8(manifest: Manifest) -> list[str]:
    figures = manifest.parity.get(INT8_GRAPHS[0])
    if figures is None:
        return []
    said = (
        f"{' and '.join(INT8_GRAPHS)}, for the engine openvino-int8, are calibrated on "
        f"{figures['calibration_faces']:.0f} faces. What they draw of {figures['faces']:.0f} others, as they "
        "are and with each attribute set to its opposite, against float32, both with OpenVINO on the CPU:"
    )
    row = (f"{figures['psnr_db']:.1f}", f"{figures['worst_levels']:.0f}", f"{figures['cosine']:.7f}")
    table = _table(("PSNR, dB", "worst pixel, levels of 255", "cosine"), [row])
    return ["## int8 against float32", f"{said}\n\n{table}"]


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{key}: ")
        else:
            rows.append((f"{prefix}{key}", value))
    return rows


def _table(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        value = f"{value:.4g}"
    elif isinstance(value, list | tuple):
        value = ", ".join(map(_cell, value))
    return " ".join(str(value).split()).replace("|", "\\|")
