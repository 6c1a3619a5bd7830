"""Many inputs in one call: folders, globs and several names become tasks; one failure stops no other."""

import glob
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from fader.errors import BundleError, ConfigError, EngineError, FaderError, MediaError
from fader.image import IMAGE_SUFFIXES
from fader.runtime.edits import EDITED
from fader.runtime.tasks import Source, Task, settle
from fader.runtime.video.containers import VIDEO_SUFFIXES, WRITABLE_SUFFIXES
from fader.runtime.video.live_source import is_live, stem_of
from fader.runtime.video.numbering import first_of, is_numbered
from fader.runtime.video.pipes import PIPE
from fader.runtime.video.sequence import ImageSequence, is_animated_webp, is_glob

__all__ = ["Batch", "Plan", "Source", "Task", "beside", "is_picture", "plan"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What one call is to do."""

    tasks: tuple[Task, ...]
    """In order; one or more."""
    is_batch: bool
    """Whether a failure is counted and the others go on; else it is raised."""
    home: Path | None = None
    """The folder for results of a batch, where one was named."""


def plan(sources: Sequence[str], out: str | None, *, fps: str | None = None, recursive: bool = False) -> Plan:
    """Find the files that a call's inputs stand for.

    Args:
        sources: Paths, folders, globs, numbered pictures, -, or URLs.
        out: The result's path; of several, the folder for results. None puts them beside their inputs, a
            folder's in a folder beside it.
        fps: Frames a second; makes one video of pictures.
        recursive: Whether folders in folders count.

    Raises:
        ConfigError: an option does not go with the inputs.
        MediaError: there is nothing to edit.
    """
    if not all(sources):
        raise ConfigError('an INPUT is "", an empty name: expected a file, or . for the folder you are in')
    if out == "":
        raise ConfigError('-o "" is an empty name: expected a file or a folder; leave out -o to name none')
    rate = None if fps is None else _rate(fps)
    if rate is not None and not all(is_numbered(name) or is_glob(name) for name in sources):
        raise ConfigError('--fps goes with pictures that make a video, such as "frames/%05d.png"')
    if len(sources) == 1 and (only := _single(sources[0], rate)) is not None:
        target = beside(only) if out is None else out
        if target.endswith(os.sep) and not os.path.isdir(target):  # noqa: PTH112
            raise ConfigError(f"-o {out}: there is no such folder; make it first, or name a file")
        if out is not None and os.path.isdir(out):  # noqa: PTH112  # Path raises for names that are too long
            is_file = isinstance(only, str) and only != PIPE and not is_live(only)
            target = str(Path(out) / (_renamed(Path(only)) if is_file else Path(beside(only))).name)
        return Plan(tasks=(Task(source=only, target=target),), is_batch=False)
    if out == PIPE or (out is not None and (is_live(out) or is_numbered(out))):
        raise ConfigError(f"-o {out} takes one input, found several: expected a folder")
    if out is not None and _is_media(Path(out)) and not os.path.isdir(out):  # noqa: PTH112
        raise ConfigError(
            f"-o {out} is a file's name, and the input is several files: expected a folder"
            + ("; --fps 25 makes one video of pictures" if any(map(is_glob, sources)) else "")
        )
    found = (task for name in sources for task in _tasks(name, out, rate, recursive=recursive))
    tasks = list(dict.fromkeys(found))
    return Plan(tasks=tuple(tasks), is_batch=True, home=None if out is None else Path(out))


def _single(name: str, rate: Fraction | None) -> Source | None:
    """Return what one name stands for; None where it is several files."""
    if is_numbered(name) and not os.path.exists(name):  # noqa: PTH110
        return ImageSequence(pattern=name, **({} if rate is None else {"fps": rate}))
    if is_glob(name) and not is_live(name):
        return None if rate is None else ImageSequence(pattern=name, fps=rate)
    return None if os.path.isdir(name) else name  # noqa: PTH112  # Path raises for names that are too long


def _tasks(name: str, out: str | None, rate: Fraction | None, *, recursive: bool) -> Iterator[Task]:
    if name == PIPE or is_live(name):
        raise ConfigError(f"{name} can only be edited alone; name it as the only INPUT")
    if os.path.isdir(name):  # noqa: PTH112
        folder = Path(name)
        home = _folder_beside(folder) if out is None else Path(out)
        if home.resolve() == folder.resolve():
            raise ConfigError(f"the output {home} is the input: choose another folder with -o")
        for path in _media_in(folder, recursive=recursive):
            yield Task(source=str(path), target=str(home / _renamed(path).relative_to(folder)), is_found=True)
        return
    only = _single(name, rate)
    found: Sequence[Source] = [only] if only is not None else _globbed(name, recursive=recursive)
    for source in found:
        inside = _renamed(Path(source)).name if isinstance(source, str) else Path(beside(source)).name
        target = beside(source) if out is None else str(Path(out) / inside)
        yield Task(source=source, target=target, is_found=only is None)


def _media_in(folder: Path, *, recursive: bool) -> list[Path]:
    """Return the videos and pictures of a folder, by name; neither hidden ones nor results of an edit.

    Raises:
        MediaError: it holds none, or cannot be read.
    """
    found = []

    def fail(error: OSError) -> None:
        raise MediaError(f"cannot read the folder {error.filename}: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        found += [Path(place) / name for name in names if _is_media(Path(name))]
    if not found:
        endings = ", ".join(sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES))
        raise MediaError(f"{folder} holds no image and no video: expected files ending in {endings}")
    return sorted(found)


def _globbed(pattern: str, *, recursive: bool) -> list[str]:
    found = sorted(glob.glob(pattern, recursive=recursive))  # noqa: PTH207  # the pattern may be absolute
    media = [name for name in found if Path(name).is_file() and _is_media(Path(name))]
    if not media:
        raise MediaError(f"{pattern}: no image and no video has such a name; check the pattern")
    return media


def _is_media(path: Path) -> bool:
    is_known = path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES
    return is_known and not path.name.startswith(".") and not path.stem.endswith(EDITED)


def is_picture(source: Source) -> bool:
    """Whether a source is one still picture."""
    if isinstance(source, ImageSequence) or Path(source).suffix.lower() not in IMAGE_SUFFIXES:
        return False
    return not is_animated_webp(Path(source))


def beside(source: Source) -> str:
    """Name the result of an edit whose target is not named.

    Raises:
        ConfigError: it has no place beside it.
    """
    if isinstance(source, ImageSequence):
        folder = Path(source).parent.resolve()
        return str(folder.with_name(f"{folder.name}{EDITED}.mp4"))
    if source == PIPE:
        raise ConfigError("a video from standard input needs a target: name it with -o, or -o - for y4m")
    if is_live(source):
        return f"{stem_of(source)}{EDITED}.mkv"
    path = Path(source)
    return str(path.with_name(f"{path.stem}{EDITED}{_renamed(path).suffix}"))


def _renamed(path: Path) -> Path:
    """Give a result's file name an ending that can be written, keeping the name where it can."""
    suffix = path.suffix.lower()
    # GIF and WebP hold few colours and no sound; an edited one is better off as a video.
    if suffix == ".gif" or (suffix == ".webp" and is_animated_webp(path)):
        return path.with_suffix(".mp4")
    return path if suffix in WRITABLE_SUFFIXES | IMAGE_SUFFIXES else path.with_suffix(".mkv")


def _folder_beside(source: Path) -> Path:
    named = source.resolve() if source.name in {"", ".."} else source
    if not named.name:
        raise ConfigError(f"{source} has no folder beside it: name the target with -o")
    return named.with_name(f"{named.name}{EDITED}")


def _rate(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"--fps {text}: expected a number, such as 25 or 30000/1001") from None


class Batch:
    """Does the tasks of a plan one after the other."""

    outcomes: list[dict[str, Any]]
    """For each result a report; for others `source`, `target`, and `error` or `skipped`."""

    def __init__(
        self,
        do: Callable[[Source, str], Sequence[Any]],
        show: Callable[[Any], None] | None,
        targets: Callable[[str], Sequence[str]] = lambda target: [target],
        check: Callable[[Sequence[Task]], None] = lambda _: None,
    ) -> None:
        """Take what does a task and returns its reports, and what shows one.

        targets: Names a task's results; check: refuses tasks before anything is done.
        """
        self._do, self._show, self._targets, self._check = do, show, targets, check
        self.outcomes = []

    def do(self, work: Plan, *, skip_existing: bool = False) -> None:
        """Do the tasks.

        Args:
            work: From `plan`.
            skip_existing: Whether tasks whose target is there are passed over.

        Raises:
            ConfigError: two results would be one file, one would replace an input, or `check` refuses them;
                nothing is done then.
            FaderError: the only task failed, or some of several did: how many, and the first reason; or the
                engine or the model failed, as it would for all others.
        """
        n_done, failures = 0, []
        tasks = settle(work.tasks, self._targets)
        self._check(tasks)
        if work.home is not None:
            _make_folder(work.home)
        for task in tasks:
            if skip_existing and all(map(_is_there, self._targets(task.target))):
                self.outcomes.append(_fields(task) | {"skipped": True})
                continue
            try:
                self._do_one(task, work)
                n_done += 1
            except (EngineError, BundleError):
                raise
            except FaderError as error:
                if not work.is_batch:
                    raise
                failures.append(str(error))
                self.outcomes.append(_fields(task) | {"error": str(error)})
                self._say_failure(error)
        if failures:
            n_skipped = len(tasks) - n_done - len(failures)
            raise MediaError(
                f"{n_done} of {len(tasks)} inputs are edited, {n_skipped} were there; "
                f"{len(failures)} could not be, the first: {failures[0]}"
            )
        if self._show is not None and skip_existing and n_done < len(tasks):
            self._note(f"{len(tasks) - n_done} of {len(tasks)} were there already")

    def _do_one(self, task: Task, work: Plan) -> None:
        if work.is_batch:
            _make_folder(Path(task.target).parent)
        for report in self._do(task.source, task.target):
            self.outcomes.append(asdict(report))
            if self._show is not None:
                self._show(report)

    def _say_failure(self, error: FaderError) -> None:
        if self._show is not None:
            self._note(f"failed: {' '.join(str(error).split())}")

    def _note(self, text: str) -> None:
        print(text, file=sys.stderr)  # noqa: T201


def _fields(task: Task) -> dict[str, Any]:
    return {"source": str(Path(task.source)), "target": task.target}


def _is_there(target: str) -> bool:
    if target == PIPE or is_live(target):
        return False
    # Path raises for names that are too long.
    return os.path.isfile(first_of(target) if is_numbered(target) else target)  # noqa: PTH113


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(
            f"cannot make the folder {folder}: {error.strerror}; choose another with -o"
        ) from error
