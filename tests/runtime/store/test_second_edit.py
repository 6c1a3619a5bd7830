"""The second edit of a video takes faces, latents and estimates from the store, and gives the same bits."""

import logging
import os
from pathlib import Path

import pytest
import torch
from tests.runtime.scenes import SIZE as CROP
from tests.runtime.scenes import FaceClip, face_views, write_clip
from tests.runtime.store.edits import (
    SIZE,
    SMILE,
    YOUNG,
    counted_detector,
    counting_editor,
    databases,
    edit,
    eventful_clip,
    plain_edit,
)
from tests.video.clips import Clip, make_clip

from fader.attributes import Attribute, AttributeSet
from fader.errors import MediaError
from fader.export import write_bundle
from fader.models import AutoEncoder, AutoEncoderConfig, Checkpoint, Classifier, ClassifierConfig
from fader.runtime import Editor, FaceOptions, LatentStore, VideoProgress, edit_video
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at

N = 46
X264 = {"preset": "veryfast"}
KINDS = {
    "8 bits": FaceClip(codec="libx264", options=X264),
    "10 bits": FaceClip(codec="libx264", pix_fmt="yuv420p10le", options=X264),
    "turned by 90": FaceClip(codec="libx264", rotation=90, options=X264),
    "without loss": FaceClip(codec="ffv1"),
}


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eventful_clip(tmp_path_factory.mktemp("clips") / "eventful.mp4", KINDS["8 bits"])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_second_edit_gives_the_bits_of_one_without_a_store(
    editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source = eventful_clip(tmp_path / "source.mkv", KINDS[kind])
    store = LatentStore(tmp_path / "store")
    expected = {
        "smile": plain_edit(editor, source, tmp_path),
        "young": plain_edit(editor, source, tmp_path, YOUNG),
    }
    first, smiling = edit(editor, source, tmp_path, store)
    assert (first.frames, first.frames_from_store) == (N, 0)
    counting, images = counting_editor(editor)
    calls = counted_detector(monkeypatch)
    second, young = edit(counting, source, tmp_path, store, YOUNG)
    assert (second.frames, second.frames_from_store) == (N, N)
    assert {"smile": smiling, "young": young} == expected
    assert not calls
    assert images == {"decode": 2 * second.faces}
    assert (second.faces, second.tracks) == (first.faces, first.tracks)
    assert second.faces >= 40
    assert second.tracks >= 4


@pytest.mark.parametrize("after", [1, 15, 17, 21, 30, 45])
def test_an_edit_that_was_broken_off_is_gone_on_with_at_the_same_bits(
    editor: Editor, eventful: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    expected = plain_edit(editor, eventful, tmp_path, YOUNG)
    store = LatentStore(tmp_path / "store")

    def stop(progress: VideoProgress) -> None:
        if progress.frames == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        edit_video(editor, eventful, tmp_path / "broken.mkv", SMILE, store=store, on_progress=stop)
    counting, images = counting_editor(editor)
    report, pictures = edit(counting, eventful, tmp_path, store, YOUNG)
    assert pictures == expected
    assert after <= report.frames_from_store <= N
    assert images["encode"] == images["classify"] <= report.faces
    calls = counted_detector(monkeypatch)
    report, pictures = edit(editor, eventful, tmp_path, store, YOUNG)
    assert (report.frames_from_store, pictures) == (N, expected)
    assert not calls


def test_copied_streams_and_odd_time_stamps_pass_the_store(editor: Editor, tmp_path: Path) -> None:
    clip = Clip(name="a.mp4", audio=("aac",), pts=[0, 1000, 2500, 2600, 9000, 9500, 30000])
    source, store = make_clip(tmp_path, clip), LatentStore(tmp_path / "store")
    expected = plain_edit(editor, source, tmp_path)
    for n_stored in (0, 7):
        report, pictures = edit(editor, source, tmp_path, store)
        assert (report.frames_from_store, pictures) == (n_stored, expected)


@pytest.mark.parametrize("n_skip", [0, 1])
def test_models_without_a_mask_and_with_skips_are_stored_too(
    editor: Editor, eventful: Path, tmp_path: Path, n_skip: int
) -> None:
    torch.manual_seed(1)
    config = AutoEncoderConfig(image_size=CROP, n_columns=2, init_fm=8, max_fm=16, n_layers=3, n_skip=n_skip)
    network = Checkpoint(
        autoencoder=AutoEncoder(config).eval(),
        classifier=Classifier(
            ClassifierConfig(image_size=CROP, n_columns=2, init_fm=8, max_fm=16, hidden=16)
        ).eval(),
        attributes=AttributeSet([Attribute(name="Smiling")]),
        template=template_at(CELEBA_TIGHT, CROP),
    )
    write_bundle(network, tmp_path / "bundle", name="other", half_weights=False)
    store = LatentStore(tmp_path / "store")
    with Editor.open(tmp_path / "bundle", threads=1) as other:
        expected = plain_edit(other, eventful, tmp_path)
        for n_stored in (0, N):
            report, pictures = edit(other, eventful, tmp_path, store)
            assert (report.frames_from_store, pictures) == (n_stored, expected)


def test_the_crops_of_mask_models_are_not_stored(editor: Editor, eventful: Path, tmp_path: Path) -> None:
    store = LatentStore(tmp_path)
    report, _ = edit(editor, eventful, tmp_path, store)
    code = editor.model.bundle.manifest.latents[0]
    floats = report.faces * code.shape[0] * code.shape[1] * code.shape[2]
    (entry,) = store.entries()
    assert 4 * floats < entry.n_bytes < 4 * floats + report.faces * 3 * CROP * CROP


def test_another_file_model_engine_or_search_never_matches(
    editor: Editor, eventful: Path, tmp_path: Path
) -> None:
    source, store = tmp_path / "source.mp4", LatentStore(tmp_path / "store")
    source.write_bytes(eventful.read_bytes())
    edit(editor, source, tmp_path, store)

    def from_store(editor: Editor, faces: FaceOptions | None = None) -> int:
        target = tmp_path / "out.mkv"
        return edit_video(editor, source, target, SMILE, faces=faces, store=store).frames_from_store

    assert from_store(editor, FaceOptions(detect_every=5)) == 0
    other, _ = counting_editor(editor)
    other.model.engine.name = "another"
    assert from_store(other) == 0
    assert from_store(editor) == N
    copy = tmp_path / "renamed.mp4"
    source.rename(copy)
    write_clip(source, face_views(5, SIZE), KINDS["8 bits"])
    assert from_store(editor) == 0
    copy.replace(source)
    assert from_store(editor) == N


def test_another_bundle_never_matches(
    editor: Editor, tiny_bundle: Path, eventful: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LatentStore(tmp_path / "store")
    edit(editor, eventful, tmp_path, store)
    other, _ = counting_editor(editor)
    monkeypatch.setattr(other.model.bundle, "id", "f" * 64)
    report, _ = edit(other, eventful, tmp_path, store)
    assert report.frames_from_store == 0
    assert len(databases(tmp_path / "store")) == 2


def test_a_file_with_the_same_size_and_time_but_other_bytes_never_matches(
    editor: Editor, tmp_path: Path
) -> None:
    source, store = tmp_path / "a.mkv", LatentStore(tmp_path / "store")
    write_clip(source, face_views(4, SIZE))
    edit(editor, source, tmp_path, store)
    content, stat = bytearray(source.read_bytes()), source.stat()
    content[-1] ^= 1
    source.write_bytes(content)
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source.stat().st_size == stat.st_size
    report, _ = edit(editor, source, tmp_path, store)
    assert report.frames_from_store == 0


def test_what_was_read_of_a_file_that_changes_meanwhile_is_not_kept(
    editor: Editor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, store = eventful_clip(tmp_path / "a.mkv"), LatentStore(tmp_path / "store")

    def touch(progress: VideoProgress) -> None:
        if progress.frames == 1:
            source.touch()

    with caplog.at_level(logging.WARNING):
        edit_video(editor, source, tmp_path / "b.mkv", SMILE, store=store, on_progress=touch)
    assert len(caplog.records) == 1
    assert "was changed while it was read" in caplog.text
    assert not databases(tmp_path / "store")


def test_a_damaged_source_is_the_same_error_with_a_store(
    editor: Editor, eventful: Path, tmp_path: Path
) -> None:
    source = tmp_path / "damaged.mp4"
    source.write_bytes(eventful.read_bytes()[: eventful.stat().st_size * 2 // 3])
    store, messages = LatentStore(tmp_path / "store"), set()
    for used in (None, store, store):
        with pytest.raises(MediaError) as caught:
            edit_video(editor, source, tmp_path / "b.mkv", SMILE, store=used)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_nothing_is_kept_without_a_store(
    editor: Editor, eventful: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    edit(editor, eventful, tmp_path, None)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("changed", ["_code_digest", "_version"])
def test_another_version_of_the_code_or_of_an_engine_never_matches(
    editor: Editor, eventful: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    store = LatentStore(tmp_path / "store")
    edit(editor, eventful, tmp_path, store)
    monkeypatch.setattr(f"fader.runtime.store.keys.{changed}", lambda *_: "another")
    assert edit(editor, eventful, tmp_path, store)[0].frames_from_store == 0
