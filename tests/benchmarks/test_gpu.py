"""The benchmark for GPUs, on the processor: all of it but the device."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from on_gpu import contenders, runs
from on_gpu.cli import RESULTS
from on_gpu.contenders import Contender, Offer, by_torch
from on_gpu.floor import Cost, count_costs, floor_s
from on_gpu.machine import Ceilings, Machine
from on_gpu.parity import compare, compare_at
from on_gpu.report import Report, file_name, write_report
from on_gpu.runs import Settings, run_subject
from on_gpu.subjects import Coder, Subject, pixels, shipped_subject, values
from on_gpu.timing import time_calls

from fader.errors import EngineError
from fader.export import DecoderGraph, EncoderGraph
from fader.export.arithmetic import count_flop
from fader.models import AutoEncoder, AutoEncoderConfig

CEILINGS = Ceilings(
    matrix_flop_s={"float32": 1e12, "tf32": 4e12, "float16": 8e12, "bfloat16": 8e12},
    copy_bytes_s=1e11,
    upload_bytes_s=1e10,
    download_bytes_s=2e10,
)
SETTINGS = Settings(batches=(1, 2), seconds=0.0, only="")


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine("cpu")


@pytest.fixture(scope="module")
def network() -> AutoEncoder:
    torch.manual_seed(0)
    return AutoEncoder(AutoEncoderConfig(image_size=16, init_fm=4, max_fm=8, n_layers=2)).eval()


@pytest.fixture(scope="module")
def subject(network: AutoEncoder, machine: Machine) -> Subject:
    """A tiny network without a bundle."""
    reference = by_torch(network, machine).coder
    return Subject(
        name="tiny", network=network, bundle=None, reason="none", reference=reference, is_same=True
    )


def gpu_benchmark(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "benchmarks/gpu.py", *options],
        cwd=RESULTS.parents[1],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "error: PyTorch finds no NVIDIA GPU here (torch "),
        (("--device", "abacus"), "error: --device is 'abacus': expected one of cuda, cpu"),
        (
            ("--device", "cpu", "--output", "benchmarks/results/mine"),
            "error: benchmarks/results/mine holds results of GPUs: name another folder",
        ),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_writes_nothing(
    options: tuple[str, ...], message: str
) -> None:
    before = sorted(RESULTS.glob("*"))
    done = gpu_benchmark(*options)
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert (done.stderr.count("\n"), done.stdout) == (1, "")
    assert sorted(RESULTS.glob("*")) == before


def test_operations_are_those_that_the_model_card_counts(network: AutoEncoder) -> None:
    costs = count_costs(network)
    assert costs["encoder"].flop == count_flop(EncoderGraph(network))
    assert costs["decoder"].flop == costs["edit"].flop == count_flop(DecoderGraph(network))


def test_bytes_are_counted_layer_by_layer_and_at_the_ends(network: AutoEncoder) -> None:
    cost = count_costs(network)["encoder"]
    # 3 x 16 x 16 to 4 x 8 x 8 to 8 x 4 x 4, by 4 x 4 cells, with biases.
    assert cost.weights == (4 * 3 * 16 + 4) + (8 * 4 * 16 + 8)
    assert cost.activations == (3 * 256 + 4 * 64) + (4 * 64 + 8 * 16)
    assert (cost.upload_bytes, cost.download_bytes) == (4 * 3 * 256, 4 * 8 * 16)
    assert count_costs(network)["edit"].download_bytes == 3 * 256


COST = Cost(flop=10**9, weights=10**6, activations=10**6, upload_bytes=4 * 10**5, download_bytes=10**5)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, 1e9 / 8e12),
        ({"flop": 0}, 2 * 2e6 / 1e11),
        ({"upload_bytes": 10**8}, 1e8 / 1e10),
        ({"download_bytes": 10**8}, 1e8 / 2e10),
    ],
)
def test_the_floor_is_what_takes_longest(change: dict[str, int], expected: float) -> None:
    found = floor_s(replace(COST, **change), 1, "float16", CEILINGS, from_host=True)
    assert found == pytest.approx(expected)


@given(st.integers(1, 1000), st.sampled_from(sorted(CEILINGS.matrix_flop_s)))
def test_the_floor_of_a_batch_is_below_that_of_its_images_alone_and_never_above_from_the_host(
    n: int, precision: str
) -> None:
    on_device = floor_s(COST, n, precision, CEILINGS, from_host=False)
    assert on_device <= n * floor_s(COST, 1, precision, CEILINGS, from_host=False) * (1 + 1e-9)
    assert on_device <= floor_s(COST, n, precision, CEILINGS, from_host=True)


def test_the_same_results_hold_and_others_do_not() -> None:
    picture = pixels(2, 16)
    same = compare(2, [picture], [picture])
    assert (same.batch, same.max_abs, same.psnr_db) == (2, 0, 150)
    assert same.cosine == pytest.approx(1)
    assert compare(2, [picture], [picture + np.float32(1e-4)]).holds
    for wrong in (picture[::-1], picture[:, :, :8], picture * np.float32("nan"), picture + np.float32(0.02)):
        assert not compare(2, [picture], [wrong]).holds
    assert not compare(2, [picture, picture], [picture, picture * 0]).holds
    assert compare(2, [picture], [picture + np.float32(0.02)], precision="bfloat16").holds


def test_every_batch_size_is_compared(subject: Subject, machine: Machine) -> None:
    found = compare_at((1, 3), by_torch(subject.network, machine).coder, subject)
    assert [(parity.batch, parity.holds) for parity in found] == [(1, True), (3, True)]


def test_values_are_sliders() -> None:
    rows = values(5, 4)
    np.testing.assert_allclose(rows.reshape(5, 2, 2).sum(axis=2), 1, atol=1e-6)


def test_calls_are_counted_after_a_warm_up_and_percentiles_are_in_order() -> None:
    calls: list[int] = []
    timing = time_calls(lambda: calls.append(1), 4, 0.02)
    assert len(calls) == timing.calls + 3
    assert timing.calls >= 5
    assert 0 < timing.p50_ms <= timing.p95_ms <= timing.p99_ms
    assert timing.images_s > 0


def test_the_machine_s_ceilings_are_measured(machine: Machine) -> None:
    ceilings = machine.ceilings(size=16, seconds=0.0)
    assert set(ceilings.matrix_flop_s) == {"float32", "float16", "bfloat16"}
    assert min(*ceilings.matrix_flop_s.values(), ceilings.copy_bytes_s, ceilings.upload_bytes_s) > 0
    assert machine.describe()["torch"]


def test_pytorch_s_ways_compute_the_same_from_host_to_host(subject: Subject, machine: Machine) -> None:
    for half in (False, True):
        contender = by_torch(subject.network, machine, half=half)
        assert compare_at((2,), contender.coder, subject)[0].psnr_db > (30 if half else 100)
        pictures = contender.edit(tuple(x[:1] for x in contender.coder.encode(pixels(2, 16))), values(3, 2))
        assert (pictures.shape, pictures.dtype) == ((3, 16, 16, 3), np.dtype("uint8"))
        assert contender.on_device is not None
        contender.on_device("decoder", 2)()


def test_the_shipped_model_is_measured_by_an_engine_and_its_reference(machine: Machine) -> None:
    shipped = shipped_subject()
    costs, (result,) = run_subject(
        shipped, machine, CEILINGS, replace(SETTINGS, only="onnxruntime-cpu"), lambda _: None
    )
    assert costs["encoder"].flop == pytest.approx(0.073e9, rel=0.01)
    assert costs["decoder"].flop == pytest.approx(0.268e9, rel=0.01)
    assert [parity.psnr_db for parity in result.parity] == [150, 150]
    assert [(row.part, row.batch) for row in result.rows] == [
        (part, batch) for batch in (1, 2) for part in ("encoder", "decoder", "edit")
    ]
    assert all(row.floor_share > 0 for row in result.rows)


def offered(coder: Coder, close: list[str]) -> Offer:
    def open_it() -> Contender:
        return Contender(
            coder=coder,
            edit=lambda _latents, columns: np.zeros((len(columns), 16, 16, 3), np.uint8),
            on_device=None,
            close=lambda: close.append("closed"),
        )

    return Offer(name="impostor", precision="float32", is_judged=True, open=open_it)


def test_a_contender_whose_results_differ_is_not_timed_and_one_that_is_missing_says_why(
    subject: Subject, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert subject.reference is not None
    real, closed = subject.reference, list[str]()
    wrong = Coder(encode=real.encode, decode=lambda latents, columns: -real.decode(latents, columns))

    def missing() -> Contender:
        raise EngineError("TensorRT is not installed: pip install 'fader[tensorrt]'\nand more")

    offers = [
        offered(wrong, closed),
        Offer(name="missing", precision="float32", is_judged=True, open=missing),
        offered(real, closed),
    ]
    monkeypatch.setattr(runs, "offers", lambda *_: iter(offers))
    _, results = run_subject(subject, machine, CEILINGS, SETTINGS, lambda _: None)
    assert [result.differs for result in results] == [True, False, False]
    assert [len(result.rows) for result in results] == [0, 0, 6]
    assert results[0].reason == "its results differ from the reference's"
    assert results[1].reason == "TensorRT is not installed: pip install 'fader[tensorrt]'"
    assert closed == ["closed", "closed"]


def test_engines_of_a_model_that_cannot_be_exported_here_are_listed_with_the_reason(
    subject: Subject, machine: Machine
) -> None:
    settings = replace(SETTINGS, only="onnxruntime")
    _, (result,) = run_subject(replace(subject, reason="onnx is missing"), machine, CEILINGS, settings, print)
    assert (result.name, result.reason, result.rows) == ("onnxruntime-cpu", "onnx is missing", [])


def test_on_a_gpu_the_engines_that_use_it_are_offered_and_on_a_processor_the_others(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = shipped_subject()
    here = {offer.name for offer in contenders.offers(shipped, machine)}
    assert {"onnxruntime-cpu", "openvino", "PyTorch eager", "PyTorch compiled"} <= here
    monkeypatch.setattr(machine, "is_gpu", True)
    there = {offer.name: offer.precision for offer in contenders.offers(shipped, machine)}
    assert {name for name in there if "PyTorch" not in name} == {
        "onnxruntime-cuda",
        "onnxruntime-tensorrt",
        "tensorrt",
    }
    assert there["tensorrt"] == "float16"
    assert there["PyTorch eager"] == "tf32"


def test_the_report_says_that_a_processor_s_figures_are_not_a_gpu_s(
    subject: Subject, machine: Machine, tmp_path: Path
) -> None:
    found = run_subject(subject, machine, CEILINGS, replace(SETTINGS, only="eager"), lambda _: None)
    report = Report(
        machine=machine.describe(),
        is_gpu=False,
        command="python benchmarks/gpu.py --device cpu",
        ceilings=CEILINGS,
        subjects={subject.name: found},
    )
    table = write_report(report, tmp_path / "out")
    assert table.name == "cpu-not-a-gpu-result.md"
    text = table.read_text()
    assert text.startswith("# cpu: not a GPU result\n")
    assert "| encoder | 1 | PyTorch eager | host | " in text
    columns = {line.count("|") for line in text.splitlines() if line.startswith("| encoder")}
    assert columns == {11}
    fields = json.loads(table.with_suffix(".json").read_text())
    assert fields["models"]["tiny"]["contenders"][0]["rows"][0]["timing"]["calls"] >= 5
    assert (
        replace(report, is_gpu=True, machine={"name": "NVIDIA H100 80GB HBM3"}).title
        == "NVIDIA H100 80GB HBM3"
    )


def test_files_are_called_after_the_gpu() -> None:
    assert file_name("NVIDIA H100 80GB HBM3") == "nvidia-h100-80gb-hbm3"
