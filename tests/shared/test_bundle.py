"""Bundles: every file is verified, and whatever is wrong with one is said in one line."""

import copy
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fader.bundle import GRAPHS, MANIFEST, VARIANTS, Bundle, Manifest, bundle_id, file_record, shipped_bundle
from fader.errors import BundleError

MakeCopy = Callable[[], Path]


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object], *, sign: bool = True) -> None:
    """Change a manifest; with `sign` its id is made to fit again."""
    path = folder / MANIFEST
    fields = json.loads(path.read_text())
    change(fields)
    if sign:
        fields["id"] = bundle_id(fields["files"])
    path.write_text(json.dumps(fields))


def refused(folder: Path, pattern: str) -> None:
    with pytest.raises(BundleError, match=pattern) as caught:
        Bundle(folder)
    assert "\n" not in str(caught.value)


def test_a_whole_bundle_opens_and_says_what_it_holds(tiny_bundle: Path) -> None:
    opened = Bundle(tiny_bundle)
    assert opened.manifest.attributes.names == ("Eyeglasses", "Male", "Smiling", "Young")
    assert opened.manifest.image_size == 64
    assert [latent.name for latent in opened.manifest.latents] == ["latent", "image"]
    for name in GRAPHS:
        assert opened.graph(name).is_file()


def test_a_bundle_knows_which_graphs_it_has_and_one_without_variants_opens(bundle: Path) -> None:
    new = Bundle(bundle)
    assert all(map(new.has, GRAPHS))
    assert new.has("encoder-fp16")
    assert new.graph("encoder-fp16") == bundle / "encoder-fp16.onnx"

    def before_variants(fields: dict[str, Any]) -> None:
        for name in VARIANTS:
            if path := fields["graphs"].pop(name, None):
                del fields["files"][path]

    rewrite(bundle, before_variants)
    old = Bundle(bundle)
    assert all(map(old.has, GRAPHS))
    assert not any(map(old.has, VARIANTS))
    with pytest.raises(BundleError, match=r"has no graph 'encoder-fp16', only .*: export it again") as caught:
        old.graph("encoder-fp16")
    assert "\n" not in str(caught.value)


def test_a_manifest_survives_its_json(tiny_bundle: Path) -> None:
    text = (tiny_bundle / MANIFEST).read_text()
    assert Manifest.from_json(text, where="here").to_json() == text


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=st.sampled_from(GRAPHS), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_in_any_graph_is_found(
    bundle: Path, graph: str, where: float, bit: int
) -> None:
    path = bundle / json.loads((bundle / MANIFEST).read_text())["graphs"][graph]
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[int(where * len(damaged))] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        refused(bundle, f"{path.name} is damaged: .*; export or download")
    finally:
        path.write_bytes(content)


def test_every_file_but_the_manifest_is_verified(bundle: Path) -> None:
    for path in [path for path in bundle.rglob("*") if path.is_file() and path.name != MANIFEST]:
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        refused(bundle, "is damaged")
        path.unlink()
        refused(bundle, f"lacks '.*{path.name}': export or download")
        path.write_bytes(content)
    Bundle(bundle)


@pytest.mark.parametrize(
    "name", ["../outside.onnx", "/outside.onnx", "detector/../../outside.onnx", "../bundle/encoder.onnx"]
)
def test_a_path_outside_the_folder_is_refused_even_with_the_right_digest(bundle: Path, name: str) -> None:
    outside = bundle.parent / "outside.onnx"
    shutil.copy(bundle / "encoder.onnx", outside)
    absolute = name.replace("/outside", str(outside.parent / "outside")) if name.startswith("/") else name

    def point_outside(fields: dict[str, Any]) -> None:
        fields["files"][absolute] = file_record(outside)
        fields["graphs"]["encoder"] = absolute

    rewrite(bundle, point_outside)
    refused(bundle, "outside its folder: do not use it")


def test_a_link_that_leads_outside_the_folder_is_refused(bundle: Path) -> None:
    outside = bundle.parent / "outside.onnx"
    (bundle / "encoder.onnx").rename(outside)
    (bundle / "encoder.onnx").symlink_to(outside)
    refused(bundle, "outside its folder")


def test_a_link_to_itself_is_refused(bundle: Path) -> None:
    (bundle / "encoder.onnx").unlink()
    (bundle / "encoder.onnx").symlink_to("encoder.onnx")
    refused(bundle, "lacks 'encoder.onnx'")


