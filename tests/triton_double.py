"""A stand-in for Triton: reads a model repository as Triton does and answers its gRPC protocol (KServe v2).

It refuses what Triton refuses of these configurations, runs their warm-up requests and computes with ONNX
Runtime. It knows no queues, so batches are what clients send, and it is no proof that Triton behaves so.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnxruntime
from google.protobuf import text_format
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

__all__ = ["Repository", "Requests", "read_config", "serve"]

Tensors = Mapping[str, NDArray[np.float32]]
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def read_config(model: Path) -> Any:
    """Parse a model folder's config.pbtxt as a ModelConfig."""
    return text_format.Parse((model / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


class Repository:
    """Loaded models of a repository."""

    def __init__(self, folder: Path) -> None:
        """Load every model of a folder and warm it up; raises AssertionError where Triton would refuse."""
        self.configs = {path.name: read_config(path) for path in sorted(folder.iterdir())}
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}
        for name, config in self.configs.items():
            versions = [path.name for path in (folder / name).iterdir() if path.is_dir()]
            assert versions == ["1"]
            assert config.name == name
            if config.backend:
                assert (config.backend, config.platform) == ("onnxruntime", "")
                self._sessions[name] = onnxruntime.InferenceSession(
                    folder / name / "1" / "model.onnx", providers=["CPUExecutionProvider"]
                )
        for config in self.configs.values():
            self._require_ensemble(config) if config.platform == "ensemble" else self._warm_up(config)

    def infer(self, name: str, tensors: Tensors) -> dict[str, NDArray[np.float32]]:
        """Run a model; raises AssertionError for a request that Triton would refuse."""
        config = self.configs[name]
        _require_fit(config.input, tensors, config.max_batch_size)
        if config.platform == "ensemble":
            outputs = self._ensemble(config, tensors)
        else:
            names = [output.name for output in config.output]
            outputs = dict(zip(names, self._sessions[name].run(names, dict(tensors)), strict=True))
        _require_fit(config.output, outputs, config.max_batch_size)
        return outputs

    def _ensemble(self, config: Any, tensors: Tensors) -> dict[str, NDArray[np.float32]]:
        known = dict(tensors)
        for step in config.ensemble_scheduling.step:
            made = self.infer(step.model_name, {key: known[value] for key, value in step.input_map.items()})
            known.update({value: made[key] for key, value in step.output_map.items()})
        return {output.name: known[output.name] for output in config.output}

    def _warm_up(self, config: Any) -> None:
        for sample in config.model_warmup:
            tensors = {}
            for name, tensor in sample.inputs.items():
                assert tensor.zero_data
                tensors[name] = np.zeros((sample.batch_size, *tensor.dims), np.float32)
            self.infer(config.name, tensors)

    def _require_ensemble(self, config: Any) -> None:
        """Check what Triton's core checks: every map names a tensor, and both ends have the same kind."""
        assert not config.backend
        assert not config.instance_group
        assert not config.model_warmup
        known = {tensor.name: _kind(tensor) for tensor in config.input}
        for step in config.ensemble_scheduling.step:
            model = self.configs[step.model_name]
            assert model.max_batch_size >= config.max_batch_size
            inputs, outputs = ({t.name: _kind(t) for t in side} for side in (model.input, model.output))
            assert {key: known[value] for key, value in step.input_map.items()} == inputs
            for key, value in step.output_map.items():
                assert value not in known
                known[value] = outputs[key]
        assert {tensor.name: known[tensor.name] for tensor in config.output} == {
            tensor.name: _kind(tensor) for tensor in config.output
        }


def _kind(tensor: Any) -> tuple[int, tuple[int, ...]]:
    return tensor.data_type, tuple(tensor.dims)


def _require_fit(specs: Any, tensors: Tensors, max_batch: int) -> None:
    assert set(tensors) == {spec.name for spec in specs}
    batches = set()
    for spec in specs:
        batch, *dims = tensors[spec.name].shape
        assert dims == list(spec.dims)
        assert spec.data_type == model_config_pb2.TYPE_FP32
        assert tensors[spec.name].dtype == np.float32
        batches.add(batch)
    assert len(batches) == 1
    assert 1 <= batches.pop() <= max_batch


class Requests(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # it has no types
    """Answers requests by a repository, and remembers them."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.seen: list[tuple[str, int]] = []
        """(model, batch) of every inference."""

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002
        """Return a model's configuration."""
        return service_pb2.ModelConfigResponse(config=self._repository.configs[request.name])

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Run a model on the request's raw tensors."""
        assert {tensor.datatype for tensor in request.inputs} == {"FP32"}
        tensors = {
            tensor.name: np.frombuffer(raw, np.float32).reshape(tuple(tensor.shape))
            for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        self.seen.append((request.model_name, len(next(iter(tensors.values())))))
        try:
            outputs = self._repository.infer(request.model_name, tensors)
        except (AssertionError, KeyError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"unexpected request: {error}")
        wanted = [output.name for output in request.outputs]
        return service_pb2.ModelInferResponse(
            model_name=request.model_name,
            model_version="1",
            outputs=[
                service_pb2.ModelInferResponse.InferOutputTensor(
                    name=name, datatype="FP32", shape=outputs[name].shape
                )
                for name in wanted
            ],
            raw_output_contents=[outputs[name].tobytes() for name in wanted],
        )


@contextmanager
def serve(repository: Path) -> Iterator[tuple[str, Requests]]:
    """Serve a repository on 127.0.0.1; gives the address and what was asked."""
    requests = Requests(Repository(repository))
    server = grpc.server(ThreadPoolExecutor(2), options=UNLIMITED)
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(requests, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", requests
    finally:
        server.stop(None).wait()
