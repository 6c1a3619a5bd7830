"""The face detector of a bundle: the weights of the `mtcnn` package as three ONNX graphs.

MTCNN (Zhang et al. 2016, "Joint Face Detection and Alignment using Multitask Cascaded Convolutional
Networks") looks for faces in three stages. P-Net slides over an image pyramid and proposes boxes, R-Net
refines them on 24 x 24 crops, O-Net refines again on 48 x 48 crops and adds five landmarks. The graphs hold
the networks only; pyramid, crops and non-maximum suppression are the runtime's.

Every graph reads "image": float32 RGB, NCHW, (x - 127.5) / 128 of 8-bit values x, upright: H are rows, W are
columns (other ports of MTCNN feed transposed images; these weights must not be). Boxes are (x1, y1, x2, y2)
in pixels, x to the right and y down.

P-Net: (N, 3, H, W), H and W at least 12
    probability   (N, h, w) that a cell holds a face, 0 to 1; h = (H + 1) // 2 - 5, w likewise.
    offsets       (N, 4, h, w) in the order x1, y1, x2, y2, as fractions of the cell's 12 pixels. Cell (row,
                  column) covers x from 2 * column to 2 * column + 12 of the scaled image, y likewise, so
                  x1 = 2 * column + 12 * offset_x1 and x2 = 2 * column + 12 + 12 * offset_x2. Divided by the
                  scale of the pyramid's level they are pixels of the frame. The package's levels have the
                  scales 12 / min_face_size * 0.709 ** k, resized by area.
R-Net: (N, 3, 24, 24), O-Net: (N, 3, 48, 48), crops of boxes made square
    probability   (N,), 0 to 1.
    offsets       (N, 4) in the order x1, y1, x2, y2, as fractions of the crop's box: with w = x2 - x1 + 1 and
                  h = y2 - y1 + 1, add (offset_x1 * w, offset_y1 * h, offset_x2 * w, offset_y2 * h) to it.
O-Net also
    landmarks     (N, 10): x of image-left eye, image-right eye, nose tip, image-left and image-right mouth
                  corner, then y of the same five, as fractions of the crop's box, before O-Net's own offsets
                  are added to it: x = w * landmark_x + x1 - 1 and y = h * landmark_y + y1 - 1.

The package crops by bilinear sampling whose corners fall on the box's: for a box on an image of W columns,
output pixel i of S reads column (x1 + i / (S - 1) * (x2 - x1)) * (W - 1) / W, rows likewise, zero (mid-grey)
outside. It keeps probabilities above 0.6, 0.7 and 0.8; suppresses boxes that overlap more than 0.5
(intersection over union) within a pyramid level and 0.7 across levels and after R-Net, and more than 0.7 of
the smaller box after O-Net.
"""

import hashlib
import io
from collections.abc import Sequence
from importlib import metadata, util
from itertools import islice
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fader.errors import BundleError

__all__ = ["DETECTOR_NOTICE", "convert_detector"]

DETECTOR_NOTICE = "MTCNN-LICENSE.txt"
"""File name of the detector's licence in a bundle."""

OPSET = 20
IR_VERSION = 9
PACKAGE = "mtcnn"
REMEDY = "install the pinned package: pip install mtcnn==1.0.0"
# The package's files are pickles: nothing but these exact bytes is unpickled.
DIGESTS = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}

Array = NDArray[np.float32]


def convert_detector(folder: Path) -> dict[str, str]:
    """Write pnet.onnx, rnet.onnx, onet.onnx and the licence of their weights.

    Args:
        folder: Where to write; it must exist. The same package always gives the same bytes.

    Returns:
        Graph name as in `fader.bundle.GRAPHS` to file name.

    Raises:
        BundleError: the `mtcnn` package is missing or another version.
    """
    models = {
        "detector_p": ("pnet.onnx", _pnet(_load_weights("pnet"))),
        "detector_r": ("rnet.onnx", _rnet(_load_weights("rnet"))),
        "detector_o": ("onet.onnx", _onet(_load_weights("onet"))),
    }
    for file_name, model in models.values():
        (folder / file_name).write_bytes(model.SerializeToString(deterministic=True))
    (folder / DETECTOR_NOTICE).write_text(_notice(), encoding="utf-8")
    return {name: file_name for name, (file_name, _) in models.items()}


def _load_weights(network: str) -> list[Array]:
    # Found without importing the package, whose import needs TensorFlow.
    spec = util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise BundleError(
            f"the package {PACKAGE} is not installed, expected its face detector's weights: {REMEDY}"
        )
    path = Path(spec.submodule_search_locations[0]) / "assets" / "weights" / f"{network}.lz4"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read {path} ({error.strerror}): {REMEDY}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != DIGESTS[network]:
        raise BundleError(f"{path} has SHA-256 {digest[:12]}…, expected {DIGESTS[network][:12]}…: {REMEDY}")
    weights: list[Array] = joblib.load(io.BytesIO(content))
    return weights


def _notice() -> str:
    distribution = metadata.distribution(PACKAGE)
    text = distribution.read_text("LICENSE") or distribution.read_text("licenses/LICENSE")
    if not text:
        raise BundleError(
            f"the package {PACKAGE} has no licence text, expected LICENSE in its metadata: {REMEDY}"
        )
    return (
        f"pnet.onnx, rnet.onnx and onet.onnx hold the weights of {PACKAGE} {distribution.version}\n"
        f"(https://github.com/ipazc/mtcnn), converted. Its licence:\n\n{text.strip()}\n"
    )


