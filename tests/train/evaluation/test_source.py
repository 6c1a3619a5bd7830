"""Which images are evaluated, and labels that do not fit the model."""

from dataclasses import replace

import numpy as np
import pytest
from tests.train.evaluation.bands import AGE, ATTRIBUTES, Judge, Painter, pictures, random_labels

from fader.attributes import Attribute, AttributeSet
from fader.errors import BundleError, DataError
from fader.models import Checkpoint
from fader.train.data.dataset import AlignedSet
from fader.train.evaluation.source import held_out_images

DATA = pictures(random_labels(20)).parent


def checkpoint(**training: object) -> Checkpoint:
    return Checkpoint(
        autoencoder=Painter(),
        classifier=Judge(),
        attributes=ATTRIBUTES,
        template=((0.0, 0.0), (1.0, 0.0), (0.5, 1.0)),
        training=training,
    )


def with_attributes(**changed: Attribute) -> AlignedSet:
    return replace(DATA, attributes=AttributeSet([changed.get(a.name, a) for a in ATTRIBUTES]))


def test_the_last_images_are_those_that_were_held_out() -> None:
    held_out = held_out_images(checkpoint(configuration={"held_out": 6}), DATA)
    assert held_out.indices.tolist() == list(range(14, 20))
    assert held_out.parent.attributes is ATTRIBUTES


def test_a_checkpoint_that_does_not_say_what_was_held_out_is_refused() -> None:
    said: list[dict[str, object]] = [{}, {"configuration": {}}, {"configuration": {"held_out": "some"}}]
    for training in said:
        with pytest.raises(BundleError, match="does not say how many images were held out") as error:
            held_out_images(checkpoint(**training), DATA)
        assert len(str(error.value).splitlines()) == 1


def test_positions_are_brought_to_the_models_span() -> None:
    """60 years are two thirds of 20 to 80, and six tenths of 0 to 100."""
    data = with_attributes(Age=Attribute(name="Age", span=(0.0, 100.0)))
    data = replace(data, labels_NK=np.where(np.arange(3) == AGE, np.float32(0.6), DATA.labels_NK))
    held_out = held_out_images(checkpoint(configuration={"held_out": 5}), data)
    assert held_out.labels_NK[:, AGE] == pytest.approx([2 / 3] * 5)
    assert np.array_equal(held_out.labels_NK[:, 1:], DATA.labels_NK[-5:, 1:])


def test_other_attributes_and_other_kinds_are_refused() -> None:
    model = checkpoint(configuration={"held_out": 5})
    hair = Attribute(name="Hair", categories=("black", "grey", "red"))
    with pytest.raises(DataError, match=r"Hair is categorical \(black, grey, red\) in the labels, expected"):
        held_out_images(model, with_attributes(Hair=hair))
    with pytest.raises(DataError, match="Age is boolean in the labels, expected continuous"):
        held_out_images(model, with_attributes(Age=Attribute(name="Age")))
    with pytest.raises(DataError, match="of Age, Beard, Hair, expected the model's Age, Glasses, Hair"):
        held_out_images(model, with_attributes(Glasses=Attribute(name="Beard")))
