"""What an encoder erases is erased by its graph, too, in float32 and in float16."""

import numpy as np
import onnxruntime
import pytest
import torch
from tests.export.conftest import MakeCheckpoint

from fader.export import EncoderGraph, HalfGraph, check_parity, export_graph
from fader.export.half_weights import round_weights
from fader.export.parity import EXACT, HALF_ARITHMETIC, HALF_WEIGHTS


@pytest.mark.parametrize("n_skip", [0, 1])
def test_the_graph_erases_what_the_encoder_erases(make_checkpoint: MakeCheckpoint, n_skip: int) -> None:
    autoencoder = make_checkpoint(erased=1, n_skip=n_skip, mask=True).autoencoder
    assert autoencoder.eraser is not None
    # It erases the mean of the code: then every code has the same sum.
    n = autoencoder.eraser.centre_D.numel()
    autoencoder.eraser.read_TD.fill_(n**-0.5)
    autoencoder.eraser.write_DT.fill_(n**-0.5)
    graph = EncoderGraph(autoencoder)
    content = export_graph(graph)
    check_parity(content, graph, EXACT["encoder"])
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    latents = session.run(None, {"pixels": graph.example(5)[0].numpy()})
    sums_N = latents[n_skip].reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(sums_N, 0, atol=1e-4)


@pytest.mark.parametrize("n_skip", [0, 1])
def test_rounded_weights_and_float16_keep_to_their_tolerances(
    make_checkpoint: MakeCheckpoint, n_skip: int
) -> None:
    autoencoder = make_checkpoint(erased=2, n_skip=n_skip).autoencoder
    assert autoencoder.eraser is not None
    with torch.no_grad():
        autoencoder.eraser.read_TD.normal_(0, 100)
        autoencoder.eraser.write_DT.normal_(0, 1e-3)
    graph = EncoderGraph(autoencoder)
    rounded = round_weights(graph)
    check_parity(export_graph(rounded, half_weights=True), graph, HALF_WEIGHTS["encoder"])
    check_parity(export_graph(HalfGraph(rounded)), graph, HALF_ARITHMETIC["encoder"])
