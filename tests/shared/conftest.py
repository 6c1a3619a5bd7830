"""The bundle that the tests of bundles damage copies of."""

from pathlib import Path

import pytest
from tests.runtime.scenes import write_tiny_bundle

__all__ = ["tiny_bundle"]


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, the same as the runtime's tests use; not to be changed."""
    folder = tmp_path_factory.getbasetemp() / "tiny-bundle"
    return folder if folder.exists() else write_tiny_bundle(folder)
