"""What a bundle's graphs take and give, as its manifest says; every engine compares its own."""

from collections.abc import Mapping

from fader.bundle import Bundle
from fader.errors import BundleError

__all__ = ["IMAGE", "SIGNED", "Shapes", "require_signature", "signature"]

IMAGE = "image"
"""The latent that is the encoder's input itself."""
SIGNED = ("encoder", "decoder", "classifier")
"""Graphs that engines run; the detector's run beside them."""

Shapes = Mapping[str, tuple[int, ...]]
"""Name of an input or output to its shape without the batch axis."""


def signature(bundle: Bundle, graph: str) -> tuple[Shapes, Shapes]:
    """Return inputs and outputs of one of SIGNED."""
    manifest = bundle.manifest
    image, columns = (3, manifest.image_size, manifest.image_size), (manifest.attributes.n_columns,)
    latents: Shapes = {latent.name: latent.shape for latent in manifest.latents}
    signatures: dict[str, tuple[Shapes, Shapes]] = {
        "encoder": ({"pixels": image}, latents),
        "decoder": ({**latents, "values": columns}, {"rendering": image}),
        "classifier": ({"pixels": image}, {"probabilities": columns}),
    }
    return signatures[graph]


def require_signature(bundle: Bundle, graph: str, inputs: Shapes, outputs: Shapes) -> None:
    """Compare a loaded graph with the manifest.

    Raises:
        BundleError: they differ.
    """
    expected = signature(bundle, graph)
    if (inputs, outputs) != expected:
        raise BundleError(
            f"the {graph} of {bundle.folder} takes and gives {(inputs, outputs)}, its manifest says "
            f"{expected}: export the bundle again"
        )
