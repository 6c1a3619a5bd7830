"""From a checkpoint to a bundle: export, compare, write, verify, and only then put in place."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from fader.bundle import MANIFEST, Bundle, LatentSpec, Manifest, file_record, is_older
from fader.errors import BundleError, ConfigError
from fader.export.detector import convert_detector
from fader.export.int8 import export_int8
from fader.export.model_card import measure, model_card
from fader.export.parity import BATCH_SIZES
from fader.export.photographs import Faces, read_faces
from fader.export.replacing import replacing
from fader.export.verified import Verified, export_verified
from fader.models import Checkpoint
from fader.runtime.engines.openvino_cpu import openvino_core
from fader.runtime.faces.detector import FaceDetector

__all__ = ["write_bundle"]

CARD = "README.md"
DETECTOR = "detector"


def write_bundle(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    name: str,
    half_weights: bool = True,
    photos: Path | None = None,
    on_step: Callable[[str], None] | None = None,
) -> Manifest:
    """Export a checkpoint as a bundle. The same checkpoint always gives the same graphs, byte for byte.

    Args:
        checkpoint: Networks on the CPU; left in eval mode.
        folder: The bundle's folder. A bundle there is replaced once the new one is whole and verified.
        name: The model's name.
        half_weights: Store weights as float16, which halves the bundle; arithmetic stays float32.
        photos: Folder or zip archive of photographs with faces, see `read_faces`; int8 graphs are calibrated
            on them. None leaves those graphs out.
        on_step: Called with a few words before each step, and of a variant that is left out.

    Returns:
        The manifest of the new bundle. It lacks variants that do not keep to their tolerance.

    Raises:
        BundleError: the checkpoint contradicts itself, or the folder is something else or cannot be written.
        ConfigError: the name is empty or has several lines.
        DataError: the photographs cannot be read, or show too few faces.
        EngineError: there are photographs, and OpenVINO, which int8 is for, is not installed.
        ParityError: one of GRAPHS does not compute what its network computes; nothing is written.
    """
    tell = on_step or (lambda _: None)
    _require_sound(checkpoint, name)
    with replacing(folder, "bundle", _require_bundle) as partial:
        tell("converting the face detector")
        (partial / DETECTOR).mkdir()
        detector = convert_detector(partial / DETECTOR)
        faces = (
            None if photos is None else _find_faces(photos, partial / DETECTOR, detector, checkpoint, tell)
        )
        verified = export_verified(checkpoint, half_weights=half_weights, tell=tell)
        manifest = _fill(partial, checkpoint, name, verified, detector, half_weights=half_weights)
        if faces is not None and (int8 := export_int8(Bundle(partial), faces, tell)):
            verified |= int8
            manifest = _fill(partial, checkpoint, name, verified, detector, half_weights=half_weights)
        tell("verifying the bundle")
        Bundle(partial)
    return manifest


def _require_sound(checkpoint: Checkpoint, name: str) -> None:
    if not name.strip() or len(name.splitlines()) > 1:
        raise ConfigError(
            f"the bundle's name is {name!r}, expected one line that is not empty: give it with --name"
        )
    autoencoder, classifier = checkpoint.autoencoder.config, checkpoint.classifier.config
    columns = checkpoint.attributes.n_columns
    if not autoencoder.n_columns == classifier.n_columns == columns:
        raise BundleError(
            f"the checkpoint's autoencoder has {autoencoder.n_columns} attribute columns and its classifier "
            f"{classifier.n_columns}, expected {columns} for {', '.join(checkpoint.attributes.names)}: "
            "train it again"
        )
    if autoencoder.image_size != classifier.image_size:
        raise BundleError(
            f"the checkpoint's classifier reads {classifier.image_size} px images, "
            f"expected {autoencoder.image_size} px as its autoencoder does: train it again"
        )


def _fill(
    folder: Path,
    checkpoint: Checkpoint,
    name: str,
    verified: Mapping[str, Verified],
    detector: Mapping[str, str],
    *,
    half_weights: bool,
) -> Manifest:
    for graph_name, graph in verified.items():
        (folder / f"{graph_name}.onnx").write_bytes(graph.content)
    autoencoder = checkpoint.autoencoder
    manifest = Manifest(
        name=name,
        image_size=autoencoder.config.image_size,
        attributes=checkpoint.attributes,
        latents=tuple(
            LatentSpec(name=latent, shape=shape)
            for latent, shape in zip(autoencoder.latent_names, autoencoder.latent_shapes, strict=True)
        ),
        relative=autoencoder.config.relative,
        template=checkpoint.template,
        graphs={
            **{graph_name: f"{graph_name}.onnx" for graph_name in verified},
            **{graph_name: f"{DETECTOR}/{file}" for graph_name, file in detector.items()},
        },
        files={},
        verified_batch_sizes=BATCH_SIZES,
        parity={graph_name: graph.parity for graph_name, graph in verified.items()},
    )
    card = model_card(manifest, measure(checkpoint), checkpoint.training, half_weights=half_weights)
    (folder / CARD).write_text(card, encoding="utf-8")
    manifest = replace(manifest, files=_records(folder))
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _records(folder: Path) -> dict[str, dict[str, str | int]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): file_record(path) for path in paths}


def _find_faces(
    photos: Path,
    folder: Path,
    detector: Mapping[str, str],
    checkpoint: Checkpoint,
    tell: Callable[[str], None],
) -> Faces:
    openvino_core()  # found missing here, not after the minutes that an export takes
    tell(f"finding faces in {photos}")
    faces = read_faces(
        photos,
        FaceDetector(*(folder / detector[f"detector_{stage}"] for stage in "pro")),
        np.array(checkpoint.template),
        checkpoint.autoencoder.config.image_size,
    )
    tell(
        f"found {len(faces.calibration_NSS3)} faces to calibrate int8 on and {len(faces.test_NSS3)} to "
        f"compare in {faces.n_photographs} photographs"
    )
    return faces


def _require_bundle(target: Path) -> None:
    try:
        text = (target / MANIFEST).read_text(encoding="utf-8")
        if not is_older(text):
            Manifest.from_json(text, where=str(target / MANIFEST))
    except (OSError, UnicodeDecodeError, BundleError) as error:
        raise BundleError(
            f"{target} exists and is not a bundle, expected a new folder or a bundle to replace: "
            "choose another folder, or move it away"
        ) from error
