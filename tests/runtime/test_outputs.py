"""Several outputs of one pass: each is, to the bit, that of its own run; what can be shared is done once."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runtime.scenes import FaceClip, face_views, portrait, samples, write_clip
from tests.runtime.scenes import decoded as frames_of
from tests.video.clips import Clip, look, make_clip

from fader.errors import ConfigError, FaderError, MediaError
from fader.runtime import (
    Editor,
    EncodeOptions,
    Keyframes,
    LatentStore,
    Part,
    VideoProgress,
    edit_variants,
    edit_video,
)
from fader.runtime.motion import Values
from fader.runtime.stages import Edited, find_faces, paste, render
from fader.runtime.video import VideoSource, VideoTarget

SIZE = (192, 144)
LOSSLESS = EncodeOptions(codec="libx264", crf=0)
"""What is compared is what was drawn, not what an encoder made of it."""
VARIANTS: Mapping[str, Values] = {
    "a": {"Smiling": 3.0},
    "b": {},
    "c": {"Smiling": Keyframes(times=(0.0, 0.4), values=(0.0, 3.0)), "Young": -2.0},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven frames: with one face, with none, with two."""
    views = list(face_views(8, SIZE))
    half = portrait((SIZE[0] // 2, SIZE[1]))
    both = np.concatenate([half, half[:, ::-1]], axis=1)
    pictures = [*views[:5], np.full_like(views[0], 40), *[both] * 3, *views[5:7]]
    encoding = FaceClip(codec="libx264", options={"preset": "veryfast", "g": "4"})
    return write_clip(tmp_path_factory.mktemp("outputs") / "clip.mp4", pictures, encoding)


def edit(
    editor: Editor, clip: Path, folder: Path, suffixes: Mapping[str, str], **options: Any
) -> dict[str, tuple[Path, Path]]:
    """All variants at once, and each by itself: two files for each."""
    together = {folder / f"{name}{suffixes[name]}": VARIANTS[name] for name in VARIANTS}
    edit_variants(editor, clip, together, encoding=LOSSLESS, **options)
    alone = {name: folder / f"{name}.alone{suffixes[name]}" for name in VARIANTS}
    for name, target in alone.items():
        edit_video(editor, clip, target, VARIANTS[name], encoding=LOSSLESS, **options)
    return {name: (folder / f"{name}{suffixes[name]}", target) for name, target in alone.items()}


def assert_same(one: Path, other: Path) -> None:
    """Same pictures, times and copied packets."""
    assert look(one).times == look(other).times
    assert look(one).packets == look(other).packets
    for a, b in zip(frames_of(one), frames_of(other), strict=True):
        for first, second in zip(samples(a), samples(b), strict=True):
            assert (first == second).all()


@pytest.mark.parametrize("suffixes", [(".mkv", ".mkv", ".mkv"), (".mkv", ".mp4", ".mov")])
def test_each_output_is_that_of_its_own_run(
    editor: Editor, clip: Path, tmp_path: Path, suffixes: tuple[str, ...]
) -> None:
    pairs = edit(editor, clip, tmp_path, dict(zip(VARIANTS, suffixes, strict=True)))
    for together, alone in pairs.values():
        assert_same(together, alone)
    assert (samples(frames_of(pairs["a"][0])[0])[0] != samples(frames_of(pairs["b"][0])[0])[0]).any()


def test_sound_and_texts_are_in_every_output_whatever_its_container(editor: Editor, tmp_path: Path) -> None:
    source = make_clip(tmp_path, Clip(name="in.mp4", audio=("aac", "aac")))
    suffixes = dict(zip(VARIANTS, (".mkv", ".mp4", ".mkv"), strict=True))
    for together, alone in edit(editor, source, tmp_path, suffixes).values():
        assert_same(together, alone)
        assert len(look(together).packets) == len(look(source).packets) > 90


@pytest.mark.parametrize("options", [{"compare": "wipe"}, {"part": Part(start=3, stop=9)}], ids=str)
def test_outputs_that_are_compared_or_cut_are_those_of_their_own_runs(
    editor: Editor, clip: Path, tmp_path: Path, options: Mapping[str, Any]
) -> None:
    for together, alone in edit(editor, clip, tmp_path, dict.fromkeys(VARIANTS, ".mkv"), **options).values():
        assert_same(together, alone)


def test_outputs_from_the_store_are_those_of_their_own_runs(
    editor: Editor, clip: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    whole: dict[str | Path, Values] = {plain / f"{name}.mkv": values for name, values in VARIANTS.items()}
    edit_variants(editor, clip, whole, encoding=LOSSLESS)
    store = LatentStore(tmp_path / "store")
    for again in (0, 11):
        targets: dict[str | Path, Values] = {tmp_path / f"{n}.mkv": values for n, values in VARIANTS.items()}
        reports = edit_variants(editor, clip, targets, encoding=LOSSLESS, store=store)
        assert [report.frames_from_store for report in reports] == [again] * 3
        for name in VARIANTS:
            assert_same(tmp_path / f"{name}.mkv", plain / f"{name}.mkv")


def test_every_output_has_its_report(editor: Editor, clip: Path, tmp_path: Path) -> None:
    seen: list[VideoProgress] = []
    targets: dict[str | Path, Values] = {
        tmp_path / f"{name}.mkv": values for name, values in VARIANTS.items()
    }
    reports = edit_variants(editor, clip, targets, on_progress=seen.append)
    assert [report.target for report in reports] == list(targets)
    assert [(r.frames, r.frames_with_faces, r.frames_edited, r.faces_edited) for r in reports] == [
        (11, 10, 10, 13),
        (11, 10, 0, 0),
        (11, 10, 10, 13),
    ]
    assert [progress.frames for progress in seen] == list(range(1, 12))


def count(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[None]:
    calls: list[None] = []
    method: Callable[..., Any] = getattr(owner, name)

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        return method(*arguments, **options)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_detection_encoder_and_the_sources_rendering_are_shared(
    editor: Editor, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fader.runtime.faces.tracking import Tracker
    from fader.runtime.model import Model

    calls = {
        name: count(monkeypatch, owner, name)
        for name, owner in (("update", Tracker), ("encode", Model), ("render", Model))
    }
    edit_video(editor, clip, tmp_path / "one.mkv", VARIANTS["a"])
    one = {name: len(made) for name, made in calls.items()}
    for made in calls.values():
        made.clear()
    edit_variants(editor, clip, {tmp_path / f"{name}.mkv": values for name, values in VARIANTS.items()})
    assert len(calls["update"]) == one["update"] == 11
    assert len(calls["encode"]) == one["encode"]
    assert len(calls["render"]) == one["render"] // 2 * 4


def test_frames_without_a_face_are_shared_and_those_with_one_are_not(editor: Editor, clip: Path) -> None:
    with VideoSource(clip) as source:
        found = find_faces(source.items(), editor.tracker(), editor.image_size)
        values = VARIANTS["a"]
        done = [
            item for item in paste(render(found, editor.model, values, values)) if isinstance(item, Edited)
        ]
    assert [item.output for item in done] == [0, 1] * 11
    for first, second in zip(done[::2], done[1::2], strict=True):
        assert (first.frame is second.frame) == (not first.faces)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_failure_of_one_output_leaves_none(
    editor: Editor, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    write = VideoTarget.write
    written: list[Path] = []

    def fail(self: VideoTarget, item: Any) -> None:
        written.append(self.path)
        if written.count(tmp_path / "b.mkv") == at:
            raise MediaError("the disk is full")
        write(self, item)

    monkeypatch.setattr(VideoTarget, "write", fail)
    with pytest.raises(MediaError, match="disk is full"):
        edit_variants(editor, clip, {tmp_path / f"{name}.mkv": VARIANTS[name] for name in VARIANTS})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_is_refused_before_anything_is_written(
    editor: Editor, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.mkv").write_bytes(b"old")
    (tmp_path / "link.mkv").symlink_to(tmp_path / "out.mkv")
    cases: list[dict[str | Path, Values]] = [
        {},
        {tmp_path / "out.mkv": {}, tmp_path / "link.mkv": {}},
        {tmp_path / "new.mkv": {}, tmp_path / "bad.mkv": {"Smile": 1.0}},
        {tmp_path / "new.mkv": {}, tmp_path / "missing" / "out.mkv": {}},
        {tmp_path / "new.mkv": {}, clip: {}},
    ]
    for variants in cases:
        with pytest.raises(
            FaderError, match=r"expected|this model has|a file of its own|create it|another name"
        ):
            edit_variants(editor, clip, variants)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.mkv", "out.mkv"]
    assert (tmp_path / "out.mkv").read_bytes() == b"old"


def test_values_in_a_part_move_by_the_times_of_the_whole(editor: Editor, clip: Path, tmp_path: Path) -> None:
    moving: Values = {"Smiling": Keyframes(times=(0.0, 0.25, 0.26), values=(0.0, 0.0, 3.0))}
    target = tmp_path / "part.mkv"
    report = edit_video(editor, clip, target, moving, encoding=LOSSLESS, part=Part(start=6, stop=9))
    still = edit_video(
        editor, clip, tmp_path / "still.mkv", {}, encoding=LOSSLESS, part=Part(start=6, stop=9)
    )
    assert (report.frames, still.frames) == (3, 3)
    assert look(target).times[0] == 0
    # Frame 6 is at 0.25 s, the next ones are after 0.26 s.
    changed = [
        any((a != b).any() for a, b in zip(samples(one), samples(other), strict=True))
        for one, other in zip(frames_of(target), frames_of(tmp_path / "still.mkv"), strict=True)
    ]
    assert changed[1:] == [True, True]


def test_a_part_neither_reads_nor_fills_the_store(editor: Editor, clip: Path, tmp_path: Path) -> None:
    store = LatentStore(tmp_path / "store")
    edit_video(editor, clip, tmp_path / "a.mkv", VARIANTS["a"], store=store, part=Part.preview(0.2))
    report = edit_video(editor, clip, tmp_path / "b.mkv", VARIANTS["a"], store=store)
    assert report.frames_from_store == 0
    report = edit_video(editor, clip, tmp_path / "c.mkv", VARIANTS["a"], store=store, part=Part(start=2))
    assert (report.frames, report.frames_from_store) == (9, 0)


def test_two_targets_of_one_name_are_refused_by_any_spelling(
    editor: Editor, clip: Path, tmp_path: Path
) -> None:
    twice: dict[str | Path, Values] = {tmp_path / "out.mkv": {}, tmp_path / "." / "x" / ".." / "out.mkv": {}}
    with pytest.raises(ConfigError, match="target of two outputs"):
        edit_variants(editor, clip, twice)
