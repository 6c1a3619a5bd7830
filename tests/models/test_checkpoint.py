"""Checkpoints: what is written is read back, what is damaged is refused, and an old one is never lost."""

import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fader.attributes import Attribute, AttributeSet
from fader.errors import BundleError
from fader.models import (
    AutoEncoder,
    AutoEncoderConfig,
    Checkpoint,
    Classifier,
    ClassifierConfig,
    LatentDiscriminator,
    load_checkpoint,
    load_networks,
    save_checkpoint,
)
from fader.models import checkpoint as module

SIZE = 16
SHAPE = AutoEncoderConfig(
    image_size=SIZE,
    n_columns=5,
    init_fm=4,
    max_fm=8,
    n_layers=2,
    n_skip=1,
    mask=True,
    upsampling="pixelshuffle",
)


def make(seed: int = 0) -> Checkpoint:
    torch.manual_seed(seed)
    return Checkpoint(
        autoencoder=AutoEncoder(SHAPE).eval(),
        classifier=Classifier(
            ClassifierConfig(image_size=SIZE, n_columns=5, init_fm=4, max_fm=8, hidden=8)
        ).eval(),
        attributes=AttributeSet(
            [Attribute(name="Hair", categories=("black", "brown", "fair")), Attribute(name="Glasses")]
        ),
        template=((5.0, 6.5), (10.0, 6.5), (7.5, 11.25)),
        training={"data": "squares", "metrics": {"psnr_db": 20.5}, "seed": seed},
    )


def outputs(checkpoint: Checkpoint) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(3, 3, SIZE, SIZE, generator=generator) * 2 - 1
    values = torch.rand(3, 5, generator=generator)
    with torch.no_grad():
        return checkpoint.autoencoder(images, values), checkpoint.classifier(images)


def seed_of(folder: Path) -> int:
    seed: int = load_checkpoint(folder).training["seed"]
    return seed


def one_line(error: pytest.ExceptionInfo[BundleError]) -> str:
    (line,) = str(error.value).splitlines()
    return line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(make(), tmp_path / "best")
    return tmp_path / "best"


def test_a_round_trip_gives_bit_identical_outputs(folder: Path) -> None:
    saved, loaded = make(), load_checkpoint(folder)
    for before, after in zip(outputs(saved), outputs(loaded), strict=True):
        assert torch.equal(before, after)
    assert loaded.autoencoder.config == saved.autoencoder.config
    assert loaded.classifier.config == saved.classifier.config
    assert tuple(loaded.attributes) == tuple(saved.attributes)
    assert loaded.template == saved.template
    assert loaded.training == saved.training
    assert not loaded.autoencoder.training
    assert not loaded.classifier.training


def test_a_network_in_channels_last_memory_comes_back_with_the_same_weights(tmp_path: Path) -> None:
    checkpoint = make()
    checkpoint.autoencoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_checkpoint(checkpoint, tmp_path / "best")
    loaded = load_checkpoint(tmp_path / "best").autoencoder.state_dict()
    for name, tensor in checkpoint.autoencoder.state_dict().items():
        assert torch.equal(tensor, loaded[name]), name


def test_further_networks_go_along_and_do_not_disturb(tmp_path: Path) -> None:
    extra = {"latent_discriminator": LatentDiscriminator(SHAPE, hidden=4)}
    save_checkpoint(make(), tmp_path / "best", extra=extra)
    assert b"latent_discriminator.layers" in (tmp_path / "best" / "weights.safetensors").read_bytes()
    assert seed_of(tmp_path / "best") == 0


def test_further_networks_are_read_back_by_name(tmp_path: Path) -> None:
    saved, loaded = LatentDiscriminator(SHAPE, hidden=4), LatentDiscriminator(SHAPE, hidden=4)
    save_checkpoint(make(), tmp_path / "best", extra={"latent_discriminator": saved})
    # As a save that is killed between its renames leaves it.
    (tmp_path / "best").rename(tmp_path / ".best.old")
    load_networks(tmp_path / "best", {"latent_discriminator": loaded})
    for name, tensor in saved.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_a_network_that_is_not_there_is_refused_with_one_line(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"do not fit its configuration: .* such as judge\.") as error:
        load_networks(folder, {"judge": make().classifier})
    one_line(error)


