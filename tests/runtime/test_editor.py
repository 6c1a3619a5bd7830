"""The embedding API: encode once, decode often, edit pictures, stream frames."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.runtime.scenes import (
    astronaut,
    decoded,
    face_views,
    frame_of,
    inside_crops,
    portrait,
    samples,
)

from fader.errors import BundleError, ConfigError, EngineError
from fader.runtime import Editor, FaceOptions
from fader.runtime.video.planes import FramePlanes

Pictures = NDArray[np.uint8]
STRONG = {"Smiling": 3.0}


def faces_crops(n: int = 3) -> Pictures:
    return np.stack([portrait((64, 64), zoom=2 + i * 0.2) for i in range(n)])


def test_an_opened_editor_says_what_it_is(editor: Editor) -> None:
    assert editor.attributes.names == ("Eyeglasses", "Male", "Smiling", "Young")
    assert editor.image_size == 64
    assert editor.engine_name == "onnxruntime-cpu"


def test_latents_are_encoded_once_and_decoded_with_many_values(editor: Editor) -> None:
    latents = editor.encode(faces_crops())
    assert len(latents) == 3
    assert latents.bundle_id == editor.model.bundle.id
    renderings = [editor.decode(latents, {"Smiling": smile}) for smile in (0.0, 0.5, 3.0)]
    for rendering in renderings:
        assert rendering.shape == (3, 64, 64, 3)
        assert rendering.dtype == np.uint8
    assert (renderings[0] != renderings[2]).any()


def test_attributes_that_are_not_named_keep_the_classifiers_estimate(editor: Editor) -> None:
    latents = editor.encode(faces_crops())
    decided_NA = editor.attributes.decided(latents.source_NA)
    estimate = {
        name: decided_NA[:, editor.attributes.slice(name).stop - 1] for name in editor.attributes.names
    }
    named = [
        editor.decode(latents[i : i + 1], {name: float(values[i]) for name, values in estimate.items()})[0]
        for i in range(3)
    ]
    assert np.abs(np.stack(named).astype(int) - editor.decode(latents, {})).max() <= 1


def test_part_of_a_batch_decodes_to_part_of_the_pictures(editor: Editor) -> None:
    latents = editor.encode(faces_crops(5))
    whole = editor.decode(latents, STRONG)
    np.testing.assert_array_equal(editor.decode(latents[1:3], STRONG), whole[1:3])
    np.testing.assert_array_equal(editor.decode(latents[np.array([4, 0])], STRONG), whole[[4, 0]])


def test_no_crops_give_no_latents_and_no_pictures(editor: Editor) -> None:
    latents = editor.encode(np.empty((0, 64, 64, 3), np.uint8))
    assert len(latents) == 0
    assert editor.decode(latents, STRONG).shape == (0, 64, 64, 3)
    assert editor.edit(np.empty((0, 48, 64, 3), np.uint8), STRONG).shape == (0, 48, 64, 3)


def test_a_batch_larger_than_max_batch_is_cut_and_joined_again(tiny_bundle: Path, editor: Editor) -> None:
    with Editor.open(tiny_bundle, engine="onnxruntime-cpu", threads=1, max_batch=2, cache_bytes=0) as small:
        latents = small.encode(faces_crops(5))
        np.testing.assert_array_equal(latents.tensors[0], editor.encode(faces_crops(5)).tensors[0])
        np.testing.assert_array_equal(small.decode(latents, STRONG), editor.decode(latents, STRONG))


def test_anything_with_dlpack_is_taken_as_it_is(editor: Editor) -> None:
    crops = faces_crops()
    expected = editor.decode(editor.encode(crops), STRONG)
    np.testing.assert_array_equal(editor.decode(editor.encode(torch.from_numpy(crops)), STRONG), expected)
    pictures = torch.from_numpy(astronaut()[None].copy())
    np.testing.assert_array_equal(editor.edit(pictures, STRONG), editor.edit(astronaut()[None], STRONG))


def test_crops_that_are_not_contiguous_are_encoded_as_they_look(editor: Editor) -> None:
    wide = np.repeat(faces_crops(), 2, axis=2)
    latents = editor.encode(wide[:, :, ::2])
    np.testing.assert_array_equal(latents.tensors[0], editor.encode(faces_crops()).tensors[0])


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((1, 64, 64, 3), np.float32),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((1, 3, 64, 64), np.uint8),
        np.zeros((1, 64, 64, 4), np.uint8),
        torch.zeros(1, 64, 64, 3, dtype=torch.bfloat16),
        torch.zeros(1, 64, 64, 3, requires_grad=True),
        [[1, 2], [3]],
        "crops",
        None,
    ],
)
def test_crops_of_another_shape_or_type_are_refused_in_one_line(editor: Editor, crops: Any) -> None:
    with pytest.raises(ConfigError, match="expected") as caught:
        editor.encode(crops)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((48, 64, 3), np.uint8),
        np.zeros((1, 48, 64, 4), np.uint8),
        np.zeros((1, 48, 64), np.uint8),
        np.zeros((1, 48, 64, 3), np.float32),
        np.zeros((1, 0, 64, 3), np.uint8),
    ],
)
def test_pictures_of_another_shape_or_type_are_refused_in_one_line(editor: Editor, images: Any) -> None:
    with pytest.raises(ConfigError, match=r"expected .*uint8 RGB") as caught:
        editor.edit(images, STRONG)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda editor, values: editor.decode(editor.encode(faces_crops(1)), values),
        lambda editor, values: editor.edit(astronaut()[None], values),
        lambda editor, values: editor.edit_frames([], values),
        lambda editor, values: editor.stream([], values),
    ],
)
def test_unknown_attributes_and_bad_values_are_refused_at_once(
    editor: Editor, call: Callable[[Editor, dict[str, Any]], object]
) -> None:
    with pytest.raises(ConfigError, match="this model has Eyeglasses, Male, Smiling, Young"):
        call(editor, {"Smile": 1.0})
    with pytest.raises(ConfigError, match="expected a number"):
        call(editor, {"Smiling": float("nan")})


def test_latents_of_another_bundle_are_refused(editor: Editor) -> None:
    foreign = replace(editor.encode(faces_crops()), bundle_id="0" * 64)
    with pytest.raises(
        BundleError, match=r"were made by bundle 000000000000, this is .*: encode the images again"
    ):
        editor.decode(foreign, STRONG)


@pytest.mark.parametrize("bounds", [{"max_batch": 0}, {"cache_bytes": -1}, {"threads": 0}])
def test_bounds_below_their_range_are_refused(tiny_bundle: Path, bounds: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"expected [01] or more"):
        Editor.open(tiny_bundle, **bounds)


def test_an_edit_changes_the_face_and_nothing_else(editor: Editor) -> None:
    picture = astronaut()
    before = picture.copy()
    (edited,) = editor.edit(picture[None], STRONG)
    np.testing.assert_array_equal(picture, before)
    (face,) = editor.tracker().update(FramePlanes(frame_of(picture, "rgb24")), 0.0)
    inside = inside_crops([face.matrix], (512, 512))
    np.testing.assert_array_equal(edited[~inside], picture[~inside])
    assert (edited[inside] != picture[inside]).mean() > 0.3


def test_an_edit_without_values_changes_nothing(editor: Editor) -> None:
    pictures = np.stack(list(face_views(3)))
    np.testing.assert_array_equal(editor.edit(pictures, {}), pictures)


def test_pictures_without_a_face_come_back_as_they_are(editor: Editor) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), np.uint8)
    np.testing.assert_array_equal(editor.edit(pictures, STRONG), pictures)


def test_pictures_of_a_batch_are_edited_as_if_alone(editor: Editor) -> None:
    pictures = np.stack([*face_views(3), np.zeros((240, 320, 3), np.uint8)])
    together = editor.edit(pictures, STRONG)
    for one, picture in zip(together, pictures, strict=True):
        np.testing.assert_array_equal(one, editor.edit(picture[None], STRONG)[0])


def test_crops_are_what_encode_wants(editor: Editor) -> None:
    crops = editor.crops(astronaut())
    assert crops.shape == (1, 64, 64, 3)
    assert crops.dtype == np.uint8
    assert len(editor.encode(crops)) == 1
    assert editor.crops(np.zeros((60, 80, 3), np.uint8)).shape == (0, 64, 64, 3)


def test_unrelated_frames_are_edited_each_on_its_own(editor: Editor) -> None:
    pictures = [portrait((320, 240)), np.zeros((240, 320, 3), np.uint8), portrait((200, 160), at=(0.3, 0.5))]
    frames = [frame_of(picture, "rgb24") for picture in pictures]
    done = list(editor.edit_frames(frames, STRONG))
    assert [len(item.faces) for item in done] == [1, 0, 1]
    assert [item.n_edited for item in done] == [1, 0, 1]
    for item, picture in zip(done, pictures, strict=True):
        np.testing.assert_array_equal(item.frame.to_ndarray(), editor.edit(picture[None], STRONG)[0])


def test_face_options_are_used_for_frames(editor: Editor) -> None:
    (done,) = editor.edit_frames([frame_of(astronaut(), "rgb24")], STRONG, faces=FaceOptions(min_size=0.9))
    assert done.faces == ()


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "rgb24", "nv12"])
def test_a_stream_keeps_order_times_and_formats_and_its_input(editor: Editor, pix_fmt: str) -> None:
    frames = [frame_of(picture, pix_fmt) for picture in face_views(20, (160, 120))]
    for i, frame in enumerate(frames):
        frame.pts, frame.time_base, frame.duration = 100 + 3 * i, Fraction(1, 50), 3
        frame.colorspace, frame.color_range = 6, 1
    before = [samples(frame) for frame in frames]
    out = list(editor.stream(iter(frames), STRONG))
    assert [(f.pts, f.time_base, f.duration) for f in out] == [
        (100 + 3 * i, Fraction(1, 50), 3) for i in range(20)
    ]
    assert {(f.format.name, f.width, f.height, f.colorspace, f.color_range) for f in out} == {
        (pix_fmt, 160, 120, 6, 1)
    }
    for frame, planes, edited in zip(frames, before, out, strict=True):
        for one, other in zip(planes, samples(frame), strict=True):
            np.testing.assert_array_equal(one, other)
        assert any((one != other).any() for one, other in zip(planes, samples(edited), strict=True))


def test_a_stream_runs_at_most_sixteen_frames_behind(editor: Editor) -> None:
    read = 0

    def camera() -> Any:
        nonlocal read
        for picture in face_views(40, (96, 72)):
            read += 1
            frame = frame_of(picture, "yuv420p")
            frame.pts, frame.time_base = read, Fraction(1, 24)
            yield frame

    for n_out, _ in enumerate(editor.stream(camera(), STRONG), start=1):
        assert read <= n_out + 16


def test_a_stream_of_frames_without_times_still_follows_the_face(editor: Editor) -> None:
    pictures = [portrait((240, 180), at=(0.3 + 0.02 * i, 0.5)) for i in range(20)]
    out = list(editor.stream([frame_of(picture, "rgb24") for picture in pictures], STRONG))
    changed = (out[-1].to_ndarray() != pictures[-1]).any(axis=2)
    assert np.argwhere(changed)[:, 1].mean() == pytest.approx((0.3 + 0.38) * 240, abs=10)


def test_a_stream_of_a_file_edits_the_face_in_every_frame(editor: Editor, face_clip: Path) -> None:
    source = decoded(face_clip)
    with av.open(str(face_clip)) as container:
        edited = list(editor.stream(container.decode(video=0), STRONG))
    for one, other in zip(source, edited, strict=True):
        assert (samples(one)[0] != samples(other)[0]).any()


def test_a_closed_editor_is_left_behind_by_its_with_block(tiny_bundle: Path) -> None:
    with Editor.open(tiny_bundle, threads=1) as editor:
        pass
    with pytest.raises(EngineError, match="the engine was closed before it was asked to run the encoder"):
        editor.encode(faces_crops(1))
