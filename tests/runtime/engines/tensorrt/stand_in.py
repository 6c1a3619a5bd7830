"""A `tensorrt_rtx` for child processes that ends, waits or counts at the moment it is to build."""

import os
from pathlib import Path

import pytest

__all__ = ["BUCKETS", "put_in_the_way"]

BUCKETS = (1, 2)
"""Few, to be quick."""

# Found before the real one, which it loads in its own place, but for the builder's last step.
MODULE = """
import os, signal, sys, time
folder = os.path.dirname(__file__)
sys.path.remove(folder)
del sys.modules["tensorrt_rtx"]
import tensorrt_rtx

class Builder(tensorrt_rtx.Builder):
    def build_serialized_network(self, network, config):
{before}
        return super().build_serialized_network(network, config)

tensorrt_rtx.Builder = Builder
"""


def put_in_the_way(monkeypatch: pytest.MonkeyPatch, folder: Path, before: str) -> None:
    """Have children run statements before they build; `here` is the folder's path in them."""
    folder.mkdir(exist_ok=True)
    lines = [f"here = {str(folder)!r}", *before.strip().splitlines()]
    (folder / "tensorrt_rtx.py").write_text(
        MODULE.format(before="\n".join(f"        {line}" for line in lines)), encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
