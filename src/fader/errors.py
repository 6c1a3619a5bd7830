"""Every error that a user of fader can meet.

    FaderError                 base: catch this one
    ├── ConfigError            a setting, an option or an attribute value is wrong
    ├── DataError              a label file or a training image is wrong
    ├── BundleError            a model bundle or a checkpoint is missing, damaged or does not fit
    ├── EngineError            an inference engine is missing or failed
    ├── MediaError             an image or a video cannot be read or written
    ├── StoreError             the store of latents on disk cannot be used, or is damaged
    └── ParityError            an exported graph does not compute what its network computes

Messages are one line: what was found, what was expected, what to do.
"""

__all__ = [
    "BundleError",
    "ConfigError",
    "DataError",
    "EngineError",
    "FaderError",
    "MediaError",
    "ParityError",
    "StoreError",
]


class FaderError(Exception):
    """Base of all errors that fader raises for its users."""


class ConfigError(FaderError):
    """A setting, an option or an attribute value is wrong."""


class DataError(FaderError):
    """A label file or a training image is wrong."""


class BundleError(FaderError):
    """A model bundle or a checkpoint is missing, damaged or does not fit."""


class EngineError(FaderError):
    """An inference engine is missing or failed."""


class MediaError(FaderError):
    """An image or a video cannot be read or written."""


class StoreError(FaderError):
    """The store of latents on disk cannot be used, or is damaged."""


class ParityError(FaderError):
    """An exported graph does not compute what its network computes."""
