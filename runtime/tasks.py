"""One input and its result, and the check that no result takes the place of an input or of another result."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fader.errors import ConfigError
from fader.runtime.video.live_source import is_live
from fader.runtime.video.pipes import PIPE
from fader.runtime.video.sequence import ImageSequence

__all__ = ["Source", "Task", "settle"]

Source: TypeAlias = str | ImageSequence
Targets: TypeAlias = Callable[[str], Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One input and where its result goes."""

    source: Source
    """A path, - for standard input, the URL of a live stream, or pictures that make a video."""
    target: str
    """A path, - for standard output, numbered pictures, or a URL."""
    is_found: bool = False
    """Whether a folder or a glob gave it; else it was named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Settled:
    """A task with its files, however they are spelled."""

    task: Task
    source: Path | None
    """None where it is no file."""
    results: dict[Path, str]
    """Each result's file, and its name as it was spelled."""


def settle(tasks: Sequence[Task], targets: Targets) -> tuple[Task, ...]:
    """Return the tasks that are to be done; nothing is written.

    An input that is there twice counts once. A file that was found, not named, is no input where it is a
    result of another input: an earlier call made it.

    Args:
        tasks: In order.
        targets: Gives the names of the results that have a common target.

    Raises:
        ConfigError: two results would be one file, or a result would replace an input.
    """
    once: dict[object, _Settled] = {}
    for task in tasks:
        results = {_resolved(name): name for name in targets(task.target) if _is_file_name(name)}
        key = (_place(task.source), *results)
        if key not in once or once[key].task.is_found:
            once[key] = _Settled(task=task, source=_file(task.source), results=results)
    work = list(_without_results(list(once.values())))
    _refuse_replacing(work)
    return tuple(one.task for one in work)


def _without_results(work: Sequence[_Settled]) -> Iterator[_Settled]:
    made = {file for one in work for file in one.results}
    for one in work:
        # What would be written over itself stays, so that it is refused and not lost.
        if not one.task.is_found or one.source not in made or one.source in one.results:
            yield one


def _refuse_replacing(work: Sequence[_Settled]) -> None:
    sources = {one.source: Path(one.task.source) for one in work}
    homes: dict[Path, Path] = {}
    for one in work:
        source = Path(one.task.source)
        for file, name in one.results.items():
            if file == one.source:
                raise ConfigError(f"the output {name} is the input itself: choose another name with -o")
            if file in sources:
                raise ConfigError(
                    f"{source} would become {name}, which is the input {sources[file]}: leave out one of the "
                    "two, or name another folder with -o"
                )
            if file in homes:
                raise ConfigError(
                    f"{homes[file]} and {source} would both become {name}: edit them in two calls, with "
                    "another -o each"
                )
            homes[file] = source


def _is_file_name(name: str) -> bool:
    return name != PIPE and not is_live(name)


def _file(source: Source) -> Path | None:
    return _resolved(source) if isinstance(source, str) and _is_file_name(source) else None


def _place(source: Source) -> object:
    """Return what tells inputs apart: two links to one file are two, for each has a name of its own."""
    if not isinstance(source, ImageSequence) and not _is_file_name(source):
        return source
    place = _resolved(Path(source).parent) / Path(source).name
    return (place, source.fps) if isinstance(source, ImageSequence) else place


def _resolved(path: str | Path) -> Path:
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError):  # links in a circle: opening it says so
        return Path(path).absolute()
