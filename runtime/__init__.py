"""The runtime: sliders on pictures and videos, without PyTorch.

    with Editor.open() as editor:
        edit_video(editor, "in.mp4", "out.mp4", {"Eyeglasses": 0.8})

Names are loaded when they are first used, so that a command line answers at once.
"""

from typing import TYPE_CHECKING

from fader.lazy import lazy_names

if TYPE_CHECKING:
    from fader.runtime.editor import Editor
    from fader.runtime.engines import ENGINES
    from fader.runtime.faces.tracking import FaceOptions, TrackedFace
    from fader.runtime.images import ImageReport, edit_image
    from fader.runtime.latents import Latents
    from fader.runtime.motion import Keyframes, Span
    from fader.runtime.pipeline import edit_variants, edit_video
    from fader.runtime.reports import VideoProgress, VideoReport
    from fader.runtime.store import LatentStore
    from fader.runtime.video import EncodeOptions, ImageSequence, Part

__all__ = [
    "ENGINES",
    "Editor",
    "EncodeOptions",
    "FaceOptions",
    "ImageReport",
    "ImageSequence",
    "Keyframes",
    "LatentStore",
    "Latents",
    "Part",
    "Span",
    "TrackedFace",
    "VideoProgress",
    "VideoReport",
    "edit_image",
    "edit_variants",
    "edit_video",
]

_HOMES = {
    "ENGINES": "engines",
    "Editor": "editor",
    "EncodeOptions": "video",
    "FaceOptions": "faces.tracking",
    "ImageReport": "images",
    "ImageSequence": "video",
    "Keyframes": "motion",
    "LatentStore": "store",
    "Latents": "latents",
    "Part": "video",
    "Span": "motion",
    "TrackedFace": "faces.tracking",
    "VideoProgress": "reports",
    "VideoReport": "reports",
    "edit_image": "images",
    "edit_variants": "pipeline",
    "edit_video": "pipeline",
}


__getattr__ = lazy_names(__name__, _HOMES)
