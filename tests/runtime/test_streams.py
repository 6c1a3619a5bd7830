"""Frames one by one: arrays and frames, and async iterators that stop when their reader does."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.runtime.scenes import face_views, frame_of

from fader.errors import ConfigError, EngineError
from fader.runtime import Editor, Span

SMILE = {"Smiling": 3.0}
N = 6
SIZE = (160, 120)


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    return list(face_views(N, SIZE))


@pytest.fixture(scope="module")
def expected(editor: Editor, pictures: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    return list(editor.stream(pictures, SMILE))


def same(one: list[NDArray[np.uint8]], other: list[NDArray[np.uint8]]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fader-astream"]


def test_arrays_come_out_as_arrays_and_the_ones_given_stay(
    editor: Editor, pictures: list[NDArray[np.uint8]], expected: list[NDArray[np.uint8]]
) -> None:
    before = [picture.copy() for picture in pictures]
    edited = list(editor.stream(pictures, SMILE))
    assert same(pictures, before)
    assert same(edited, expected)
    assert all((new != old).any() for new, old in zip(edited, before, strict=True))
    assert {(picture.shape, picture.dtype.name) for picture in edited} == {((120, 160, 3), "uint8")}


def test_tensors_and_frames_may_be_mixed_and_each_comes_out_as_what_it_was(
    editor: Editor, pictures: list[NDArray[np.uint8]], expected: list[NDArray[np.uint8]]
) -> None:
    mixed: list[Any] = [torch.from_numpy(picture) for picture in pictures]
    mixed[2] = av.VideoFrame.from_ndarray(pictures[2], format="rgb24")
    mixed[2].pts, mixed[2].time_base = 2, Fraction(1, 25)
    edited = list(editor.stream(mixed, SMILE))
    assert isinstance(edited[2], av.VideoFrame)
    edited[2] = edited[2].to_ndarray()
    assert same(edited, expected)


def test_arrays_have_the_times_of_their_rate(editor: Editor, pictures: list[NDArray[np.uint8]]) -> None:
    values = {"Smiling": Span(start=0.2, stop=9.0, value=3.0)}
    slow = list(editor.stream(pictures, values, rate=10))
    changed = [bool((new != old).any()) for new, old in zip(slow, pictures, strict=True)]
    assert changed == [False, False, False, True, True, True]
    assert same(list(editor.stream(pictures, values, rate=1000)), pictures)


def test_an_array_of_another_shape_is_refused(editor: Editor) -> None:
    with pytest.raises(ConfigError, match="expected"):
        list(editor.stream([np.zeros((120, 160), np.uint8)], SMILE))
    with pytest.raises(ConfigError, match="unknown attribute"):
        editor.astream([], {"Smile": 1.0})


async def slowly(pictures: list[NDArray[np.uint8]]) -> AsyncIterator[NDArray[np.uint8]]:
    for picture in pictures:
        await asyncio.sleep(0.01)
        yield picture


@pytest.mark.parametrize("is_async", [False, True])
def test_an_async_loop_gives_the_same_frames_while_others_run(
    editor: Editor, pictures: list[NDArray[np.uint8]], expected: list[NDArray[np.uint8]], *, is_async: bool
) -> None:
    ticks = []

    async def tick() -> None:
        while True:
            ticks.append(1)
            await asyncio.sleep(0.001)

    async def loop() -> list[NDArray[np.uint8]]:
        ticking = asyncio.create_task(tick())
        frames = slowly(pictures) if is_async else pictures
        edited = [frame async for frame in editor.astream(frames, SMILE)]
        ticking.cancel()
        return edited

    assert same(asyncio.run(loop()), expected)
    assert len(ticks) > N
    assert not workers()


def endless(picture: NDArray[np.uint8], given: list[int]) -> Iterator[NDArray[np.uint8]]:
    while True:
        given.append(1)
        yield picture


def test_frames_are_taken_only_a_bounded_number_ahead_and_leaving_ends_the_thread(
    editor: Editor, pictures: list[NDArray[np.uint8]]
) -> None:
    given: list[int] = []

    async def loop() -> None:
        stream = editor.astream(endless(pictures[0], given), SMILE)
        await anext(stream)
        await asyncio.sleep(1)
        n_given = len(given)
        await asyncio.sleep(0.5)
        assert len(given) == n_given < 60
        await stream.aclose()

    asyncio.run(loop())
    assert not workers()


@pytest.mark.parametrize("waits_for", ["edit", "frame"])
def test_cancelling_the_task_ends_the_thread(
    editor: Editor, pictures: list[NDArray[np.uint8]], waits_for: str
) -> None:
    async def never() -> AsyncIterator[NDArray[np.uint8]]:
        yield pictures[0]
        await asyncio.sleep(1000)

    async def read() -> None:
        frames = never() if waits_for == "frame" else endless(pictures[0], [])
        async for _ in editor.astream(frames, SMILE):
            pass

    async def loop() -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0.3)
        assert workers()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not workers()

    asyncio.run(loop())


def test_an_error_of_the_frames_reaches_the_reader(editor: Editor, pictures: list[NDArray[np.uint8]]) -> None:
    def broken() -> Iterator[NDArray[np.uint8]]:
        yield pictures[0]
        raise KeyError("camera")

    async def read() -> None:
        async for _ in editor.astream(broken(), SMILE):
            pass

    with pytest.raises(KeyError, match="camera"):
        asyncio.run(read())
    assert not workers()


ENGINES = ["onnxruntime-cpu", *(["openvino", "openvino-bf16"] if find_spec("openvino") else [])]


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_that_share_an_editor_get_what_each_gets_alone(
    tiny_bundle: Path, pictures: list[NDArray[np.uint8]], engine: str
) -> None:
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, 256, (1 + i % 3, 64, 64, 3), np.uint8) for i in range(12)]
    try:
        opened = Editor.open(tiny_bundle, engine=engine, threads=1, cache_bytes=0)
    except EngineError as error:
        pytest.skip(str(error))
    with opened as editor:

        def work(i: int) -> list[NDArray[np.uint8]]:
            if i % 4 == 3:
                return list(editor.stream(pictures[:2], {"Smiling": float(i)}))
            return [editor.decode(editor.encode(batches[i]), {"Smiling": float(i)})]

        alone = [work(i) for i in range(12)]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(work, [*range(12)] * 3))
    for i, result in enumerate(together):
        assert same(result, alone[i % 12])


def test_a_frame_keeps_its_format_and_time(editor: Editor, pictures: list[NDArray[np.uint8]]) -> None:
    frame = frame_of(pictures[0], "yuv420p")
    frame.pts, frame.time_base = 7, Fraction(1, 90)
    (edited,) = editor.stream([frame], SMILE)
    assert (edited.format.name, edited.pts, edited.time_base) == (
        frame.format.name,
        frame.pts,
        frame.time_base,
    )
