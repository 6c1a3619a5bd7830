"""What an evaluation is of: the images that none of a run's networks has seen."""

from dataclasses import replace

from fader.attributes import Attribute, AttributeSet
from fader.errors import BundleError, DataError
from fader.models import Checkpoint
from fader.train.data.dataset import AlignedSet, Subset
from fader.train.splits import Splits

__all__ = ["held_out_images"]


def held_out_images(checkpoint: Checkpoint, data: AlignedSet) -> Subset:
    """Return the images that the run held out, with labels as the checkpoint's attributes have them.

    Args:
        checkpoint: Says how many were held out.
        data: The images that the run was given, prepared in the same way.

    Raises:
        BundleError: the checkpoint does not say it.
        DataError: the data's attributes are not the checkpoint's, or there are too few images.
    """
    try:
        n = int(checkpoint.training["configuration"]["held_out"])
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"the checkpoint does not say how many images were held out ({error!r}): evaluate one that "
            "fader-train wrote"
        ) from error
    return Splits.of(_relabelled(data, checkpoint.attributes), n).held_out


def _relabelled(data: AlignedSet, attributes: AttributeSet) -> AlignedSet:
    if data.attributes.names != attributes.names:
        raise DataError(
            f"the labels are of {', '.join(data.attributes.names)}, expected the model's "
            f"{', '.join(attributes.names)}: prepare these"
        )
    labels_NK = data.labels_NK.copy()
    for k, (found, wanted) in enumerate(zip(data.attributes, attributes, strict=True)):
        if found.kind != wanted.kind or found.categories != wanted.categories:
            raise DataError(
                f"{wanted.name} is {_words(found)} in the labels, expected {_words(wanted)}, as the model "
                "was trained: give the label file that it was trained with"
            )
        if found.span != wanted.span:
            low, high = (wanted.position(found.value_at(end)) for end in (0.0, 1.0))
            labels_NK[:, k] = low + labels_NK[:, k] * (high - low)
    return replace(data, labels_NK=labels_NK, attributes=attributes)


def _words(attribute: Attribute) -> str:
    names = ", ".join(attribute.categories)
    return f"{attribute.kind} ({names})" if attribute.kind == "categorical" else attribute.kind
