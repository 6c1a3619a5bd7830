"""What int8 would bring on this CPU, and what it would cost: speed and quality against float32, in one run.

    python benchmarks/quantisation.py faces.zip list_attr.txt [--model BUNDLE] [--test 256] [--seconds 8]
    ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/quantisation.py ...   # OpenVINO as on a CPU without AVX-512

The int8 graphs are made as `fader-export --int8` makes them, and with other weights beside, calibrated on
crops of training images and on their latents. What is tested are the last images of the label file, which
fader-train holds out. Each attribute is set to the opposite of its label, and the bundle's own classifier, in
float32, judges: it is the judge of the training, which gave no feedback. Speeds are CPU time in one thread,
in turns, so that a busy machine does not change the ratios.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime
import openvino
import typer
from numpy.typing import NDArray

from fader.bundle import Bundle, shipped_bundle
from fader.export import read_graph
from fader.export.int8_graph import quantise
from fader.image import decode_rgb, from_model, to_model
from fader.image_source import ImageSource
from fader.runtime.faces.detector import FaceDetector
from fader.train.data.aligning import align_image
from fader.train.data.labels import Labels
from fader.train.data.reading import read_labels

PARTS = ("encoder", "decoder")
FORMS: dict[str, dict[str, bool]] = {
    "per channel": {"seven_bits": False},
    "per tensor": {"seven_bits": False, "per_channel": False},
    "per channel, 7 bits": {},
}
"""Forms of the weights: options of `quantise`, which makes the last one by itself."""
ENGINES = (
    "ONNX Runtime f32",
    "OpenVINO f32",
    "OpenVINO bf16",
    "ONNX Runtime int8",
    "OpenVINO int8",
    "OpenVINO int8 and bf16",
)
BATCH = 8
LIMIT = "ONEDNN_MAX_CPU_ISA"
Arrays = dict[str, NDArray[np.float32]]
Run = Callable[[Arrays], list[NDArray[np.float32]]]


def has_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 here; it says so even where that was forbidden to it."""
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "BF16" in capabilities and "AVX2" not in os.environ.get(LIMIT, "")


