"""fader's editor with its networks on a Triton server; faces are encoded once, and their latents stay here.

Needs fader[cpu], which finds the faces, and tritonclient[grpc]. docs/serving.md says how to start the server.

python examples/triton_client.py localhost:8001 portrait.jpg Smiling [BUNDLE]
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from fader.bundle import Bundle, shipped_bundle
from fader.errors import BundleError, EngineError
from fader.image import read_image, sheet, write_image
from fader.runtime import Editor
from fader.runtime.model import Model


class TritonEngine:
    """Runs a bundle's graphs on a Triton server: an engine as `fader.runtime.engines.Engine` wants it.

    N images, S image size, A attribute columns; everything is float32. Errors are EngineErrors.
    """

    name = "triton"

    def __init__(self, address: str, bundle: Bundle, *, timeout_s: float = 10.0) -> None:
        """Connect to "host:port" and check that this bundle is served there."""
        self._client = InferenceServerClient(address)
        self._timeout_s = timeout_s
        self._latents = [latent.name for latent in bundle.manifest.latents]
        try:
            config = self._client.get_model_config("decoder", client_timeout=timeout_s).config
        except InferenceServerException as error:
            raise EngineError(f"no Triton server with fader's models at {address}: {error}") from error
        served = config.parameters["bundle_id"].string_value
        if served != bundle.id:
            raise BundleError(
                f"{address} serves the bundle {served[:12]}, expected {bundle.id[:12]}: name the other bundle"
            )

    def encode(self, pixels_NCHW: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Return the latents of (N, 3, S, S) images in [-1, 1]: the slow half."""
        return self._infer("encoder", {"pixels": pixels_NCHW}, self._latents)

    def decode(
        self, latents: tuple[NDArray[np.float32], ...], values_NA: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return (N, 3, S, S) renderings in [-1, 1] of latents with (N, A) attribute columns."""
        inputs = dict(zip(self._latents, latents, strict=True))
        return self._infer("decoder", {**inputs, "values": values_NA}, ["rendering"])[0]

    def classify(self, pixels_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, A) probabilities: where the images' attributes are already."""
        return self._infer("classifier", {"pixels": pixels_NCHW}, ["probabilities"])[0]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _infer(
        self, model: str, inputs: Mapping[str, NDArray[np.float32]], outputs: Sequence[str]
    ) -> tuple[NDArray[np.float32], ...]:
        tensors = [InferInput(name, array.shape, "FP32") for name, array in inputs.items()]
        for tensor, array in zip(tensors, inputs.values(), strict=True):
            tensor.set_data_from_numpy(array)
        wanted = [InferRequestedOutput(name) for name in outputs]
        try:
            result = self._client.infer(model, tensors, outputs=wanted, client_timeout=self._timeout_s)
        except InferenceServerException as error:
            raise EngineError(f"Triton's {model} failed: {error}") from error
        return tuple(result.as_numpy(name) for name in outputs)


def open_editor(address: str, folder: Path) -> Editor:
    """Return an editor whose networks run on the server; it keeps 256 MiB of latents and edits videos too."""
    bundle = Bundle(folder)
    return Editor(Model(bundle, TritonEngine(address, bundle), cache_bytes=256 * 2**20, max_batch=8))


def main() -> None:
    """Draw the faces of a picture at several positions of one slider."""
    address, picture, attribute, *folder = sys.argv[1:]
    with open_editor(address, Path(folder[0]) if folder else shipped_bundle()) as editor:
        slider = editor.attributes[attribute]
        latents = editor.encode(editor.crops(read_image(Path(picture))[:, :, :3]))  # once
        positions = [slider.value_at(position) for position in (0.0, 0.5, 1.0, 1.5)]
        rows = [editor.decode(latents, {attribute: position}) for position in positions]  # many times
        out = Path(picture).with_name("slider.png")
        write_image(out, sheet([[row[i] for row in rows] for i in range(len(latents))]))
        print(f"{editor.engine_name}: {len(latents)} faces, {attribute} {positions} → {out}")


if __name__ == "__main__":
    main()
