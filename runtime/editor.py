"""The embedding API: open a bundle once, encode once, decode with as many values as you like.

with Editor.open() as editor:
    latents = editor.encode(crops)
    for smile in (0.0, 0.5, 1.0):
        show(editor.decode(latents, {"Smiling": smile}))
"""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from fader.attributes import AttributeSet, Value
from fader.bundle import Bundle, shipped_bundle
from fader.errors import ConfigError
from fader.image import from_model
from fader.runtime.engines import open_engine
from fader.runtime.latents import Latents
from fader.runtime.model import Model
from fader.runtime.motion import Values

if TYPE_CHECKING:
    import av

    from fader.runtime.faces.detector import FaceDetector
    from fader.runtime.faces.tracking import FaceOptions, Tracker
    from fader.runtime.stages import Edited
    from fader.runtime.video.planes import FramePlanes

__all__ = ["Editor"]

CACHE_BYTES = 256 * 2**20
MAX_BATCH = 8
MOST_THREADS = 1024
"""Beyond, an engine starts threads for minutes, and cannot be stopped meanwhile."""


class Editor:
    """A loaded model and everything that edits pictures with it.

    Threads may share it: encode, decode, crops, edit, edit_frames, stream and astream may run at once and
    give what they give alone. Each iterator that they return is for one thread at a time; `close` is for
    when all are done.
    """

    def __init__(self, model: Model) -> None:
        """Wrap a loaded model; `Editor.open` is the usual way."""
        self.model = model

    @classmethod
    def open(
        cls,
        bundle: str | Path | None = None,
        *,
        engine: str = "auto",
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
        max_batch: int = MAX_BATCH,
    ) -> Self:
        """Verify and load a bundle.

        Args:
            bundle: Folder as fader-export writes it; None for the shipped model.
            engine: "auto", or a name of `fader.runtime.ENGINES`.
            threads: CPU threads of the engine; None for all processors of this process.
            cache_bytes: Bound of the memory cache of latents; 0 for none.
            max_batch: Images in one call of the engine at most, 1 or more.

        Raises:
            BundleError: the bundle is missing or damaged.
            EngineError: the engine is not installed here.
            ConfigError: an unknown engine, or a bound below its range.
        """
        bounds = (("cache_bytes", cache_bytes, 0), ("max_batch", max_batch, 1), ("threads", threads, 1))
        for name, given, least in bounds:
            if given is not None and given < least:
                raise ConfigError(f"found {name} = {given}: expected {least} or more")
        if threads is not None and threads > MOST_THREADS:
            raise ConfigError(f"found {threads = }: expected {MOST_THREADS} at most, best one for each core")
        loaded = Bundle(Path(bundle) if bundle is not None else shipped_bundle())
        return cls(
            Model(
                loaded,
                open_engine(loaded, engine, threads=threads),
                cache_bytes=cache_bytes,
                max_batch=max_batch,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the engine."""
        self.model.engine.close()

    @property
    def attributes(self) -> AttributeSet:
        """The model's sliders."""
        return self.model.attributes

    @property
    def image_size(self) -> int:
        """Height and width of the model's crops, pixels."""
        return self.model.image_size

    @property
    def engine_name(self) -> str:
        """The engine that was chosen."""
        return self.model.engine.name

    def encode(self, crops: Any) -> Latents:
        """Encode aligned crops: the slow half, needed once. Crops seen before come from the memory cache.

        Args:
            crops: (N, image_size, image_size, 3) uint8 RGB, a NumPy array or anything on the CPU with
                `__dlpack__`.

        Returns:
            Latents of batch N.

        Raises:
            ConfigError: another shape or type.
        """
        return self.model.encode(_array(crops))

    def decode(self, latents: Latents, values: Mapping[str, Value]) -> NDArray[np.uint8]:
        """Render latents with the given attribute values.

        Args:
            latents: From `encode` of this same bundle; batch N.
            values: Attribute name to strength (unitless; 0 absent, 1 present; beyond exaggerates); attributes
                that are not named keep the classifier's estimate, see `AttributeSet.decided`.

        Returns:
            (N, image_size, image_size, 3) uint8 RGB.

        Raises:
            BundleError: the latents come from another bundle.
            ConfigError: an attribute is unknown, or a value is not finite.

        Source: Lample et al. 2017, section 3.
        """
        source_NA = self.attributes.decided(latents.source_NA)
        wanted_NA = self.attributes.apply(values, source_NA)
        return from_model(self.model.render(latents, wanted_NA, source_NA))

    def crops(self, picture: Any) -> NDArray[np.uint8]:
        """Find the faces of a picture and cut them out as the model wants them.

        Args:
            picture: (H, W, 3) uint8 RGB, upright, a NumPy array or anything on the CPU with `__dlpack__`.

        Returns:
            (faces, image_size, image_size, 3) uint8 RGB for `encode`, the clearest face first.

        Raises:
            ConfigError: another shape or type.
        """
        from fader.runtime.stages import crops_of  # noqa: PLC0415

        planes = _planes(_array(picture))
        return crops_of(planes, self.tracker().update(planes, 0.0), self.image_size)

    def edit(self, images: Any, values: Values) -> NDArray[np.uint8]:
        """Edit every face in whole pictures.

        Args:
            images: (N, H, W, 3) uint8 RGB, upright, a NumPy array or anything on the CPU with `__dlpack__`.
            values: As for `decode`.

        Returns:
            (N, H, W, 3) uint8 RGB, a copy; pixels outside the faces keep their values.

        Raises:
            ConfigError: another shape or type, an unknown attribute, or a value that is not finite.
        """
        pictures = _array(images)
        if pictures.ndim != 4:
            raise ConfigError(f"found an array of shape {pictures.shape}, expected (N, H, W, 3) uint8 RGB")
        frames = (_planes(picture).frame for picture in pictures)
        edited = [done.frame.to_ndarray() for done in self.edit_frames(frames, values)]
        return np.stack(edited).astype(np.uint8, copy=False) if edited else pictures.copy()

    def edit_frames(
        self,
        frames: "Iterable[av.VideoFrame]",
        values: Values,
        *,
        faces: "FaceOptions | None" = None,
    ) -> "Iterator[Edited]":
        """Edit unrelated frames, each searched for faces anew.

        Args:
            frames: Upright, any pixel format. They are not changed: a frame that is edited is copied first.
            values: As for `decode`.
            faces: How faces are searched for.

        Yields:
            The frames in order, with the faces that were found.

        Raises:
            ConfigError: an attribute is unknown, or a value is not finite.
        """
        from fader.runtime.stages import FaceFrame, crops_of, paste, render  # noqa: PLC0415
        from fader.runtime.video.planes import FramePlanes  # noqa: PLC0415

        self.model.check(values)
        detector = self._detector()

        def with_faces() -> Iterator[FaceFrame]:
            for frame in frames:
                planes = FramePlanes(frame)
                found = self._tracker(detector, faces).update(planes, 0.0)
                yield FaceFrame(planes=planes, faces=found, crops=crops_of(planes, found, self.image_size))

        return paste(render(with_faces(), self.model, values, follow=False))

    def stream(
        self, frames: "Iterable[Any]", values: Values, *, rotation: int = 0, rate: float = 25
    ) -> "Iterator[Any]":
        """Edit the frames of one video as they come.

        Args:
            frames: Decoded frames in display order: `av.VideoFrame` of any pixel format, with time stamps, or
                (H, W, 3) uint8 RGB, NumPy arrays or anything on the CPU with `__dlpack__`. They are not
                changed: a frame that is edited is copied first.
            values: As for `decode`.
            rotation: Degrees counter-clockwise by which frames are turned for display: 0, 90, 180 or 270.
            rate: Arrays in a second, since they carry no time.

        Yields:
            For each frame, in the same order and up to 16 frames late: an `av.VideoFrame` of its format and
            time stamp, for an array an (H, W, 3) uint8 RGB array.

        Raises:
            ConfigError: an attribute is unknown, a value is not finite, or an array has another form.
        """
        from fader.runtime.stages import find_faces, paste, render  # noqa: PLC0415
        from fader.runtime.streams import edit_mixed  # noqa: PLC0415

        self.model.check(values)
        tracker = self._tracker(self._detector())

        def edit(incoming: "Iterator[av.VideoFrame]") -> "Iterator[av.VideoFrame]":
            found = find_faces(incoming, tracker, self.image_size, rotation=rotation)
            return (done.frame for done in paste(render(found, self.model, values)))

        return edit_mixed(frames, edit, lambda array: _planes(_array(array)).frame, rate)

    def astream(
        self,
        frames: "Iterable[Any] | AsyncIterable[Any]",
        values: Values,
        *,
        rotation: int = 0,
        rate: float = 25,
    ) -> "AsyncGenerator[Any, None]":
        """Edit as `stream`, in a thread: `async for frame in editor.astream(frames, values)`.

        Arguments and frames are those of `stream`; `frames` may be an async iterable, too, which is read in
        the loop (an ordinary one in the thread). A few edited frames wait at most. Cancelling the task, or
        `aclose`, stops the thread after the frame that it is at.
        """
        from fader.runtime.streams import edit_async  # noqa: PLC0415

        self.model.check(values)
        return edit_async(frames, lambda items: self.stream(items, values, rotation=rotation, rate=rate))

    def tracker(self, options: "FaceOptions | None" = None) -> "Tracker":
        """Return a new tracker for one video, with the bundle's detector and template."""
        return self._tracker(self._detector(), options)

    def _detector(self) -> "FaceDetector":
        from fader.runtime.faces.detector import FaceDetector  # noqa: PLC0415

        bundle = self.model.bundle
        return FaceDetector(*(bundle.graph(f"detector_{stage}") for stage in "pro"))

    def _tracker(self, detector: "FaceDetector", options: "FaceOptions | None" = None) -> "Tracker":
        from fader.runtime.faces.tracking import Tracker  # noqa: PLC0415

        return Tracker(detector, self.model.template, self.image_size, options=options)


def _planes(picture: NDArray[Any]) -> "FramePlanes":
    import av  # noqa: PLC0415  # decoding and encoding alone must not wait for it

    from fader.runtime.video.planes import FramePlanes  # noqa: PLC0415

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ConfigError(
            f"found a picture of shape {picture.shape} and type {picture.dtype}, expected (H, W, 3) uint8 RGB"
        )
    return FramePlanes(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))


def _array(images: Any) -> NDArray[Any]:
    if isinstance(images, np.ndarray):
        return images
    try:
        return np.from_dlpack(images) if hasattr(images, "__dlpack__") else np.asarray(images)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"cannot read a {type(images).__name__} as an array ({error}): expected uint8 RGB on the CPU"
        ) from error
