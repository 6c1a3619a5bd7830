"""One call of fader-run: which kind of input it has, where the result goes, and what is said of it."""

from collections.abc import Mapping
from pathlib import Path

from fader.console import progress
from fader.errors import ConfigError, MediaError
from fader.image import IMAGE_SUFFIXES
from fader.runtime.compare import Form
from fader.runtime.editor import Editor
from fader.runtime.edits import fitting, named_path
from fader.runtime.faces.tracking import FaceOptions
from fader.runtime.images import ImageReport, edit_image, images_in
from fader.runtime.motion import Values
from fader.runtime.pipeline import VideoProgress, VideoReport, edit_variants
from fader.runtime.store import LatentStore
from fader.runtime.video import EncodeOptions, Part

__all__ = ["Job", "sentence"]

Report = VideoReport | ImageReport


class Job:
    """One call's inputs, whatever kind they are."""

    def __init__(
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
    ) -> None:
        """Take what does not depend on the input.

        edits: the outputs' values by name, "" for one alone; quiet: without progress bars.
        """
        self._editor, self._edits, self._quiet = editor, edits, quiet
        self._encoding, self._faces, self._store = encoding, faces, store
        self._compare, self._part = compare, part

    def do(self, source: Path, out: Path | None) -> list[Report]:
        """Edit a video, a picture, or the pictures of a folder.

        Raises:
            FaderError: it cannot be done, or not for all pictures of a folder.
        """
        if not source.is_dir() and source.suffix.lower() not in IMAGE_SUFFIXES:
            return [*self._video(source, out)]
        if self._compare is not None or self._part is not None:
            raise ConfigError(f"{source}: --compare, --preview and --frames are for videos; leave them out")
        reports: list[Report] = []
        for name, values in self._edits.items():
            target = _target(source, out, name)
            if source.is_dir():
                reports += self._folder(source, target, values)
            else:
                reports.append(self._image(source, target, values))
        return reports

    def _folder(self, source: Path, out: Path, values: Values) -> list[Report]:
        paths = images_in(source)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(
                f"cannot make the folder {out}: {error.strerror}; choose another with -o"
            ) from error
        reports, failures = [], []
        with progress(source.name, unit="images", total=len(paths), quiet=self._quiet) as bar:
            for done, path in enumerate(paths, start=1):
                try:
                    reports.append(self._image(path, out / path.name, values))
                except MediaError as error:
                    failures.append(error)
                bar.at(done)
        if failures:
            raise MediaError(
                f"{len(reports)} of {len(paths)} images are edited in {out}; "
                f"{len(failures)} could not be, the first: {failures[0]}"
            )
        return reports

    def _image(self, source: Path, out: Path, values: Values) -> Report:
        return edit_image(self._editor, source, out, values, faces=self._faces)

    def _video(self, source: Path, out: Path | None) -> list[VideoReport]:
        with progress(source.name, unit="frames", quiet=self._quiet) as bar:

            def show(now: VideoProgress) -> None:
                bar.at(now.frames, now.total)

            return edit_variants(
                self._editor,
                source,
                {_target(source, out, name): values for name, values in self._edits.items()},
                encoding=self._encoding,
                faces=self._faces,
                store=self._store,
                compare=self._compare,
                part=self._part,
                on_progress=show,
            )


def _target(source: Path, out: Path | None, name: str) -> Path:
    """Return an output's path; `name` is "" where there is one output."""
    if out is not None:
        return named_path(out, name) if name else out
    if source.is_dir():
        return _folder_beside(source, name)
    # GIF holds 256 colours a frame and no sound; an edited one is better off as a video.
    suffix = ".mp4" if source.suffix.lower() == ".gif" else source.suffix
    return named_path(source.with_suffix(suffix), name or "edited")


def _folder_beside(source: Path, name: str) -> Path:
    named = source.resolve() if source.name in {"", ".."} else source
    if not named.name:
        raise ConfigError(f"{source} has no folder beside it: name the target with -o")
    return named.with_name(f"{named.name}.{fitting(name or 'edited')}")


def sentence(report: Report) -> str:
    """Say in a line what was done."""
    if isinstance(report, VideoReport):
        stored = f", {report.frames_from_store} frames from the store" if report.frames_from_store else ""
        return (
            f"{report.target}: a face edited in {report.frames_edited} of {report.frames} frames "
            f"({report.faces_edited} of {report.faces} faces, {report.tracks} tracks{stored}), "
            f"{report.frames / max(report.seconds, 1e-9):.1f} frames/s on {report.engine}"
        )
    return f"{report.target}: {report.faces_edited} of {report.faces} faces edited"
