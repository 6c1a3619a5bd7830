"""A run that is stopped at any moment goes on, and gives what one that was never stopped gives."""

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from tests.runtime.scenes import FaceClip, decoded, samples
from tests.runtime.store.edits import counted_detector, counting_editor, eventful_clip
from tests.video.clips import Clip, look, make_clip

from fader.errors import MediaError
from fader.runtime import (
    Editor,
    EncodeOptions,
    FaceOptions,
    LatentStore,
    VideoProgress,
    VideoReport,
    edit_video,
)
from fader.runtime.video import segmented

SMILE = {"Smiling": 3.0}
N = 46
SIZE = (320, 240)
FRAMES = 10
"""Of a segment, in these tests."""
CHILD = """
import sys
from fader.runtime import Editor, edit_video
from fader.runtime.video import segmented
segmented.SEGMENT_FRAMES = 10
bundle, source, target = sys.argv[1:]
with Editor.open(bundle, engine="onnxruntime-cpu", threads=1) as editor:
    print("ready", flush=True)
    edit_video(editor, source, target, {"Smiling": 3.0}, resume=True)
"""


class StopError(Exception):
    pass


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmented, "SEGMENT_FRAMES", FRAMES)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """46 frames with cuts, two faces and none, and sound."""
    folder = tmp_path_factory.mktemp("resume")
    pictures = eventful_clip(
        folder / "pictures.mp4", FaceClip(codec="libx264", options={"preset": "veryfast"}), SIZE
    )
    sound = make_clip(folder, Clip(name="sound.mp4", audio=("aac", "aac")))
    path = folder / "source.mp4"
    with av.open(pictures) as video, av.open(sound) as audio, av.open(path, "w") as target:
        sources = (video, audio)
        wanted = [(video.streams.video[0],), audio.streams.audio]
        copies = [{s.index: target.add_stream_from_template(s) for s in streams} for streams in wanted]
        for container, copied in zip(sources, copies, strict=True):
            for packet in container.demux():
                if packet.size and packet.stream_index in copied:
                    packet.stream = copied[packet.stream_index]
                    target.mux(packet)
    return path


