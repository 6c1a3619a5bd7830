"""Whole videos: outside the faces every bit stays, inside something changes, the rest of the file is kept."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.runtime.scenes import (
    FaceClip,
    blocks,
    decoded,
    face_views,
    inside_crops,
    portrait,
    samples,
    write_clip,
)
from tests.video.clips import Clip, look, make_clip

from fader.errors import ConfigError, MediaError
from fader.runtime import Editor, EncodeOptions, Keyframes, Span, VideoProgress, VideoReport, edit_video
from fader.runtime.delay import look_ahead
from fader.runtime.stages import FaceFrame, find_faces
from fader.runtime.video import VideoSource

STRONG = {"Smiling": 3.0}
LOSSLESS = EncodeOptions(codec="ffv1")
SIZE = (192, 144)
N = 8
KINDS = {
    "8 bits": FaceClip(codec="libx264", pix_fmt="yuv420p", options={"preset": "veryfast"}),
    "10 bits": FaceClip(codec="libx264", pix_fmt="yuv420p10le", options={"preset": "veryfast"}),
    "full range": FaceClip(
        codec="libx264", pix_fmt="yuvj420p", color_range=2, options={"preset": "veryfast"}
    ),
    "4:4:4": FaceClip(codec="libx264", pix_fmt="yuv444p", options={"preset": "veryfast"}),
    "turned by 90": FaceClip(codec="libx264", rotation=90, options={"preset": "veryfast"}),
    "turned by 180": FaceClip(codec="libx264", rotation=180, options={"preset": "veryfast"}),
    "turned by 270": FaceClip(codec="libx264", rotation=270, options={"preset": "veryfast"}),
}


@pytest.fixture(scope="module", params=sorted(KINDS))
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    return write_clip(folder / "source.mp4", face_views(N, SIZE), KINDS[request.param])


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("sources") / "plain.mp4", face_views(N, SIZE), KINDS["8 bits"])


def face_masks(editor: Editor, path: Path) -> Iterator[list[NDArray[np.bool_]]]:
    """For every frame and plane: which stored samples may change, found by tracking the faces once more."""
    with VideoSource(path) as opened:
        rotation = opened.rotation
        frames = (item for item in opened.items() if isinstance(item, av.VideoFrame))
        found = find_faces(frames, editor.tracker(), None, rotation=rotation)
        for item in look_ahead(found, editor.image_size):
            assert isinstance(item, FaceFrame)
            matrices, frame = [face.matrix for face in item.faces], item.planes.frame
            inside = np.rot90(inside_crops(matrices, item.planes.size), -(rotation // 90))
            chroma = inside if frame.format.name == "yuv444p" else blocks(inside, 2, 2, halves(inside.shape))
            yield [inside, chroma, chroma]


def halves(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((side + 1) // 2 for side in shape)


def codes(path: Path) -> list[list[NDArray[np.integer]]]:
    """Codes of every plane of every frame."""
    dtype = np.dtype("<u2") if decoded(path)[0].format.components[0].bits > 8 else np.dtype(np.uint8)
    return [[plane.view(dtype) for plane in samples(frame)] for frame in decoded(path)]


def test_a_frame_of_4k_is_edited_where_its_face_is(editor: Editor, tmp_path: Path) -> None:
    size = (3840, 2160)
    pictures = [portrait(size, zoom=0.3, at=(0.3, 0.6))] * 3
    clip = write_clip(tmp_path / "large.mkv", pictures, FaceClip(codec="ffv1"))
    report = edit_video(editor, clip, tmp_path / "out.mkv", STRONG, encoding=LOSSLESS)
    assert (report.frames, report.faces_edited) == (3, 3)
    for mask, before, after in zip(
        face_masks(editor, clip), codes(clip), codes(tmp_path / "out.mkv"), strict=True
    ):
        assert after[0].shape == size[::-1]
        assert (before[0] != after[0])[mask[0]].mean() > 0.3
        assert np.array_equal(before[0][~mask[0]], after[0][~mask[0]])


def test_interlaced_video_is_said_to_become_progressive(
    editor: Editor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    interlaced = FaceClip(codec="mpeg2video", options={"flags": "+ildct+ilme"})
    clip = write_clip(tmp_path / "television.mkv", face_views(N, SIZE), interlaced)
    edit_video(editor, clip, tmp_path / "out.mkv", STRONG)
    assert f"{clip.name} is interlaced; it is written as progressive" in caplog.text


@pytest.mark.parametrize("codec", ["mpeg4", "msmpeg4"])
def test_old_codecs_keep_the_quality_of_their_source(editor: Editor, tmp_path: Path, codec: str) -> None:
    fine = FaceClip(codec=codec, options={"qmin": "2", "qmax": "3"})
    clip = write_clip(tmp_path / "old.mkv", face_views(24, (640, 480)), fine)
    edit_video(editor, clip, tmp_path / "out.mkv", STRONG)
    for mask, before, after in zip(
        face_masks(editor, clip), codes(clip), codes(tmp_path / "out.mkv"), strict=True
    ):
        error = before[0][~mask[0]].astype(float) - after[0][~mask[0]]
        assert np.square(error).mean() < 1


def assert_same_pictures(one: Path, other: Path) -> None:
    for first, second in zip(codes(one), codes(other), strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


def test_outside_the_faces_every_bit_stays_and_inside_something_changes(
    editor: Editor, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.mkv"
    report = edit_video(editor, source, target, STRONG, encoding=LOSSLESS)
    assert (report.frames, report.frames_edited, report.faces_edited) == (N, N, N)
    masks = face_masks(editor, source)
    for before, after, inside in zip(codes(source), codes(target), masks, strict=True):
        for old, new, mask in zip(before, after, inside, strict=True):
            assert old.shape == new.shape == mask.shape
            changed = old != new
            assert not (changed & ~mask).any()
            assert mask.mean() < 0.7
        assert (before[0] != after[0]).sum() > 500


def test_sliders_at_the_sources_values_leave_every_bit_everywhere(
    editor: Editor, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.mkv"
    report = edit_video(editor, source, target, {}, encoding=LOSSLESS)
    assert (report.frames, report.faces, report.frames_edited, report.faces_edited) == (N, N, 0, 0)
    assert_same_pictures(source, target)


@pytest.mark.parametrize(("max_batch", "threads"), [(1, 1), (3, 2), (8, 2)])
def test_the_result_depends_on_neither_batches_nor_threads(
    editor: Editor, tiny_bundle: Path, plain: Path, tmp_path: Path, max_batch: int, threads: int
) -> None:
    edit_video(editor, plain, tmp_path / "a.mkv", STRONG, encoding=LOSSLESS)
    with Editor.open(tiny_bundle, engine="onnxruntime-cpu", max_batch=max_batch, threads=threads) as other:
        edit_video(other, plain, tmp_path / "b.mkv", STRONG, encoding=LOSSLESS)
    assert_same_pictures(tmp_path / "a.mkv", tmp_path / "b.mkv")


def test_a_second_edit_with_the_same_editor_gives_the_same(
    editor: Editor, plain: Path, tmp_path: Path
) -> None:
    for name in ("a.mkv", "b.mkv"):
        edit_video(editor, plain, tmp_path / name, STRONG, encoding=LOSSLESS)
    assert_same_pictures(tmp_path / "a.mkv", tmp_path / "b.mkv")


def test_a_stream_gives_each_frame_as_soon_as_it_may_and_a_file_waits_for_those_after_it(
    editor: Editor, plain: Path, tmp_path: Path
) -> None:
    edit_video(editor, plain, tmp_path / "a.mkv", STRONG, encoding=LOSSLESS)
    with av.open(str(plain)) as container:
        streamed = list(editor.stream(container.decode(video=0), STRONG))
    pairs = list(zip(decoded(tmp_path / "a.mkv"), streamed, strict=True))
    assert [one.pts for one, _ in pairs] == sorted(one.pts or 0 for one, _ in pairs)
    # One Euro passes its first frame as it is; the file's is smoothed with what follows.
    assert any((a != b).any() for one, two in pairs for a, b in zip(samples(one), samples(two), strict=True))
    untouched = [np.abs(a.astype(int) - b).mean() for one, two in pairs for a, b in both_luma(one, two)]
    assert max(untouched) < 12


def both_luma(one: av.VideoFrame, two: av.VideoFrame) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    return [(samples(one)[0], samples(two)[0])]


def test_the_report_counts_what_was_found_and_what_changed(editor: Editor, tmp_path: Path) -> None:
    nothing = np.full((SIZE[1], SIZE[0], 3), 30, np.uint8)
    face = portrait((SIZE[0] // 2, SIZE[1]))
    both = np.concatenate([face, face[:, ::-1]], axis=1)
    source = write_clip(tmp_path / "a.mkv", [*face_views(4, SIZE), *[nothing] * 3, *[both] * 3])
    seen: list[VideoProgress] = []
    report = edit_video(
        editor, source, tmp_path / "b.mkv", STRONG, encoding=LOSSLESS, on_progress=seen.append
    )
    assert report == VideoReport(
        source=source,
        target=tmp_path / "b.mkv",
        frames=10,
        frames_with_faces=7,
        frames_edited=7,
        faces=10,
        faces_edited=10,
        tracks=3,
        seconds=report.seconds,
        engine=editor.engine_name,
        timings=report.timings,
    )
    assert [stage.stage for stage in report.timings] == ["decode", "faces", "render", "write"]
    assert 0 < report.seconds < 60
    assert [progress.frames for progress in seen] == list(range(1, 11))
    assert {progress.total for progress in seen} == {10}
    changed = [
        any((old != new).any() for old, new in zip(before, after, strict=True))
        for before, after in zip(codes(source), codes(tmp_path / "b.mkv"), strict=True)
    ]
    assert changed == [True] * 4 + [False] * 3 + [True] * 3


def test_frame_times_and_sound_are_kept_to_the_last_packet(editor: Editor, tmp_path: Path) -> None:
    clip = Clip(name="a.mp4", audio=("aac",), pts=[0, 1000, 2500, 2600, 9000, 9500, 30000])
    source = make_clip(tmp_path, clip)
    edit_video(editor, source, tmp_path / "b.mp4", STRONG)
    before, after = look(source), look(tmp_path / "b.mp4")
    assert after.times == before.times
    assert [packet[3] for packet in after.packets] == [packet[3] for packet in before.packets]
    assert len(before.packets) > 40


class StopError(Exception):
    pass


@pytest.mark.parametrize("error", [StopError, KeyboardInterrupt])
def test_an_exception_in_on_progress_stops_the_work_and_leaves_no_file(
    editor: Editor, plain: Path, tmp_path: Path, error: type[BaseException]
) -> None:
    def stop(progress: VideoProgress) -> None:
        if progress.frames == 3:
            raise error

    with pytest.raises(error):
        edit_video(editor, plain, tmp_path / "b.mkv", STRONG, on_progress=stop)
    assert not list(tmp_path.iterdir())


def test_an_old_target_stays_until_the_new_one_is_whole(editor: Editor, plain: Path, tmp_path: Path) -> None:
    def stop(progress: VideoProgress) -> None:
        raise StopError

    (tmp_path / "b.mkv").write_bytes(b"old")
    with pytest.raises(StopError):
        edit_video(editor, plain, tmp_path / "b.mkv", STRONG, on_progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["b.mkv"]
    assert (tmp_path / "b.mkv").read_bytes() == b"old"


def test_damage_in_the_middle_reaches_the_caller_and_leaves_no_file(
    editor: Editor, plain: Path, tmp_path: Path
) -> None:
    content = bytearray(plain.read_bytes())
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(MediaError):
        edit_video(editor, damaged, tmp_path / "b.mkv", STRONG)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.mp4"]


def test_bad_values_and_targets_are_refused_before_anything_is_written(
    editor: Editor, plain: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="this model has"):
        edit_video(editor, plain, tmp_path / "b.mkv", {"Smile": 1.0})
    with pytest.raises(ConfigError, match="expected a number"):
        edit_video(editor, plain, tmp_path / "b.mkv", {"Smiling": float("inf")})
    with pytest.raises(ConfigError, match="is the input itself"):
        edit_video(editor, plain, plain, STRONG)
    assert not list(tmp_path.iterdir())


def test_values_may_be_given_as_text(editor: Editor, plain: Path, tmp_path: Path) -> None:
    edit_video(editor, plain, tmp_path / "a.mkv", {"Smiling": "3"}, encoding=LOSSLESS)
    edit_video(editor, plain, tmp_path / "b.mkv", STRONG, encoding=LOSSLESS)
    assert_same_pictures(tmp_path / "a.mkv", tmp_path / "b.mkv")


def test_a_span_of_time_leaves_every_bit_outside_it(editor: Editor, plain: Path, tmp_path: Path) -> None:
    with av.open(plain) as container:
        times = [frame.time for frame in container.decode(video=0)]
    start, stop = times[3], times[6]
    assert start is not None
    assert stop is not None
    values = {"Smiling": Span(start=start, stop=stop, value=3.0)}
    report = edit_video(editor, plain, tmp_path / "out.mkv", values, encoding=LOSSLESS)
    assert 0 < report.frames_edited < report.frames
    pairs = zip(decoded(plain), decoded(tmp_path / "out.mkv"), times, strict=True)
    for before, after, time in pairs:
        assert time is not None
        same = all(np.array_equal(a, b) for a, b in zip(samples(before), samples(after), strict=True))
        assert same or start < time < stop


def test_keyframes_end_where_a_constant_value_is(editor: Editor, plain: Path, tmp_path: Path) -> None:
    moving = {"Smiling": Keyframes(times=(0.0, 1e-3), values=(0.0, 3.0))}
    edit_video(editor, plain, tmp_path / "moving.mkv", moving, encoding=LOSSLESS)
    edit_video(editor, plain, tmp_path / "still.mkv", STRONG, encoding=LOSSLESS)
    moved, still = (list(decoded(tmp_path / name)) for name in ("moving.mkv", "still.mkv"))
    for one, other in zip(samples(moved[-1]), samples(still[-1]), strict=True):
        np.testing.assert_array_equal(one, other)
