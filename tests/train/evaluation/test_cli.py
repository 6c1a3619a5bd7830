"""fader-eval as users meet it: help at once, a line for each mistake, figures and pictures of a run."""

import json
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from tests.train.commands import Outcome, Run, call

import fader.train.cli
from fader.bundle import Bundle
from fader.image import write_image
from fader.train.evaluation.cli import main

N_IMAGES, N_HELD_OUT, SIZE = 24, 10, 32
NAMES = ("Smiling", "Turned")


@pytest.fixture
def fader_eval(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process, in which torch is loaded already."""

    def run(*words: str | Path, command: str = "run") -> Outcome:
        return call(main, ["fader-eval", *command.split(), *words], monkeypatch, capsys)

    return run


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, detector_bundle: Bundle) -> Path:
    """A folder with faces.zip, labels.txt, and runs/tiny, which fader-train made of them."""
    folder = tmp_path_factory.mktemp("work")
    random = np.random.default_rng(0)
    rows = []
    with zipfile.ZipFile(folder / "faces.zip", "w") as archive:
        for i in range(N_IMAGES):
            x, y = random.integers((140, 10), (165, 40))
            picture = skimage.data.astronaut()[y : y + 200, x : x + 200]
            write_image(folder / "face.jpg", np.ascontiguousarray(picture[:, ::-1] if i % 2 else picture))
            archive.write(folder / "face.jpg", f"{i:03d}.jpg")
            rows.append(
                f"{i:03d}.jpg {'1' if i % 2 else '-1'} {'1' if i % 3 else '-1'} {'1' if i % 4 else '-1'}"
            )
    (folder / "labels.txt").write_text("\n".join([str(N_IMAGES), "Turned Smiling Senior", *rows, ""]))
    words = ["faces.zip", "labels.txt", "runs/tiny", "--attr", "Smiling", "--attr", "Turned", "-q"]
    words += ["--cache", "cache", "--detector", str(detector_bundle.folder), "--workers", "1"]
    words += ["--size", str(SIZE), "--iterations", "2", "--batch-size", "4", "--held-out", str(N_HELD_OUT)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["fader-train", *words])
        with pytest.raises(SystemExit) as ended:
            fader.train.cli.main()
    assert ended.value.code == 0
    return folder


def python(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_comes_without_loading_torch() -> None:
    script = """
import sys
from fader.train.evaluation.cli import main
try:
    main()
finally:
    print(sorted({"torch", "onnxruntime", "cv2", "numpy"} & set(sys.modules)), file=sys.stderr)
"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = python(script, "run", "--help")
    assert done.returncode == 0
    assert done.stderr == "[]\n"
    assert "--group" in done.stdout
    assert "fader-eval run runs/faces" in done.stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: what it takes on a machine that does nothing else.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


@pytest.mark.parametrize(
    "words",
    [["run"], ["run", "a", "b"], ["run", "a", "--rows", "0"], ["run", "a", "--steps", "1"], ["measure"]],
)
def test_wrong_usage_exits_with_2(words: list[str], work: Path) -> None:
    words = [str(work / "runs/tiny") if word == "a" else word for word in words]
    done = python("from fader.train.evaluation.cli import main; main()", *words)
    assert done.returncode == 2
    assert "Usage:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_is_evaluated_on_what_it_held_out_as_it_was_told(
    fader_eval: Run, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = fader_eval(work / "runs/tiny", "-q", "--rows", "4", "--workers", "1")
    assert done.code == 0, done.err
    assert done.err == ""
    folder = tmp_path / "evaluations" / "tiny-best"
    assert done.out.endswith("written: evaluations/tiny-best\n")
    text = (folder / "metrics.md").read_text()
    assert text in done.out
    assert text.startswith(f"# Evaluation on {N_HELD_OUT} held-out images")
    report = json.loads((folder / "metrics.json").read_text())
    assert report["n_images"] == N_HELD_OUT
    assert report["about"] == {
        "model": "tiny-best",
        "iterations": 2,
        "images_seen": 8,
        "data": "faces.zip",
        "image_size": SIZE,
    }
    assert [attribute["name"] for attribute in report["attributes"]] == list(NAMES)
    # The last ten images: 14 to 23, of which those that 3 divides do not smile.
    removed = next(swap for swap in report["swaps"] if swap["name"] == "Smiling removed")
    assert removed["before"]["n"] == 7
    pictures = {path.name for path in (folder / "grids").iterdir()}
    assert pictures == {*(f"{name}.png" for name in NAMES), *(f"portrait-{n}.png" for n in (1, 2, 3))}
    picture = cv2.imread(str(folder / "grids" / "Smiling.png"))
    assert picture is not None
    assert picture.shape[1] == 11 * 128 + 10 * 2
    everything = "".join(path.read_text() for path in folder.glob("metrics.*"))
    assert str(work) not in everything


def test_a_checkpoint_groups_and_strengths_can_be_chosen(fader_eval: Run, work: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    checkpoint = work / "runs/tiny/checkpoints/last"
    data = [work / "faces.zip", work / "labels.txt", "--cache", work / "cache", "--group", "Senior"]
    grids = ["--from", "0", "--to", "2", "--steps", "3", "--rows", "2"]
    detector = ["--detector", json.loads((work / "runs/tiny/inputs.json").read_text())["detector"]]
    done = fader_eval(checkpoint, *data, *grids, *detector, "-o", out, "-q", "--json", "--workers", "1")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert done.out == (out / "metrics.json").read_text()
    assert report["about"]["model"] == "tiny-last"
    added = next(swap for swap in report["swaps"] if swap["name"] == "Smiling added")
    assert set(added["groups"]) <= {"Senior", "not Senior"}
    # 15, 18 and 21 lack a smile, and none of them is divisible by 4.
    assert added["before"]["n"] == 3
    turned = next(swap for swap in report["swaps"] if swap["name"] == "Turned added")
    assert turned["groups"]["not Senior"]["n"] == 2
    picture = cv2.imread(str(out / "grids" / "Turned.png"))
    assert picture is not None
    assert picture.shape[:2] == (18 + 2 * 128 + 2, 5 * 128 + 4 * 2)


def test_a_checkpoint_that_was_moved_out_of_its_run_needs_the_data_to_be_named(
    fader_eval: Run, work: Path, tmp_path: Path
) -> None:
    shutil.copytree(work / "runs/tiny/checkpoints/best", tmp_path / "mine")
    line = fader_eval(tmp_path / "mine", "-q", "-o", tmp_path / "out").error()
    assert "cannot read" in line
    assert "inputs.json" in line


def test_other_data_than_the_runs_make_a_warning(
    fader_eval: Run, work: Path, tmp_path: Path, detector_bundle: Bundle
) -> None:
    lines = (work / "labels.txt").read_text().splitlines()
    (tmp_path / "fewer.txt").write_text("\n".join(["20", *lines[1:22], ""]))
    where = ["--cache", tmp_path / "cache", "--detector", detector_bundle.folder, "-o", tmp_path / "out"]
    done = fader_eval(
        work / "runs/tiny", work / "faces.zip", tmp_path / "fewer.txt", *where, "-q", "--workers", "1"
    )
    assert done.code == 0
    assert done.err == (
        "warning: the model was trained with 24 images of faces.zip, these are 20 of faces.zip: it may have "
        "seen some of those that are evaluated\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--group", "Hat"], "the labels have no attribute 'Hat': choose from Turned, Smiling, Senior"),
        (["--from", "1", "--to", "0"], "--from 1 --to 0: expected two finite numbers, the lower one first"),
        (["--to", "nan"], "--from -0.5 --to nan: expected two finite numbers"),
        (["-o", "face.jpg/out"], "cannot make the folder face.jpg/out"),
    ],
)
def test_a_mistake_is_one_line(
    fader_eval: Run, work: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(work)
    assert message in fader_eval("runs/tiny", *words, "-q").error()


def test_a_folder_without_a_model_is_one_line(fader_eval: Run, tmp_path: Path) -> None:
    message = fader_eval(tmp_path, "-q").error()
    assert "found no checkpoint in" in message
    assert "name a folder that fader-train wrote" in message


def test_a_bar_on_stderr_shows_the_progress_where_it_is_a_terminal(
    fader_eval: Run, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = fader_eval(work / "runs/tiny", "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert "evaluate" in done.err
    assert json.loads(done.out)


def test_a_study_is_made_of_runs_and_scored(
    fader_eval: Run, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work)
    page = tmp_path / "faces.html"
    words = ["runs/tiny", "--attr", "Turned", "--against", "runs/tiny/checkpoints/last", "--faces", "4"]
    made = fader_eval(*words, "-o", page, "--seed", "5", "-q", command="study make")
    assert made.code == 0, made.err
    key = tmp_path / "faces.key.json"
    # real, reconstruction and two models' swaps of four faces, and four pairs
    assert made.out == f"page: {page} (20 pictures and pairs)\nkey: {key} (keep it to yourself)\n"
    said = json.loads(key.read_text())
    assert "second model's swap" in json.dumps(said)
    assert "second model" not in page.read_text()

    (tmp_path / "answers.csv").write_text("nonsense\n")
    refused = fader_eval(key, tmp_path / "answers.csv", command="study score")
    assert "answers.csv" in refused.error()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--attr", "Hat"], "unknown attribute 'Hat'"),
        (["--faces", "99"], "99 faces for each attribute: expected 1 to 10"),
        (["-o", "page.txt"], "expected a name ending in .html"),
    ],
)
def test_a_study_that_cannot_be_made_is_one_line(
    fader_eval: Run, work: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(work)
    options = words if "--faces" in words else [*words, "--faces", "4"]
    assert message in fader_eval("runs/tiny", *options, "-q", command="study make").error()
