"""What the commands share: progress on stderr, and errors as one line with the right exit code.

Exit codes: 0 done, 1 an error of fader's in one line, 2 wrong usage, 130 interrupted, 143 terminated.
"""

import errno
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from fader.errors import FaderError

__all__ = ["Bar", "progress", "run", "status"]

LINE_EVERY_S = 10.0
INTERRUPTED = 130
TERMINATED = 143
UNPRINTABLE = frozenset({errno.ENOSPC, errno.EPIPE, errno.EIO, errno.EBADF, errno.EFBIG})


def run(app: typer.Typer) -> None:
    """Run a command line and exit: a FaderError becomes one line on stderr and code 1, Ctrl-C becomes 130."""
    # OpenCV adds lines of its own to an image's error unless it is told before it is loaded.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    # By default SIGTERM ends the process where it stands, and half-written files stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        code = app(standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        if code == INTERRUPTED:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
    except FaderError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)
    except Exception as error:
        if _is_of_stdout(error):
            said = getattr(error, "strerror", error)
            print(f"error: standard output cannot be written ({said})", file=sys.stderr)  # noqa: T201
            sys.exit(1)
        # typer's own usage errors, which know how to show themselves
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        sys.exit(getattr(error, "exit_code", 2))
    sys.exit(code if isinstance(code, int) else 0)


def _is_of_stdout(error: Exception) -> bool:
    """Tell whether printing failed; if so, drop what is left, else the interpreter tries again at its end."""
    # Files that are opened, read or renamed have names in their errors; what writes them wraps its own.
    if not isinstance(error, OSError) or error.filename is not None or error.errno not in UNPRINTABLE:
        return False
    with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return True


@contextmanager
def status(message: str) -> Iterator[None]:
    """Show a spinner with a message on stderr while the body runs; a plain line where that is no terminal."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(message):
            yield
    else:
        console.print(message, highlight=False)
        yield


class _Rate(ProgressColumn):
    """Units per second since the bar began."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}/s" if speed else f"- {self._unit}/s")


class Bar:
    """A progress bar on stderr that also carries a changing note."""

    def __init__(self, bars: Progress, task: TaskID, lines: "_Lines | None" = None) -> None:
        self._bars, self._task, self._lines = bars, task, lines

    def at(self, done: int, total: int | None = None, note: str | None = None) -> None:
        """Move the bar.

        Args:
            done: Units done.
            total: New total, if it became known.
            note: Text at the end of the line.
        """
        self._bars.update(self._task, completed=done)
        if total is not None:
            self._bars.update(self._task, total=total)
        if note is not None:
            self._bars.update(self._task, note=note)
        if self._lines is not None:
            self._lines.at(done, total)


class _Lines:
    """Plain lines, one now and then, for logs and pipes."""

    def __init__(self, title: str, unit: str) -> None:
        self._title, self._unit = title, unit
        self._began = self._last = time.monotonic()

    def at(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._last >= LINE_EVERY_S:
            self._last = now
            of = f" of {total}" if total else ""
            rate = done / (now - self._began)
            print(f"{self._title}: {done}{of} {self._unit}, {rate:.1f} {self._unit}/s", file=sys.stderr)  # noqa: T201


@contextmanager
def progress(title: str, *, unit: str, total: int | None = None, quiet: bool = False) -> Iterator[Bar]:
    """Show a bar with units per second and the time left; a line every 10 s where stderr is no terminal.

    Args:
        title: What is being done.
        unit: Plural name of what is counted, for example "frames".
        total: Units in all, None if not known.
        quiet: Show nothing.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}" if total else "{task.completed}"),
        _Rate(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bars:
        lines = None if quiet or console.is_terminal else _Lines(title, unit)
        yield Bar(bars, bars.add_task(title, total=total, note=""), lines)
