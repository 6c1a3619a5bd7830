"""A bundle is written whole or not at all, and opens as what the checkpoint was."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from fader.attributes import Attribute, AttributeSet
from fader.bundle import GRAPHS, VARIANTS, Bundle
from fader.errors import BundleError, ConfigError, FaderError, ParityError
from fader.export import bundle_writer, read_graph, verified, write_bundle
from fader.image import to_model
from fader.models import Checkpoint, Classifier, ClassifierConfig

Contents = Callable[[Path], dict[str, bytes]]


def test_the_bundle_opens_and_says_what_the_checkpoint_says(
    checkpoint: Checkpoint, bundle_folder: Path
) -> None:
    manifest = Bundle(bundle_folder).manifest
    assert manifest.name == "Squares"
    assert manifest.image_size == 16
    assert manifest.attributes.names == ("Glasses", "Hair")
    assert manifest.attributes["Hair"].categories == ("black", "brown", "fair")
    assert manifest.template == checkpoint.template
    assert manifest.verified_batch_sizes == (1, 3, 8, 32)
    assert [latent.name for latent in manifest.latents] == ["latent", "skip_1", "image"]
    assert [latent.shape for latent in manifest.latents] == [(64, 4, 4), (32, 8, 8), (3, 16, 16)]
    assert set(manifest.graphs) == {*GRAPHS, *VARIANTS}
    assert set(manifest.parity) == {"encoder", "decoder", "classifier", *VARIANTS}


def test_every_file_is_listed_with_its_digest(bundle_folder: Path, contents: Contents) -> None:
    listed = Bundle(bundle_folder).manifest.files
    assert set(contents(bundle_folder)) == {*listed, "manifest.json"}
    assert {"README.md", "detector/MTCNN-LICENSE.txt", "encoder.onnx"} <= set(listed)


def test_encoding_and_decoding_with_the_bundle_gives_the_checkpoints_picture(
    checkpoint: Checkpoint, bundle_folder: Path
) -> None:
    bundle = Bundle(bundle_folder)
    encoder, decoder = (
        onnxruntime.InferenceSession(bundle.graph(name), providers=["CPUExecutionProvider"])
        for name in ("encoder", "decoder")
    )
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 3, 16, 16)).astype(np.float32)
    values = np.tile(np.array([0.25, 0.75, 0, 1, 0], np.float32), (2, 1))
    names = [latent.name for latent in bundle.manifest.latents]
    latents = dict(zip(names, encoder.run(names, {"pixels": pixels}), strict=True))
    (rendering,) = decoder.run(["rendering"], {**latents, "values": values})
    with torch.no_grad():
        expected = checkpoint.autoencoder(torch.from_numpy(pixels), torch.from_numpy(values))
    np.testing.assert_allclose(rendering, expected.numpy(), atol=1 / 127.5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_weigh_next_to_nothing_and_draw_what_the_checkpoint_draws(
    checkpoint: Checkpoint, bundle_folder: Path, variant: str
) -> None:
    bundle = Bundle(bundle_folder)
    assert bundle.has(variant)
    path = bundle.graph(variant)
    network = variant.partition("-")[0]
    assert path.stat().st_size < max(20_000, 0.3 * bundle.graph(network).stat().st_size)
    figures = bundle.manifest.parity[variant]
    assert figures["psnr_db"] > 60
    levels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    pixels = to_model(levels)
    values = np.tile(np.array([0.25, 0.75, 0, 1, 0], np.float32), (2, 1))
    with torch.no_grad():
        latents = [t.numpy() for t in checkpoint.autoencoder.encode(torch.from_numpy(pixels))]
    names = [latent.name for latent in bundle.manifest.latents]
    known = {"pixels": pixels, "values": values, **dict(zip(names, latents, strict=True))}
    plain, other = (
        onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        for file in (bundle.graph(network), path)
    )
    assert [v.name for v in other.get_inputs()] == [v.name for v in plain.get_inputs()]
    feeds = {value.name: known[value.name] for value in plain.get_inputs()}
    ends = [*other.get_inputs(), *other.get_outputs()]
    images = {v.name for v in ends if v.type == "tensor(uint8)"}
    assert images == {
        v.name for v in ends if variant.endswith("-uint8") and v.name in ("pixels", "rendering")
    }
    assert {v.type for v in ends if v.name not in images} <= {"tensor(float)"}
    found = other.run(None, feeds | ({"pixels": levels} if "pixels" in images else {}))
    for value, expected, array in zip(other.get_outputs(), plain.run(None, feeds), found, strict=True):
        drawn = to_model(array) if value.name in images else array
        tolerance = 1.01 / 127.5 if value.name in images else 4e-3 * np.abs(expected).max()
        np.testing.assert_allclose(drawn, expected, atol=tolerance)


@pytest.mark.parametrize("upsampling", ["nearest", "pixelshuffle"])
def test_only_transposed_convolutions_have_a_shuffle_form(
    make_checkpoint: Any, tmp_path: Path, upsampling: str
) -> None:
    write_bundle(make_checkpoint(upsampling=upsampling), tmp_path / "bundle", name="Squares")
    bundle = Bundle(tmp_path / "bundle")
    assert bundle.has("decoder-fp16")
    assert not bundle.has("decoder-shuffle")
    with pytest.raises(BundleError, match="has no graph 'decoder-shuffle', only encoder"):
        bundle.graph("decoder-shuffle")


def test_a_network_that_float16_cannot_hold_gets_no_such_variant_and_says_so(
    make_checkpoint: Any, tmp_path: Path
) -> None:
    checkpoint = make_checkpoint()
    with torch.no_grad():
        # Too large for float16 between the layers, as it was at the end.
        checkpoint.autoencoder.encoder[0][0].weight.mul_(1e7)
        checkpoint.autoencoder.encoder[1][0].weight.mul_(1e-7)
    steps: list[str] = []
    write_bundle(checkpoint, tmp_path / "bundle", name="Loud", half_weights=False, on_step=steps.append)
    bundle = Bundle(tmp_path / "bundle")
    assert not bundle.has("encoder-fp16")
    assert bundle.has("decoder-fp16")
    assert "encoder-fp16" not in bundle.manifest.parity
    assert not (tmp_path / "bundle" / "encoder-fp16.onnx").exists()
    assert not bundle.has("encoder-fp16-uint8")
    assert bundle.has("encoder-uint8")
    assert [step for step in steps if step.startswith("leaving the encoder-fp16 out: encoder-fp16's output")]


def test_no_graph_of_the_bundle_tells_where_it_was_made(bundle_folder: Path, contents: Contents) -> None:
    here = [str(Path.cwd()), str(Path.home()), str(Path(torch.__file__).parent), "site-packages", ".py"]
    for name, content in contents(bundle_folder).items():
        if name.endswith(".onnx"):
            assert not [trace for trace in here if trace.encode() in content], name
            model = onnx.load_from_string(content)
            assert not any(part.metadata_props for part in (model, model.graph, *model.graph.node)), name


@pytest.mark.parametrize("file", ["encoder.onnx", "detector/onet.onnx", "README.md"])
def test_a_flipped_bit_is_refused(
    checkpoint: Checkpoint, bundle_folder: Path, tmp_path: Path, file: str
) -> None:
    copy = tmp_path / "copy"
    for path in bundle_folder.rglob("*"):
        if path.is_file():
            target = copy / path.relative_to(bundle_folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    Bundle(copy)
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    with pytest.raises(BundleError, match=r"is damaged: .*SHA-256"):
        Bundle(copy)


def perturbed(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights = numpy_helper.to_array(largest).copy()
    weights.flat[0] += np.asarray(0.3, weights.dtype)
    largest.CopyFrom(numpy_helper.from_array(weights, largest.name))
    changed: bytes = model.SerializeToString()
    return changed


@pytest.fixture
def quick(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares tests of the writer the seconds that an export takes: `checkpoint` always gives these bytes."""
    monkeypatch.setattr(
        verified, "export_graph", lambda graph, **_: read_graph(bundle_folder / f"{graph.name}.onnx")
    )


