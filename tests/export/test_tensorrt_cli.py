"""fader-export --tensorrt: real builds by TensorRT for RTX, which needs no GPU, and one line without one."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from fader.bundle import Bundle
from fader.models import Checkpoint, save_checkpoint

GRAPHS = [f"Squares/{name}-fp16" for name in ("encoder", "decoder", "classifier")]
CALL = "from fader.export.cli import main; main()"
# A GPU is described, and takes every engine: the rest, parser, builder, child processes and cache, is real.
WITH_GPU = """
from types import SimpleNamespace
import fader.runtime.engines.tensorrt.engine as engine

gpu = {"gpu": "none", "compute_capability": "0.0"}
engine.require_driver = lambda: None
engine.load_cuda = lambda: SimpleNamespace(describe_device=lambda: gpu)
engine.require_signature = lambda *_: None
engine.Runner = lambda *_, where: SimpleNamespace(inputs={}, outputs={}, close=lambda: None)
engine.TensorRt.__init__.__kwdefaults__["library"] = "tensorrt_rtx"
engine.BUCKETS = (1, 2)
"""
WITHOUT_GPU = """
import fader.runtime.engines.tensorrt.library as library
library.DRIVER = "libcuda-that-is-not-there.so.1"
"""


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}


def fader_export(*arguments: str | Path, folder: Path, before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{before}\n{CALL}", *map(str, arguments)],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_bundle_s_engines_are_built_into_the_cache_once_without_torch(
    bundle_folder: Path, tmp_path: Path
) -> None:
    before = f"{WITH_GPU}\nimport sys; sys.modules['torch'] = sys.modules['onnx'] = None"
    done = fader_export(bundle_folder, "--tensorrt", folder=tmp_path, before=before)
    assert done.returncode == 0, done.stderr
    cache = tmp_path / "cache" / "fader" / "tensorrt"
    assert done.stderr.splitlines() == [f"building the engine of {name}" for name in GRAPHS]
    assert done.stdout == f"{cache}: TensorRT engines of {bundle_folder}; built {', '.join(GRAPHS)}\n"
    entries = [json.loads(path.read_text()) for path in cache.glob("*/entry.json")]
    assert {entry["graph"] for entry in entries} == set(GRAPHS)
    assert all(entry["plan"]["bytes"] > 1000 for entry in entries)
    again = fader_export(bundle_folder, "--tensorrt", folder=tmp_path, before=before)
    assert again.returncode == 0
    assert (again.stdout, again.stderr) == (
        f"{cache}: TensorRT engines of {bundle_folder}; all were there\n",
        "",
    )


def test_without_a_gpu_the_bundle_is_written_and_one_line_says_what_is_missing(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    save_checkpoint(checkpoint, tmp_path / "run")
    done = fader_export("run", "--tensorrt", folder=tmp_path, before=WITHOUT_GPU)
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: the bundle bundles/run is whole, its TensorRT engines are not built: TensorRT needs an "
        r"NVIDIA GPU, and libcuda-that-is-not-there\.so\.1 was not found: install .*",
        done.stderr.splitlines()[-1],
    )
    assert "bundles/run: " in done.stdout
    assert Bundle(tmp_path / "bundles" / "run").manifest.name == "run"
    assert not (tmp_path / "cache" / "fader" / "tensorrt").exists()


def test_a_missing_tensorrt_is_one_line_with_the_command_that_installs_it(
    bundle_folder: Path, tmp_path: Path
) -> None:
    before = WITH_GPU.replace('"tensorrt_rtx"', '"tensorrt"') + "import sys; sys.modules['tensorrt'] = None"
    done = fader_export(bundle_folder, "--tensorrt", folder=tmp_path, before=before)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "TensorRT (tensorrt) is not installed: pip install 'fader[tensorrt]'" in done.stderr


def test_a_build_that_dies_is_one_line_and_finished_engines_stay(bundle_folder: Path, tmp_path: Path) -> None:
    dies = """
real = engine.build_in_child
def build(order, **options):
    if "decoder" in order.graph:
        import dataclasses
        order = dataclasses.replace(order, graph_sha256="0" * 64)
    real(order, **options)
engine.build_in_child = build
"""
    done = fader_export(bundle_folder, "--tensorrt", folder=tmp_path, before=WITH_GPU + dies)
    assert done.returncode == 1
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert "its TensorRT engines are not built: " in error
    assert "decoder-fp16.onnx was changed while its engine was to be built" in error
    entries = (tmp_path / "cache" / "fader" / "tensorrt").glob("*/entry.json")
    assert [json.loads(path.read_text())["graph"] for path in entries] == ["Squares/encoder-fp16"]


def test_ctrl_c_ends_a_build_at_once_and_leaves_the_bundle(bundle_folder: Path, tmp_path: Path) -> None:
    waits = """
import time
engine.build_in_child = lambda order, on_progress: (on_progress(0, "x"), time.sleep(60))
"""
    with subprocess.Popen(
        [sys.executable, "-c", f"{WITH_GPU}\n{waits}\n{CALL}", str(bundle_folder), "--tensorrt"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as child:
        assert child.stderr is not None
        assert child.stderr.readline() == "building the engine of Squares/encoder-fp16\n"
        child.send_signal(signal.SIGINT)
        rest = child.stderr.read()
    assert child.returncode == 130
    assert rest == "interrupted\n"
    assert not list((tmp_path / "cache").rglob("*.building"))


def test_help_names_the_option(tmp_path: Path) -> None:
    done = fader_export("--help", folder=tmp_path, before="")
    assert "--tensorrt" in done.stdout