def test_a_link_to_the_whole_folder_is_followed(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tiny_bundle)
    assert Bundle(tmp_path / "link").id == Bundle(tiny_bundle).id


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (lambda fields: fields["files"]["encoder.onnx"].update(sha256="0" * 64), "changed by hand"),
        (lambda fields: fields["files"].pop("decoder.onnx"), "changed by hand"),
        (lambda fields: fields.update(id="0" * 64), "changed by hand"),
        (lambda fields: fields.pop("id"), "changed by hand"),
        (lambda fields: fields.update(schema=99), "has schema 99, expected 2"),
        (lambda fields: fields.pop("schema"), "has schema None, expected 2"),
    ],
)
def test_a_manifest_that_was_edited_by_hand_is_refused(
    bundle: Path, change: Callable[[dict[str, Any]], object], pattern: str
) -> None:
    rewrite(bundle, change, sign=False)
    refused(bundle, pattern)


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.update(image_size=2**20),
        lambda fields: fields.update(image_size=float("inf")),
        lambda fields: fields.update(template=[[0, 0], [1, float("nan")], [2, 2]]),
        lambda fields: fields.update(attributes=[]),
        lambda fields: fields.update(attributes=[{"name": "A=B", "categories": ["0", "1"]}]),
        lambda fields: fields["latents"][0].update(shape=[0, 4, 4]),
        lambda fields: fields["graphs"].pop("detector_o"),
        lambda fields: fields["graphs"].update(encoder="elsewhere.onnx"),
        lambda fields: fields["files"].update({"a\0b": {"sha256": "", "bytes": 0}}),
        lambda fields: fields["files"].update({"\ud800": {"sha256": "", "bytes": 0}}),
        lambda fields: fields["files"].update({"x" * 5000: {"sha256": "", "bytes": 0}}),
        lambda fields: fields["files"].update({"detector": {"sha256": "", "bytes": 0}}),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    bundle: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    rewrite(bundle, change)
    refused(bundle, "export")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"manifest"', "[" * 200_000, "\ufeff{}"])
def test_a_manifest_that_is_no_json_object_is_refused(bundle: Path, text: str) -> None:
    (bundle / MANIFEST).write_text(text)
    refused(bundle, "expected|not JSON")


def test_a_manifest_of_bytes_that_are_no_text_is_refused(bundle: Path) -> None:
    (bundle / MANIFEST).write_bytes(b"\xff\xfe\x00")
    refused(bundle, "cannot read")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "cannot read .*: expected a bundle as fader-export writes it")
    refused(tmp_path / "missing", "cannot read")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[Any], Any]:
    """A way to replace, remove or add something somewhere in a JSON document."""
    steps = draw(st.lists(st.integers(0, 10**6), max_size=4))
    what, kind = draw(ANYTHING), draw(st.sampled_from(["replace", "remove", "add"]))

    def mutate(document: Any) -> Any:
        parent, key, at = None, None, document
        for step in steps:
            keys: list[Any] = (
                list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
            )
            if not keys:
                break
            parent, key = at, keys[step % len(keys)]
            at = parent[key]
        if kind == "add" and isinstance(at, dict):
            at["new"] = what
        elif kind == "add" and isinstance(at, list):
            at.append(what)
        elif parent is None:
            return what
        elif kind == "remove":
            del parent[key]
        else:
            parent[key] = what
        return document

    return mutate


@settings(deadline=None, max_examples=300)
@given(mutate=mutations(), sign=st.booleans())
def test_a_mutated_manifest_opens_or_is_refused_in_one_line(
    tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory, mutate: Callable[[Any], Any], sign: bool
) -> None:
    fields = mutate(copy.deepcopy(json.loads((tiny_bundle / MANIFEST).read_text())))
    if sign and isinstance(fields, dict):
        with suppress(KeyError, TypeError, AttributeError):
            fields["id"] = bundle_id(fields["files"])
    try:
        manifest = Manifest.from_json(json.dumps(fields), where="manifest.json")
    except BundleError as error:
        message = str(error)
    else:
        message = ""
        assert json.loads(manifest.to_json())["schema"] == 2
        assert all(isinstance(name, str) for name in manifest.attributes.names)
    assert "\n" not in message


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=12))
def test_a_file_of_any_name_that_is_not_there_is_refused_in_one_line(bundle: Path, name: str) -> None:
    before = (bundle / MANIFEST).read_text()
    rewrite(bundle, lambda fields: fields["files"].update({name + "?": {"sha256": "", "bytes": 0}}))
    try:
        refused(bundle, "lacks|outside")
    finally:
        (bundle / MANIFEST).write_text(before)


def test_the_id_depends_on_the_graphs_and_on_nothing_else(tiny_bundle: Path) -> None:
    manifest = Bundle(tiny_bundle).manifest
    files = dict(manifest.files)
    other_card = {**files, "README.md": {"sha256": "f" * 64, "bytes": 1}}
    other_graph = {**files, "decoder.onnx": {"sha256": "f" * 64, "bytes": 1}}
    assert bundle_id(other_card) == bundle_id(files) == Bundle(tiny_bundle).id
    assert bundle_id(other_graph) != bundle_id(files)
    assert bundle_id(dict(reversed(files.items()))) == bundle_id(files)
    assert json.loads(replace(manifest, name="other").to_json())["id"] == bundle_id(files)


def test_a_shipped_bundle_that_is_not_there_is_refused_with_what_to_do() -> None:
    with pytest.raises(BundleError, match=r"no bundle 'nonesuch' .*: name one with --model"):
        shipped_bundle("nonesuch")
