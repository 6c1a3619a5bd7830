"""Int8 graphs: calibrated on photographs, compared on others, left out where they draw something else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.runtime.scenes import write_photos
from typer.testing import CliRunner

from fader.attributes import Attribute, AttributeSet
from fader.bundle import INT8_GRAPHS, Bundle
from fader.errors import ParityError
from fader.export import int8, read_graph, verified, write_bundle
from fader.export.cli import app
from fader.export.int8 import edits, require_int8
from fader.export.int8_graph import Inputs, quantise
from fader.image import to_model
from fader.models import Checkpoint, save_checkpoint
from fader.runtime.engines import open_engine
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at

Contents = Callable[[Path], dict[str, bytes]]
ATTRIBUTES = AttributeSet(
    [
        Attribute(name="Smiling"),
        Attribute(name="Age", span=(20, 60)),
        Attribute(name="Hair", categories=("black", "brown", "fair")),
    ]
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("faces") / "photos")


@pytest.fixture(scope="module")
def model(checkpoint: Checkpoint) -> Checkpoint:
    """A mask, a skip and a categorical attribute, aligned as faces are."""
    return replace(checkpoint, template=template_at(CELEBA_TIGHT, 16))


@contextmanager
def spared_seconds(bundle_folder: Path) -> Iterator[None]:
    """Takes graphs from a bundle instead of exporting them: `model` always gives those."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            verified, "export_graph", lambda graph, **_: read_graph(bundle_folder / f"{graph.name}.onnx")
        )
        yield


@pytest.fixture
def quick(bundle_folder: Path) -> Iterator[None]:
    with spared_seconds(bundle_folder):
        yield


