"""The classifier that reads attributes from images.

It estimates sliders at run time, guides training, and, trained a second time on other images, judges edits.
"""

from torch import Tensor, nn

from fader.models.config import ClassifierConfig
from fader.models.layers import downsample, head

__all__ = ["Classifier"]


class Classifier(nn.Module):
    """Encoder-style convolutions down to 1 x 1, then a fully connected head."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        channels, size = 3, config.image_size // config.shrink
        while size > 1:
            outputs = min(config.init_fm * 2 ** len(layers), config.max_fm)
            layers.append(downsample(channels, outputs, norm="batch" if layers else None))
            channels, size = outputs, size // 2
        self.shrink = nn.AvgPool2d(config.shrink) if config.shrink > 1 else nn.Identity()
        self.layers = nn.Sequential(*layers, head(channels, config.hidden, config.n_columns))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return (N, n_columns) logits for (N, 3, image_size, image_size) images in [-1, 1]."""
        logits_NA: Tensor = self.layers(self.shrink(images_NCHW))
        return logits_NA
