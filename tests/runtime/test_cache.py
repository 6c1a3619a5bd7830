"""The memory cache of latents: bounded in bytes, the least recently used out first."""

from pathlib import Path

import av
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.runtime.scenes import portrait

from fader.runtime import Editor, Latents
from fader.runtime.cache import LatentCache, image_key


def entry(n_floats: int, value: float = 0) -> Latents:
    return Latents(
        tensors=(np.full((1, n_floats, 1, 1), value, np.float32),),
        source_NA=np.zeros((1, 2), np.float32),
        bundle_id="a",
    )


STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(1, 60)), max_size=60)


@given(st.integers(0, 600), STEPS)
def test_the_cache_never_holds_more_than_its_bytes(
    max_bytes: int, steps: list[tuple[bool, int, int]]
) -> None:
    cache = LatentCache(max_bytes)
    held: dict[bytes, Latents] = {}  # a model of what must be there: insertion order is order of use
    for is_put, number, n_floats in steps:
        key = bytes([number])
        if is_put:
            latents = entry(n_floats)
            cache.put(key, latents)
            if key not in held and latents.n_bytes <= max_bytes:
                held[key] = latents
                while sum(item.n_bytes for item in held.values()) > max_bytes:
                    del held[next(iter(held))]
        else:
            (found,) = cache.get([key])
            assert found is held.get(key)
            if key in held:
                held[key] = held.pop(key)
        assert cache.n_bytes == sum(item.n_bytes for item in held.values()) <= max_bytes
        assert len(cache) == len(held)


def test_the_least_recently_used_goes_first() -> None:
    cache = LatentCache(3 * entry(10).n_bytes)
    for name in (b"a", b"b", b"c"):
        cache.put(name, entry(10))
    cache.get([b"a"])
    cache.put(b"d", entry(10))
    assert [found is not None for found in cache.get([b"a", b"b", b"c", b"d"])] == [True, False, True, True]


def test_pictures_have_the_same_key_only_when_their_pixels_are_the_same() -> None:
    picture = portrait((64, 64))
    assert image_key(picture) == image_key(picture.copy()) == image_key(picture[::-1][::-1])
    other = picture.copy()
    other[5, 5, 1] ^= 1
    assert image_key(other) != image_key(picture)


class Counted:
    """Counts the images that an engine encodes."""

    def __init__(self, editor: Editor) -> None:
        self.n = 0
        encode = editor.model.engine.encode

        def counting(pixels_NCHW: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
            self.n += len(pixels_NCHW)
            return encode(pixels_NCHW)

        vars(editor.model.engine)["encode"] = counting


def crops(n: int) -> NDArray[np.uint8]:
    return np.stack([portrait((64, 64), zoom=2 + i * 0.1) for i in range(n)])


def test_crops_that_were_seen_before_are_not_encoded_again(tiny_bundle: Path) -> None:
    with Editor.open(tiny_bundle, threads=1) as editor:
        counted = Counted(editor)
        first = editor.encode(crops(4))
        assert counted.n == 4
        second = editor.encode(crops(5)[[4, 2, 0, 0]])
        assert counted.n == 5
        for one, other in zip(first.tensors, second.tensors, strict=True):
            np.testing.assert_array_equal(other[1], one[2])
            np.testing.assert_array_equal(other[3], one[0])
        np.testing.assert_array_equal(second.source_NA[[1, 2]], first.source_NA[[2, 0]])


def test_without_a_cache_everything_is_encoded_anew_with_the_same_result(tiny_bundle: Path) -> None:
    with (
        Editor.open(tiny_bundle, threads=1, cache_bytes=0) as bare,
        Editor.open(tiny_bundle, threads=1) as editor,
    ):
        counted = Counted(bare)
        first, second, cached = bare.encode(crops(3)), bare.encode(crops(3)), editor.encode(crops(3))
        assert counted.n == 6
        for one, other, third in zip(first.tensors, second.tensors, cached.tensors, strict=True):
            np.testing.assert_array_equal(one, other)
            np.testing.assert_array_equal(one, third)


def test_changing_latents_does_not_change_what_the_cache_holds(tiny_bundle: Path) -> None:
    with Editor.open(tiny_bundle, threads=1) as editor:
        latents = editor.encode(crops(1))
        before = latents.tensors[0].copy()
        latents.tensors[0][...] = 7
        np.testing.assert_array_equal(editor.encode(crops(1)).tensors[0], before)
        editor.encode(crops(1)).source_NA[...] = 7
        assert editor.encode(crops(1)).source_NA.max() <= 1


def test_a_cache_smaller_than_a_batch_still_gives_all_of_it(tiny_bundle: Path) -> None:
    with Editor.open(tiny_bundle, threads=1, cache_bytes=150_000) as editor:
        assert len(editor.encode(crops(6))) == 6
        assert 0 < editor.model.cache.n_bytes <= 150_000


def test_a_stream_does_not_push_out_what_callers_encoded(tiny_bundle: Path) -> None:
    with Editor.open(tiny_bundle, threads=1) as editor:
        editor.encode(crops(2))
        held = editor.model.cache.n_bytes
        frames = [av.VideoFrame.from_ndarray(portrait((160, 120)), format="rgb24") for _ in range(4)]
        assert len(list(editor.stream(frames, {"Smiling": 3.0}))) == 4
        assert editor.model.cache.n_bytes == held > 0
