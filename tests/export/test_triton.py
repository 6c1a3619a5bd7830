"""A Triton repository says of every graph what the graph says, and computes what the editor computes."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from tests.triton_double import Repository, read_config
from tritonclient.grpc import model_config_pb2

from fader.bundle import MANIFEST, Bundle, file_record
from fader.errors import BundleError
from fader.export import write_bundle, write_triton_repository
from fader.image import from_model, to_model
from fader.runtime import Editor

Contents = Callable[[Path], dict[str, bytes]]
MODELS = ("encoder", "decoder", "classifier", "edit")


@pytest.fixture(scope="module")
def plain_folder(make_checkpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a model without mask and skips."""
    folder = tmp_path_factory.mktemp("plain") / "plain"
    write_bundle(make_checkpoint(), folder, name="Plain")
    return folder


@pytest.fixture(params=["mask, skip and categories", "plain"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    name = "plain_folder" if request.param == "plain" else "bundle_folder"
    return Bundle(request.getfixturevalue(name))


@pytest.fixture
def repository(bundle: Bundle, tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    assert write_triton_repository(bundle, folder) == MODELS
    return folder


def changed(bundle: Bundle, folder: Path, graph: bytes | None = None, **manifest: Any) -> Bundle:
    """Copy a bundle with another decoder or with other entries of its manifest."""
    shutil.copytree(bundle.folder, folder)
    files = dict(bundle.manifest.files)
    if graph is not None:
        (folder / "decoder.onnx").write_bytes(graph)
        files["decoder.onnx"] = file_record(folder / "decoder.onnx")
    (folder / MANIFEST).write_text(replace(bundle.manifest, files=files, **manifest).to_json())
    return Bundle(folder)


def signature(values: Any) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return names, element types and shapes of an image's tensors in a graph."""
    tensors = ((value.name, value.type.tensor_type) for value in values)
    return [(name, t.elem_type, tuple(d.dim_value for d in t.shape.dim)[1:]) for name, t in tensors]


def configured(tensors: Any) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return what a configuration says, in the terms of `signature`."""
    types = {model_config_pb2.TYPE_FP32: onnx.TensorProto.FLOAT}
    return [(tensor.name, types[tensor.data_type], tuple(tensor.dims)) for tensor in tensors]


def test_every_model_has_the_bundles_graph_and_says_what_it_takes_and_gives(
    bundle: Bundle, repository: Path
) -> None:
    for name in ("encoder", "decoder", "classifier"):
        content = (repository / name / "1" / "model.onnx").read_bytes()
        assert content == bundle.graph(name).read_bytes()
        graph = onnx.load_from_string(content).graph
        config = read_config(repository / name)
        assert configured(config.input) == signature(graph.input)
        assert configured(config.output) == signature(graph.output)
        assert config.backend == "onnxruntime"


def test_the_ensemble_takes_pixels_and_values_and_gives_the_rendering(
    bundle: Bundle, repository: Path
) -> None:
    config = read_config(repository / "edit")
    size, columns = bundle.manifest.image_size, bundle.manifest.attributes.n_columns
    assert configured(config.input) == [("pixels", 1, (3, size, size)), ("values", 1, (columns,))]
    assert configured(config.output) == [("rendering", 1, (3, size, size))]
    assert [step.model_name for step in config.ensemble_scheduling.step] == ["encoder", "decoder"]
    assert {step.model_version for step in config.ensemble_scheduling.step} == {-1}
    Repository(repository)  # loads it only if every map resolves


def test_models_batch_up_to_the_verified_sizes_and_warm_up_at_the_smallest_and_largest(
    bundle: Bundle, repository: Path
) -> None:
    assert bundle.manifest.verified_batch_sizes == (1, 3, 8, 32)
    for name in ("encoder", "decoder", "classifier"):
        config = read_config(repository / name)
        assert config.max_batch_size == 32
        assert list(config.dynamic_batching.preferred_batch_size) == [3, 8, 32]
        assert 0 < config.dynamic_batching.max_queue_delay_microseconds <= 1000
        assert [sample.batch_size for sample in config.model_warmup] == [1, 32]
        (group,) = config.instance_group
        assert (group.kind, group.count) == (model_config_pb2.ModelInstanceGroup.KIND_AUTO, 1)
    assert read_config(repository / "edit").max_batch_size == 32


def test_a_bundle_verified_at_single_images_only_is_served_so(bundle_folder: Path, tmp_path: Path) -> None:
    bundle = changed(Bundle(bundle_folder), tmp_path / "bundle", verified_batch_sizes=(1,))
    write_triton_repository(bundle, tmp_path / "repository")
    config = read_config(tmp_path / "repository" / "decoder")
    assert config.max_batch_size == 1
    assert not config.dynamic_batching.preferred_batch_size
    assert [sample.batch_size for sample in config.model_warmup] == [1]


def test_every_model_names_the_bundle(bundle: Bundle, repository: Path) -> None:
    for name in MODELS:
        assert read_config(repository / name).parameters["bundle_id"].string_value == bundle.id


def crops_of(bundle: Bundle, n: int) -> NDArray[np.uint8]:
    size = bundle.manifest.image_size
    return np.random.default_rng(5).integers(0, 256, (n, size, size, 3), np.uint8)


@pytest.mark.parametrize("n", [1, 5])
def test_the_ensemble_and_its_models_one_by_one_draw_what_the_editor_draws(
    bundle: Bundle, repository: Path, n: int
) -> None:
    served = Repository(repository)
    crops = crops_of(bundle, n)
    pixels = to_model(crops)
    with Editor.open(bundle.folder, engine="onnxruntime-cpu", threads=1) as editor:
        latents = editor.encode(crops)
        expected = editor.decode(latents, {"Glasses": 0.8})
    source = served.infer("classifier", {"pixels": pixels})["probabilities"]
    np.testing.assert_allclose(source, latents.source_NA, atol=1e-5)
    values = bundle.manifest.attributes.apply({"Glasses": 0.8}, source)
    kept = served.infer("encoder", {"pixels": pixels})
    decoded = served.infer("decoder", {**kept, "values": values})["rendering"]
    edited = served.infer("edit", {"pixels": pixels, "values": values})["rendering"]
    for rendering in (decoded, edited):
        difference = from_model(rendering).astype(int) - expected
        assert np.abs(difference).max() <= 1  # rounding at the edge between two grey levels
        assert np.abs(difference).mean() < 0.01


def test_writing_twice_replaces_and_leaves_nothing_else(
    bundle_folder: Path, plain_folder: Path, tmp_path: Path, contents: Contents
) -> None:
    folder = tmp_path / "repository"
    write_triton_repository(Bundle(bundle_folder), folder)
    first = contents(tmp_path)
    write_triton_repository(Bundle(plain_folder), folder)
    second = contents(tmp_path)
    assert set(first) == set(second)
    assert first["repository/edit/config.pbtxt"] != second["repository/edit/config.pbtxt"]
    write_triton_repository(Bundle(bundle_folder), folder)
    assert contents(tmp_path) == first


def test_an_empty_folder_is_taken(bundle_folder: Path, tmp_path: Path) -> None:
    write_triton_repository(Bundle(bundle_folder), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(MODELS)


@pytest.mark.parametrize(
    "strangers",
    [
        {"notes.txt": b"mine"},
        {"decoder/2/model.onnx": b"mine"},
        {"other/config.pbtxt": b'name: "other"'},
        {"encoder/config.pbtxt": b'name: "encoder"'},
    ],
    ids=["a note", "another version", "another model", "a configuration of someone else's"],
)
def test_a_repository_with_something_else_in_it_is_left_alone(
    bundle_folder: Path, tmp_path: Path, contents: Contents, strangers: dict[str, bytes]
) -> None:
    folder = tmp_path / "repository"
    write_triton_repository(Bundle(bundle_folder), folder)
    for name, content in strangers.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    before = contents(tmp_path)
    with pytest.raises(BundleError, match="is not a Triton repository as fader-export writes it") as caught:
        write_triton_repository(Bundle(bundle_folder), folder)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before


def test_a_foreign_folder_the_bundles_own_and_a_file_are_refused(
    bundle_folder: Path, tmp_path: Path, contents: Contents
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(b"mine")
    (tmp_path / "file").write_bytes(b"mine")
    shutil.copytree(bundle_folder, tmp_path / "bundle")
    before = contents(tmp_path)
    for name in ("photos", "file", "bundle", "file/below"):
        with pytest.raises(BundleError):
            write_triton_repository(Bundle(bundle_folder), tmp_path / name)
    assert contents(tmp_path) == before


def test_a_failure_half_way_keeps_the_old_repository(
    bundle_folder: Path,
    plain_folder: Path,
    tmp_path: Path,
    contents: Contents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_triton_repository(Bundle(bundle_folder), tmp_path / "repository")
    before = contents(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "touch", fail)  # the last file
    with pytest.raises(BundleError, match="No space left on device"):
        write_triton_repository(Bundle(plain_folder), tmp_path / "repository")
    assert contents(tmp_path) == before


def test_a_graph_that_takes_no_batches_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    model = onnx.load(bundle_folder / "decoder.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    bundle = changed(Bundle(bundle_folder), tmp_path / "bundle", model.SerializeToString())
    with pytest.raises(BundleError, match=r"'latent' of type 1 and shape \[1, 64, 4, 4\]"):
        write_triton_repository(bundle, tmp_path / "repository")
    assert not (tmp_path / "repository").exists()


def test_a_graph_that_is_none_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    bundle = changed(Bundle(bundle_folder), tmp_path / "bundle", b"no graph")
    with pytest.raises(BundleError, match=r"decoder\.onnx is no ONNX file"):
        write_triton_repository(bundle, tmp_path / "repository")
    assert not (tmp_path / "repository").exists()
