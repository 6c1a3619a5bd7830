"""What we write as text, Google's own parser reads as the same message."""

from typing import Any

from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

from fader.export.pbtxt import Enumerator, pbtxt


def parsed(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@given(st.text())
def test_every_string_comes_back(name: str) -> None:
    text = pbtxt({"name": name})
    assert parsed(text).name == name
    assert text.isascii()
    assert text.count("\n") == 1


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.integers(-(2**31), 2**31 - 1), st.booleans())
def test_numbers_and_truth_come_back(dims: list[int], batch: int, optional: bool) -> None:
    config = parsed(pbtxt({"max_batch_size": batch, "input": {"dims": dims, "optional": optional}}))
    assert config.max_batch_size == batch
    assert list(config.input[0].dims) == dims
    assert config.input[0].optional == optional


def test_messages_enumerators_and_maps_come_back() -> None:
    config = parsed(
        pbtxt(
            {
                "input": [
                    {"name": "a", "data_type": Enumerator("TYPE_FP32")},
                    {"name": "b", "data_type": Enumerator("TYPE_FP16")},
                ],
                "parameters": [
                    {"key": "x", "value": {"string_value": "1"}},
                    {"key": "y", "value": {"string_value": "2"}},
                ],
                "dynamic_batching": {},
            }
        )
    )
    assert [(tensor.name, tensor.data_type) for tensor in config.input] == [
        ("a", model_config_pb2.TYPE_FP32),
        ("b", model_config_pb2.TYPE_FP16),
    ]
    assert {key: value.string_value for key, value in config.parameters.items()} == {"x": "1", "y": "2"}
    assert config.HasField("dynamic_batching")
