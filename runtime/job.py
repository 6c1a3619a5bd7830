"""One call of fader-run: which kind of input it has, where the result goes, and what is said of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fader.console import progress
from fader.errors import ConfigError
from fader.runtime.batch import Source, is_picture
from fader.runtime.compare import Form
from fader.runtime.editor import Editor
from fader.runtime.edits import named_target
from fader.runtime.faces.tracking import FaceOptions
from fader.runtime.images import ImageReport, edit_image
from fader.runtime.live import LiveReport, edit_live, stopped_by_signals
from fader.runtime.motion import Values
from fader.runtime.pipeline import edit_variants
from fader.runtime.reports import VideoProgress, VideoReport
from fader.runtime.store import LatentStore
from fader.runtime.suitability import Wishes
from fader.runtime.tasks import Task
from fader.runtime.timings import StageTime
from fader.runtime.video import EncodeOptions, Part
from fader.runtime.video.live_source import is_live
from fader.runtime.video.pipes import PIPE

__all__ = ["Job", "sentence"]

Report = VideoReport | ImageReport | LiveReport


class Job:
    """One call's inputs, whatever kind they are."""

    def __init__(  # noqa: PLR0913  # what a call can say
        self,
        editor: Editor,
        edits: Mapping[str, Values],
        encoding: EncodeOptions,
        faces: FaceOptions,
        store: LatentStore | None,
        *,
        quiet: bool,
        compare: Form | None = None,
        part: Part | None = None,
        resume: bool = False,
    ) -> None:
        """Take what does not depend on the input.

        edits: the outputs' values by name, "" for one alone; quiet: without progress bars; compare, part and
        resume as for `edit_video`.
        """
        self._editor, self._edits, self._quiet, self._resume = editor, edits, quiet, resume
        self._encoding, self._faces, self._store = encoding, faces, store
        self._compare, self._part = compare, part

    def do(self, source: Source, target: str) -> list[Report]:
        """Edit a video, a picture, pictures as a video, or a live stream.

        Args:
            source: As `Task.source`.
            target: As `Task.target`; several outputs have their names in it.

        Raises:
            FaderError: it cannot be done.
        """
        if isinstance(source, str) and is_live(source):
            return [self._live(source, target)]
        if is_picture(source):
            return self._images(Path(source), target)
        return [*self._videos(source, target)]

    def targets(self, target: str) -> list[str]:
        """Return where the outputs go whose common target this is: one for each, its name in it.

        Raises:
            ConfigError: there are several, and the target takes one.
        """
        names = list(self._edits)
        if target == PIPE or is_live(target):
            if len(names) > 1:
                raise ConfigError(f"-o {target} takes one output, found {len(names)}: name a file")
            return [target]
        return [named_target(target, name) for name in names]

    def check(self, tasks: Sequence[Task]) -> None:
        """Refuse, before any work, tasks that what was asked for does not go with.

        Raises:
            ConfigError: as of `Wishes.check`.
        """
        Wishes(
            compare=self._compare is not None,
            part=self._part is not None,
            resume=self._resume,
            n_outputs=len(self._edits),
        ).check(tasks)

    def _images(self, source: Path, target: str) -> list[Report]:
        mark = bool(self._encoding.mark)
        return [
            edit_image(self._editor, source, Path(out), values, faces=self._faces, mark=mark)
            for out, values in zip(self.targets(target), self._edits.values(), strict=True)
        ]

    def _live(self, source: str, target: str) -> Report:
        if len(self._edits) > 1:
            raise ConfigError(f"{source} is live and takes one output, found {len(self._edits)}")
        (values,) = self._edits.values()
        with stopped_by_signals() as stop:
            return edit_live(
                self._editor,
                source,
                target,
                values,
                encoding=self._encoding,
                faces=self._faces,
                stop=stop,
            )

    def _videos(self, source: Source, target: str) -> list[VideoReport]:
        with progress(Path(source).name, unit="frames", quiet=self._quiet) as bar:

            def show(now: VideoProgress) -> None:
                bar.at(now.frames, now.total)

            return edit_variants(
                self._editor,
                source,
                dict(zip(self.targets(target), self._edits.values(), strict=True)),
                encoding=self._encoding,
                faces=self._faces,
                store=self._store,
                compare=self._compare,
                part=self._part,
                resume=self._resume,
                on_progress=show,
            )


def sentence(report: Report, *, timings: bool = False) -> str:
    """Say in a line what was done; with timings, in more of them, where the time of a video went."""
    if isinstance(report, LiveReport):
        return report.sentence()
    if isinstance(report, VideoReport):
        stored = f", {report.frames_from_store} frames from the store" if report.frames_from_store else ""
        stored += f", {report.frames_resumed} frames written before" if report.frames_resumed else ""
        return (
            f"{report.target}: a face edited in {report.frames_edited} of {report.frames} frames "
            f"({report.faces_edited} of {report.faces} faces, {report.tracks} tracks{stored}), "
            f"{report.frames / max(report.seconds, 1e-9):.1f} frames/s on {report.engine}"
            + ("".join(f"\n    {_stage(stage)}" for stage in report.timings) if timings else "")
        )
    return f"{report.target}: {report.faces_edited} of {report.faces} faces edited"


def _stage(spent: StageTime) -> str:
    return (
        f"{spent.stage:7} worked {spent.working:7.2f} s, waited {spent.for_input:7.2f} s for input and "
        f"{spent.for_output:7.2f} s to hand on"
    )