def crops(bundle: Bundle, source: ImageSource, labels: Labels, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return (n, 3, S, S) aligned crops in the networks' form, the first with a face, and (n, K) labels."""
    detector = FaceDetector(*(bundle.graph(f"detector_{stage}") for stage in "pro"))
    found, values = [], []
    for name, row in zip(labels.images, labels.values_NK, strict=True):
        portrait = align_image(decode_rgb(source.read(name), name=name), detector, bundle.manifest.image_size)
        if not isinstance(portrait, str):
            found.append(portrait.crop)
            values.append(row)
        if len(found) == n:
            break
    return to_model(np.stack(found)), np.stack(values)


def columns(bundle: Bundle, values_NK: NDArray[np.float32], flip: int | None = None) -> NDArray[np.float32]:
    """Return the decoder's columns for labels, with the attribute at `flip` set to the opposite."""
    attributes = bundle.manifest.attributes
    wanted = values_NK.copy()
    if flip is not None:
        wanted[:, flip] = 1 - wanted[:, flip]
    rows = [
        np.concatenate([a.columns(float(v)) for a, v in zip(attributes, row, strict=True)]) for row in wanted
    ]
    return np.stack(rows).astype(np.float32)


def load(graph: Path, engine: str, n: int) -> Run:
    """Return a call that runs batches of n in one thread."""
    if engine.startswith("ONNX"):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return lambda inputs: list(session.run(None, inputs))
    core = openvino.Core()
    model = core.read_model(graph)
    model.reshape(
        {
            port.get_any_name(): [n, *(d.get_length() for d in list(port.partial_shape)[1:])]
            for port in model.inputs
        }
    )
    settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    settings["INFERENCE_PRECISION_HINT"] = "bf16" if engine.endswith("bf16") else "f32"
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda inputs: [np.array(array) for array in request.infer(inputs).values()]


def whole(run: Run, inputs: Arrays) -> list[NDArray[np.float32]]:
    """Run all batches of BATCH that the inputs make."""
    n = len(next(iter(inputs.values())))
    parts = [run({name: a[i : i + BATCH] for name, a in inputs.items()}) for i in range(0, n, BATCH)]
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def cpu_seconds(runs: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Return the median CPU seconds of each call, made in turns after two that do not count."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in [*runs.values()] * 2:
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, run in runs.items():
            began = time.process_time()
            run()
            taken[name].append(time.process_time() - began)
    return {name: float(np.median(times)) for name, times in taken.items()}


class Bench:
    """The graphs in every form, and the images."""

    def __init__(self, bundle: Bundle, folder: Path, calibration: Any, test: Any) -> None:
        """Quantise.

        Args:
            bundle: Its graphs, in the shuffle form where it has one: transposed convolutions stay float32.
            folder: For the graphs that are made.
            calibration: Crops and labels from `crops`.
            test: The same, of other images.
        """
        self.bundle, (self.pixels, self.values) = bundle, test
        self.latents = [latent.name for latent in bundle.manifest.latents]
        self.graphs: dict[str, Path] = {}
        for part in (*PARTS, "classifier"):
            shuffle = f"{part}-shuffle"
            self.graphs[part] = folder / f"{part}.onnx"
            self.graphs[part].write_bytes(read_graph(bundle.graph(shuffle if bundle.has(shuffle) else part)))
        pixels, values = calibration
        inputs: dict[str, Arrays] = {"encoder": {"pixels": pixels}}
        inputs["decoder"] = self.decoder_inputs(
            load(self.graphs["encoder"], "ONNX Runtime f32", BATCH)({"pixels": pixels}),
            columns(bundle, values),
        )
        # Edited values are half of what the decoder meets.
        flipped = [columns(bundle, values, k) for k in range(values.shape[1])]
        for i, row in enumerate(inputs["decoder"]["values"]):
            if i % 2:
                row[:] = flipped[i % len(flipped)][i]
        for part in PARTS:
            for form, options in FORMS.items():
                name = f"{part} {form}"
                self.graphs[name] = folder / f"{name}.onnx"
                content = quantise(self.graphs[part].read_bytes(), [inputs[part]], name=name, **options)
                self.graphs[name].write_bytes(content)

    def decoder_inputs(self, latents: list[NDArray[np.float32]], values_NA: NDArray[np.float32]) -> Arrays:
        """Return what the decoder takes."""
        return {**dict(zip(self.latents, latents, strict=True)), "values": values_NA}

    def drawn(
        self, encoder: str, decoder: str, engine: str = "OpenVINO f32"
    ) -> tuple[list[NDArray[np.float32]], float]:
        """Return the renderings with each attribute flipped, and the share that the judge sees flipped."""
        latents = whole(load(self.graphs[encoder], engine, BATCH), {"pixels": self.pixels})
        draw = load(self.graphs[decoder], engine, BATCH)
        judge = load(self.graphs["classifier"], "ONNX Runtime f32", BATCH)
        pictures, right = [], []
        for k, attribute in enumerate(self.bundle.manifest.attributes):
            inputs = self.decoder_inputs(latents, columns(self.bundle, self.values, k))
            pictures += (edited := whole(draw, inputs))
            (said_NA,) = whole(judge, {"pixels": edited[0]})
            own_NC = said_NA[:, self.bundle.manifest.attributes.slice(attribute.name)]
            right.append(own_NC.argmax(axis=1) == 1 - self.values[:, k])
        return pictures, float(np.mean(right))

    def speeds(self, part: str, seconds: float) -> dict[str, float]:
        """Return the CPU seconds of a batch, by engine."""
        inputs: Arrays = {"pixels": self.pixels[:BATCH]}
        if part == "decoder":
            inputs = self.decoder_inputs(
                load(self.graphs["encoder"], "ONNX Runtime f32", BATCH)(inputs),
                columns(self.bundle, self.values[:BATCH]),
            )
        runs: dict[str, Callable[[], object]] = {}
        for engine in (engine for engine in ENGINES if has_bf16() or not engine.endswith("bf16")):
            for name in FORMS if "int8" in engine else [""]:
                run = load(self.graphs[f"{part} {name}".strip()], engine, BATCH)
                runs[f"{engine} {name}".strip()] = lambda run=run: run(inputs)  # type: ignore[misc]
        return cpu_seconds(runs, seconds)


def quality(bench: Bench) -> None:
    """Print what each form costs in quality."""
    reference, seen = bench.drawn(*PARTS)

    def row(what: str, form: str, found: list[NDArray[np.float32]], said: float) -> None:
        pairs = list(zip(found, reference, strict=True))
        error = np.mean([np.mean(np.square((one - other) / 2)) for one, other in pairs])
        worst = max(np.abs(from_model(one).astype(int) - from_model(other)).max() for one, other in pairs)
        print(
            f"| {what} | {form} | {-10 * np.log10(error):.1f} | {worst} | {said:.1%} | "
            f"{100 * (said - seen):+.1f} points |",
            flush=True,
        )

    print("| int8 | weights | PSNR, dB | worst pixel, levels | swap accuracy | change |")
    print(f"|---|---|---|---|---|---|\n| nothing | float32 | | | {seen:.1%} | |")
    if has_bf16():
        row("nothing", "bfloat16", *bench.drawn(*PARTS, "OpenVINO bf16"))
    for which in (("encoder",), ("decoder",), PARTS):
        for form in FORMS:
            parts = [f"{part} {form}" if part in which else part for part in PARTS]
            row(" and ".join(which), form, *bench.drawn(parts[0], parts[1]))


def speed(bench: Bench, seconds: float) -> None:
    """Print what each form brings in speed."""
    print(
        "\n| part | engine | ms an image | times OpenVINO f32 | times OpenVINO bf16 |\n|---|---|---|---|---|"
    )
    for part in PARTS:
        taken = bench.speeds(part, seconds)
        for name, value in taken.items():
            half = taken.get("OpenVINO bf16")
            print(
                f"| {part} | {name} | {1e3 * value / BATCH:.2f} | {taken['OpenVINO f32'] / value:.2f} | "
                f"{f'{half / value:.2f}' if half else 'none here'} |",
                flush=True,
            )


def main(
    images: Annotated[Path, typer.Argument(exists=True, help="Folder or zip archive.")],
    labels: Annotated[Path, typer.Argument(exists=True, help="As for fader-train.")],
    model: Annotated[Path | None, typer.Option(help="Bundle; default: the shipped one.")] = None,
    calibrate: Annotated[int, typer.Option(min=1, help="Images to calibrate on.")] = 128,
    test: Annotated[int, typer.Option(min=8, help="Images to draw, from the end of the labels.")] = 256,
    seconds: Annotated[float, typer.Option(help="For the speeds of each part.")] = 8,
) -> None:
    """Print two tables."""
    bundle = Bundle(model or shipped_bundle())
    known = read_labels(labels).select(bundle.manifest.attributes.names)
    source, n = ImageSource(images), len(known.images)
    last = np.arange(n) >= n - 2 * test
    sets = [crops(bundle, source, known.rows(keep), m) for keep, m in ((~last, calibrate), (last, test))]
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    isa = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if flag in flags]
    limit = f", OpenVINO limited to {os.environ[LIMIT]}" if LIMIT in os.environ else ""
    print(f"one thread, batch {BATCH}; {', '.join(isa)}{limit}")
    print(f"calibrated on {len(sets[0][0])} images, tested on {len(sets[1][0])} that training held out\n")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(bundle, Path(folder), *sets)
        quality(bench)
        speed(bench, seconds)


if __name__ == "__main__":
    typer.run(main)
