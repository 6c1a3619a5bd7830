"""Batch normalisation folded into the convolution before it: the same numbers, one step less.

The exporter folds it too, but only where it follows the convolution directly, and only after the weights have
been rounded or split.
"""

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_batch_norm", "folded"]

Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """Return a copy in eval mode that computes the same with batch normalisation folded into convolutions.

    Args:
        network: Left as it is; its layers are Sequentials, however deep.
    """
    copied = copy.deepcopy(network).eval()
    for module in copied.modules():
        if isinstance(module, nn.Sequential):
            fold_batch_norm(module)
    return copied


def fold_batch_norm(layers: nn.Sequential) -> None:
    """Fold each batch norm after a convolution, or after a convolution and a pixel shuffle, in place.

    Args:
        layers: In eval mode. What was folded becomes an Identity.
    """
    for i, layer in enumerate(list(layers)[:-1]):
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            continue
        shuffled = isinstance(layers[i + 1], nn.PixelShuffle)
        at = i + 2 if shuffled else i + 1
        norm = layers[at] if at < len(layers) else None
        if isinstance(norm, nn.BatchNorm2d):
            norm = _spread(norm, layer.out_channels // norm.num_features)
            layers[i] = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
            layers[at] = nn.Identity()


def _spread(norm: nn.BatchNorm2d, times: int) -> nn.BatchNorm2d:
    """Return the norm for channels of which a shuffle joins as many as `times` to one."""
    spread = nn.BatchNorm2d(norm.num_features * times, eps=norm.eps).eval()
    spread.load_state_dict(
        {
            key: value.repeat_interleave(times) if value.ndim else value
            for key, value in norm.state_dict().items()
        }
    )
    return spread
