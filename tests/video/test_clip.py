"""A part of a video: the frames that Python's slice of all of them has, and what belongs to their time."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.packet import Packet
from av.video.frame import VideoFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.media import media_file
from tests.video.clips import Clip, look, make_clip, planes, seconds
from tests.video.test_passing_through import UNEVEN_MS

from fader.errors import ConfigError
from fader.runtime.video import Part, VideoPart, VideoSource, VideoTarget
from fader.runtime.video import clip as clip_module
from fader.runtime.video.source import Clock

MS = Fraction(1, 1000)
SHORT_GOPS = {"g": "6", "bf": "2"}
OPEN_GOPS = {
    "g": "8",
    "keyint_min": "8",
    "bf": "3",
}  # what x265 makes of itself: frames that lead a key frame
CLIPS = [
    Clip(name="gops.mp4", audio=("aac",), options=SHORT_GOPS, chapters=True),
    Clip(name="late.mp4", audio=("aac",), options=SHORT_GOPS, pts=tuple(12345 + 1001 * i for i in range(30))),
    Clip(name="open.mkv", codec="libx265", time_base=MS, pts=UNEVEN_MS, options=OPEN_GOPS),
    Clip(name="refresh.mp4", options={"x264-params": "intra-refresh=1:keyint=10:bframes=0"}),
    Clip(name="many.mkv", audio=("aac", "flac"), subtitles="subrip", options=SHORT_GOPS, time_base=MS,
         pts=UNEVEN_MS, attachment=b"a font", chapters=True),
    Clip(name="vp9.webm", codec="libvpx-vp9", audio=("libopus",), time_base=MS, pts=UNEVEN_MS,
         options={"g": "8", "lag-in-frames": "8"}),
    Clip(name="raw.h264", options=SHORT_GOPS),
]  # fmt: skip
SLICES = [(0, 5), (5, 12), (6, 7), (11, None), (17, 1000), (-4, None), (3, -20), (None, 1), (29, 30)]


@pytest.fixture(scope="module", params=CLIPS, ids=lambda clip: clip.name)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe: Clip = request.param
    if recipe.name.endswith(".h264"):
        return raw_stream(tmp_path_factory.mktemp("raw"), recipe)
    return make_clip(tmp_path_factory.mktemp("part"), recipe)


def raw_stream(folder: Path, recipe: Clip) -> Path:
    """A stream without any time stamp."""
    import av

    made = make_clip(folder, replace(recipe, name="in.mp4"))
    path = folder / recipe.name
    with av.open(str(made)) as before, av.open(str(path), "w", format="h264") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        for packet in before.demux(video=0):
            if packet.size:
                packet.stream = stream
                after.mux(packet)
    return path


def frames_of(source: VideoSource) -> list[VideoFrame]:
    return [item for item in source.items() if isinstance(item, VideoFrame)]


def cut(path: Path, part: Part, target: Path) -> Any:
    """What a file looks like that holds a part; written without an edit."""
    with VideoPart(path, part) as source, VideoTarget.open(target, source) as writing:
        for item in source.items():
            if isinstance(item, VideoFrame):
                assert item.pts is not None
                item.pts -= round(source.start / source.time_base)
            writing.write(item)
    return look(target)


@pytest.mark.parametrize(("start", "stop"), SLICES)
def test_the_frames_are_those_of_pythons_slice(whole: Path, start: int | None, stop: int | None) -> None:
    with VideoSource(whole) as source:
        expected = frames_of(source)[start:stop]
    with VideoPart(whole, Part(start=start, stop=stop)) as part:
        found = frames_of(part)
        assert part.frame_count in {len(expected), None} or stop is None
    assert [seconds(frame) for frame in found] == [seconds(frame) for frame in expected]
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(planes(one), planes(other), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def gops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("gops"), CLIPS[0])


ends = st.none() | st.integers(-40, 40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=ends, stop=ends)
def test_any_slice_is_what_python_makes_of_it(gops: Path, start: int | None, stop: int | None) -> None:
    times = look(gops).times[start:stop]
    if times:
        with VideoPart(gops, Part(start=start, stop=stop)) as part:
            assert [seconds(frame) for frame in frames_of(part)] == times
    else:
        with pytest.raises(ConfigError, match="no frame lies in the part") as caught:
            VideoPart(gops, Part(start=start, stop=stop))
        assert "30 frames from 0 s to" in str(caught.value)


def test_decoding_begins_at_the_key_frame_before_and_ends_after_the_part(
    gops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Fraction] = []

    class Watch(Clock):
        def stamp(self, frame: VideoFrame) -> None:
            super().stamp(frame)
            decoded.append(seconds(frame))

    monkeypatch.setattr(clip_module, "Clock", Watch)
    times = look(gops).times
    keys = [i for i in look(gops).key_frames if i <= 20]
    with VideoPart(gops, Part(start=20, stop=22)) as part:
        assert len(frames_of(part)) == 2
    assert decoded[0] == times[keys[-1]]
    assert keys[-1] >= 15
    assert decoded[-1] == times[22]


IN_CONTAINERS = [clip for clip in CLIPS if not clip.name.endswith(".h264")]


@pytest.mark.parametrize("whole", IN_CONTAINERS, ids=lambda clip: clip.name, indirect=True)
def test_a_part_begins_at_zero_with_its_sound_and_texts(whole: Path, tmp_path: Path) -> None:
    before = look(whole)
    after = cut(whole, Part(start=8, stop=20), tmp_path / f"out{whole.suffix}")
    start, stop = before.times[8], before.times[20]
    slack = MS if whole.suffix in {".mkv", ".webm"} else Fraction(0)
    for new, old in zip(after.times, before.times[8:20], strict=True):
        assert abs(new - (old - start)) <= slack
    sounds = {i for i, kind in enumerate(before.kinds) if kind[0] == "audio"}
    assert after.kinds == before.kinds
    for index in sounds:
        old_packets = {packet[3]: packet[1] for packet in before.packets if packet[0] == index}
        kept = [(packet[1], packet[3]) for packet in after.packets if packet[0] == index]
        length = Fraction(1024, 48000) if before.kinds[index][1] == "aac" else Fraction(1, 10)
        inside = [payload for payload, time in old_packets.items() if start <= time < stop]
        assert set(inside) <= {payload for _, payload in kept}
        for time, payload in kept:
            assert start - length < old_packets[payload] < stop
            assert abs(time - (old_packets[payload] - start)) <= MS


def test_texts_are_shown_within_the_part_only(tmp_path: Path) -> None:
    recipe = next(clip for clip in CLIPS if clip.subtitles)
    whole = make_clip(tmp_path, recipe)
    times = look(whole).times
    start = next(time for time in times if time >= Fraction("0.3"))
    stop = next(time for time in times if time >= Fraction("0.6"))
    with VideoPart(whole, Part(start=0.3, stop=0.6, unit="seconds")) as part:
        packets = [item for item in part.items() if isinstance(item, Packet)]
        times_ms = {bytes(packet).strip(): [packet.pts, packet.duration] for packet in packets}
    # They are written for 0.1 to 0.4 s and for 0.5 to 0.9 s, in milliseconds here.
    assert times_ms[b"first"] == [0, round(400 - start * 1000)]
    assert times_ms[b"second"] == [round(500 - start * 1000), round(stop * 1000 - 500)]


def test_chapters_are_cut_to_the_part(tmp_path: Path) -> None:
    whole = make_clip(tmp_path, Clip(name="in.mp4", chapters=True))
    after = cut(whole, Part(start=0.25, stop=0.75, unit="seconds"), tmp_path / "out.mp4")
    begins = look(whole).times[8]  # the first one from 0.25 s on
    (one, two) = after.chapters
    assert (one[0], one[2]) == (0, "one")
    assert abs(one[1] - (Fraction(1, 2) - begins)) <= MS
    assert (two[0], two[2]) == (one[1], "two")
    assert abs(two[1] - (Fraction(3, 4) - begins)) < Fraction(1, 25)


def test_a_preview_is_cut_from_the_first_frame_wherever_it_begins(tmp_path: Path) -> None:
    whole = make_clip(tmp_path, CLIPS[1])
    before = look(whole)
    after = cut(whole, Part.preview(0.5), tmp_path / "out.mp4")
    assert after.times == [time for time in before.times if time < before.times[0] + Fraction(1, 2)]
    ends = [packet[1] for packet in after.packets]
    assert ends[0] == before.packets[0][1]
    assert max(ends) < before.times[0] + Fraction(1, 2) <= max(ends) + Fraction(1024, 48000)


def test_the_rest_of_the_file_need_not_be_whole(tmp_path: Path) -> None:
    whole = make_clip(
        tmp_path, Clip(name="in.mkv", time_base=MS, pts=tuple(range(0, 6000, 40)), options=SHORT_GOPS)
    )
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    with VideoPart(whole, Part(stop=10)) as part:
        assert len(frames_of(part)) == 10


@pytest.mark.parametrize(
    ("typed", "part"),
    [
        ("100:250", Part(start=100, stop=250)),
        (":5", Part(stop=5)),
        ("-5:", Part(start=-5)),
        (" 1:-2 ", Part(start=1, stop=-2)),
        ("2s-5.5s", Part(start=2.0, stop=5.5, unit="seconds")),
        ("1:02.5-1:00:03", Part(start=62.5, stop=3603.0, unit="seconds")),
        ("3s-", Part(start=3.0, unit="seconds")),
        ("-0.5", Part(stop=0.5, unit="seconds")),
    ],
)
def test_frames_and_times_are_read_as_people_type_them(typed: str, part: Part) -> None:
    assert Part.parse(typed) == part


@pytest.mark.parametrize("typed", ["", ":", "-", "5", "1:2:3", "a:b", "1.5:2", "2s", "1s:2s", "--1"])
def test_what_is_no_part_is_refused_in_a_line(typed: str) -> None:
    with pytest.raises(ConfigError, match=r"expected numbers such as 100:250, or times such as 2s-5\.5s"):
        Part.parse(typed)


@pytest.mark.parametrize("typed", ["10:5", "5:5", "-5:-10", "5s-2s", "1:00-0:59"])
def test_a_part_that_ends_before_it_begins_is_refused_unseen(typed: str) -> None:
    with pytest.raises(ConfigError, match="expected an end after the start"):
        Part.parse(typed)


@pytest.mark.parametrize("length", [0, -1, float("nan")])
def test_a_preview_has_a_length(length: float) -> None:
    with pytest.raises(ConfigError, match="more than 0"):
        Part.preview(length)


@pytest.mark.media
@pytest.mark.parametrize("name", ["openmpf_video_01.mp4", "intel_asl_book.mkv", "vp8_opus.webm"])
def test_a_part_of_a_real_clip_has_the_same_frames(name: str) -> None:
    path = media_file(name)
    with VideoSource(path) as source:
        expected = [planes(frame) for frame in frames_of(source)[15:25]]
    with VideoPart(path, Part(start=15, stop=25)) as part:
        for one, other in zip(frames_of(part), expected, strict=True):
            for a, b in zip(planes(one), other, strict=True):
                np.testing.assert_array_equal(a, b)
