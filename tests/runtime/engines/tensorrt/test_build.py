"""Graphs become engines: profiles, names, shapes and precisions, by the real parser and builder."""

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from onnx import TensorProto, helper
from tests.runtime.engines.tensorrt.stand_in import BUCKETS

from fader.bundle import Bundle, shipped_bundle
from fader.errors import EngineError
from fader.runtime.engines.tensorrt.build import BUCKETS as DEFAULT_BUCKETS
from fader.runtime.engines.tensorrt.build import add_profiles, build_plan, parse_graph
from fader.runtime.engines.tensorrt.library import Library, make_log

GRAPHS = ("encoder", "decoder", "classifier")
HERE = Path("a.onnx")


class Parsed:
    """A network, with what must outlive it."""

    def __init__(self, rtx: Library, graph: bytes) -> None:
        self.log, self.errors = make_log(rtx.trt)
        self.builder = rtx.trt.Builder(self.log)
        self.network = parse_graph(rtx, self.builder, self.log, graph, where=HERE)

    def inputs(self) -> dict[str, Any]:
        return {t.name: t for t in map(self.network.get_input, range(self.network.num_inputs))}

    def outputs(self) -> dict[str, Any]:
        return {t.name: t for t in map(self.network.get_output, range(self.network.num_outputs))}

    def layers(self) -> list[Any]:
        return [self.network.get_layer(i) for i in range(self.network.num_layers)]


def type_of_weighty_layers(parsed: Parsed, rtx: Library) -> set[Any]:
    """Types that convolutions and matrix products compute in."""
    weighty = {
        getattr(rtx.trt.LayerType, name) for name in ("CONVOLUTION", "DECONVOLUTION", "MATRIX_MULTIPLY")
    }
    found = [layer for layer in parsed.layers() if layer.type in weighty]
    assert found
    return {tensor.dtype for layer in found for tensor in (layer.get_input(0), layer.get_output(0))}


@pytest.mark.parametrize("name", GRAPHS)
def test_names_and_shapes_are_the_manifests(rtx: Library, name: str) -> None:
    bundle = Bundle(shipped_bundle())
    manifest = bundle.manifest
    parsed = Parsed(rtx, bundle.graph(name).read_bytes())
    latents = {spec.name: (-1, *spec.shape) for spec in manifest.latents}
    image = (-1, 3, manifest.image_size, manifest.image_size)
    columns = (-1, manifest.attributes.n_columns)
    expected = {
        "encoder": ({"pixels": image}, latents),
        "decoder": ({**latents, "values": columns}, {"rendering": image}),
        "classifier": ({"pixels": image}, {"probabilities": columns}),
    }[name]
    found = tuple(
        {n: tuple(t.shape) for n, t in side.items()} for side in (parsed.inputs(), parsed.outputs())
    )
    assert found == expected


@pytest.mark.parametrize(("version", "value", "flags"), [("10.13.2", 1, 2), ("11.4.0", 0, 1)])
def test_networks_are_asked_to_be_strongly_typed(
    rtx: Library, encoder: Path, version: str, value: int, flags: int
) -> None:
    """TensorRT for RTX types strongly whatever it is asked; the values are those of TensorRT's bindings."""
    log, _ = make_log(rtx.trt)
    builder = rtx.trt.Builder(log)
    asked: list[int] = []

    def create_network(given: int) -> Any:
        asked.append(given)
        return builder.create_network(rtx.network_flags())

    kinds = SimpleNamespace(STRONGLY_TYPED=value)
    trt: Any = SimpleNamespace(NetworkDefinitionCreationFlag=kinds, OnnxParser=rtx.trt.OnnxParser)
    library = Library(name="tensorrt", version=version, trt=trt)
    recorder = SimpleNamespace(create_network=create_network)
    network = parse_graph(library, recorder, log, encoder.read_bytes(), where=HERE)
    assert asked == [flags]
    assert network.num_layers


@pytest.mark.parametrize("name", GRAPHS)
def test_a_float32_graph_computes_in_float32(rtx: Library, name: str) -> None:
    parsed = Parsed(rtx, Bundle(shipped_bundle()).graph(name).read_bytes())
    assert type_of_weighty_layers(parsed, rtx) == {rtx.trt.DataType.FLOAT}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_float16_graph_computes_in_float16_between_float32_inputs_and_outputs(
    rtx: Library, half_graphs: dict[str, bytes], name: str
) -> None:
    parsed = Parsed(rtx, half_graphs[name])
    assert type_of_weighty_layers(parsed, rtx) == {rtx.trt.DataType.HALF}
    ends = [*parsed.inputs().values(), *parsed.outputs().values()]
    assert {tensor.dtype for tensor in ends} == {rtx.trt.DataType.FLOAT}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_float16_graph_builds(rtx: Library, half_graphs: dict[str, bytes], name: str) -> None:
    assert build_plan(rtx, half_graphs[name], where=HERE, buckets=BUCKETS).plan


