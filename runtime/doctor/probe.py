"""What the doctor's children do: try one thing, and print what came of it as one line of JSON.

python -m fader.runtime.doctor.probe engine openvino
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from fader.errors import FaderError

__all__ = ["PROBES", "main"]

PROBES: Mapping[str, str] = {
    "numpy": "library_probes:probe_numpy",
    "opencv": "library_probes:probe_opencv",
    "pyav": "pyav_probes:probe_pyav",
    "nvenc": "pyav_probes:probe_nvenc",
    "gpu": "driver_probe:probe_gpu",
    "smi": "driver_probe:probe_smi",
    "bundle": "engine_probes:probe_bundle",
    "engines": "engine_probes:probe_engines",
    "engine": "engine_probes:probe_engine",
    "edit": "edit_probe:probe_edit",
}
"""Name to module and function; a module is loaded only by the child that needs it."""


def main() -> None:
    """Run the probe that the arguments name."""
    # Libraries print what they like: their words go to stderr, and stdout is the result's alone.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as results:
        os.dup2(2, 1)
        print(json.dumps(_result(sys.argv[1], *sys.argv[2:])), file=results)


def _result(name: str, *arguments: str) -> dict[str, Any]:
    module, function = PROBES[name].split(":")
    try:
        probe: Callable[..., Any] = getattr(import_module(f"fader.runtime.doctor.{module}"), function)
        return {"value": probe(*arguments)}
    except FaderError as error:
        return {"error": str(error), "is_ours": True}
    except Exception as error:  # noqa: BLE001  # whatever it is, it is what the doctor looks for
        return {"error": f"{type(error).__name__}: {error}", "is_ours": False}


if __name__ == "__main__":
    main()