@pytest.fixture(scope="module")
def exported_int8(
    bundle_folder: Path, model: Checkpoint, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """The bundle of `model` with int8 graphs, not to be changed, and the steps of its export."""
    steps: list[str] = []
    folder = tmp_path_factory.mktemp("int8") / "bundle"
    with spared_seconds(bundle_folder):
        write_bundle(model, folder, name="Squares", photos=photos, on_step=steps.append)
    return folder, steps


def test_the_bundle_lists_the_graphs_with_what_was_measured(exported_int8: tuple[Path, list[str]]) -> None:
    folder, steps = exported_int8
    manifest = Bundle(folder).manifest
    assert set(INT8_GRAPHS) <= set(manifest.graphs)
    figures = manifest.parity["encoder-int8"]
    assert figures == manifest.parity["decoder-int8"]
    assert (figures["calibration_faces"], figures["faces"]) == (12, 6)
    assert figures["psnr_db"] >= int8.MIN_PSNR_DB
    assert 0 < figures["worst_levels"] <= int8.MAX_LEVELS
    assert "found 12 faces to calibrate int8 on and 6 to compare in 18 photographs" in steps


def test_the_card_states_the_figures_apart_from_those_of_pytorch(
    exported_int8: tuple[Path, list[str]],
) -> None:
    card = (exported_int8[0] / "README.md").read_text(encoding="utf-8")
    figures = Bundle(exported_int8[0]).manifest.parity["encoder-int8"]
    pytorch, int8_section = card.split("## int8 against float32")
    assert "-int8" not in pytorch
    assert "are calibrated on 12 faces. What they draw of 6 others" in int8_section
    assert f"| {figures['psnr_db']:.1f} | {figures['worst_levels']:.0f} |" in int8_section


@pytest.mark.usefixtures("quick")
def test_the_same_photographs_give_the_same_bundle(
    exported_int8: tuple[Path, list[str]], model: Checkpoint, photos: Path, tmp_path: Path, contents: Contents
) -> None:
    write_bundle(model, tmp_path / "bundle", name="Squares", photos=photos)
    found, expected = contents(tmp_path / "bundle"), contents(exported_int8[0])
    assert {name for name in found if found[name] != expected[name]} <= {"manifest.json", "README.md"}
    assert Bundle(tmp_path / "bundle").id == Bundle(exported_int8[0]).id


def test_transposed_convolutions_are_quantised_in_the_shuffle_form(
    exported_int8: tuple[Path, list[str]],
) -> None:
    bundle = Bundle(exported_int8[0])
    assert "ConvTranspose" in {node.op_type for node in onnx.load(bundle.graph("decoder")).graph.node}
    nodes = onnx.load(bundle.graph("decoder-int8")).graph.node
    assert {node.op_type for node in nodes} & {"Conv", "ConvTranspose"} == {"Conv"}


def test_int8_draws_nearly_what_float32_draws(exported_int8: tuple[Path, list[str]]) -> None:
    bundle = Bundle(exported_int8[0])
    small, full = (open_engine(bundle, name, threads=1) for name in ("openvino-int8", "openvino"))
    shades = np.linspace(0, 255, 16)[:, None, None] * np.ones((2, 1, 16, 3))
    pixels_NCHW = to_model(shades)
    values_NA = np.array([[0, 1, 0, 1, 0]] * 2, np.float32)
    one, other = (engine.decode(engine.encode(pixels_NCHW), values_NA) for engine in (small, full))
    assert 0 < np.abs(one - other).mean() < 4 / 255


def test_every_attribute_is_set_to_its_opposite_in_turn() -> None:
    # Age and Smiling have two columns each, Hair three.
    source_NA = np.array([[0.8, 0.2, 0.1, 0.9, 0.2, 0.7, 0.1], [0, 1, 1, 0, 0, 0, 1]], np.float32)
    as_read, age, smiling, hair = edits(ATTRIBUTES, source_NA, relative=False)
    np.testing.assert_array_equal(as_read, source_NA)
    np.testing.assert_array_equal(edits(ATTRIBUTES, source_NA, relative=True)[2], smiling - source_NA)
    for found, columns, opposite in (
        (age, slice(0, 2), [[0, 1], [1, 0]]),
        (smiling, slice(2, 4), [[1, 0], [0, 1]]),
        (hair, slice(4, 7), [[0, 0, 1], [1, 0, 0]]),
    ):
        expected = source_NA.copy()
        expected[:, columns] = opposite
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("upsampling", ["nearest", "pixelshuffle"])
def test_continuous_attributes_and_other_decoders_work_too(
    make_checkpoint: Any, photos: Path, tmp_path: Path, upsampling: str
) -> None:
    plain = make_checkpoint(upsampling=upsampling, norm="instance")
    checkpoint = replace(
        plain,
        attributes=AttributeSet([Attribute(name="Age", span=(20, 60))]),
        template=template_at(CELEBA_TIGHT, 16),
    )
    manifest = write_bundle(checkpoint, tmp_path / "bundle", name="Ages", photos=photos)
    assert set(INT8_GRAPHS) <= set(manifest.graphs)


@pytest.mark.usefixtures("quick")
def test_graphs_that_draw_something_else_are_left_out_and_the_export_says_so(
    model: Checkpoint, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def darkened(content: bytes, feeds: Iterator[Inputs], *, name: str) -> bytes:
        """Calibrate on next to nothing, so that every bright pixel is cut off."""
        return quantise(
            content, ({key: array * 1e-3 for key, array in feed.items()} for feed in feeds), name=name
        )

    monkeypatch.setattr(int8, "quantise", darkened)
    steps: list[str] = []
    manifest = write_bundle(model, tmp_path / "bundle", name="Dark", photos=photos, on_step=steps.append)
    assert not set(INT8_GRAPHS) & {*manifest.graphs, *manifest.parity}
    assert not list((tmp_path / "bundle").glob("*-int8*"))
    assert "-int8" not in (tmp_path / "bundle" / "README.md").read_text()
    (said,) = [step for step in steps if step.startswith("leaving the int8 graphs out: ")]
    assert "at least 40" in said
    assert "\n" not in said


@pytest.mark.parametrize("change", [{"psnr_db": 39.9}, {"worst_levels": 65.0}, {"psnr_db": float("nan")}])
def test_each_figure_alone_is_enough_to_refuse(change: dict[str, float]) -> None:
    good = {"psnr_db": 40.0, "worst_levels": 64.0}
    require_int8(good)
    with pytest.raises(ParityError, match=r"renderings in int8 differ from float32 by up to \d+ levels"):
        require_int8({**good, **change})


@pytest.mark.usefixtures("quick")
def test_the_command_says_how_many_faces_were_used_and_what_int8_costs(
    model: Checkpoint, photos: Path, tmp_path: Path
) -> None:
    save_checkpoint(model, tmp_path / "run" / "checkpoints" / "best")
    target = tmp_path / "bundle"
    done = CliRunner().invoke(app, [str(tmp_path / "run"), "-o", str(target), "--int8", str(photos)])
    assert done.exit_code == 0, done.output
    figures = Bundle(target).manifest.parity["decoder-int8"]
    assert (
        f"int8: encoder-int8, decoder-int8; calibrated on 12 faces; on 6 others {figures['psnr_db']:.1f} dB "
        f"against float32, pixels off by up to {figures['worst_levels']:.0f} levels"
    ) in done.stdout
    pytorch_db = min(f["psnr_db"] for n, f in Bundle(target).manifest.parity.items() if n not in INT8_GRAPHS)
    assert f"parity with PyTorch {pytorch_db:.0f} dB or better" in done.stdout
