"""Published models: what the file's own modules compute is what the imported network computes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.published_files import (
    BOOLEAN,
    AutoEncoder,
    Call,
    Name,
    Outside,
    file_of_2017,
    pictures,
    save,
    stand_in,
    stream,
)
from torch import nn

from fader.errors import BundleError
from fader.models.published import celeba_template, load_published, loading
from fader.models.published.objects import TorchMeaning
from fader.models.published.pickles import read_pickle
from fader.models.published.tensors import Tensor

WRITERS: dict[str, Callable[[AutoEncoder], bytes]] = {
    "zip of today": lambda network: save(network, zipped=True),
    "older file": lambda network: save(network, zipped=False),
    "file of 2017": file_of_2017,
    "file of 2017 from Python 2": lambda network: file_of_2017(network, python2=True),
    "zip with a pickle of 2017": lambda network: file_of_2017(network, zipped=True),
}
SEVERAL = [("Smiling", 2), ("Young", 2), ("Hair", 4)]
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one layer": {"n_layers": 1, "img_sz": 4},
    "skips": {"n_skip": 2},
    "instance norm": {"instance_norm": True},
    "nearest": {"deconv_method": "upsampling"},
    "pixel shuffle": {"deconv_method": "pixelshuffle"},
    "categories": {"attr": SEVERAL},
    "dropout": {"dropout": 0.3, "n_layers": 4},
    "everything": {
        "attr": SEVERAL,
        "n_skip": 2,
        "instance_norm": True,
        "deconv_method": "pixelshuffle",
        "dropout": 0.3,
        "img_sz": 32,
        "n_layers": 4,
    },
    "everything, nearest": {"attr": SEVERAL, "n_skip": 1, "deconv_method": "upsampling", "dropout": 0.2},
}


def load(content: bytes, folder: Path) -> Any:
    (folder / "model.pth").write_bytes(content)
    return load_published(folder / "model.pth")


def refusal(content: bytes, folder: Path) -> str:
    with pytest.raises(BundleError, match=r"cannot import .*model\.pth: ") as caught:
        load(content, folder)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert len(text) < 500 + len(str(folder))
    return text


def values_for(network: AutoEncoder) -> torch.Tensor:
    generator = np.random.default_rng(4)
    return torch.from_numpy(generator.uniform(-1, 2, (2, network.n_attr)).astype(np.float32))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("form", FORMS)
def test_an_imported_model_draws_what_the_file_s_own_modules_draw(
    form: str, writer: str, tmp_path: Path
) -> None:
    network = stand_in(**FORMS[form])
    model = load(WRITERS[writer](network), tmp_path)
    images, values = pictures(network.img_sz), values_for(network)
    with torch.no_grad():
        encoded = network.encode(images)
        expected = network.decode(encoded, values)
        latents = model.autoencoder.encode(images)
        found = model.autoencoder.decode(latents, values)
    assert len(latents) == network.n_skip + 1
    for depth, latent in enumerate(latents):
        torch.testing.assert_close(latent, encoded[-1 - depth], rtol=0, atol=1e-5)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert float(expected.std()) > 0.1
    assert not model.autoencoder.training
    assert model.attributes.names == tuple(name for name, _ in network.attr)


def test_the_published_size_has_the_published_number_of_parameters(tmp_path: Path) -> None:
    network = stand_in(img_sz=256, init_fm=32, max_fm=512, n_layers=6)
    model = load(file_of_2017(network), tmp_path)
    assert sum(parameter.numel() for parameter in model.autoencoder.parameters()) == 14_000_512
    assert model.autoencoder.latent_shapes == ((512, 4, 4),)
    assert model.template == celeba_template(256)


def test_the_template_is_celeba_s_in_its_square_crop() -> None:
    assert np.allclose(celeba_template(178), [(69.745, 91), (107.237, 91), (88.432, 132.514)])
    # Outer edges stay outer edges: -0.5 and 177.5 become -0.5 and 255.5.
    ratio = 256 / 178
    expected = [((x + 0.5) * ratio - 0.5, (y + 0.5) * ratio - 0.5) for x, y in celeba_template(178)]
    assert np.allclose(celeba_template(256), expected)


def test_categories_are_numbered_and_booleans_are_sliders(tmp_path: Path) -> None:
    attributes = load(file_of_2017(stand_in(SEVERAL)), tmp_path).attributes
    assert attributes["Smiling"].kind == "boolean"
    assert attributes["Hair"].categories == ("0", "1", "2", "3")
    assert attributes.n_columns == 8


@pytest.mark.parametrize("method", ["convtranspose", "upsampling", "pixelshuffle"])
def test_columns_in_another_order_are_moved_with_their_weights(method: str, tmp_path: Path) -> None:
    network = stand_in([("Hair", 3), ("Young", 2), ("Male", 2)], deconv_method=method, n_skip=1)
    model = load(file_of_2017(network), tmp_path)
    assert model.attributes.names == ("Male", "Young", "Hair")
    images, theirs = pictures(16), values_for(network)
    ours = theirs[:, [5, 6, 3, 4, 0, 1, 2]]
    with torch.no_grad():
        expected = network.decode(network.encode(images), theirs)
        found = model.autoencoder(images, ours)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_the_card_says_where_the_model_comes_from(tmp_path: Path) -> None:
    training = load(file_of_2017(stand_in()), tmp_path).training
    assert training["command"].startswith("imported from model.pth, SHA-256 ")
    assert "CC BY-NC" in training["licence"]


def test_a_convolution_without_bias_gets_zeros(tmp_path: Path) -> None:
    network = stand_in(deconv_method="upsampling")
    network.get_submodule("dec_layers.0.1").register_parameter("bias", None)
    model = load(file_of_2017(network), tmp_path)
    images, values = pictures(16), values_for(network)
    with torch.no_grad():
        expected = network.decode(network.encode(images), values)
        torch.testing.assert_close(model.autoencoder(images, values), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_weights_of_another_precision_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    network = stand_in()
    model = load(save(network.to(dtype), zipped=True), tmp_path)
    weight = model.autoencoder.encoder[0][0].weight
    assert weight.dtype == torch.float32
    expected = network.get_parameter("enc_layers.0.0.weight").float()
    torch.testing.assert_close(weight, expected, rtol=0, atol=0)


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_that_are_parts_of_larger_storages_are_read(zipped: bool, tmp_path: Path) -> None:
    network = stand_in()
    whole = torch.full((3, 7, 4, 4), 9.0)
    weight = network.get_parameter("enc_layers.0.0.weight")
    view = whole.transpose(0, 1)[2:4]
    with torch.no_grad():
        view.copy_(weight)
    network.get_submodule("enc_layers.0.0").register_parameter("weight", nn.Parameter(view))
    model = load(save(network, zipped=zipped), tmp_path)
    torch.testing.assert_close(model.autoencoder.encoder[0][0].weight, weight, rtol=0, atol=0)


def test_a_named_part_of_a_storage_is_read() -> None:
    numbers = {"7": np.arange(10, dtype=np.float32)}
    storage = ("storage", Name("torch.cuda", "FloatStorage"), "7", "cuda:0", 10, ("71", 3, 4))
    call = Call(Name("torch._utils", "_rebuild_tensor"), (Outside(storage), 1, (3,), (1,)))
    read, _ = read_pickle(stream(call), 0, TorchMeaning())
    assert isinstance(read, Tensor)
    assert read.read({key: values.tobytes() for key, values in numbers.items()}).tolist() == [4, 5, 6]


SETTINGS: dict[str, tuple[str, dict[str, Any], str]] = {
    "stride": ("enc_layers.1.0", {"stride": (1, 1)}, "its encoder.1.0 has stride a tuple"),
    "slope": ("enc_layers.0.1", {"negative_slope": 0.1}, "its encoder.0.1 has negative_slope 0.1"),
    "eps": ("enc_layers.1.1", {"eps": 1e-3}, "its encoder.1.1 has eps 0.001"),
    "borders": ("enc_layers.0.0", {"padding_mode": "circular"}, "has padding_mode 'circular'"),
    "padding": ("dec_layers.0.0", {"padding": (0, 0)}, "its decoder.0.0 has padding a tuple"),
    "bias": ("dec_layers.0.0", {"bias": nn.Parameter(torch.ones(4))}, "its decoder.0.0 has a 'bias'"),
    "no statistics": ("enc_layers.1.1", {"running_var": None}, "its encoder.1.1.running_var is None"),
    "width": ("", {"init_fm": 3}, "its encoder.0.0.weight is (2, 3, 4, 4), not (3, 3, 4, 4)"),
    "far too wide": ("", {"max_fm": 10**6}, "its max_fm is 1000000"),
    "huge images": ("", {"img_sz": 2**40}, "its img_sz is 1099511627776"),
    "images of no use": ("", {"img_sz": 20}, "image_size = 20: expected a multiple of 8"),
    "greys": ("", {"img_fm": 1}, "its images have 1 channels"),
    "a wrong kind": ("", {"n_layers": "3"}, "its n_layers is '3'"),
    "too many skips": ("", {"n_skip": 3}, "n_skip = 3: expected 0 to 2"),
    "no option": ("", {"instance_norm": None}, "its instance_norm is None"),
    "upsampling": ("", {"deconv_method": "bilinear"}, "its deconv_method is 'bilinear'"),
    "no attributes": ("", {"attr": [], "n_attr": 0}, "found no attribute"),
    "attributes twice": ("", {"attr": BOOLEAN * 2, "n_attr": 4}, "expected all names different"),
    "a bad name": ("", {"attr": [("a=b", 2)]}, "expected a name without '='"),
    "a name of two lines": ("", {"attr": [("a\nb", 2)]}, "it has a tuple as an attribute"),
    "one category": ("", {"attr": [("a", 1), ("b", 1)]}, "it has a tuple as an attribute"),
    "columns": ("", {"n_attr": 3}, "its 1 attributes do not make its 3 columns"),
    "many categories": (
        "",
        {"attr": [("a", 10**9)], "n_attr": 10**9},
        "its 1 attributes do not make its 1000000000 columns",
    ),
}


@pytest.mark.parametrize("change", SETTINGS)
def test_a_setting_that_no_published_model_has_is_refused(change: str, tmp_path: Path) -> None:
    network = stand_in()
    path, settings, expected = SETTINGS[change]
    for name, value in settings.items():
        setattr(network.get_submodule(path), name, value)
    assert expected in refusal(save(network, zipped=True), tmp_path)


STRUCTURES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no Tanh": (lambda n: n.dec_layers[-1].pop(1), "its last layer does not end with Tanh"),
    "no norm": (lambda n: n.enc_layers[1].pop(1), "encoder.1.0 has other parts: Conv2d, LeakyReLU"),
    "Tanh inside": (
        lambda n: n.dec_layers[0].__setitem__(2, nn.Tanh()),
        "decoder.0.0 has other parts: ConvTranspose2d, BatchNorm2d, Tanh",
    ),
    "a layer too few": (lambda n: n.enc_layers.pop(2), "it has 2 enc_layers, not 3"),
    "a layer twice": (lambda n: n.dec_layers.append(n.dec_layers[-1]), "it has 4 dec_layers, not 3"),
    "no layers": (lambda n: delattr(n, "dec_layers"), "it has no ModuleList"),
    "a bare layer": (lambda n: n.enc_layers.insert(0, n.enc_layers.pop(0)[0]), "it has no Sequential"),
    "not finite": (
        lambda n: n.enc_layers[1][0].weight.data.fill_(torch.nan),
        "its encoder.1.0.weight has values that are not finite",
    ),
    "a weight twice": (
        lambda n: setattr(n.enc_layers[1][0].weight, "data", n.enc_layers[2][0].weight.data[:, :2]),
        "its weights share their numbers",
    ),
    "a hook": (lambda n: n.enc_layers[0].register_forward_hook(print), "it names __builtin__.print"),
    "another module": (
        lambda n: n.enc_layers[0].append(nn.GELU()),
        "it names torch.nn.modules.activation.GELU",
    ),
}


@pytest.mark.parametrize("change", STRUCTURES)
def test_a_network_of_other_parts_is_refused(change: str, tmp_path: Path) -> None:
    network = stand_in()
    alter, expected = STRUCTURES[change]
    alter(network)
    assert expected in refusal(save(network, zipped=True), tmp_path)


@pytest.mark.parametrize("name", ["track_running_stats", "_use_running_stats"])
def test_instance_norm_that_uses_running_statistics_is_refused(name: str, tmp_path: Path) -> None:
    network = stand_in(instance_norm=True)
    setattr(network.get_submodule("enc_layers.1.1"), name, True)
    assert f"its encoder.1.1 has {name} True" in refusal(save(network, zipped=True), tmp_path)


@pytest.mark.parametrize(("name", "value"), [("size", 8), ("mode", "bilinear"), ("scale_factor", 4)])
def test_another_way_of_upsampling_is_refused(name: str, value: object, tmp_path: Path) -> None:
    network = stand_in(deconv_method="upsampling")
    setattr(network.get_submodule("dec_layers.0.0"), name, value)
    assert f"its decoder.0.0 has {name} {value!r}" in refusal(save(network, zipped=True), tmp_path)


@pytest.mark.parametrize(
    "root",
    [
        {"weight": torch.zeros(2)},
        nn.Sequential(nn.Conv2d(1, 1, 1)),
        torch.zeros(2),
        "text",
        [[1, 2], None],
    ],
    ids=str,
)
def test_a_file_of_something_else_is_refused(root: object, tmp_path: Path) -> None:
    for zipped in (True, False):
        assert ": it holds " in refusal(save(root, zipped=zipped), tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"cannot read .*none.pth \(No such file or directory\)"):
        load_published(tmp_path / "none.pth")
    with pytest.raises(BundleError, match="cannot read"):
        load_published(tmp_path)


def test_a_file_that_is_far_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_FILE_BYTES", 2**20)
    (tmp_path / "model.pth").write_bytes(bytes(2**20 + 1))
    with pytest.raises(BundleError, match="has more than 1 MiB"):
        load_published(tmp_path / "model.pth")
