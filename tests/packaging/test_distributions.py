"""What people install: wheel, sdist and editable install hold the same package, and it runs by itself."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the sdist from the checkout, one wheel from the checkout and one from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    build(ROOT, out / "direct", "--wheel")
    build(ROOT, out / "chained")  # the sdist, and a wheel from it
    return {
        "wheel": next((out / "direct").glob("*.whl")),
        "sdist": next((out / "chained").glob("*.tar.gz")),
        "wheel of sdist": next((out / "chained").glob("*.whl")),
    }


def build(source: Path, out: Path, *options: str) -> None:
    run([sys.executable, "-m", "build", *options, "--outdir", str(out), str(source)])


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def package_files(names: list[str]) -> set[str]:
    return {name for name in names if name.startswith("fader/") and not name.endswith("/")}


def checkout_files() -> set[str]:
    """Return what git would hand out of the package's folders, by their import path."""
    listed = run(
        ["git", "-C", str(ROOT), "ls-files", "train", "export", "runtime", "models", "src/fader"]
    ).split("\n")
    links = {f"src/fader/{folder}" for folder in ("train", "export", "runtime", "models")}
    names = [name for name in listed if name and name not in links and (ROOT / name).exists()]
    return {"fader/" + name.removeprefix("src/fader/") for name in names}


def test_the_wheel_holds_every_file_of_the_checkout_s_package(distributions: dict[str, Path]) -> None:
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        assert package_files(wheel.namelist()) >= checkout_files()


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_checkout(distributions: dict[str, Path]) -> None:
    contents = []
    for name in ("wheel", "wheel of sdist"):
        with zipfile.ZipFile(distributions[name]) as wheel:
            contents.append({entry: wheel.read(entry) for entry in package_files(wheel.namelist())})
    assert contents[0] == contents[1]


def test_the_sdist_holds_files_where_the_checkout_has_links(distributions: dict[str, Path]) -> None:
    with tarfile.open(distributions["sdist"]) as sdist:
        members = {member.name.split("/", 1)[-1]: member for member in sdist.getmembers()}
    assert members["src/fader/runtime/cli.py"].isfile()
    assert "LICENSE" in members


@pytest.mark.timeout(600)
def test_the_wheel_runs_in_a_fresh_environment(distributions: dict[str, Path], tmp_path: Path) -> None:
    python = tmp_path / "env" / "bin" / "python"
    run([sys.executable, "-m", "venv", str(tmp_path / "env")])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--constraint", str(ROOT / "constraints.txt"), f"{distributions['wheel']}[cpu]"])
    clean = {"PYTHONPATH": "", "COLUMNS": "120"}
    help_text = run([str(python.parent / "fader-run"), "--help"], **clean)
    assert "--attr" in help_text
    attributes = run([str(python.parent / "fader-run"), "--list-attrs"], **clean)
    assert "Eyeglasses" in attributes
    where = run([str(python), "-c", "import fader; print(fader.__file__)"], **clean)
    assert str(tmp_path) in where


def test_the_version_is_said_once_and_the_same_everywhere(distributions: dict[str, Path]) -> None:
    from fader import __version__

    assert distributions["wheel"].name.split("-")[1] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