def test_nothing_in_the_folder_is_pickled(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.json", "weights.safetensors"]
    json.loads((folder / "checkpoint.json").read_text())
    content = (folder / "weights.safetensors").read_bytes()
    header_bytes = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + header_bytes])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    assert 8 + header_bytes + max(ends) == len(content)


@pytest.mark.parametrize("name", ["checkpoint.json", "weights.safetensors"])
def test_a_missing_file_is_refused_with_one_line(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name) as error:
        load_checkpoint(folder)
    one_line(error)


def test_a_missing_folder_is_refused_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="expected a checkpoint folder as fader-train writes it") as error:
        load_checkpoint(tmp_path / "nothing")
    one_line(error)


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 2000, -1])
def test_cut_off_weights_are_refused_with_one_line(folder: Path, keep: int) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BundleError, match="cannot read the checkpoint's weights") as error:
        load_checkpoint(folder)
    one_line(error)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_in_the_header_of_the_weights_is_refused_with_one_line(
    folder: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray((folder / "weights.safetensors").read_bytes())
    stop = 8 + len(bytes(content[8 : 8 + int.from_bytes(content[:8], "little")]).rstrip())
    content[data.draw(st.integers(0, stop - 1))] ^= 1 << data.draw(st.integers(0, 7))
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged, dirs_exist_ok=True)
    (damaged / "weights.safetensors").write_bytes(content)
    with pytest.raises(BundleError) as error:
        load_checkpoint(damaged)
    one_line(error)


@pytest.mark.parametrize(
    "content", [b"", b"not json", b"{", b"[1, 2", b"\x00", b'"\xff"', b"[" * 100_000, b"1" * 5_000]
)
def test_a_description_that_is_not_json_is_refused_with_one_line(folder: Path, content: bytes) -> None:
    (folder / "checkpoint.json").write_bytes(content)
    with pytest.raises(BundleError, match="is not JSON") as error:
        load_checkpoint(folder)
    one_line(error)


@pytest.mark.parametrize("content", [{}, [], None, 7, {"schema": 2}, {"schema": "1"}])
def test_another_schema_is_refused_with_one_line(folder: Path, content: Any) -> None:
    (folder / "checkpoint.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match="is not a checkpoint of schema 1: write it with this") as error:
        load_checkpoint(folder)
    one_line(error)


WRONG: list[dict[str, Any]] = [
    {"autoencoder": {"image_size": 17}},
    {"autoencoder": {"image_size": "16"}},
    {"autoencoder": {"no_such_option": 1}},
    {"autoencoder": None},
    {"classifier": {"hidden": 0}},
    {"attributes": []},
    {"attributes": [{"name": "Glasses"}]},
    {"attributes": [{"name": "a=b", "categories": ["0", "1"]}]},
    {"template": [[1, 2, 3]]},
    {"template": "eyes"},
    {"template": [["left", "right"]]},
]


@pytest.mark.parametrize("change", WRONG)
def test_a_description_of_no_model_is_refused_with_one_line(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BundleError, match="does not describe a model") as error:
        load_checkpoint(folder)
    one_line(error)


@pytest.mark.parametrize("section", ["autoencoder", "classifier", "attributes", "template"])
def test_a_description_that_lacks_a_section_is_refused_with_one_line(folder: Path, section: str) -> None:
    path = folder / "checkpoint.json"
    content = json.loads(path.read_text())
    del content[section]
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=f"does not describe a model.*{section}") as error:
        load_checkpoint(folder)
    one_line(error)


@pytest.mark.parametrize(
    ("network", "option", "value"),
    [("autoencoder", "init_fm", 2), ("autoencoder", "mask", False), ("classifier", "hidden", 9)],
)
def test_weights_that_do_not_fit_are_refused_with_one_line(
    folder: Path, network: str, option: str, value: Any
) -> None:
    path = folder / "checkpoint.json"
    content = json.loads(path.read_text())
    content[network][option] = value
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="do not fit its configuration") as error:
        load_checkpoint(folder)
    assert len(one_line(error)) < 700


def test_an_existing_checkpoint_is_replaced_and_nothing_is_left_beside_it(folder: Path) -> None:
    save_checkpoint(make(seed=1), folder)
    assert seed_of(folder) == 1
    assert [path.name for path in folder.parent.iterdir()] == ["best"]


