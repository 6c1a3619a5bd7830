"""Builds an engine in a child process: a crash or a kill there is one line here, and Ctrl-C ends it at once.

    python -m fader.runtime.engines.tensorrt.builder_process '{"library": ..., ...}'

takes a BuildOrder as JSON and writes events to stdout, a line of JSON each: {"share", "phase"} or {"error"}.
Everything that TensorRT says goes to stderr. It ends when its stdin is closed, so that it never outlives its
parent.
"""

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from fader.errors import EngineError, FaderError
from fader.runtime.engines.tensorrt.build import build_plan
from fader.runtime.engines.tensorrt.library import load_library
from fader.runtime.engines.tensorrt.progress import OnProgress

__all__ = ["PLAN", "TIMINGS", "BuildOrder", "build_in_child"]

PLAN = "engine.plan"
TIMINGS = "timings"
LAST_WORDS_BYTES = 4096
LAST_WORDS_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOrder:
    """What to build, and where."""

    library: str
    """See `load_library`."""
    graph: str
    """ONNX file."""
    graph_sha256: str
    """Its digest, in hex: a file that was changed meanwhile is refused."""
    buckets: tuple[int, ...]
    """Batch sizes, each with an optimisation profile of its own, in this order."""
    folder: str
    """Existing folder: PLAN is written to it; TIMINGS is read, if it is there, and written."""


def build_in_child(order: BuildOrder, *, on_progress: OnProgress | None = None) -> None:
    """Build an engine in a child process.

    Args:
        order: What to build.
        on_progress: See `OnProgress`; whatever it raises ends the child.

    Raises:
        EngineError: TensorRT is missing, fails, or the child was ended; the message has its last words.
    """
    # -P: a file in the working directory must not take the place of a module.
    command = [sys.executable, "-P", "-m", __name__, json.dumps(asdict(order))]
    pipe = subprocess.PIPE
    with (
        TemporaryFile() as log,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True) as child,  # noqa: S603
    ):
        try:
            error = _follow(child.stdout or (), on_progress)
            code = child.wait()
        except BaseException:
            child.kill()
            child.wait()  # after Ctrl-C, leaving the block waits for a quarter of a second alone
            raise
        if error is None and code:
            error = f"building the engine of {order.graph} {_ending(code)}: {_last_words(log)}"
    if error is not None:
        raise EngineError(error)


def _follow(lines: Iterable[str], on_progress: OnProgress | None) -> str | None:
    """Pass on progress until the child is done; return its error, if it tells one."""
    error = None
    for line in lines:
        if not line.endswith("\n"):  # a child that is killed may leave half a line
            continue
        event = json.loads(line)
        if "error" in event:
            error = str(event["error"])
        elif on_progress:
            on_progress(event["share"], event["phase"])
    return error


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = ", as happens when memory runs out" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"


def _last_words(log: IO[bytes]) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(size - LAST_WORDS_BYTES, 0))
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:LAST_WORDS_CHARACTERS] if lines else "it said nothing"


def _build(order: BuildOrder, on_progress: OnProgress) -> None:
    library = load_library(order.library)
    path, folder = Path(order.graph), Path(order.folder)
    graph = path.read_bytes()
    if hashlib.sha256(graph).hexdigest() != order.graph_sha256:
        raise EngineError(f"{path} was changed while its engine was to be built: start again")
    saved = folder / TIMINGS
    built = build_plan(
        library,
        graph,
        where=path,
        buckets=order.buckets,
        timings=saved.read_bytes() if saved.exists() else b"",
        on_progress=on_progress,
    )
    saved.write_bytes(built.timings)
    (folder / PLAN).write_bytes(built.plan)


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


def main() -> int:
    """Run as the child; return the exit code."""
    fields: dict[str, Any] = json.loads(sys.argv[1])
    order = BuildOrder(**{**fields, "buckets": tuple(fields["buckets"])})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Native code may print too: events keep the pipe, and stdout becomes stderr.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")

    def tell(**event: Any) -> None:
        print(json.dumps(event), file=events, flush=True)

    try:
        _build(order, lambda share, phase: tell(share=share, phase=phase))
    except FaderError as error:
        tell(error=str(error))
    except OSError as error:
        tell(error=f"cannot build the engine of {order.graph}: {error}")
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
