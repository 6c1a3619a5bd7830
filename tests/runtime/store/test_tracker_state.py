"""A tracker that resumes from another one's saved state goes on as that one does, to the bit."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runtime.scenes import face_views, frame_of, portrait

from fader.runtime import Editor, TrackedFace
from fader.runtime.faces.smoothing import SimilarityFilter
from fader.runtime.video.planes import FramePlanes

SIZE = (160, 120)


@pytest.fixture(scope="module")
def views() -> list[FramePlanes]:
    """A face that moves, a turned one that is nearly lost, two at once, nothing, and the first again."""
    width, height = SIZE
    half = portrait((width // 2, height))
    both = np.concatenate([half, half[:, ::-1]], axis=1)
    moving = list(face_views(16, SIZE))
    blurred = [picture // 8 * 3 for picture in moving[8:12]]
    pictures = [*moving[:8], *blurred, *[both] * 4, *[np.zeros_like(both)] * 4, *moving[8:]]
    return [FramePlanes(frame_of(picture, "yuv420p")) for picture in pictures]


def same(one: Sequence[TrackedFace], other: Sequence[TrackedFace]) -> bool:
    return len(one) == len(other) and all(
        (a.track, a.score, a.strength) == (b.track, b.score, b.strength)
        and a.matrix.tobytes() == b.matrix.tobytes()
        and a.landmarks.tobytes() == b.landmarks.tobytes()
        for a, b in zip(one, other, strict=True)
    )


def test_from_every_frame_on_a_resumed_tracker_finds_the_same(
    editor: Editor, views: list[FramePlanes]
) -> None:
    whole, saved, found = editor.tracker(), [], []
    for i, view in enumerate(views):
        found.append(whole.update(view, i / 24))
        saved.append(whole.save())
    assert {len(faces) for faces in found} == {0, 1, 2}
    for i in range(0, len(views) - 1, 2):
        resumed = editor.tracker()
        resumed.resume(saved[i], views[i])
        assert resumed.save() == saved[i]
        for k in range(i + 1, min(i + 8, len(views))):
            assert same(resumed.update(views[k], k / 24), found[k])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    n_before=st.integers(0, 4),
    numbers=st.lists(st.tuples(*[st.floats(0.5, 3)] * 2, *[st.floats(-50, 50)] * 2), min_size=5, max_size=8),
)
def test_a_filter_with_another_ones_state_filters_alike(
    n_before: int, numbers: list[tuple[float, float, float, float]]
) -> None:
    matrices = [np.array([[a, -b, x], [b, a, y]]) for a, b, x, y in numbers]
    one, other = SimilarityFilter(64), SimilarityFilter(64)
    for matrix in matrices[:n_before]:
        one(matrix, 0.04)
    other.state = one.state
    for matrix in matrices[n_before:]:
        assert one(matrix, 0.04).tobytes() == other(matrix, 0.04).tobytes()


def test_a_cut_right_after_the_resumption_is_seen(editor: Editor) -> None:
    face = portrait(SIZE)
    before, after = (FramePlanes(frame_of(p, "yuv420p")) for p in (255 - face, face))
    whole, resumed = editor.tracker(), editor.tracker()
    whole.update(before, 0.0)
    resumed.resume(whole.save(), before)
    expected = whole.update(after, 1 / 24)
    assert len(expected) == 1, "only a cut makes the tracker search again so soon"
    assert same(resumed.update(after, 1 / 24), expected)
