"""Edit attributes by sliders: `fader.runtime` applies a model, `fader.train` and `fader.export` make one."""

__version__ = "0.1.0"
__all__ = ["__version__"]
