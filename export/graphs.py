"""What each graph of a bundle computes: wrappers over untouched networks, with the runtime's names.

Shapes: N images, S image size, A attribute columns. All tensors are float32; pixels are RGB in [-1, 1].
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from fader.attributes import AttributeSet
from fader.models import AutoEncoder, Classifier

__all__ = ["ClassifierGraph", "DecoderGraph", "EncoderGraph", "Graph", "StagedGraph"]

SEED = 1706_00409
NOISE = 0.1
STRENGTHS = (-0.5, 1.5)


class Graph(nn.Module, ABC):
    """A network as the runtime sees it: named inputs and outputs, all with a leading batch axis."""

    name: str
    """Name in the manifest and of the ONNX graph, by which engine caches are keyed: no two of a bundle share
    one. A variant's begins with the name of the graph that it replaces: "encoder-fp16"."""
    input_names: tuple[str, ...]
    """Names of the inputs, in order."""
    output_names: tuple[str, ...]
    """Names of the outputs, in order."""

    @abstractmethod
    def example(self, batch: int) -> tuple[Tensor, ...]:
        """Return inputs for a batch of images, always the same ones, such as the graph meets in use."""

    @abstractmethod
    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs, in the order of `output_names`."""


class StagedGraph(Graph):
    """A graph in two stages: the network, which may be computed in another precision, and its ends.

    The ends are what must stay float32: pixels that pass through, blending, probabilities.
    """

    @abstractmethod
    def network(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute what `ends` needs; all inputs and weights have one floating-point type."""

    @abstractmethod
    def ends(self, inputs: tuple[Tensor, ...], computed: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the outputs.

        Args:
            inputs: The graph's own, float32.
            computed: What `network` returned, as float32.
        """

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """As for `Graph`."""
        return self.ends(inputs, self.network(*inputs))


class EncoderGraph(StagedGraph):
    """From "pixels" (N, 3, S, S) to the latents of `AutoEncoder.latent_names`.

    A model with a mask passes the pixels on as "image"; an input and an output cannot both have that name, so
    the input is "pixels" in every model.
    """

    name = "encoder"
    input_names = ("pixels",)

    def __init__(self, autoencoder: AutoEncoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.output_names = autoencoder.latent_names

    def example(self, batch: int) -> tuple[Tensor, ...]:
        """As for `Graph`."""
        return (_pictures(batch, self.autoencoder.config.image_size),)

    def network(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the latents but the image."""
        latents = self.autoencoder.encode(inputs[0])
        return latents[:-1] if self.autoencoder.config.mask else latents

    def ends(self, inputs: tuple[Tensor, ...], computed: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Pass the image on, where it is a latent."""
        return (*computed, *inputs) if self.autoencoder.config.mask else computed


class DecoderGraph(Graph):
    """From the latents by name and "values" (N, A) to "rendering" (N, 3, S, S), as the network draws it.

    A boolean slider at strength a is the two values [1 - a, a]. What is exported is a `MapDecoderGraph`.
    """

    name = "decoder"
    output_names = ("rendering",)

    def __init__(self, autoencoder: AutoEncoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.input_names = (*autoencoder.latent_names, "values")

    def example(self, batch: int) -> tuple[Tensor, ...]:
        """As for `Graph`."""
        config = self.autoencoder.config
        with torch.no_grad():
            latents = self.autoencoder.encode(_pictures(batch, config.image_size))
        return (*latents, torch.empty(batch, config.n_columns).uniform_(*STRENGTHS, generator=_generator()))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """As for `Graph`."""
        return (self.autoencoder.decode(inputs[:-1], inputs[-1]),)


class ClassifierGraph(StagedGraph):
    """From "pixels" (N, 3, S, S) to "probabilities" (N, A): each attribute's columns sum to 1.

    So a boolean attribute's second column estimates its slider.
    """

    name = "classifier"
    input_names = ("pixels",)
    output_names = ("probabilities",)

    def __init__(self, classifier: Classifier, attributes: AttributeSet) -> None:
        super().__init__()
        self.classifier = classifier
        self._widths = [attribute.n_columns for attribute in attributes]

    def example(self, batch: int) -> tuple[Tensor, ...]:
        """As for `Graph`."""
        return (_pictures(batch, self.classifier.config.image_size),)

    def network(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the logits."""
        return (self.classifier(inputs[0]),)

    def ends(self, inputs: tuple[Tensor, ...], computed: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Turn logits into probabilities."""
        logits = torch.split(computed[0], self._widths, dim=1)
        return (torch.cat([columns.softmax(dim=1) for columns in logits], dim=1),)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def _pictures(batch: int, size: int) -> Tensor:
    # Smooth shades with a little grain are closer to photographs than white noise is.
    generator = _generator()
    shades = torch.empty(batch, 3, 4, 4).uniform_(-1, 1, generator=generator)
    grain = torch.empty(batch, 3, size, size).normal_(0, NOISE, generator=generator)
    smooth = nn.functional.interpolate(shades, size=(size, size), mode="bilinear", align_corners=False)
    return (smooth + grain).clamp(-1, 1)
