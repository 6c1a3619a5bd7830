"""One call of fader-run: which kind of input it has, where the result goes, and what is said of it."""

from pathlib import Path

from fader.console import progress
from fader.errors import ConfigError, MediaError
from fader.image import IMAGE_SUFFIXES
from fader.runtime.editor import Editor
from fader.runtime.faces.tracking import FaceOptions
from fader.runtime.images import ImageReport, edit_image, images_in
from fader.runtime.motion import Values
from fader.runtime.pipeline import VideoProgress, VideoReport, edit_video
from fader.runtime.store import LatentStore
from fader.runtime.video import EncodeOptions

__all__ = ["Job", "sentence"]

Report = VideoReport | ImageReport


class Job:
    """One call's inputs, whatever kind they are."""

    def __init__(
        self,
        editor: Editor,
        values: Values,
        encoding: EncodeOptions,
        faces: FaceOptions,
        store: LatentStore | None,
        *,
        quiet: bool,
    ) -> None:
        """Take what does not depend on the input; quiet: without progress bars."""
        self._editor, self._values, self._quiet = editor, values, quiet
        self._encoding, self._faces, self._store = encoding, faces, store

    def do(self, source: Path, out: Path | None) -> list[Report]:
        """Edit a video, a picture, or the pictures of a folder.

        Raises:
            FaderError: it cannot be done, or not for all pictures of a folder.
        """
        if source.is_dir():
            return self._folder(source, out or _folder_beside(source))
        if source.suffix.lower() in IMAGE_SUFFIXES:
            return [self._image(source, out or _beside(source))]
        return [self._video(source, out or _beside(source))]

    def _folder(self, source: Path, out: Path) -> list[Report]:
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
                    reports.append(self._image(path, out / path.name))
                except MediaError as error:
                    failures.append(error)
                bar.at(done)
        if failures:
            raise MediaError(
                f"{len(reports)} of {len(paths)} images are edited in {out}; "
                f"{len(failures)} could not be, the first: {failures[0]}"
            )
        return reports

    def _image(self, source: Path, out: Path) -> Report:
        return edit_image(self._editor, source, out, self._values, faces=self._faces)

    def _video(self, source: Path, out: Path) -> Report:
        with progress(source.name, unit="frames", quiet=self._quiet) as bar:

            def show(now: VideoProgress) -> None:
                bar.at(now.frames, now.total)

            return edit_video(
                self._editor,
                source,
                out,
                self._values,
                encoding=self._encoding,
                faces=self._faces,
                store=self._store,
                on_progress=show,
            )


def _beside(source: Path) -> Path:
    # GIF holds 256 colours a frame and no sound; an edited one is better off as a video.
    suffix = ".mp4" if source.suffix.lower() == ".gif" else source.suffix
    return source.with_name(f"{source.stem}.edited{suffix}")


def _folder_beside(source: Path) -> Path:
    named = source.resolve() if source.name in {"", ".."} else source
    if not named.name:
        raise ConfigError(f"{source} has no folder beside it: name the target with -o")
    return named.with_name(f"{named.name}.edited")


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
