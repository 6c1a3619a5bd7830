"""Files to crops: in order and not far ahead, by one process or several, whatever becomes of single files."""

from pathlib import Path

import numpy as np
import pytest

from fader.image import write_image
from fader.image_source import ImageSource
from fader.train.data import framing
from fader.train.data.framing import Framed, Lost, frame_all

N = 40
BROKEN = 17


@pytest.fixture
def source(tmp_path: Path) -> ImageSource:
    """Pictures of one grey each, as bright as their number; one file is no picture."""
    for i in range(N):
        write_image(tmp_path / f"{i}.png", np.full((6, 8, 3), i, dtype=np.uint8))
    (tmp_path / f"{BROKEN}.png").write_bytes(b"no image")
    return ImageSource(tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_crops_come_in_order_with_the_reasons_for_those_that_are_none(
    source: ImageSource, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "CHUNK", 3)
    names = [f"{i}.png" for i in range(N)]
    framed: list[Framed] = list(frame_all(names, source, None, 4, workers))
    assert len(framed) == N
    for i, result in enumerate(framed):
        if i == BROKEN:
            assert isinstance(result, Lost)
            assert (result.why, result.reason[:21]) == ("unreadable", f"cannot read {BROKEN}.png as")
        else:
            assert not isinstance(result, Lost)
            assert result.landmarks_52 is None
            assert result.image.shape == (4, 4, 3)
            assert np.unique(result.image).tolist() == [i]


def test_workers_do_not_run_far_ahead_of_who_takes_the_crops(
    source: ImageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, "CHUNK", 2)
    asked: list[int] = []

    class Names(list[str]):
        def __getitem__(self, chosen: object) -> list[str]:  # type: ignore[override]
            assert isinstance(chosen, slice)
            asked.append(chosen.start)
            return super().__getitem__(chosen)

    framed = frame_all(Names(f"{i}.png" for i in range(N)), source, None, 4, 2)
    next(framed)
    assert len(asked) <= 2 * framing.AHEAD + 1
    assert len(list(framed)) == N - 1
