"""The runtime stands without PyTorch, and its command answers at once."""

import subprocess
import sys
from pathlib import Path

BLOCKED = ("torch", "onnx", "onnxscript", "safetensors", "tensorflow", "mtcnn", "joblib")
BLOCK = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r}))\n"


def python(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cpu_s(script: str) -> float:
    """Least CPU time of three runs, seconds of user and system: other processes hardly change it."""
    end = "\nimport resource; u = resource.getrusage(0); print('\\n', u.ru_utime + u.ru_stime)"
    return min(float(python(script + end).splitlines()[-1]) for _ in range(3))


def test_the_runtime_does_its_work_where_torch_and_onnx_cannot_be_imported(
    tiny_bundle: Path, face_mp4: Path, tmp_path: Path
) -> None:
    script = BLOCK + (
        "from fader.runtime import Editor, edit_video\n"
        "with Editor.open(sys.argv[1], threads=1) as editor:\n"
        "    print(edit_video(editor, sys.argv[2], sys.argv[3], {'Smiling': 3.0}).frames_edited)\n"
    )
    assert python(script, str(tiny_bundle), str(face_mp4), str(tmp_path / "out.mp4")) == "24\n"


def test_every_module_of_the_runtime_loads_without_torch_and_onnx() -> None:
    script = BLOCK + (
        "import pkgutil, importlib, fader.runtime\n"
        "import fader.console, fader.bundle, fader.image, fader.attributes\n"
        "names = [m.name for m in pkgutil.walk_packages(fader.runtime.__path__, 'fader.runtime.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "for name in fader.runtime.__all__: getattr(fader.runtime, name)\n"
        "print(len(names))"
    )
    assert int(python(script)) > 20


def test_importing_the_runtime_takes_less_than_half_a_second() -> None:
    assert cpu_s("import fader.runtime") - cpu_s("") < 0.1
    assert cpu_s("from fader.runtime import Editor") < 1.5


def test_help_takes_less_than_0_4_seconds_more_than_python_itself() -> None:
    help_script = (
        "import sys; sys.argv = ['fader-run', '--help']\n"
        "from fader.runtime.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
    )
    assert cpu_s(help_script) - cpu_s("") < 0.4


def test_the_command_does_not_load_what_it_does_not_need_for_its_help() -> None:
    script = "import fader.runtime.cli, sys; print({'numpy', 'cv2', 'av', 'onnxruntime'} & set(sys.modules))"
    assert python(script) == "set()\n"
