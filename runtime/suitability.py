"""Whether what was asked for goes with the inputs and outputs: told in one line before any work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fader.errors import ConfigError
from fader.runtime.batch import is_picture
from fader.runtime.resume import obstacle_to_resuming
from fader.runtime.tasks import Source, Task
from fader.runtime.video.containers import WRITABLE_SUFFIXES
from fader.runtime.video.live_source import is_live
from fader.runtime.video.pipes import PIPE
from fader.runtime.video.sequence import ImageSequence, is_animated_webp

__all__ = ["Wishes"]

_Kinds = Callable[[Task], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What a call asks for beside its edits."""

    compare: bool = False
    """A comparison."""
    part: bool = False
    """A part of a video."""
    resume: bool = False
    """To go on with a run that was stopped. Pictures are whole or not there: they are simply made."""
    n_outputs: int = 1
    """Of each input."""

    def check(self, tasks: Sequence[Task]) -> None:
        """Refuse tasks that one of the wishes does not go with.

        Raises:
            ConfigError: there are such; the line names the wish, how many they are, and the first.
        """
        if self.resume:
            self._require_one_whole_output()
            _refuse(tasks, "--resume is", _cannot_resume, "a whole video into one video file")
        if self.compare:
            _refuse(tasks, "--compare is", _cannot_compare, "videos")
        if self.part:
            _refuse(tasks, "--preview and --frames are", _has_no_part, "video files")

    def _require_one_whole_output(self) -> None:
        if found := obstacle_to_resuming(self.n_outputs, part=self.part, compare=self.compare):
            raise ConfigError(
                f"--resume is for a whole video into one video file, found {found}: leave out one of the two"
            )


def _refuse(tasks: Sequence[Task], options: str, unfit: _Kinds, expected: str) -> None:
    found = [(task, kind) for task in tasks if (kind := unfit(task))]
    if not found:
        return
    first, kind = found[0]
    said = f"{first.source if isinstance(first.source, str) else Path(first.source)}, which is {kind}"
    if len(tasks) == 1:
        raise ConfigError(f"{options} for {expected}, found {said}: leave it out")
    others = ", or name the others alone" if len(found) < len(tasks) else ""
    raise ConfigError(
        f"{options} for {expected}; {len(found)} of the {len(tasks)} inputs do not fit, the first is {said}: "
        f"leave it out{others}"
    )


def _has_no_part(task: Task) -> str:
    if isinstance(task.source, str) and is_animated_webp(Path(task.source)):
        return "an animated WebP"
    return _cannot_compare(task) or _no_file(task.source)


def _cannot_compare(task: Task) -> str:
    if is_picture(task.source):
        return "a picture"
    return "a live stream" if isinstance(task.source, str) and is_live(task.source) else ""


def _cannot_resume(task: Task) -> str:
    if is_picture(task.source):
        return ""
    kind = _cannot_compare(task) or _no_file(task.source)
    if not kind and Path(task.target).suffix.lower() not in WRITABLE_SUFFIXES:
        return f"to become {task.target}, no video file"
    return kind


def _no_file(source: Source) -> str:
    if isinstance(source, ImageSequence):
        return "pictures as a video"
    return "standard input" if source == PIPE else ""
