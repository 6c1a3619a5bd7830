"""A cache folder for the tests, and a bundle that has the real face detector and nothing else."""

from collections.abc import Iterator

import pytest

from fader.attributes import Attribute, AttributeSet
from fader.bundle import GRAPHS, MANIFEST, Bundle, LatentSpec, Manifest, file_record
from fader.export import convert_detector
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at

SIZE = 64


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither see nor fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def detector_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Three graphs are the detector's, the others are placeholders that nobody can run; not to be changed."""
    folder = tmp_path_factory.mktemp("detector_bundle")
    graphs = convert_detector(folder)
    for name in set(GRAPHS) - set(graphs):
        graphs[name] = f"{name}.onnx"
        (folder / graphs[name]).write_bytes(name.encode())
    manifest = Manifest(
        name="detector",
        image_size=SIZE,
        attributes=AttributeSet([Attribute(name="Glasses")]),
        latents=(LatentSpec(name="latent", shape=(8, 4, 4)),),
        relative=False,
        template=template_at(CELEBA_TIGHT, SIZE),
        graphs=graphs,
        files={path.name: file_record(path) for path in sorted(folder.iterdir())},
        verified_batch_sizes=(1,),
        parity={},
    )
    (folder / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return Bundle(folder)
