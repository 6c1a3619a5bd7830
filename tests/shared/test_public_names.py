"""What modules promise in __all__ is there, and lazily loaded names are the things themselves."""

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import fader
import fader.runtime
from fader.lazy import lazy_names

WITHOUT_NAMES = {
    "fader.models.pretrained",
    "fader.runtime.faces",
    "fader.train.__main__",
    "fader.train.data",
    "fader.train.evaluation",
    "fader.train.presets",
}
MODULES = sorted(module.name for module in pkgutil.walk_packages(fader.__path__, "fader."))


def test_all_packages_are_looked_at() -> None:
    assert {"fader.runtime.video.planes", "fader.models.layers", "fader.train.cli", "fader.bundle"} <= set(
        MODULES
    )


@pytest.mark.parametrize("name", MODULES)
def test_everything_in_a_modules_all_exists(name: str) -> None:
    module = import_module(name)
    public = getattr(module, "__all__", None)
    if public is None:
        assert name in WITHOUT_NAMES, f"{name} lacks __all__"
        return
    assert len(set(public)) == len(public)
    for item in public:
        assert getattr(module, item, None) is not None, f"{name}.{item}"


def test_every_public_name_of_the_runtime_is_what_its_module_calls_so() -> None:
    assert isinstance(fader.runtime.ENGINES, dict)
    for name in set(fader.runtime.__all__) - {"ENGINES"}:
        assert getattr(fader.runtime, name).__name__ == name


def test_an_unknown_name_of_a_lazy_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'fader.runtime' has no attribute 'nonesuch'"):
        _ = fader.runtime.nonesuch
    with pytest.raises(ImportError):
        import_nonesuch()


def import_nonesuch() -> None:
    from fader.runtime import nonesuch  # noqa: F401


def test_a_lazy_name_is_loaded_from_its_home_when_it_is_asked_for() -> None:
    load = lazy_names("email", {"Message": "message"})
    assert load("Message").__module__ == "email.message"


def test_a_star_import_brings_every_public_name() -> None:
    script = "from fader.runtime import *; import fader.runtime as r; assert set(r.__all__) <= set(globals())"
    subprocess.run([sys.executable, "-c", script], check=True)
