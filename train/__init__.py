"""Training: from a folder of images and their labels to a checkpoint. PyTorch; see fader-train --help.

Names are loaded when they are first used, so that a command line answers at once.
"""

from typing import TYPE_CHECKING

from fader.lazy import lazy_names

if TYPE_CHECKING:
    from fader.train.config import TrainConfig
    from fader.train.data.labels import Labels
    from fader.train.data.preparation import Prepared, prepare
    from fader.train.data.problems import Problem
    from fader.train.data.reading import read_labels
    from fader.train.run import resume, train
    from fader.train.session import Progress, Session

__all__ = [
    "Labels",
    "Prepared",
    "Problem",
    "Progress",
    "Session",
    "TrainConfig",
    "prepare",
    "read_labels",
    "resume",
    "train",
]

_HOMES = {
    "Labels": "data.labels",
    "Prepared": "data.preparation",
    "Problem": "data.problems",
    "Progress": "session",
    "Session": "session",
    "TrainConfig": "config",
    "prepare": "data.preparation",
    "read_labels": "data.reading",
    "resume": "run",
    "train": "run",
}

__getattr__ = lazy_names(__name__, _HOMES)
