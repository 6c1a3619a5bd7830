"""The command as users run it: a child process, its exit code, and what it leaves behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fader.bundle import VARIANTS, Bundle
from fader.models import Checkpoint, save_checkpoint

COMMAND = [sys.executable, "-c", "from fader.export.cli import main; main()"]


def fader_export(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def run(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "squares"
    save_checkpoint(checkpoint, folder / "checkpoints" / "best")
    return folder


def test_a_run_becomes_a_bundle_with_the_same_bytes_as_in_this_process(
    run: Path, bundle_folder: Path, contents: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    done = fader_export(run, "--name", "Squares", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "bundles/squares: 2." in done.stdout
    assert f"Glasses, Hair; {', '.join(VARIANTS)}; parity with PyTorch" in done.stdout
    assert "exporting the encoder and comparing it with PyTorch" in done.stderr
    assert "Warning" not in done.stderr
    found, expected = contents(tmp_path / "bundles" / "squares"), contents(bundle_folder)
    assert set(found) == set(expected)
    # The measured parity, which card and manifest quote, may differ with the number of threads.
    for name in set(found) - {"manifest.json", "README.md"}:
        assert found[name] == expected[name], name
    assert Bundle(tmp_path / "bundles" / "squares").id == Bundle(bundle_folder).id


def test_full_weights_double_the_networks(
    run: Path, bundle_folder: Path, contents: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    done = fader_export(run / "checkpoints" / "best", "-o", "here", "--full-weights", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = Bundle(tmp_path / "here").manifest
    assert manifest.name == "here"
    assert manifest.parity["decoder"]["psnr_db"] > 100
    full, half = contents(tmp_path / "here"), contents(bundle_folder)
    for name in ("encoder.onnx", "decoder.onnx"):
        assert len(half[name]) < 0.6 * len(full[name])
    assert set(full) == set(half)
    assert "| weights | float32 |" in full["README.md"].decode()
    assert "| weights | stored as float16, computed with as float32 |" in half["README.md"].decode()


def test_a_folder_without_a_checkpoint_is_refused_with_one_line(tmp_path: Path) -> None:
    done = fader_export(tmp_path, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: found no checkpoint in")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_damaged_checkpoint_is_refused_with_one_line(run: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "checkpoint.json").write_bytes((run / "checkpoints/best/checkpoint.json").read_bytes())
    (damaged / "weights.safetensors").write_bytes(b"not weights")
    done = fader_export(damaged, folder=tmp_path)
    assert done.returncode == 1
    assert "error: cannot read the checkpoint's weights" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "bundles").exists()


def test_wrong_usage_exits_with_2(tmp_path: Path) -> None:
    assert fader_export(folder=tmp_path).returncode == 2
    assert fader_export("run", "--no-such-option", folder=tmp_path).returncode == 2


def test_help_shows_examples_and_does_not_wait_for_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['fader-export', '--help']\n"
        "from fader.export.cli import main\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules, 'onnx' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "fader-export runs/faces -o" in done.stdout
    assert done.stdout.endswith("False False\n")


def test_ctrl_c_exits_with_130_and_leaves_nothing(run: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, str(run)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, these tests too perhaps, are started deaf to it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "exporting the encoder" in line:
                child.send_signal(signal.SIGINT)
                break
        rest = child.stderr.read()
    assert child.returncode == 130
    assert "Traceback" not in rest
    assert not list(tmp_path.glob("bundles/*"))
    assert not list(tmp_path.glob("bundles/.*"))


def without(package: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run fader-export where a package is not installed."""
    code = f"import sys; sys.modules[{package!r}] = None; sys.argv = {['fader-export', *arguments]!r}\n"
    return subprocess.run(
        [sys.executable, "-c", code + COMMAND[2]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_missing_package_is_named_with_its_remedy(run: Path, tmp_path: Path) -> None:
    done = without("onnx", tmp_path, str(run))
    assert done.returncode == 1
    assert "pip install 'fader[export]'" in done.stderr


def test_too_few_photographs_are_refused_with_one_line_before_anything_is_exported(
    run: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    done = fader_export(run, "--int8", "photos", folder=tmp_path)
    assert done.returncode == 1
    assert "error: found 0 faces in the 0 photographs of photos, expected 16 or more" in done.stderr
    assert "exporting" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("bundles/*"))


def test_int8_without_openvino_is_refused_with_the_command_that_installs_it(
    run: Path, tmp_path: Path
) -> None:
    done = without("openvino", tmp_path, str(run), "--int8", "photos")
    assert done.returncode == 1
    assert done.stderr.endswith("error: OpenVINO is not installed: pip install 'fader[cpu]'\n")
    assert "exporting" not in done.stderr


def test_a_bundle_gets_no_int8_graphs_of_its_own(bundle_folder: Path, tmp_path: Path) -> None:
    done = fader_export(bundle_folder, "--int8", tmp_path, folder=tmp_path)
    assert done.returncode == 1
    assert "is a bundle already" in done.stderr
    assert "name the run that it came from to export it anew" in done.stderr
