"""The stages between decoding and encoding: batches, estimates over a track, strength, and what passes by."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.runtime.scenes import face_views, frame_of, write_tiny_bundle

from fader.image import from_model, to_model
from fader.runtime import Editor, Latents, TrackedFace
from fader.runtime.model import Model
from fader.runtime.paste import delta
from fader.runtime.stages import Edited, FaceFrame, find_faces, paste, render
from fader.runtime.video.planes import FramePlanes

STRONG = {"Smiling": 3.0}
SIZE = (160, 120)


@pytest.fixture
def found(editor: Editor) -> list[FaceFrame]:
    """Twelve frames with a face each."""
    frames = (frame_of(picture, "rgb24") for picture in face_views(12, SIZE))
    return [item for item in find_faces(frames, editor.tracker(), 64) if isinstance(item, FaceFrame)]


@pytest.fixture
def model(tiny_bundle: Path) -> Iterator[Model]:
    with Editor.open(tiny_bundle, threads=1, max_batch=4) as opened:
        yield opened.model


def spy(model: Model, name: str) -> list[tuple[Any, ...]]:
    """Record the arguments of a method of a model."""
    calls: list[tuple[Any, ...]] = []
    method = getattr(model, name)

    def recorded(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return method(*arguments, **options)

    vars(model)[name] = recorded
    return calls


def change(frame: FaceFrame) -> NDArray[np.float32]:
    ((only,),) = frame.deltas
    return only


def test_faces_of_several_frames_are_rendered_in_full_batches(model: Model, found: list[FaceFrame]) -> None:
    encoded = spy(model, "encode")
    assert len(list(render(found, model, STRONG))) == 12
    assert [len(crops) for (crops,) in encoded] == [4, 4, 4]


def test_in_a_video_the_estimate_is_the_mean_over_the_track_so_far_decided(
    model: Model, found: list[FaceFrame]
) -> None:
    single_NA = np.concatenate([model.encode(frame.crops).source_NA for frame in found])
    rendered = spy(model, "render")
    list(render(found, model, STRONG))
    # Each batch is rendered twice: with the source's values and with the wanted ones.
    source_NA = np.concatenate([values_NA for _, values_NA, _ in rendered[::2]])
    means_NA = np.cumsum(single_NA, axis=0) / np.arange(1, 13)[:, None]
    decided_NA = model.attributes.decided(means_NA.astype(np.float32))
    np.testing.assert_allclose(source_NA, decided_NA, atol=1e-5)
    wanted_NA = np.concatenate([values_NA for _, values_NA, _ in rendered[1::2]])
    np.testing.assert_array_equal(wanted_NA, model.attributes.apply(STRONG, source_NA))


def test_a_face_that_comes_late_gets_its_edit_gradually_where_nobody_looks_ahead(editor: Editor) -> None:
    def strengths(size: int | None) -> list[float]:
        faces = list(face_views(8, SIZE))
        pictures = [*(np.full_like(picture, 90) for picture in faces[:6]), *faces]
        # A wall before the face would be a cut.
        with mock.patch("fader.runtime.faces.tracking.is_cut", return_value=False):
            frames = (frame_of(picture, "rgb24") for picture in pictures)
            found = find_faces(frames, editor.tracker(), size)
            return [f.faces[0].strength for f in found if isinstance(f, FaceFrame) and f.faces]

    whole, gradual = strengths(None), strengths(64)
    assert len(whole) == len(gradual) > 4
    assert min(whole) == 1
    assert gradual == sorted(gradual)
    assert gradual[0] < 0.3


def test_what_hides_a_face_says_nothing_of_it(model: Model, found: list[FaceFrame]) -> None:
    single_NA = np.concatenate([model.encode(frame.crops).source_NA for frame in found])
    for frame in found[4:8]:
        frame.faces = [replace(face, measured=None) for face in frame.faces]
    rendered = spy(model, "render")
    list(render(found, model, STRONG))
    source_NA = np.concatenate([values_NA for _, values_NA, _ in rendered[::2]])
    seen_NA = np.concatenate([single_NA[:4], single_NA[8:]])
    last_A = model.attributes.decided(seen_NA.mean(axis=0, keepdims=True).astype(np.float32))
    np.testing.assert_allclose(source_NA[-1:], last_A, atol=1e-5)
    np.testing.assert_array_equal(source_NA[4:8], np.repeat(source_NA[3:4], 4, axis=0))


def test_unrelated_frames_keep_their_own_estimates(model: Model, found: list[FaceFrame]) -> None:
    single_NA = np.concatenate([model.encode(frame.crops).source_NA for frame in found])
    rendered = spy(model, "render")
    list(render(found, model, STRONG, follow=False))
    source_NA = np.concatenate([values_NA for _, values_NA, _ in rendered[::2]])
    np.testing.assert_array_equal(source_NA, model.attributes.decided(single_NA))


def test_a_second_track_has_an_estimate_of_its_own(model: Model, found: list[FaceFrame]) -> None:
    for frame in found[6:]:
        frame.faces = [replace(frame.faces[0], track=5)]
    rendered = spy(model, "render")
    list(render(found, model, STRONG))
    source_NA = np.concatenate([values_NA for _, values_NA, _ in rendered[::2]])
    alone_NA = model.attributes.decided(model.encode(found[6].crops).source_NA)
    np.testing.assert_array_equal(source_NA[6], alone_NA[0])


@pytest.fixture(scope="module")
def relative_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("relative") / "bundle", relative=True)


def test_a_relative_model_draws_by_what_changes_once_for_each_edit(
    relative_bundle: Path, found: list[FaceFrame]
) -> None:
    with Editor.open(relative_bundle, engine="onnxruntime-cpu", threads=1, max_batch=4) as opened:
        model = opened.model
        decoded = spy(model, "render")
        given: list[NDArray[np.float32]] = []
        decode = model.engine.decode

        def recorded(tensors: Any, values_NA: NDArray[np.float32]) -> Any:
            given.append(values_NA)
            return decode(tensors, values_NA)

        vars(model.engine)["decode"] = recorded
        (item,) = render(found[:1], model, STRONG)
        assert isinstance(item, FaceFrame)
        ((_, wanted_NA, source_NA),) = decoded
        (values_NA,) = given
        np.testing.assert_array_equal(values_NA, wanted_NA - source_NA)
        edited = decode(model.encode(item.crops).tensors, values_NA)[0]
        expected = delta(edited, to_model(item.crops)[0], None, strength=item.faces[0].strength)
        np.testing.assert_allclose(change(item), expected, atol=1e-3)
        # What the caller gets of the whole crop is drawn from the same values.
        smile = float(wanted_NA[0, model.attributes.slice("Smiling")][1])
        (shown,) = opened.decode(model.encode(item.crops), {"Smiling": smile})
        np.testing.assert_array_equal(shown, from_model(edited[None])[0])


def with_strength(frame: FaceFrame, strength: float) -> FaceFrame:
    faces: list[TrackedFace] = [replace(face, strength=strength) for face in frame.faces]
    return FaceFrame(planes=frame.planes, faces=faces, crops=frame.crops)


def test_a_face_that_turns_away_is_edited_less_and_then_not_at_all(
    model: Model, found: list[FaceFrame]
) -> None:
    changes = []
    for strength in (1.0, 0.5, 0.0):
        (item,) = render([with_strength(found[0], strength)], model, STRONG)
        assert isinstance(item, FaceFrame)
        changes.append(change(item))
    np.testing.assert_allclose(changes[1], changes[0] / 2, rtol=1e-5)
    assert changes[0].any()
    assert not changes[2].any()


def test_what_is_no_frame_passes_through_all_stages_in_its_place(editor: Editor) -> None:
    pictures = [frame_of(picture, "rgb24") for picture in face_views(6, SIZE)]
    items: list[Any] = ["a", pictures[0], "b", "c", *pictures[1:], "d"]
    out = list(paste(render(find_faces(items, editor.tracker(), 64), editor.model, STRONG)))
    assert [item if isinstance(item, str) else None for item in out] == [
        item if isinstance(item, str) else None for item in items
    ]
    assert all(item.n_edited == 1 for item in out if isinstance(item, Edited))


def test_frames_without_a_face_wait_for_no_more_than_sixteen(editor: Editor) -> None:
    read = 0

    def frames() -> Iterator[FaceFrame]:
        nonlocal read
        for _ in range(60):
            read += 1
            planes = FramePlanes(frame_of(np.zeros((48, 64, 3), np.uint8), "rgb24"))
            yield FaceFrame(planes=planes, faces=[], crops=np.empty((0, 64, 64, 3), np.uint8))

    for n_out, _ in enumerate(render(frames(), editor.model, STRONG), start=1):
        assert read <= n_out + 16


def test_a_change_that_rounds_to_nothing_does_not_count_as_an_edit(found: list[FaceFrame]) -> None:
    found[0].deltas = [[np.full((3, 64, 64), 0.01, np.float32)]]
    found[1].deltas = [[np.full((3, 64, 64), 5.0, np.float32)]]
    assert [item.n_edited for item in paste(found[:2]) if isinstance(item, Edited)] == [0, 1]


def test_latents_can_be_taken_apart_and_say_their_size() -> None:
    latents = Latents(
        tensors=(np.zeros((3, 2, 4, 4), np.float32),), source_NA=np.zeros((3, 2), np.float32), bundle_id="a"
    )
    assert (len(latents), len(latents[1:]), latents.n_bytes) == (3, 2, 4 * (96 + 6))
    assert np.shares_memory(latents[1:].tensors[0], latents.tensors[0])
    assert not np.shares_memory(latents[np.array([1])].tensors[0], latents.tensors[0])