@pytest.fixture(scope="module")
def whole(editor: Editor, source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[VideoReport, Path]:
    """A run that nobody stopped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmented, "SEGMENT_FRAMES", FRAMES)
        target = tmp_path_factory.mktemp("whole") / "out.mp4"
        return edit_video(editor, source, target, SMILE, resume=True), target


def stop_at(n_frames: int) -> Callable[[VideoProgress], None]:
    def stop(progress: VideoProgress) -> None:
        if progress.frames == n_frames:
            raise StopError

    return stop


def stopped(editor: Editor, source: Path, target: Path, at: int, **options: object) -> Path:
    """Edit up to a frame; the folder that is left."""
    with pytest.raises(StopError):
        edit_video(editor, source, target, SMILE, resume=True, on_progress=stop_at(at), **options)  # type: ignore[arg-type]
    assert not target.exists()
    return target.with_name(f".{target.name}.fader-parts")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def counts(report: VideoReport) -> tuple[int, ...]:
    return (
        report.frames,
        report.frames_with_faces,
        report.frames_edited,
        report.faces,
        report.faces_edited,
        report.tracks,
    )


@pytest.mark.parametrize("at", [1, 9, 10, 11, 25, 45, 46])
@pytest.mark.parametrize("is_stored", [False, True])
def test_a_run_that_was_stopped_at_a_frame_goes_on_to_the_same_bytes(
    editor: Editor, source: Path, whole: tuple[VideoReport, Path], tmp_path: Path, at: int, *, is_stored: bool
) -> None:
    target = tmp_path / "out.mp4"
    store = LatentStore(tmp_path / "store") if is_stored else None
    stopped(editor, source, target, at, store=store)
    report = edit_video(editor, source, target, SMILE, resume=True, store=store)
    assert target.read_bytes() == whole[1].read_bytes()
    assert counts(report) == counts(whole[0])
    assert report.frames_resumed == at // FRAMES * FRAMES
    assert names(tmp_path) == ["out.mp4", "store"] if is_stored else ["out.mp4"]


def test_pictures_and_times_are_those_of_a_run_without_segments(
    editor: Editor, source: Path, tmp_path: Path
) -> None:
    lossless = EncodeOptions(codec="ffv1")
    edit_video(editor, source, tmp_path / "plain.mkv", SMILE, encoding=lossless)
    edit_video(editor, source, tmp_path / "resumed.mkv", SMILE, encoding=lossless, resume=True)
    plain, resumed = look(tmp_path / "plain.mkv"), look(tmp_path / "resumed.mkv")
    assert resumed.times == plain.times
    assert resumed.packets == plain.packets
    assert resumed.metadata == plain.metadata
    assert resumed.kinds == plain.kinds
    for one, other in zip(plain.frames, resumed.frames, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "libsvtav1", "mpeg4"])
def test_every_codec_begins_anew_at_a_segment(
    editor: Editor, source: Path, tmp_path: Path, codec: str
) -> None:
    encoding = EncodeOptions(codec=codec)
    edit_video(editor, source, tmp_path / "a.mkv", SMILE, encoding=encoding, resume=True)
    stopped(editor, source, tmp_path / "b.mkv", 25, encoding=encoding)
    edit_video(editor, source, tmp_path / "b.mkv", SMILE, encoding=encoding, resume=True)
    one, other = look(tmp_path / "a.mkv"), look(tmp_path / "b.mkv")
    assert set(range(0, N, FRAMES)) <= set(other.key_frames)
    assert (one.times, one.packets) == (other.times, other.packets)
    assert len(one.times) == N
    for first, second in zip(one.frames, other.frames, strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


def test_uneven_frame_times_are_kept_over_the_borders(editor: Editor, tmp_path: Path) -> None:
    # Where a segment begins with long frames, its encoder would decode them before those of the last.
    steps = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9000, 9000, 9000] * 4
    pts = [int(p) for p in np.cumsum(steps)]
    clip = make_clip(tmp_path, Clip(name="a.mp4", pts=pts, audio=("aac",)))
    for suffix in ("mp4", "mkv"):
        edit_video(editor, clip, tmp_path / f"plain.{suffix}", SMILE)
        edit_video(editor, clip, tmp_path / f"b.{suffix}", SMILE, resume=True)
        plain, resumed = look(tmp_path / f"plain.{suffix}"), look(tmp_path / f"b.{suffix}")
        assert resumed.times == plain.times
        assert resumed.packets == plain.packets


def test_finished_frames_are_neither_searched_encoded_nor_drawn_again(
    editor: Editor, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.mp4"
    stopped(editor, source, target, 46)
    counting, images = counting_editor(editor)
    calls = counted_detector(monkeypatch)
    report = edit_video(counting, source, target, SMILE, resume=True)
    assert report.frames_resumed == 40
    assert sum(calls.values()) == 0
    assert images["encode"] == images["classify"] == 0
    assert 0 < images["decode"] < report.faces


def test_after_kills_at_any_moment_the_result_is_the_same(
    tiny_bundle: Path, source: Path, whole: tuple[VideoReport, Path], tmp_path: Path
) -> None:
    rng, n_kills = np.random.default_rng(0), 0
    target = tmp_path / "out.mp4"
    while not target.exists():
        command = [sys.executable, "-c", CHILD, str(tiny_bundle), str(source), str(target)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0, 0.15) * (1 + n_kills))
            n_kills += child.poll() is None
            child.kill()
            assert child.stderr is not None
            assert child.stderr.read() == ""
    assert n_kills > 1
    assert target.read_bytes() == whole[1].read_bytes()


def strike(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 64
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["000001.json", "000001.packets"])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 1.0, None])
def test_a_damaged_segment_alone_is_made_again(
    editor: Editor,
    source: Path,
    whole: tuple[VideoReport, Path],
    tmp_path: Path,
    name: str,
    place: float | None,
) -> None:
    target = tmp_path / "out.mp4"
    folder = stopped(editor, source, target, 35)
    if place is None:
        (folder / name).unlink()
    else:
        strike(folder / name, place)
    report = edit_video(editor, source, target, SMILE, resume=True)
    assert report.frames_resumed == 2 * FRAMES
    assert counts(report) == counts(whole[0])
    assert target.read_bytes() == whole[1].read_bytes()


def test_a_segment_under_another_ones_name_is_made_again(
    editor: Editor, source: Path, whole: tuple[VideoReport, Path], tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    folder = stopped(editor, source, target, 35)
    for suffix in ("json", "packets"):
        shutil.copy(folder / f"000000.{suffix}", folder / f"000002.{suffix}")
    assert edit_video(editor, source, target, SMILE, resume=True).frames_resumed == 2 * FRAMES
    assert target.read_bytes() == whole[1].read_bytes()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"schema": 1'])
def test_a_folder_that_does_not_say_what_it_is_of_is_begun_anew(
    editor: Editor, source: Path, whole: tuple[VideoReport, Path], tmp_path: Path, content: bytes
) -> None:
    target = tmp_path / "out.mp4"
    folder = stopped(editor, source, target, 35)
    (folder / "job.json").write_bytes(content)
    assert edit_video(editor, source, target, SMILE, resume=True).frames_resumed == 0
    assert target.read_bytes() == whole[1].read_bytes()


@pytest.mark.parametrize("changed", ["values", "encoding", "faces", "file", "bundle"])
def test_what_has_changed_is_said_in_a_line_and_all_is_made_anew(
    editor: Editor,
    detector_bundle: object,
    source: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    changed: str,
) -> None:
    target, copy = tmp_path / "out.mp4", Path(shutil.copy(source, tmp_path / "source.mp4"))
    folder = stopped(editor, copy, target, 35)
    values, encoding, faces = SMILE, None, None
    if changed == "values":
        values = {"Smiling": 3.5}
    elif changed == "encoding":
        encoding = EncodeOptions(crf=30)
    elif changed == "faces":
        faces = FaceOptions(min_size=0.05)
    elif changed == "file":
        with copy.open("ab") as file:
            file.write(b"\0\0\0\x08free")
    else:
        job = json.loads((folder / "job.json").read_text())
        (folder / "job.json").write_text(json.dumps({**job, "bundle": "another"}))
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        report = edit_video(editor, copy, target, values, encoding=encoding, faces=faces, resume=True)
        edit_video(editor, copy, tmp_path / "anew.mp4", values, encoding=encoding, faces=faces, resume=True)
    assert report.frames_resumed == 0
    (record,) = caplog.records
    assert record.getMessage() == f"{target}: what was begun differs from this in {changed}; starting anew"
    assert target.read_bytes() == (tmp_path / "anew.mp4").read_bytes()


def test_a_second_process_on_the_same_target_is_refused_and_the_first_goes_on(
    editor: Editor, source: Path, whole: tuple[VideoReport, Path], tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    refused = []

    def other(progress: VideoProgress) -> None:
        if progress.frames == 15:
            with pytest.raises(MediaError, match="another process is writing it") as caught:
                edit_video(editor, source, target, SMILE, resume=True)
            refused.append(caught.value)

    edit_video(editor, source, target, SMILE, resume=True, on_progress=other)
    assert len(refused) == 1
    assert target.read_bytes() == whole[1].read_bytes()
    assert names(tmp_path) == ["out.mp4"]


def test_a_source_that_changes_meanwhile_never_becomes_a_video(
    editor: Editor, source: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(source, tmp_path / "source.mp4"))

    def change(progress: VideoProgress) -> None:
        if progress.frames == N:
            copy.touch()

    with pytest.raises(MediaError, match="was changed while it was edited"):
        edit_video(editor, copy, tmp_path / "out.mp4", SMILE, resume=True, on_progress=change)
    assert not (tmp_path / "out.mp4").exists()


def test_a_folder_that_cannot_be_used_is_refused(editor: Editor, source: Path, tmp_path: Path) -> None:
    (tmp_path / ".out.mp4.fader-parts").write_text("a file")
    with pytest.raises(MediaError, match="cannot be used for finished parts"):
        edit_video(editor, source, tmp_path / "out.mp4", SMILE, resume=True)
    assert names(tmp_path) == [".out.mp4.fader-parts"]


def test_a_stop_says_that_resume_goes_on(
    editor: Editor, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(editor, source, tmp_path / "a.mp4", 9)
    assert not caplog.records
    stopped(editor, source, tmp_path / "b.mp4", 25)
    (record,) = caplog.records
    assert "20 finished frames are kept; --resume goes on from there" in record.getMessage()


def test_without_resume_nothing_is_kept_and_nothing_is_used(
    editor: Editor, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    with pytest.raises(StopError):
        edit_video(editor, source, target, SMILE, on_progress=stop_at(35))
    assert names(tmp_path) == []
    folder = stopped(editor, source, target, 35)
    before = names(folder)
    assert edit_video(editor, source, target, SMILE).frames_resumed == 0
    assert names(folder) == before
    first = samples(next(iter(decoded(target))))
    assert first
