"""Native libraries load undisturbed: an interruption waits, and is not lost."""

import os
import signal
import threading

import pytest

from fader.runtime.engines.loading import undisturbed


def test_ctrl_c_waits_until_the_library_is_loaded() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    loaded: list[bool] = []

    def load() -> None:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            loaded.append(True)

    try:
        with pytest.raises(KeyboardInterrupt):
            load()
        assert loaded
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_load_without_touching_signals() -> None:
    seen: list[object] = []
    handler = signal.getsignal(signal.SIGINT)

    def load() -> None:
        with undisturbed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert seen == [handler]
