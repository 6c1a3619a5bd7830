"""Tiny networks are faster on one thread than on several that wait for each other; and a run to look at."""

from collections.abc import Iterator

import pytest
import torch
from tests.train.runs import ABOUT, DATA, Run
from tests.train.shapes import tiny_config

from fader.train import Progress, Session, train


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def run(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder, seen = tmp_path_factory.mktemp("runs") / "shapes", list[Progress]()
    figures = train(tiny_config(), DATA, folder, about=ABOUT, session=Session(observe=seen.append))
    return folder, figures, seen
