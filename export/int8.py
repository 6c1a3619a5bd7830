"""A bundle's int8 encoder and decoder: calibrated on faces, and compared with float32 on others."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fader.attributes import AttributeSet
from fader.bundle import INT8_GRAPHS, MANIFEST, Bundle, file_record
from fader.errors import ParityError
from fader.export.int8_graph import Inputs, quantise
from fader.export.parity import compare
from fader.export.photographs import Faces
from fader.export.shared_weights import read_graph
from fader.export.verified import Verified
from fader.image import from_model, to_model
from fader.runtime.engines.contract import Engine
from fader.runtime.engines.onnxruntime_cpu import OnnxRuntimeCpu
from fader.runtime.engines.openvino_cpu import OpenVino, OpenVinoInt8

__all__ = ["MAX_LEVELS", "MIN_PSNR_DB", "compare_int8", "edits", "export_int8", "make_int8", "require_int8"]

MIN_PSNR_DB, MAX_LEVELS = 40.0, 64
"""Of renderings by int8 against those by float32, whatever the edit."""
BATCH = 8


def export_int8(bundle: Bundle, faces: Faces, tell: Callable[[str], None]) -> dict[str, Verified]:
    """Make a bundle's int8 graphs and compare what they draw with float32.

    Args:
        bundle: Left as it is.
        faces: For `make_int8` and `compare_int8`.
        tell: Called with a few words before each step, and if the graphs are left out.

    Returns:
        Name of INT8_GRAPHS to graph, each with the figures of both together; empty where `require_int8`
        refuses them.

    Raises:
        EngineError: OpenVINO is missing, or refuses a graph.
    """
    tell("making the int8 graphs")
    graphs = make_int8(bundle, faces)
    tell("comparing what the int8 graphs draw with float32")
    figures = compare_int8(bundle, graphs, faces)
    try:
        require_int8(figures)
    except ParityError as error:
        tell(f"leaving the int8 graphs out: {error}")
        return {}
    return {name: Verified(content=content, parity=figures) for name, content in graphs.items()}


def make_int8(bundle: Bundle, faces: Faces) -> dict[str, bytes]:
    """Make int8 forms of encoder and decoder.

    Args:
        bundle: Its decoder is taken in the shuffle form where it has one: transposed convolutions are
            computed in float32 alone.
        faces: The encoder is calibrated on them, the decoder on their codes with the values that the
            classifier reads, and with each attribute set to its opposite.

    Returns:
        Name of INT8_GRAPHS to ONNX file. The same arguments always give the same bytes.
    """
    pixels_NCHW = to_model(faces.calibration_NSS3)
    engine = OnnxRuntimeCpu(bundle)
    source_NA = engine.classify(pixels_NCHW)
    latents = engine.encode(pixels_NCHW)
    engine.close()
    manifest = bundle.manifest
    names = [latent.name for latent in manifest.latents]
    codes = dict(zip(names, latents, strict=True))
    feeds: dict[str, Iterator[Inputs]] = {
        "encoder": _batches({"pixels": pixels_NCHW}),
        "decoder": (
            batch
            for values_NA in edits(manifest.attributes, source_NA, relative=manifest.relative)
            for batch in _batches({**codes, "values": values_NA})
        ),
    }
    graphs = {}
    for name, (part, batches) in zip(INT8_GRAPHS, feeds.items(), strict=True):
        shuffle = f"{part}-shuffle"
        plain = read_graph(bundle.graph(shuffle if bundle.has(shuffle) else part))
        graphs[name] = quantise(plain, batches, name=name)
    return graphs


def edits(
    attributes: AttributeSet, source_NA: NDArray[np.float32], *, relative: bool
) -> list[NDArray[np.float32]]:
    """Return the decoder's values for images as they are and, for each attribute, with that one's opposite.

    Args:
        attributes: The sliders. The opposite of a slider is its other end; of a category, the next one.
        source_NA: (N, A) columns that the classifier reads.
        relative: Whether the decoder reads by how much columns change.

    Returns:
        (N, A) values, one more than there are attributes.
    """
    found = [source_NA]
    for attribute in attributes:
        columns = attributes.slice(attribute.name)
        opposite = (source_NA[:, columns].argmax(axis=1) + 1) % attribute.n_columns
        edited_NA = source_NA.copy()
        edited_NA[:, columns] = np.eye(attribute.n_columns, dtype=np.float32)[opposite]
        found.append(edited_NA)
    return [wanted_NA - source_NA for wanted_NA in found] if relative else found


def compare_int8(bundle: Bundle, graphs: Mapping[str, bytes], faces: Faces) -> dict[str, float]:
    """Draw faces by int8 graphs and by float32, both on the engines that serve them.

    Args:
        bundle: Has the float32 graphs.
        graphs: From `make_int8`.
        faces: Those that were not calibrated on are drawn, with the values of `edits`.

    Returns:
        "max_abs" (in the renderings' unit), "psnr_db" and "cosine" of all renderings together, "worst_levels"
        (of 255) of any pixel, and the numbers of "faces" drawn and "calibration_faces".

    Raises:
        EngineError: OpenVINO is missing, or refuses a graph.
    """
    pixels_NCHW = to_model(faces.test_NSS3)
    with tempfile.TemporaryDirectory() as folder:
        full, small = OpenVino(bundle), OpenVinoInt8(_with_graphs(bundle, graphs, Path(folder) / "bundle"))
        manifest = bundle.manifest
        source_NA = full.classify(pixels_NCHW)
        wanted = edits(manifest.attributes, source_NA, relative=manifest.relative)
        reference, found = (_drawn(engine, pixels_NCHW, wanted) for engine in (full, small))
        for engine in (full, small):
            engine.close()
    levels = np.abs(from_model(found).astype(np.int16) - from_model(reference))
    return {
        **compare(reference.astype(np.float64), found.astype(np.float64)),
        "worst_levels": float(levels.max()),
        "faces": float(len(pixels_NCHW)),
        "calibration_faces": float(len(faces.calibration_NSS3)),
    }


def require_int8(figures: Mapping[str, float]) -> None:
    """Refuse int8 graphs that draw something else.

    Args:
        figures: From `compare_int8`.

    Raises:
        ParityError: renderings differ by more than MIN_PSNR_DB and MAX_LEVELS allow.
    """
    if not (figures["psnr_db"] >= MIN_PSNR_DB and figures["worst_levels"] <= MAX_LEVELS):
        raise ParityError(
            f"renderings in int8 differ from float32 by up to {figures['worst_levels']:.0f} levels (at most "
            f"{MAX_LEVELS}), PSNR {figures['psnr_db']:.1f} dB (at least {MIN_PSNR_DB:g}): give more "
            "photographs, of the kind that the model was trained on, or do without int8"
        )


def _drawn(
    engine: Engine, pixels_NCHW: NDArray[np.float32], wanted: list[NDArray[np.float32]]
) -> NDArray[np.float32]:
    latents = engine.encode(pixels_NCHW)
    return np.concatenate([engine.decode(latents, values_NA) for values_NA in wanted])


def _batches(inputs: Inputs) -> Iterator[Inputs]:
    n = len(next(iter(inputs.values())))
    for start in range(0, n, BATCH):
        yield {name: array[start : start + BATCH] for name, array in inputs.items()}


def _with_graphs(bundle: Bundle, graphs: Mapping[str, bytes], folder: Path) -> Bundle:
    """Return a copy of a bundle that has further graphs."""
    shutil.copytree(bundle.folder, folder)
    manifest = bundle.manifest
    files = {name: f"{name}.onnx" for name in graphs}
    for name, content in graphs.items():
        (folder / files[name]).write_bytes(content)
    manifest = replace(
        manifest,
        graphs={**manifest.graphs, **files},
        files={**manifest.files, **{path: file_record(folder / path) for path in files.values()}},
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return Bundle(folder)
