"""The detector's graphs against a plain NumPy evaluation of the package's weights, and on a real face."""

import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path

import cv2
import joblib
import numpy as np
import onnx
import onnxruntime
import pytest
import skimage.data
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fader.bundle import GRAPHS
from fader.errors import BundleError
from fader.export import convert_detector

Array = NDArray[np.float32]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("detector")
    convert_detector(target)
    return target


def run(folder: Path, file: str, image: Array) -> dict[str, Array]:
    session = onnxruntime.InferenceSession(folder / file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


class Plain:
    """The networks again, in Keras' own layout (images NHWC), layer by layer."""

    def __init__(self, network: str) -> None:
        spec = util.find_spec("mtcnn")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        path = Path(spec.submodule_search_locations[0]) / "assets" / "weights" / f"{network}.lz4"
        self._weights: Iterator[Array] = iter(joblib.load(path))

    def conv(self, x: Array) -> Array:
        kernel, bias = next(self._weights), next(self._weights)
        windows = sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
        return np.asarray(np.einsum("nhwcij,ijco->nhwo", windows, kernel) + bias)

    def dense(self, x: Array) -> Array:
        return np.asarray(x @ next(self._weights) + next(self._weights))

    def prelu(self, x: Array) -> Array:
        slope = next(self._weights)
        return np.asarray(np.where(x > 0, x, x * slope))

    def pool(self, x: Array, size: int, *, same: bool = False) -> Array:
        if same:
            missing = [max((-(-n // 2) - 1) * 2 + size - n, 0) for n in x.shape[1:3]]
            x = np.pad(x, [(0, 0), (0, missing[0]), (0, missing[1]), (0, 0)], constant_values=-np.inf)
        windows = sliding_window_view(x, (size, size), axis=(1, 2))[:, ::2, ::2]
        return np.asarray(windows.max(axis=(4, 5)))

    def flatten(self, x: Array) -> Array:
        return x.transpose(0, 2, 1, 3).reshape(len(x), -1)

    @staticmethod
    def face(logits: Array) -> Array:
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray((exponentials / exponentials.sum(axis=-1, keepdims=True))[..., 1])


def noise(batch: int, height: int, width: int) -> Array:
    return np.random.default_rng(0).uniform(-1, 1, (batch, 3, height, width)).astype(np.float32)


def assert_close(found: Array, expected: Array) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize(("height", "width"), [(12, 12), (13, 18), (30, 25)])
def test_pnet_computes_what_the_package_computes_at_even_and_odd_sizes(
    folder: Path, height: int, width: int
) -> None:
    image, plain = noise(2, height, width), Plain("pnet")
    hidden = plain.pool(plain.prelu(plain.conv(image.transpose(0, 2, 3, 1))), 2, same=True)
    hidden = plain.prelu(plain.conv(plain.prelu(plain.conv(hidden))))
    offsets, logits = plain.conv(hidden), plain.conv(hidden)
    found = run(folder, "pnet.onnx", image)
    assert_close(found["offsets"], offsets.transpose(0, 3, 1, 2))
    assert_close(found["probability"], plain.face(logits))
    assert found["probability"].shape == (2, (height + 1) // 2 - 5, (width + 1) // 2 - 5)


def test_rnet_computes_what_the_package_computes(folder: Path) -> None:
    image, plain = noise(3, 24, 24), Plain("rnet")
    hidden = plain.pool(plain.prelu(plain.conv(image.transpose(0, 2, 3, 1))), 3, same=True)
    hidden = plain.prelu(plain.conv(plain.pool(plain.prelu(plain.conv(hidden)), 3)))
    hidden = plain.prelu(plain.dense(plain.flatten(hidden)))
    found = run(folder, "rnet.onnx", image)
    assert_close(found["offsets"], plain.dense(hidden))
    assert_close(found["probability"], plain.face(plain.dense(hidden)))


def test_onet_computes_what_the_package_computes(folder: Path) -> None:
    image, plain = noise(3, 48, 48), Plain("onet")
    hidden = plain.pool(plain.prelu(plain.conv(image.transpose(0, 2, 3, 1))), 3, same=True)
    hidden = plain.pool(plain.prelu(plain.conv(hidden)), 3)
    hidden = plain.pool(plain.prelu(plain.conv(hidden)), 2, same=True)
    hidden = plain.prelu(plain.dense(plain.flatten(plain.prelu(plain.conv(hidden)))))
    found = run(folder, "onet.onnx", image)
    assert_close(found["offsets"], plain.dense(hidden))
    assert_close(found["landmarks"], plain.dense(hidden))
    assert_close(found["probability"], plain.face(plain.dense(hidden)))


@pytest.fixture(scope="module")
def portrait() -> Array:
    """(1, 3, 512, 512): a face with eyes near (204, 100) and (246, 103), mouth near (223, 140)."""
    pixels = skimage.data.astronaut().astype(np.float32)
    return np.asarray((pixels - 127.5) / 128).transpose(2, 0, 1)[None]


def crop(portrait: Array, box: tuple[int, int, int, int], size: int) -> Array:
    x1, y1, x2, y2 = box
    pixels = portrait[0, :, y1 : y2 + 1, x1 : x2 + 1].transpose(1, 2, 0)
    resized = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    return resized.transpose(2, 0, 1)[None].astype(np.float32)


def test_onet_finds_the_five_landmarks_of_a_real_face(folder: Path, portrait: Array) -> None:
    x1, y1, x2, y2 = box = (170, 70, 280, 180)
    found = run(folder, "onet.onnx", crop(portrait, box, 48))
    assert found["probability"][0] > 0.99
    xs = found["landmarks"][0, :5] * (x2 - x1 + 1) + x1 - 1
    ys = found["landmarks"][0, 5:] * (y2 - y1 + 1) + y1 - 1
    # Of image-left eye, image-right eye, nose tip, image-left and image-right mouth corner, seen by eye.
    np.testing.assert_allclose(xs, [204, 247, 225, 202, 245], atol=4)
    np.testing.assert_allclose(ys, [101, 104, 128, 140, 142], atol=4)


def test_rnet_tells_a_face_from_background(folder: Path, portrait: Array) -> None:
    face = run(folder, "rnet.onnx", crop(portrait, (170, 70, 280, 180), 24))
    flag = run(folder, "rnet.onnx", crop(portrait, (20, 20, 120, 120), 24))
    assert face["probability"][0] > 0.9
    assert flag["probability"][0] < 0.1


def test_pnet_proposes_the_box_of_a_real_face(folder: Path, portrait: Array) -> None:
    scale = 56 / 512
    image = cv2.resize(portrait[0].transpose(1, 2, 0), (56, 56), interpolation=cv2.INTER_AREA)
    found = run(folder, "pnet.onnx", image.transpose(2, 0, 1)[None].astype(np.float32))
    row, column = np.unravel_index(found["probability"][0].argmax(), found["probability"].shape[1:])
    cell = np.array([2 * column, 2 * row, 2 * column + 12, 2 * row + 12])
    box = (cell + 12 * found["offsets"][0, :, row, column]) / scale
    assert found["probability"].max() > 0.95
    np.testing.assert_allclose(box, [172, 65, 268, 180], atol=15)


def test_converting_twice_gives_the_same_bytes_and_no_traces(folder: Path, tmp_path: Path) -> None:
    files = convert_detector(tmp_path)
    assert set(files) == {name for name in GRAPHS if name.startswith("detector")}
    for file in files.values():
        content = (tmp_path / file).read_bytes()
        assert content == (folder / file).read_bytes()
        assert b"site-packages" not in content
        assert not any(
            node.metadata_props or node.doc_string for node in onnx.load(tmp_path / file).graph.node
        )


def test_the_licence_of_the_weights_goes_along(folder: Path) -> None:
    notice = (folder / "MTCNN-LICENSE.txt").read_text(encoding="utf-8")
    assert "Iván de Paz Centeno" in notice
    assert "Permission is hereby granted, free of charge" in notice


def test_a_missing_package_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(BundleError, match=r"pip install mtcnn==1\.0\.0"):
        convert_detector(tmp_path)


def test_other_weights_are_refused_before_they_are_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "mtcnn" / "assets" / "weights"
    weights.mkdir(parents=True)
    (tmp_path / "mtcnn" / "__init__.py").touch()
    (weights / "pnet.lz4").write_bytes(b"cos\nsystem\n(S'touch unpickled'\ntR.")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="SHA-256"):
        convert_detector(tmp_path)
    assert not (tmp_path / "unpickled").exists()
    assert not list(tmp_path.glob("*.onnx"))
