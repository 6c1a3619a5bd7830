"""Many inputs in one call: what is found, where results go, and what happens when some fail."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fader.errors import ConfigError, EngineError, MediaError
from fader.runtime.batch import Batch, Plan, Source, Task, plan
from fader.runtime.edits import named_target
from fader.runtime.video import ImageSequence


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def targets(work: Plan) -> list[str]:
    return [task.target for task in work.tasks]


def test_a_folder_gives_its_videos_and_pictures_and_keeps_their_names(tmp_path: Path) -> None:
    media = fill(
        tmp_path / "in", "b.MP4", "a.png", "c.gif", "d.avi", "notes.txt", ".hidden.mp4", "deep/e.mkv"
    )
    (media / "folder.mp4").mkdir()
    work = plan([str(media)], None)
    assert work.is_batch
    home = tmp_path / "in.edited"
    assert targets(work) == [str(home / name) for name in ("a.png", "b.MP4", "c.mp4", "d.mkv")]


def test_folders_in_folders_count_when_asked_and_keep_their_place(tmp_path: Path) -> None:
    media = fill(tmp_path / "in", "a.mp4", "x/a.mp4", "x/y/a.mp4", ".git/a.mp4")
    work = plan([str(media)], str(tmp_path / "out"), recursive=True)
    assert targets(work) == [str(tmp_path / "out" / name) for name in ("a.mp4", "x/a.mp4", "x/y/a.mp4")]


def test_results_of_an_earlier_batch_are_no_inputs(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "a.edited.mp4")
    assert targets(plan([str(tmp_path / "*.mp4")], None)) == [str(tmp_path / "a.edited.mp4")]


def test_several_names_and_globs_go_beside_or_into_one_folder(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "x/b1.mkv", "x/b2.mkv", "x/c.txt")
    names = [str(tmp_path / "a.mp4"), str(tmp_path / "x" / "b*"), str(tmp_path / "a.mp4")]
    beside = plan(names, None)
    assert targets(beside) == [
        str(tmp_path / n) for n in ("a.edited.mp4", "x/b1.edited.mkv", "x/b2.edited.mkv")
    ]
    inside = plan(names, str(tmp_path / "out"))
    assert targets(inside) == [str(tmp_path / "out" / name) for name in ("a.mp4", "b1.mkv", "b2.mkv")]


def test_a_name_with_brackets_is_a_file_where_there_is_one(tmp_path: Path) -> None:
    fill(tmp_path, "a[1].mp4")
    work = plan([str(tmp_path / "a[1].mp4")], None)
    assert not work.is_batch
    assert targets(work) == [str(tmp_path / "a[1].edited.mp4")]


@pytest.mark.parametrize("fps", ["24", "30000/1001"])
def test_pictures_with_a_rate_are_one_video(tmp_path: Path, fps: str) -> None:
    for name in ("frames/%05d.png", "frames/*.png"):
        (task,) = plan([str(tmp_path / name)], None, fps=fps).tasks
        assert task.source == ImageSequence(pattern=str(tmp_path / name), fps=Fraction(fps))
        assert task.target == str(tmp_path / "frames.edited.mp4")


@pytest.mark.parametrize(
    ("sources", "out", "fps", "words"),
    [
        (["a.mp4"], None, "24", "--fps goes with pictures"),
        (["%03d.png"], None, "fast", "expected a number"),
        (["%03d.png"], None, "0", "above 0"),
        (["-", "a.mp4"], None, None, "only be edited alone"),
        (["rtsp://h/x", "a.mp4"], None, None, "only be edited alone"),
        (["a.mp4", "b.mp4"], "-", None, "takes one input"),
        (["a.mp4", "b.mp4"], "o/%03d.png", None, "takes one input"),
        (["-"], None, None, "needs a target"),
        ([""], None, None, "empty name: expected a file"),
        (["a.mp4", ""], "out", None, "empty name: expected a file"),
        (["a.mp4"], "", None, '-o "" is an empty name'),
    ],
)
def test_what_does_not_go_together_is_refused(
    sources: list[str], out: str | None, fps: str | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        plan(sources, out, fps=fps)


def test_what_holds_nothing_is_refused(tmp_path: Path) -> None:
    for name in (str(tmp_path), str(tmp_path / "*.mp4")):
        with pytest.raises(MediaError, match="no image and no video"):
            plan([name], None)


@dataclass(frozen=True)
class Report:
    target: str


def working(bad: Sequence[str], done: list[Source]) -> Any:
    def do(source: Source, target: str) -> list[Report]:
        done.append(source)
        if Path(source).stem in bad:
            raise MediaError(f"{source}: is damaged")
        Path(target).write_bytes(b"done")
        return [Report(target)]

    return do


@given(bad=st.sets(st.sampled_from("abcdef")))
def test_one_failure_stops_no_other_and_all_are_told(
    tmp_path_factory: pytest.TempPathFactory, bad: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("batch")
    work = plan([str(fill(folder / "in", *(f"{name}.mp4" for name in "abcdef")))], str(folder / "out"))
    done: list[Source] = []
    batch = Batch(working(sorted(bad), done), None)
    if bad:
        with pytest.raises(MediaError, match=f"{6 - len(bad)} of 6 inputs are edited.* {len(bad)} could not"):
            batch.do(work)
    else:
        batch.do(work)
    assert len(done) == 6
    assert len(list((folder / "out").iterdir())) == 6 - len(bad)
    told = json.loads(json.dumps(batch.outcomes, default=str))
    assert {Path(one["source"]).stem for one in told if "error" in one} == bad


def test_a_batch_that_was_stopped_goes_on(tmp_path: Path) -> None:
    work = plan([str(fill(tmp_path / "in", "a.mp4", "b.mp4", "c.mp4"))], str(tmp_path / "out"))
    fill(tmp_path / "out", "b.mp4")
    done: list[Source] = []
    batch = Batch(working([], done), None)
    batch.do(work, skip_existing=True)
    assert [Path(source).name for source in done] == ["a.mp4", "c.mp4"]
    assert [one.get("skipped", False) for one in batch.outcomes] == [False, True, False]


def test_what_is_there_is_a_file_and_of_numbered_pictures_the_first(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "po/001.png")
    pictures = plan([str(tmp_path / "a.mp4")], str(tmp_path / "po" / "%03d.png"))
    batch = Batch(refuse_all, None)
    batch.do(pictures, skip_existing=True)
    assert [one["skipped"] for one in batch.outcomes] == [True]
    work = plan([str(tmp_path / "a.mp4"), str(tmp_path / "*.mp4")], str(tmp_path / "out"))
    (tmp_path / "out" / "a.mp4").mkdir(parents=True)
    with pytest.raises(AssertionError, match="was edited"):
        Batch(refuse_all, None).do(work, skip_existing=True)


def test_results_of_an_earlier_sweep_are_no_inputs_unless_they_are_named(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.mp4", "a.S=0.mp4", "a.S=1.mp4", "b.S=0.mp4", "out/a.S=0.mp4")
    done: list[Source] = []
    outputs = with_outputs("S=0", "S=1")
    glob = str(tmp_path / "in" / "*.mp4")
    Batch(lambda source, _: done.append(source) or [], None, outputs).do(plan([glob], None))  # type: ignore[func-returns-value]
    assert [Path(source).name for source in done] == ["a.mp4", "b.S=0.mp4"]
    with pytest.raises(ConfigError, match=r"would become .*a.S=0.mp4, which is the input"):
        Batch(refuse_all, None, outputs).do(plan([glob, str(tmp_path / "in" / "a.S=0.mp4")], None))


def test_a_found_file_that_would_be_written_over_itself_is_refused_and_not_taken_for_a_result(
    tmp_path: Path,
) -> None:
    fill(tmp_path, "x/a.mp4", "y/a.mp4")
    with pytest.raises(ConfigError):
        Batch(refuse_all, None).do(plan([str(tmp_path / "*" / "a.mp4")], str(tmp_path / "y")))


def with_outputs(*names: str) -> Any:
    return lambda target: [named_target(target, name) for name in names]


def refuse_all(source: Source, target: str) -> list[Report]:
    raise AssertionError(f"{source} was edited")


@pytest.mark.parametrize(
    ("sources", "out", "names", "words"),
    [
        (["x/a.mp4", "y/a.mp4"], "out", [""], "x/a.mp4 and y/a.mp4 would both become out/a.mp4"),
        (["a.mp4", "a.edited.mp4"], None, [""], "a.mp4 would become a.edited.mp4, which is the input"),
        (["a.mp4", "./a.edited.mp4"], None, [""], "which is the input a.edited.mp4"),
        (["a.edited.mp4", "a.mp4"], "out", ["S=0", "S=1"], "would both become out/a.S=0.mp4"),
        (["a.mp4", "a.S=1.mp4"], None, ["S=1", "S=0"], "a.mp4 would become a.S=1.mp4, which is the input"),
        (["a.mp4", "y/a.mp4"], "y", [""], "a.mp4 would become y/a.mp4, which is the input"),
        (["a.mp4"], "./x/../a.mp4", [""], "is the input itself"),
    ],
)
def test_a_result_that_would_replace_an_input_or_another_result_is_refused_before_anything_is_done(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sources: list[str],
    out: str | None,
    names: list[str],
    words: str,
) -> None:
    fill(tmp_path, "x/a.mp4", "y/a.mp4", "a.mp4", "a.edited.mp4", "a.S=1.mp4")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words):
        Batch(refuse_all, None, with_outputs(*names)).do(plan(sources, out))
    assert not (tmp_path / "out").exists()


def test_an_input_that_is_spelled_in_two_ways_is_edited_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "a.mp4", "x/b.mp4")
    monkeypatch.chdir(tmp_path)
    done: list[Source] = []
    names = ["a.mp4", "./a.mp4", "*.mp4", str(tmp_path / "x/../a.mp4")]
    Batch(working([], done), None).do(plan(names, None))
    assert done == ["a.mp4"]


def test_two_links_to_one_file_are_two_inputs(tmp_path: Path) -> None:
    fill(tmp_path, "pool.mp4", "in/c.txt")
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "in" / name).symlink_to(tmp_path / "pool.mp4")
    done: list[Source] = []
    Batch(working([], done), None).do(plan([str(tmp_path / "in")], None))
    assert [Path(source).name for source in done] == ["a.mp4", "b.mp4"]


def test_an_engine_that_fails_stops_the_batch(tmp_path: Path) -> None:
    work = plan([str(fill(tmp_path / "in", "a.mp4", "b.mp4"))], None)
    calls: list[Source] = []

    def do(source: Source, target: str) -> list[Report]:
        calls.append(source)
        raise EngineError("no memory left")

    with pytest.raises(EngineError):
        Batch(do, None).do(work)
    assert len(calls) == 1


def test_a_single_failure_is_itself(tmp_path: Path) -> None:
    work = Plan(tasks=(Task(source="a.mp4", target="b.mp4"),), is_batch=False)
    with pytest.raises(MediaError, match=r"^a.mp4: is damaged$"):
        Batch(working(["a"], []), None).do(work)
