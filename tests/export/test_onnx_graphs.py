"""Exported graphs compute what the networks compute, whatever the options, and carry nothing else."""

import re
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fader.export import DecoderGraph, EncoderGraph, Graph, check_parity, export_graph
from fader.export.parity import EXACT


@pytest.mark.parametrize(
    "options",
    [
        {"upsampling": "convtranspose"},
        {"upsampling": "nearest", "n_skip": 1, "norm": "instance"},
        {"upsampling": "pixelshuffle", "mask": True, "image_size": 32, "n_layers": 3, "dropout": 0.3},
    ],
    ids=lambda options: options["upsampling"],
)
def test_encoder_and_decoder_match_pytorch_with_every_option(
    make_checkpoint: Any, options: dict[str, Any]
) -> None:
    autoencoder = make_checkpoint(**options).autoencoder
    for graph in (EncoderGraph(autoencoder), DecoderGraph(autoencoder)):
        figures = check_parity(export_graph(graph), graph, EXACT[graph.name])
        assert figures["psnr_db"] >= EXACT[graph.name].psnr_db


def test_a_model_with_mask_skip_and_categories_matches_pytorch(
    graphs: dict[str, Graph], exported: dict[str, bytes]
) -> None:
    for name, graph in graphs.items():
        check_parity(exported[name], graph, EXACT[name])


def test_inputs_and_outputs_have_the_names_and_shapes_that_the_runtime_uses(
    exported: dict[str, bytes],
) -> None:
    def signature(name: str) -> list[list[tuple[str, list[int | str]]]]:
        session = onnxruntime.InferenceSession(exported[name], providers=["CPUExecutionProvider"])
        return [
            [(v.name, v.shape) for v in values] for values in (session.get_inputs(), session.get_outputs())
        ]

    latents = [
        ("latent", ["batch", 64, 4, 4]),
        ("skip_1", ["batch", 32, 8, 8]),
        ("image", ["batch", 3, 16, 16]),
    ]
    assert signature("encoder") == [[("pixels", ["batch", 3, 16, 16])], latents]
    assert signature("decoder") == [
        [*latents, ("values", ["batch", 5])],
        [("rendering", ["batch", 3, 16, 16])],
    ]
    assert signature("classifier") == [
        [("pixels", ["batch", 3, 16, 16])],
        [("probabilities", ["batch", 5])],
    ]


def test_the_probabilities_of_each_attribute_sum_to_one(exported: dict[str, bytes]) -> None:
    session = onnxruntime.InferenceSession(exported["classifier"], providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).uniform(-1, 1, (4, 3, 16, 16)).astype(np.float32)
    (probabilities_NA,) = session.run(["probabilities"], {"pixels": pixels})
    np.testing.assert_allclose(probabilities_NA[:, :2].sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(probabilities_NA[:, 2:].sum(axis=1), 1, rtol=1e-6)


def test_no_graph_tells_where_or_from_what_code_it_was_made(exported: dict[str, bytes]) -> None:
    for content in exported.values():
        assert not re.search(rb"site-packages|\.py\b|File \"|/home/|/usr/|/tmp/|/root|Traceback", content)
        model = onnx.load_from_string(content)
        assert not model.metadata_props
        assert not model.graph.metadata_props
        assert not any(part.metadata_props for part in (*model.graph.node, *model.graph.value_info))


def test_graphs_have_their_own_names_opset_20_and_no_training_operators(exported: dict[str, bytes]) -> None:
    for name, content in exported.items():
        model = onnx.load_from_string(content)
        assert model.graph.name == name
        assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
        assert not {"BatchNormalization", "Dropout"} & {node.op_type for node in model.graph.node}


def test_export_leaves_the_network_as_it_is_and_in_eval_mode(make_checkpoint: Any) -> None:
    graph = EncoderGraph(make_checkpoint().autoencoder.train())
    before = {key: value.clone() for key, value in graph.state_dict().items()}
    export_graph(graph)
    assert not any(module.training for module in graph.modules())
    assert all(torch.equal(value, before[key]) for key, value in graph.state_dict().items())
