"""Where images lie: a folder or an archive, whole or damaged."""

import zipfile
from pathlib import Path

import pytest

from fader.errors import DataError
from fader.image_source import ImageSource

FILES = {"a.jpg": b"first", "b.jpg": b"second"}


NESTED = ("class_001/a.jpg", "class_002/a.jpg", "class_002/b.jpg")


def make_nested(folder: Path, kind: str) -> Path:
    """Make a source in which a file name occurs in two folders; each file holds its own path."""
    root = "" if kind == "zip" else "flowers/"
    if kind == "folder":
        for name in NESTED:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(name)
        return folder
    path = folder / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in NESTED:
            archive.writestr(root + name, name)
        if kind == "zip with a folder and more":
            archive.writestr("README.txt", "what this is")
    return path


def make_source(folder: Path, kind: str) -> Path:
    if kind == "folder":
        for name, content in FILES.items():
            (folder / name).write_bytes(content)
        return folder
    path = folder / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        if kind == "zip with a folder":
            archive.mkdir("img_align_celeba")
        for name, content in FILES.items():
            archive.writestr(
                f"img_align_celeba/{name}" if kind == "zip with a folder" else name, content * 50
            )
    return path


@pytest.fixture(params=["folder", "zip", "zip with a folder"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make_source(tmp_path, request.param)


def test_images_are_read_by_name(source: Path) -> None:
    images = ImageSource(source)
    assert images.read("b.jpg").startswith(b"second")
    assert images.read("a.jpg").startswith(b"first")


def test_missing_images_are_named_in_the_order_asked_for(source: Path) -> None:
    images = ImageSource(source)
    assert images.missing(["z.jpg", "a.jpg", "img_align_celeba", "c.jpg"]) == [
        "z.jpg",
        "img_align_celeba",
        "c.jpg",
    ]
    assert images.missing(list(FILES)) == []


def test_names_that_lead_elsewhere_are_missing(source: Path) -> None:
    (source.parent / "secret.jpg").write_bytes(b"secret")
    assert ImageSource(source).missing(["../secret.jpg", "/etc/passwd"]) == ["../secret.jpg", "/etc/passwd"]


@pytest.mark.parametrize("kind", ["folder", "zip", "zip with a folder"])
def test_names_may_lead_into_folders(tmp_path: Path, kind: str) -> None:
    images = ImageSource(make_nested(tmp_path, kind))
    assert images.missing([*NESTED, "class_001/b.jpg", "class_001", "class_001/"]) == [
        "class_001/b.jpg",
        "class_001",
        "class_001/",
    ]
    for name in NESTED:
        assert images.read(name) == name.encode()
    assert images.fingerprint(NESTED) == images.fingerprint(NESTED)


def test_whole_paths_of_an_archive_are_names_too(tmp_path: Path) -> None:
    images = ImageSource(make_nested(tmp_path, "zip with a folder and more"))
    assert images.missing([f"flowers/{name}" for name in NESTED]) == []
    assert images.read("flowers/class_002/a.jpg") == b"class_002/a.jpg"


def test_a_name_that_an_archive_has_in_two_folders_is_missing_without_its_folder(tmp_path: Path) -> None:
    images = ImageSource(make_nested(tmp_path, "zip"))
    assert images.missing(["a.jpg", "b.jpg"]) == ["a.jpg"]
    assert images.read("b.jpg") == b"class_002/b.jpg"
    with pytest.raises(DataError, match=r"cannot read a\.jpg"):
        images.read("a.jpg")


@pytest.mark.parametrize(
    "name", ["../secret.jpg", "x/../../secret.jpg", "", "a\0b", "/etc/passwd", "n" * 5000]
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_names_that_lead_elsewhere_are_neither_held_nor_read(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "images" / "x").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    images = ImageSource(make_source(tmp_path / "images", kind))
    assert images.missing([name]) == [name]
    with pytest.raises(DataError, match="cannot read"):
        images.read(name)


def test_an_archive_whose_entries_lead_elsewhere_is_not_followed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in ("../up.jpg", "/etc/root.jpg", "in/good.jpg"):
            archive.writestr(name, name)
    images = ImageSource(tmp_path / "images.zip")
    names = ["../up.jpg", "/etc/root.jpg", "good.jpg", "in/good.jpg"]
    assert images.missing(names) == names[:2]
    assert images.read("good.jpg") == b"in/good.jpg"


def test_an_archive_of_nothing_holds_nothing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w"):
        pass
    assert ImageSource(tmp_path / "images.zip").missing(["a.jpg"]) == ["a.jpg"]


def test_a_missing_image_is_refused_with_one_line(source: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read z.jpg from") as error:
        ImageSource(source).read("z.jpg")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("content", [None, b"", b"not an archive"])
def test_what_is_no_folder_and_no_archive_is_refused_with_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "images.tar"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="expected a folder or a zip archive") as error:
        ImageSource(path)
    assert len(str(error.value).splitlines()) == 1


def test_a_damaged_entry_of_an_archive_is_refused_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"".join(b"%d" % i for i in range(200)))
    whole = path.read_bytes()
    start = whole.index(b"a.jpg") + len(b"a.jpg")
    for byte in range(start, start + 60):
        damaged = bytearray(whole)
        damaged[byte] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"cannot read a\.jpg from .*: is it whole\?") as error:
            ImageSource(path).read("a.jpg")
        assert len(str(error.value).splitlines()) == 1


def test_an_encrypted_archive_is_refused_with_one_line(tmp_path: Path) -> None:
    path = make_source(tmp_path, "zip")
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read a\.jpg from .*encrypted"):
        ImageSource(path).read("a.jpg")


def test_a_fingerprint_changes_with_any_labelled_file(source: Path) -> None:
    before = ImageSource(source).fingerprint(list(FILES))
    assert before == ImageSource(source).fingerprint(list(FILES))
    changed = source / "b.jpg" if source.is_dir() else source
    changed.write_bytes(changed.read_bytes() + b"x")
    assert ImageSource(source).fingerprint(list(FILES)) != before