@pytest.fixture
def broken(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports `checkpoint` with one wrong weight."""
    monkeypatch.setattr(
        verified,
        "export_graph",
        lambda graph, **_: perturbed(read_graph(bundle_folder / f"{graph.name}.onnx")),
    )


@pytest.mark.parametrize("half_weights", [True, False])
@pytest.mark.usefixtures("broken")
def test_a_graph_that_fails_parity_leaves_no_bundle(
    checkpoint: Checkpoint, tmp_path: Path, half_weights: bool
) -> None:
    with pytest.raises(ParityError, match="differs from PyTorch"):
        write_bundle(checkpoint, tmp_path / "bundle", name="Broken", half_weights=half_weights)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("quick")
def test_a_bundle_is_replaced_only_by_a_whole_one(
    checkpoint: Checkpoint, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "bundle"
    steps: list[str] = []
    write_bundle(checkpoint, target, name="First", on_step=steps.append)
    assert len(steps) == 15
    first = contents(target)

    def fail(_: Path) -> dict[str, str]:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(bundle_writer, "convert_detector", fail)
        with pytest.raises(BundleError, match="No space left on device"):
            write_bundle(checkpoint, target, name="Second")
    assert contents(tmp_path) == {f"bundle/{name}": content for name, content in first.items()}

    write_bundle(checkpoint, target, name="Second")
    assert Bundle(target).manifest.name == "Second"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_of_an_earlier_version_is_not_read_but_replaced(
    checkpoint: Checkpoint, tmp_path: Path, bundle_folder: Path
) -> None:
    target = tmp_path / "old"
    shutil.copytree(bundle_folder, target)
    manifest = target / "manifest.json"
    fields = {**json.loads(manifest.read_text()), "schema": 1}
    manifest.write_text(json.dumps(fields))
    with pytest.raises(BundleError, match="has schema 1, expected 2: export the bundle with this version"):
        Bundle(target)
    write_bundle(checkpoint, target, name="Squares")
    assert Bundle(target).manifest.relative is False


@pytest.mark.parametrize("stranger", ["notes.txt", "manifest.json"])
def test_a_folder_that_is_not_a_bundle_is_left_alone(
    checkpoint: Checkpoint, tmp_path: Path, contents: Contents, stranger: str
) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    (target / stranger).write_text(json.dumps({"name": "a web extension"}))
    with pytest.raises(BundleError, match="is not a bundle"):
        write_bundle(checkpoint, target, name="Squares")
    assert list(contents(tmp_path)) == [f"precious/{stranger}"]


def test_a_file_in_the_way_is_left_alone(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for target in (tmp_path / "file", tmp_path / "file" / "bundle"):
        with pytest.raises(BundleError):
            write_bundle(checkpoint, target, name="Squares")
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.usefixtures("broken")
def test_a_bundle_that_a_killed_export_moved_aside_comes_back(
    checkpoint: Checkpoint, tmp_path: Path, bundle_folder: Path
) -> None:
    aside = tmp_path / ".bundle.fader-old"
    aside.mkdir()
    for path in bundle_folder.glob("*.json"):
        (aside / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ParityError):
        write_bundle(checkpoint, tmp_path / "bundle", name="Broken")
    assert (tmp_path / "bundle" / "manifest.json").exists()
    assert not aside.exists()


@pytest.mark.usefixtures("quick")
def test_what_a_killed_export_left_is_in_nobodys_way(checkpoint: Checkpoint, tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    write_bundle(checkpoint, target, name="First")
    for leftover in (".bundle.fader-old", ".bundle.fader-partial"):
        (tmp_path / leftover).mkdir()
        (tmp_path / leftover / "encoder.onnx").write_bytes(b"half")
    write_bundle(checkpoint, target, name="Second")
    assert Bundle(target).manifest.name == "Second"
    assert list(tmp_path.iterdir()) == [target]


def other_classifier(**options: Any) -> Classifier:
    return Classifier(
        ClassifierConfig(**{"image_size": 16, "n_columns": 2, "init_fm": 4, "max_fm": 8, **options})
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributes": AttributeSet([Attribute(name="A"), Attribute(name="B")])}, "expected 4 for A, B"),
        ({"classifier": other_classifier(n_columns=3)}, "its classifier 3, expected 2"),
        ({"classifier": other_classifier(image_size=32)}, "reads 32 px images, expected 16 px"),
    ],
)
def test_a_checkpoint_that_contradicts_itself_is_refused(
    make_checkpoint: Any, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        write_bundle(replace(make_checkpoint(), **change), tmp_path / "bundle", name="Squares")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "  ", "two\nlines"])
def test_a_name_that_is_not_one_line_is_refused(checkpoint: Checkpoint, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="one line"):
        write_bundle(checkpoint, tmp_path / "bundle", name=name)


def test_messages_are_one_line(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(FaderError) as caught:
        write_bundle(checkpoint, tmp_path / "full", name="Squares")
    assert "\n" not in str(caught.value)