class Killed(BaseException):
    """Stands for the end of the process: no handler catches it, nothing after it runs."""


class Killer:
    """Ends a save before one of its steps on the disk, or in its middle."""

    def __init__(self, patch: pytest.MonkeyPatch, *, at: int, half_done: bool) -> None:
        self.steps_left, self.half_done = at, half_done
        save_file, write_text = safetensors.torch.save_file, Path.write_text
        self.replace(patch, module, "save_file", save_file, lambda _, path: path.write_bytes(b"half"))
        self.replace(patch, Path, "write_text", write_text, lambda path, *_, **__: write_text(path, "{"))
        self.replace(patch, shutil, "rmtree", shutil.rmtree, lambda folder, **_: remove_one(folder))
        for name in ("rename", "mkdir"):
            self.replace(patch, Path, name, getattr(Path, name), lambda *_, **__: None)

    def replace(
        self,
        patch: pytest.MonkeyPatch,
        owner: object,
        name: str,
        whole: Callable[..., Any],
        half: Callable[..., Any],
    ) -> None:
        def step(*arguments: Any, **options: Any) -> Any:
            self.steps_left -= 1
            if self.steps_left >= 0:
                return whole(*arguments, **options)
            if self.half_done:
                half(*arguments, **options)
            raise Killed

        patch.setattr(owner, name, step)


def remove_one(folder: Path) -> None:
    for path in sorted(folder.iterdir())[:1] if folder.exists() else []:
        path.unlink()


def save_until_killed(folder: Path, seed: int, *, at: int, half_done: bool) -> bool:
    """Save; return whether the save was killed."""
    with pytest.MonkeyPatch.context() as patch:
        Killer(patch, at=at, half_done=half_done)
        try:
            save_checkpoint(make(seed), folder)
        except Killed:
            return True
    return False


@pytest.mark.parametrize("half_done", [False, True])
def test_a_whole_checkpoint_is_found_wherever_one_save_after_another_is_killed(
    tmp_path: Path, half_done: bool
) -> None:
    n_steps = 0
    for first in itertools.count():
        for second in range(first + 1):
            folder = tmp_path / f"{first} {second}" / "best"
            save_checkpoint(make(0), folder)
            killed = save_until_killed(folder, 1, at=first, half_done=half_done)
            assert seed_of(folder) in (0, 1)
            save_until_killed(folder, 2, at=second, half_done=half_done)
            assert seed_of(folder) in (0, 1, 2)
            save_checkpoint(make(3), folder)
            assert seed_of(folder) == 3
            assert [path.name for path in folder.parent.iterdir()] == ["best"]
        if not killed:
            break
        n_steps += 1
    assert n_steps >= 6


def test_a_failed_save_is_one_line_and_leaves_the_old_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(weights: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"half of the weights")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(
        BundleError, match=r"cannot write the checkpoint .*No space left.*: make room"
    ) as error:
        save_checkpoint(make(seed=1), folder)
    one_line(error)
    assert seed_of(folder) == 0


def test_a_description_that_cannot_be_written_leaves_the_old_checkpoint(folder: Path) -> None:
    checkpoint = make(seed=1)
    with pytest.raises(TypeError):
        save_checkpoint(
            Checkpoint(
                autoencoder=checkpoint.autoencoder,
                classifier=checkpoint.classifier,
                attributes=checkpoint.attributes,
                template=checkpoint.template,
                training={"seed": object()},
            ),
            folder,
        )
    assert seed_of(folder) == 0
    assert [path.name for path in folder.parent.iterdir()] == ["best"]


def test_names_in_other_scripts_survive(tmp_path: Path) -> None:
    checkpoint = make()
    attributes = AttributeSet([Attribute(name="眼鏡"), Attribute(name="Haar", categories=("a", "b", "ü"))])
    save_checkpoint(
        Checkpoint(
            autoencoder=checkpoint.autoencoder,
            classifier=checkpoint.classifier,
            attributes=attributes,
            template=checkpoint.template,
            training={"licence": "Kärkkäinen"},
        ),
        tmp_path / "best",
    )
    loaded = load_checkpoint(tmp_path / "best")
    assert loaded.attributes.names == attributes.names
    assert re.match("Kärkk", loaded.training["licence"])
