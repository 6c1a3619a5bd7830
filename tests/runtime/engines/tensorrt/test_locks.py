"""One at a time, also while lock files are removed."""

import threading
import time
from pathlib import Path

from fader.runtime.engines.tensorrt.locks import file_lock, try_lock


def test_a_lock_that_is_held_is_not_given_again_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with file_lock(path), try_lock(path) as free:
        assert not free
    assert path.exists()
    with try_lock(path) as free:
        assert free
    assert not path.exists()


def test_who_waited_for_a_lock_whose_file_was_removed_holds_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    waiting, found = threading.Event(), []

    def wait() -> None:
        with file_lock(path, on_wait=waiting.set):
            found.append(path.exists())

    thread = threading.Thread(target=wait)
    with try_lock(path) as free:
        assert free
        thread.start()
        assert waiting.wait(10)
        time.sleep(0.2)  # until it waits in the system's own call
    thread.join()
    assert found == [True]
