"""The command with several outputs, parts of a video, and targets of other kinds."""

import json
from pathlib import Path

import av
from tests.runtime.commands import SIZE, Run, files, refused
from tests.runtime.scenes import decoded, portrait

from fader.image import write_image


def test_a_sweep_makes_a_file_for_each_value(run: Run, folder: Path) -> None:
    done = run(folder / "clip.mp4", "--sweep", "Smiling=-1:3:3", "--attr", "Young=0", "--json")
    assert (done.code, done.err) == (0, "")
    names = [f"clip.Smiling={value}.mp4" for value in ("-1", "1", "3")]
    assert [report["target"] for report in json.loads(done.out)] == [str(folder / name) for name in names]
    assert files(folder) == sorted(["clip.mp4", *names])


def test_variants_and_files_of_edits_name_their_outputs(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "edits.toml").write_text('[values]\nYoung = "+0.5"\n[outputs.glasses]\nEyeglasses = 3')
    done = run(
        folder / "clip.mp4", "--edits", folder / "edits.toml", "--variant", "Smiling=3,Male=0",
        "-o", folder / "out.mkv", "--no-cache",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert files(folder) == ["clip.mp4", "edits.toml", "out.Smiling=3,Male=0.mkv", "out.glasses.mkv"]
    assert done.out.count("a face edited in 6 of 6 frames") == 2


def test_an_edits_file_alone_is_enough(run: Run, folder: Path) -> None:
    (folder / "edits.toml").write_text("[values]\nSmiling = 3")
    assert run(folder / "clip.mp4", "--edits", folder / "edits.toml").code == 0
    assert files(folder) == ["clip.edited.mp4", "clip.mp4", "edits.toml"]
    (folder / "edits.toml").write_text("[values]\nSmile = 3")
    refused(run(folder / "clip.mp4", "--edits", folder / "edits.toml"), "edits.toml: values.Smile: unknown")


def test_a_part_is_written_beside_its_comparison(run: Run, folder: Path) -> None:
    clip = folder / "clip.mp4"
    assert run(clip, "--attr", "Smiling=3", "--compare", "side", "--frames", "1:4", "-q").code == 0
    frames = decoded(folder / "clip.edited.mp4")
    assert {(frame.width, frame.height) for frame in frames} == {(2 * SIZE[0], SIZE[1])}
    assert [round(24 * frame.time) for frame in frames if frame.time is not None] == [0, 1, 2]
    assert run(clip, "--attr", "Smiling=3", "--preview", "0.1", "-q").code == 0
    assert len(decoded(folder / "clip.edited.mp4")) == 3
    assert run(clip, "--attr", "Smiling=3", "--frames", "-2:", "-q").code == 0
    assert len(decoded(folder / "clip.edited.mp4")) == 2


def test_pictures_have_several_outputs_too_and_no_parts(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", portrait(SIZE))
    assert (
        run(tmp_path / "in" / "a.png", "--sweep", "Smiling=1:3:2", "-o", tmp_path / "b.png", "-q").code == 0
    )
    assert run(tmp_path / "in", "--sweep", "Smiling=1:3:2", "-q").code == 0
    assert files(tmp_path) == [
        *("a.Smiling=1.png", "a.Smiling=3.png", "a.png"),
        *("b.Smiling=1.png", "b.Smiling=3.png"),
    ]
    made = tmp_path / "in.edited" / "a.Smiling=3.png"
    assert made.read_bytes() == (tmp_path / "b.Smiling=3.png").read_bytes()
    assert run(tmp_path / "in", "--sweep", "Smiling=1:3:2", "--skip-existing").out == ""
    refused(run(tmp_path / "in" / "a.png", "--attr", "Smiling=1", "--compare", "side"), "is for video")


def test_an_output_of_many_keyframes_has_a_name_that_fits(run: Run, folder: Path) -> None:
    moving = "Smiling=" + ",".join(f"0.1@{i}s" for i in range(50))
    texts = [f"{moving},{last}@99s" for last in (0, 1)]
    done = run(folder / "clip.mp4", "--variant", texts[0], "--variant", texts[1], "-q")
    assert (done.code, done.err) == (0, "")
    one, other = (name for name in files(folder) if name != "clip.mp4")
    assert one.startswith("clip.Smiling=0.1@0s,0.1@1s")
    assert one != other
    assert max(len(one), len(other)) < 100


def test_a_result_may_go_into_a_folder_that_is_there(run: Run, folder: Path) -> None:
    (folder / "results").mkdir()
    assert run(folder / "clip.mp4", "--attr", "Smiling=1", "-o", folder / "results", "-q").code == 0
    assert files(folder / "results") == ["clip.mp4"]


def test_a_gif_becomes_a_video_that_every_player_shows(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run(folder / "clip.mp4", "--attr", "Smiling=1", "-o", tmp_path / "clip.gif", "-q").code == 0
    assert run(tmp_path / "clip.gif", "--attr", "Smiling=0", "-q").code == 0
    with av.open(tmp_path / "clip.edited.mp4") as container:
        assert container.streams.video[0].pix_fmt == "yuv420p"