class _Builder:
    """Strings layers into an ONNX graph; weights come in Keras order (convolutions HWIO, dense layers IO)."""

    def __init__(self, weights: Sequence[Array]) -> None:
        self._weights = iter(weights)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []

    def linear(self, source: str, target: str) -> str:
        return self._linear(source, target, next(self._weights), next(self._weights))

    def _linear(self, source: str, target: str, weight: Array, bias: Array) -> str:
        kind, order = ("Conv", (3, 2, 0, 1)) if weight.ndim == 4 else ("Gemm", (0, 1))
        names = [
            self._constant(f"{target}.weight", weight.transpose(order)),
            self._constant(f"{target}.bias", bias),
        ]
        return self.add(kind, [source, *names], target)

    def prelu(self, source: str) -> str:
        # To the bit what PRelu gives, whose own kernel takes half of these networks' time in ONNX Runtime.
        slope = next(self._weights)
        shape = (-1,) if slope.ndim == 1 else (-1, 1, 1)
        positive = self.add("Relu", [source], f"{source}.positive")
        negative = self.add("Sub", [source, positive], f"{source}.negative")
        sloped = self.add(
            "Mul", [negative, self._constant(f"{source}.slope", slope.reshape(shape))], f"{source}.sloped"
        )
        return self.add("Add", [positive, sloped], f"{source}.prelu")

    def pool(self, source: str, size: int, *, same: bool) -> str:
        # Keras' "same" pads at the end here, and padding never wins a maximum: that is ONNX's ceil_mode.
        kernel, strides = [size, size], [2, 2]
        return self.add(
            "MaxPool", [source], f"{source}.pool", kernel_shape=kernel, strides=strides, ceil_mode=int(same)
        )

    def flatten(self, source: str) -> str:
        transposed = self.add("Transpose", [source], f"{source}.whc_first", perm=[0, 3, 2, 1])
        return self.add("Flatten", [transposed], f"{source}.flat")

    def face_probability(self, source: str) -> str:
        # Of two classes, what softmax gives the second is the sigmoid of the difference of their logits.
        weight, bias = (layer[..., 1:] - layer[..., :1] for layer in islice(self._weights, 2))
        logit = self._linear(source, "logit", weight, bias)
        axis = self._constant("class_axis", np.array([1], dtype=np.int64))
        return self.add("Sigmoid", [self.add("Squeeze", [logit, axis], "logit.flat")], "probability")

    def add(self, kind: str, inputs: list[str], target: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [target], **attributes))
        return target

    def model(
        self, name: str, size: Sequence[int | str], outputs: dict[str, list[int | str]]
    ) -> onnx.ModelProto:
        if unused := sum(1 for _ in self._weights):
            raise BundleError(f"the {PACKAGE} package's {name} has {unused} arrays too many: {REMEDY}")
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, *size])],
            [
                helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *shape])
                for output, shape in outputs.items()
            ],
            self._initializers,
        )
        model = helper.make_model(
            graph,
            producer_name="fader",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _constant(self, name: str, value: Array | NDArray[np.int64]) -> str:
        self._initializers.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name


def _pnet(weights: Sequence[Array]) -> onnx.ModelProto:
    graph = _Builder(weights)
    hidden = graph.pool(graph.prelu(graph.linear("image", "conv1")), 2, same=True)
    hidden = graph.prelu(graph.linear(hidden, "conv2"))
    hidden = graph.prelu(graph.linear(hidden, "conv3"))
    graph.linear(hidden, "offsets")
    graph.face_probability(hidden)
    outputs: dict[str, list[int | str]] = {
        "probability": ["rows", "columns"],
        "offsets": [4, "rows", "columns"],
    }
    return graph.model("detector_p", ["height", "width"], outputs)


def _rnet(weights: Sequence[Array]) -> onnx.ModelProto:
    graph = _Builder(weights)
    hidden = graph.pool(graph.prelu(graph.linear("image", "conv1")), 3, same=True)
    hidden = graph.pool(graph.prelu(graph.linear(hidden, "conv2")), 3, same=False)
    hidden = graph.flatten(graph.prelu(graph.linear(hidden, "conv3")))
    hidden = graph.prelu(graph.linear(hidden, "dense4"))
    graph.linear(hidden, "offsets")
    graph.face_probability(hidden)
    return graph.model("detector_r", [24, 24], {"probability": [], "offsets": [4]})


def _onet(weights: Sequence[Array]) -> onnx.ModelProto:
    graph = _Builder(weights)
    hidden = graph.pool(graph.prelu(graph.linear("image", "conv1")), 3, same=True)
    hidden = graph.pool(graph.prelu(graph.linear(hidden, "conv2")), 3, same=False)
    hidden = graph.pool(graph.prelu(graph.linear(hidden, "conv3")), 2, same=True)
    hidden = graph.flatten(graph.prelu(graph.linear(hidden, "conv4")))
    hidden = graph.prelu(graph.linear(hidden, "dense5"))
    graph.linear(hidden, "offsets")
    graph.linear(hidden, "landmarks")
    graph.face_probability(hidden)
    return graph.model("detector_o", [48, 48], {"probability": [], "offsets": [4], "landmarks": [10]})
