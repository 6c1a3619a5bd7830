"""fader-train as users meet it: help at once, a line for each mistake, a run from pictures to models."""

import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from tests.train.commands import Outcome, Run, call

from fader.bundle import Bundle
from fader.image import write_image
from fader.models import load_checkpoint
from fader.train.cli import main
from fader.train.data.drawn_faces import write_drawn_faces

N_IMAGES = 24


@pytest.fixture
def fader_train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process, in which torch is loaded already."""

    def run(*words: str | Path) -> Outcome:
        return call(main, ["fader-train", *words], monkeypatch, capsys)

    return run


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with faces.zip and labels.txt: one face, cut out in many ways."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    rows = []
    with zipfile.ZipFile(folder / "faces.zip", "w") as archive:
        for i in range(N_IMAGES):
            x, y = random.integers((140, 10), (165, 40))
            picture = skimage.data.astronaut()[y : y + 200, x : x + 200]
            write_image(folder / "face.jpg", np.ascontiguousarray(picture[:, ::-1] if i % 2 else picture))
            archive.write(folder / "face.jpg", f"{i:03d}.jpg")
            rows.append(f"{i:03d}.jpg {'1' if i % 2 else '-1'} {'1' if i % 3 else '-1'}")
    (folder / "labels.txt").write_text("\n".join([str(N_IMAGES), "Turned Smiling", *rows, ""]))
    return folder


def python(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_comes_without_loading_torch() -> None:
    script = """
import sys
from fader.train.cli import main
try:
    main()
finally:
    print(sorted({"torch", "onnxruntime", "cv2", "numpy"} & set(sys.modules)), file=sys.stderr)
"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = python(script, "--help")
    assert done.returncode == 0
    assert done.stderr == "[]\n"
    assert "--edit-share" in done.stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: what it takes on a machine that does nothing else.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


@pytest.mark.parametrize("words", [["--no-such-option"], ["images"], ["a", "b", "c"], []])
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    done = python("from fader.train.cli import main; main()", *words)
    assert done.returncode == 2
    assert "Usage:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("attr", "message"),
    [
        ("Hat", "the labels have no attribute 'Hat': choose from Turned, Smiling"),
        ("Smiling=often", "'Smiling=often': expected NAME or NAME=NUMBER, such as Eyeglasses=3"),
        ("Smiling=nan", "oversample of 'Smiling' is nan: expected a finite number above 0"),
        ("Smiling=-2", "oversample of 'Smiling' is -2.0: expected a finite number above 0"),
        ("=3", "the labels have no attribute '': choose from Turned, Smiling"),
    ],
)
def test_a_wrong_attribute_is_one_line(
    fader_train: Run, faces: Path, detector_bundle: Bundle, tmp_path: Path, attr: str, message: str
) -> None:
    words = [faces / "faces.zip", faces / "labels.txt", tmp_path / "run", "--attr", attr, "-q"]
    done = fader_train(*words, "--detector", detector_bundle.folder, "--cache", tmp_path / "cache")
    assert message in done.error()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "100"], "image_size = 100: expected a multiple of 32 for 5 layers"),
        (["--batch-size", "1"], "batch_size = 1: expected 2 or more"),
        (["--edit-share", "Hat=2"], "swap names 'Hat': expected some of Smiling"),
        (["--patch-weight", "-1"], "patch_weight = -1.0: expected a finite number, 0 or more"),
        (["--held-out", "23"], "24 images, 23 of them held out: too few to train; lower held_out"),
    ],
)
def test_a_wrong_setting_is_one_line(
    fader_train: Run,
    faces: Path,
    detector_bundle: Bundle,
    tmp_path: Path,
    options: list[str],
    message: str,
) -> None:
    words = [faces / "faces.zip", faces / "labels.txt", tmp_path / "run", "--attr", "Smiling", "-q"]
    where = ["--detector", detector_bundle.folder, "--cache", tmp_path / "cache", "--workers", "1"]
    assert message in fader_train(*words, *where, *options).error()


def test_no_workers_are_wrong_usage(fader_train: Run, faces: Path, tmp_path: Path) -> None:
    words = [faces / "faces.zip", faces / "labels.txt", tmp_path / "run", "--attr", "Smiling"]
    assert fader_train(*words, "--workers", "0").code == 2


def test_missing_files_are_one_line(
    fader_train: Run, faces: Path, detector_bundle: Bundle, tmp_path: Path
) -> None:
    rest = [tmp_path / "run", "--attr", "Smiling", "-q", "--detector", detector_bundle.folder]
    done = fader_train(faces / "faces.zip", faces / "nothing.txt", *rest)
    assert "cannot read the label file" in done.error()
    done = fader_train(faces / "nothing.zip", faces / "labels.txt", *rest)
    assert "expected a folder or a zip archive" in done.error()
    (tmp_path / "labels.txt").write_text("2\nSmiling\n000.jpg 1\nlost.jpg 1\n")
    done = fader_train(faces / "faces.zip", tmp_path / "labels.txt", *rest)
    assert "labels.txt:4: " in done.error()
    assert "has no image lost.jpg; correct it, or leave it out with --skip-bad-rows" in done.error()
    done = fader_train(faces / "faces.zip", faces / "labels.txt", *rest[:-1], tmp_path / "no bundle")
    assert "expected a bundle as fader-export writes it" in done.error()