def test_every_bucket_has_a_profile_for_exactly_its_shape(rtx: Library, tiny_bundle: Path) -> None:
    parsed = Parsed(rtx, Bundle(tiny_bundle).graph("decoder").read_bytes())
    profiles: list[Any] = []

    class Builder:
        def create_optimization_profile(self) -> Any:
            profiles.append(parsed.builder.create_optimization_profile())
            return profiles[-1]

    config = parsed.builder.create_builder_config()
    add_profiles(Builder(), config, parsed.network, DEFAULT_BUCKETS, where=HERE)
    assert config.num_optimization_profiles == len(profiles) == 6
    for bucket, profile in zip((1, 2, 4, 8, 16, 32), profiles, strict=True):
        for name, tensor in parsed.inputs().items():
            shape = (bucket, *tuple(tensor.shape)[1:])
            assert [tuple(found) for found in profile.get_shape(name)] == [shape] * 3


@pytest.mark.parametrize("name", GRAPHS)
def test_the_shipped_model_builds_with_all_profiles(rtx: Library, name: str) -> None:
    path = Bundle(shipped_bundle()).graph(name)
    events: list[tuple[float, str]] = []
    built = build_plan(
        rtx, path.read_bytes(), where=path, on_progress=lambda share, phase: events.append((share, phase))
    )
    assert len(built.plan) > path.stat().st_size / 2
    shares = [share for share, _ in events]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.5 < shares[-1] <= 1
    assert len({phase.split(",")[0] for _, phase in events}) > 3


def test_more_profiles_make_a_larger_engine(rtx: Library, encoder: Path) -> None:
    few, many = (
        build_plan(rtx, encoder.read_bytes(), where=encoder, buckets=buckets).plan
        for buckets in ((1,), DEFAULT_BUCKETS)
    )
    assert len(few) < len(many)


def test_a_timing_cache_goes_into_the_next_build_and_a_damaged_one_is_ignored(
    rtx: Library, encoder: Path
) -> None:
    content = encoder.read_bytes()
    first = build_plan(rtx, content, where=encoder, buckets=(1,))
    again = build_plan(rtx, content, where=encoder, buckets=(1,), timings=first.timings)
    damaged = build_plan(rtx, content, where=encoder, buckets=(1,), timings=b"not a timing cache")
    assert first.timings
    assert again.timings
    assert len(damaged.plan) == len(first.plan)


def test_building_warns_of_nothing(rtx: Library, encoder: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        build_plan(rtx, encoder.read_bytes(), where=encoder, buckets=(1,))
    assert not caught


def test_a_damaged_graph_is_refused_in_one_line(rtx: Library, encoder: Path) -> None:
    with pytest.raises(EngineError, match=r"TensorRT cannot read a\.onnx: .*Failed to parse") as caught:
        build_plan(rtx, encoder.read_bytes()[:200], where=HERE)
    assert "\n" not in str(caught.value)


def test_an_empty_graph_is_refused_with_the_builders_reason(rtx: Library) -> None:
    with pytest.raises(
        EngineError, match=r"cannot build an engine from a\.onnx: .*at least one output"
    ) as caught:
        build_plan(rtx, b"", where=HERE)
    assert "\n" not in str(caught.value)


def one_node(operator: str, domain: str, batch: int | str) -> bytes:
    node = helper.make_node(operator, ["x"], ["y"], name="the node", domain=domain)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3]) for name in "xy"]
    graph = helper.make_graph([node], "graph", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]
    content: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return content


def test_an_unknown_operator_is_refused_in_one_line_that_names_the_node(rtx: Library) -> None:
    with pytest.raises(EngineError, match=r"cannot read a\.onnx: Sparkle 'the node': ") as caught:
        build_plan(rtx, one_node("Sparkle", "mine", "batch"), where=HERE)
    assert "\n" not in str(caught.value)


def test_a_graph_of_a_fixed_batch_is_refused(rtx: Library) -> None:
    with pytest.raises(EngineError, match=r"input x of a\.onnx has shape \(5, 3\), expected a dynamic first"):
        build_plan(rtx, one_node("Relu", "", 5), where=HERE)


@pytest.mark.parametrize("name", ["encoder-fp16", "decoder-fp16", "classifier-fp16"])
def test_float16_graphs_find_the_weights_that_lie_in_another_file_of_the_bundle(
    rtx: Library, tiny_bundle: Path, name: str
) -> None:
    path = Bundle(tiny_bundle).graph(name)
    assert build_plan(rtx, path.read_bytes(), where=path, buckets=(1,)).plan
