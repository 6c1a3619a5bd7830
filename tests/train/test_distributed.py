"""Two processes that share every batch end where one process with the whole batch ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fader.errors import ConfigError
from fader.models import load_checkpoint, load_tensors
from fader.train.distributed import ALONE, Processes, processes

RUN = """
import sys
from pathlib import Path
import torch
from tests.train.shapes import make_shapes, tiny_config
from fader.train import Session, train
from fader.train.distributed import processes

torch.set_num_threads(1)
sizes = {"batch_size": 8, "iterations": 4, "evaluate_every": 4, "n_skip": int(sys.argv[2])}
# Of which each process has another number.
sizes["drawn_glasses"] = "Round"
# The linear reader of so few codes makes much of rounding errors; its statistics have a test of their own.
config = tiny_config(latent_dropout=0.0, latent_linear=False, learning_rate=2e-4, **sizes)
with processes() as those:
    session = Session(processes=those)
    train(config, make_shapes(40), Path(sys.argv[1]), about={"data": "shapes"}, session=session)
"""


def launch(folder: Path, count: int, n_skip: int) -> Path:
    """Train in `count` processes as torchrun starts them; return the last checkpoint."""
    script = folder / f"run{count}.py"
    script.write_text(RUN)
    run = folder / f"run{count}"
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    done = subprocess.run(
        [sys.executable, "-m", *torchrun, str(script), str(run), str(n_skip)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return run / "checkpoints" / "last"


@pytest.mark.parametrize("n_skip", [0, 1])
def test_two_processes_train_the_model_that_one_trains(tmp_path: Path, n_skip: int) -> None:
    one, two = (launch(tmp_path, count, n_skip) for count in (1, 2))
    for prefix in ("trained_autoencoder.", "latent_discriminator.", "patch_discriminator.", "autoencoder."):
        weights, others = load_tensors(one, prefix), load_tensors(two, prefix)
        assert weights.keys() == others.keys()
        # Not biases before a norm: their gradient is rounding error, which Adam makes a whole step of. In
        # four steps of 2e-4 a weight moves by up to 8e-4, the discriminator's by three times that.
        for name in (name for name in weights if name.endswith("weight")):
            difference = (others[name] - weights[name]).abs().mean().item()
            assert difference < 1e-4, f"{prefix}{name}"
    assert load_checkpoint(two).training["images_seen"] == 32


def test_a_batch_that_cannot_be_shared_equally_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size = 9: expected a multiple of the 2 processes"):
        Processes(rank=0, count=2).rows(9)


def test_one_process_shares_with_nobody() -> None:
    network = torch.nn.Linear(2, 2)
    assert ALONE.share(network) is network
    assert ALONE.rows(9) == slice(0, 9)
    assert ALONE.agree(True, False) == (True, False)
    with processes() as those:
        assert (those.rank, those.count, those.leads) == (0, 1, True)
