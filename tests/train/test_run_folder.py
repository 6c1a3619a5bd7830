"""A run's folder: its log stays readable for whoever goes on with it."""

from pathlib import Path

import numpy as np

from fader.train.run_folder import RunFolder

GRID = np.zeros((8, 8, 3), np.uint8)


def test_a_log_that_an_older_version_began_goes_on_with_its_own_columns(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("iteration,patch,psnr_db,alarm\n3,0.5,20.0,\n")
    run = RunFolder(tmp_path)
    run.log({"iteration": 6, "patch": 0.4, "drawn": 0.1, "psnr_db": 21.0, "alarm": "edits vanish"}, GRID)
    run.close()
    assert run.rows() == [
        {"iteration": 3.0, "patch": 0.5, "psnr_db": 20.0},
        {"iteration": 6.0, "patch": 0.4, "psnr_db": 21.0},
    ]


def test_a_new_log_begins_with_its_columns(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for iteration in (3, 6):
        run.log({"iteration": iteration, "drawn": 0.5, "alarm": ""}, GRID)
    run.close()
    assert [row["drawn"] for row in run.rows()] == [0.5, 0.5]
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == "iteration,drawn,alarm"
