"""Variants that keep their weights in another graph's file: engines read them there, and only there."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from numpy.typing import NDArray
from onnx.external_data_helper import ExternalDataInfo

from fader.bundle import VARIANTS, Bundle
from fader.errors import BundleError
from fader.export import (
    Graph,
    HalfGraph,
    MapDecoderGraph,
    export_graph,
    read_graph,
    round_weights,
    share_weights,
)
from fader.export.graphs import StagedGraph

Feeds = Mapping[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def form(graphs: dict[str, Graph]) -> StagedGraph:
    decoder = graphs["decoder"]
    assert isinstance(decoder, MapDecoderGraph)
    return round_weights(decoder)


@pytest.fixture(scope="module")
def donor(form: StagedGraph) -> bytes:
    return export_graph(form, half_weights=True)


@pytest.fixture(scope="module")
def variant(form: StagedGraph) -> bytes:
    return export_graph(HalfGraph(form))


@pytest.fixture
def folder(donor: bytes, variant: bytes, tmp_path: Path) -> Path:
    (tmp_path / "decoder.onnx").write_bytes(donor)
    (tmp_path / "decoder-fp16.onnx").write_bytes(share_weights(variant, donor, "decoder.onnx"))
    return tmp_path


@pytest.fixture
def feeds(form: StagedGraph) -> Feeds:
    return {name: tensor.numpy() for name, tensor in zip(form.input_names, form.example(3), strict=True)}


def test_reading_gives_back_the_very_graph(folder: Path, variant: bytes) -> None:
    assert read_graph(folder / "decoder-fp16.onnx") == variant
    assert (folder / "decoder-fp16.onnx").stat().st_size < 0.3 * len(variant)


def test_a_graph_that_shares_nothing_stays_as_it_is(variant: bytes, folder: Path, donor: bytes) -> None:
    assert share_weights(variant, b"other weights", "decoder.onnx") == variant
    assert read_graph(folder / "decoder.onnx") == donor


def test_onnxruntime_reads_the_weights_by_path(folder: Path, variant: bytes, feeds: Feeds) -> None:
    whole, referring = (
        onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"]).run(None, dict(feeds))[0]
        for source in (variant, folder / "decoder-fp16.onnx")
    )
    np.testing.assert_array_equal(referring, whole)


def test_openvino_reads_the_weights_by_path(folder: Path, variant: bytes, feeds: Feeds) -> None:
    core = openvino.Core()
    whole, referring = (
        core.compile_model(core.read_model(source), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(dict(feeds))[
            0
        ]
        for source in (variant, folder / "decoder-fp16.onnx")
    )
    np.testing.assert_array_equal(referring, whole)


def test_files_with_several_hard_links_are_read(folder: Path, variant: bytes, tmp_path: Path) -> None:
    linked = tmp_path / "installed"
    linked.mkdir()
    for name in ("decoder.onnx", "decoder-fp16.onnx"):
        os.link(folder / name, linked / name)
    assert read_graph(linked / "decoder-fp16.onnx") == variant


def test_other_weights_give_another_file_even_where_all_of_them_are_shared(
    variant: bytes, donor: bytes
) -> None:
    model = onnx.load_from_string(share_weights(variant, donor, "decoder.onnx"))
    external = [ExternalDataInfo(tensor) for tensor in model.graph.initializer if tensor.external_data]
    assert external
    assert {info.location for info in external} == {"decoder.onnx"}
    assert len({info.checksum for info in external}) == 1
    assert share_weights(variant, donor, "decoder.onnx") != share_weights(
        variant, donor + b" ", "decoder.onnx"
    )


@pytest.mark.parametrize("location", ["../decoder.onnx", "/etc/passwd", "missing.onnx", ""])
def test_weights_outside_the_folder_or_missing_are_refused(folder: Path, location: str) -> None:
    path = folder / "inner" / "decoder-fp16.onnx"
    path.parent.mkdir()
    model = onnx.load_from_string((folder / "decoder-fp16.onnx").read_bytes())
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="which its folder does not hold") as caught:
        read_graph(path)
    assert "\n" not in str(caught.value)


def test_a_shortened_file_of_weights_is_refused(folder: Path) -> None:
    content = (folder / "decoder.onnx").read_bytes()
    (folder / "decoder.onnx").write_bytes(content[: len(content) // 4])
    with pytest.raises(BundleError, match="does not hold"):
        read_graph(folder / "decoder-fp16.onnx")


@pytest.mark.parametrize("name", VARIANTS)
def test_the_file_that_a_variant_refers_to_is_verified_by_the_bundle(
    bundle_folder: Path, tmp_path: Path, name: str
) -> None:
    copy = Path(shutil.copytree(bundle_folder, tmp_path / "copy"))
    model = onnx.load_from_string((copy / f"{name}.onnx").read_bytes())
    infos = [ExternalDataInfo(tensor) for tensor in model.graph.initializer if tensor.external_data]
    assert infos
    source = copy / infos[0].location
    content = bytearray(source.read_bytes())
    content[(infos[0].offset or 0) + 5] ^= 1
    source.write_bytes(content)
    with pytest.raises(BundleError, match="is damaged"):
        Bundle(copy)
