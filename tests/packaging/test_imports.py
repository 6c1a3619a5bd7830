"""The runtime runs where PyTorch, ONNX and everything else of training cannot be imported."""

import subprocess
import sys

import pytest

FORBIDDEN = ("torch", "onnx", "onnxscript", "safetensors", "mtcnn", "skimage", "tensorflow")

BLOCK = """
import sys, importlib.abc
class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {forbidden!r}:
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Block())
"""

MODULES = (
    "fader.errors",
    "fader.attributes",
    "fader.image",
    "fader.bundle",
    "fader.console",
    "fader.lazy",
    "fader.runtime.cli",
    "fader.runtime.editor",
    "fader.runtime.images",
    "fader.runtime.pipeline",
    "fader.runtime.faces.detector",
    "fader.runtime.video",
)


@pytest.mark.parametrize("module", MODULES)
def test_a_runtime_module_imports_without_training_packages(module: str) -> None:
    code = BLOCK.format(forbidden=FORBIDDEN) + f"import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["fader.train", "fader.export"])
def test_a_package_of_heavy_code_answers_without_loading_it(name: str) -> None:
    code = f"import sys, {name}, {name}.cli; assert 'torch' not in sys.modules, 'torch was loaded'"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