def test_from_pictures_to_a_checkpoint(
    fader_train: Run, faces: Path, detector_bundle: Bundle, tmp_path: Path
) -> None:
    out, cache = tmp_path / "deep" / "my run", tmp_path / "deep" / "cached"
    words: list[str | Path] = [f"{faces}/faces.zip", f"{faces}//labels.txt", f"{out}/"]
    words += ["--attr", "Smiling=2", "--attr=Turned", "--edit-share", "Turned=1.5", f"--cache={cache}"]
    words += ["--detector", detector_bundle.folder, "--size", "32", "--iterations", "2", "--batch-size", "4"]
    done = fader_train(*words, "--held-out", "8", "--workers", "1", "--licence", "NASA, public domain", "-q")
    assert done.code == 0, done.err
    assert done.err == ""
    assert "Smiling added" in done.out
    assert f"best checkpoint: {out / 'checkpoints' / 'best'}\nnext: fader-export {out}\n" in done.out

    checkpoint = load_checkpoint(out / "checkpoints" / "best")
    assert checkpoint.attributes.names == ("Smiling", "Turned")
    said = checkpoint.training
    assert said["command"] == (
        "fader-train faces.zip labels.txt 'my run' --attr Smiling=2 --attr=Turned --edit-share Turned=1.5 "
        f"--cache=cached --detector {detector_bundle.folder.name} --size 32 --iterations 2 --batch-size 4 "
        "--held-out 8 --workers 1 --licence 'NASA, public domain' -q"
    )
    assert (said["data"], said["licence"], said["images"]) == ("faces.zip", "NASA, public domain", N_IMAGES)
    assert said["images_without_face"] == said["images_turned_away"] == 0
    assert said["configuration"]["oversample"] == {"Smiling": 2.0}
    assert said["configuration"]["swap"] == {"Turned": 1.5}
    everything = "".join(path.read_text() for path in out.rglob("checkpoint.json"))
    assert str(tmp_path) not in everything
    assert str(faces) not in everything

    again = fader_train(*words)
    assert "holds a run already: choose another folder" in again.error()

    gone_on = fader_train("--resume", out, "-q")
    assert gone_on.code == 0, gone_on.err
    assert gone_on.out.splitlines()[:-1] == done.out.splitlines()[:-1]


def test_a_bar_on_stderr_shows_the_progress_where_it_is_a_terminal(
    fader_train: Run, faces: Path, detector_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    words = [faces / "faces.zip", faces / "labels.txt", tmp_path / "run", "--attr", "Smiling", "--size", "32"]
    where = ["--detector", detector_bundle.folder, "--cache", tmp_path / "cache", "--workers", "1"]
    done = fader_train(*words, *where, "--minutes", "0", "--batch-size", "4", "--held-out", "8")
    assert done.code == 0, done.err
    assert "align" in done.err
    assert "train" in done.err
    assert "align" not in done.out


def test_a_table_of_other_pictures_trains_with_units_and_categories_and_without_its_bad_rows(
    fader_train: Run, tmp_path: Path
) -> None:
    labels = write_drawn_faces(tmp_path / "drawn", N_IMAGES, 32, seed=0)
    with labels.open("a") as file:
        file.write("lost.png,1,0,black,30\n000001.png,1,0\n")
    out = tmp_path / "run"
    words: list[str | Path] = [tmp_path / "drawn", labels, out, "--attr", "Age", "--attr", "Hair", "--attr"]
    words += ["Eyeglasses=2", "--no-align", "--span", "Age=20:70", "--kind", "Hair=categorical", "--cache"]
    words += [tmp_path / "cache", "--size", "32", "--iterations", "2", "--batch-size", "4", "--held-out", "8"]
    refused = fader_train(*words, "--workers", "1", "-q")
    assert "--skip-bad-rows" in refused.error()
    assert not out.exists()

    done = fader_train(*words, "--workers", "1", "--skip-bad-rows", "-q")
    assert done.code == 0, done.err
    assert "Age raised" in done.out
    checkpoint = load_checkpoint(out / "checkpoints" / "best")
    assert [attribute.describe() for attribute in checkpoint.attributes] == [
        "number, usually 20 to 70, beyond exaggerates",
        "slider: 0 absent, 1 present, beyond exaggerates",
        "one of black, brown, fair, grey",
    ]
    assert (checkpoint.training["images"], checkpoint.training["bad_rows_left_out"]) == (N_IMAGES, 2)
    again = fader_train("--resume", out, "-q")
    assert again.code == 0, again.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind", "Age=real"], "--kind Age=real: expected NAME=boolean, NAME=continuous or"),
        (["--span", "Age=20"], "--span Age=20: expected NAME=LOW:HIGH, such as Age=20:70"),
        (["--span", "Age=x:70"], "--span Age=x:70: expected NAME=LOW:HIGH"),
        (["--preset", "fast"], "there is no preset 'fast': choose from fast-128, fast-64"),
        (["--config", "none.toml"], "cannot read the settings none.toml"),
        (["--precision", "half"], "precision = 'half': expected one of"),
    ],
)
def test_a_wrong_option_is_one_line_before_anything_is_read(
    fader_train: Run, tmp_path: Path, words: list[str], message: str
) -> None:
    done = fader_train("no images", "no labels", tmp_path / "run", "--attr", "Age", *words)
    assert message in done.error()


@pytest.mark.parametrize("words", [["--resume", "run", "images"], ["--resume", "run", "--attr", "Age"]])
def test_resume_with_other_data_is_wrong_usage(fader_train: Run, words: list[str]) -> None:
    assert fader_train(*words).code == 2


def test_resume_without_a_run_is_one_line(fader_train: Run, tmp_path: Path) -> None:
    assert "holds no run" in fader_train("--resume", tmp_path).error()
