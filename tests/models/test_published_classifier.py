"""The classifier that a published model borrows: what it sees, which columns it gives, when it is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.models.published_files import file_of_2017, pictures, stand_in
from torch import nn

from fader.attributes import Attribute, AttributeSet
from fader.errors import BundleError
from fader.models import AutoEncoder, Checkpoint, Classifier, ClassifierConfig
from fader.models.config import AutoEncoderConfig
from fader.models.published import PublishedModel, celeba_template, load_published, with_classifier
from fader.models.published.reframing import reframe
from fader.runtime.faces.alignment import CELEBA_TIGHT, template_at

SIZE = 64


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PublishedModel:
    path = tmp_path_factory.mktemp("published") / "model.pth"
    path.write_bytes(file_of_2017(stand_in([("Smiling", 2)], img_sz=SIZE)))
    return load_published(path)


def ours(*names: str, size: int = 16) -> Checkpoint:
    """A checkpoint of fader-train: tight faces, few pixels."""
    torch.manual_seed(5)
    attributes = AttributeSet([Attribute(name=name) for name in names])
    shape = AutoEncoderConfig(
        image_size=size, n_columns=attributes.n_columns, init_fm=2, max_fm=2, n_layers=2
    )
    columns = ClassifierConfig(
        image_size=size, n_columns=attributes.n_columns, init_fm=2, max_fm=4, hidden=8, shrink=2
    )
    return Checkpoint(
        autoencoder=AutoEncoder(shape).eval(),
        classifier=Classifier(columns).eval(),
        attributes=attributes,
        template=template_at(CELEBA_TIGHT, size),
        training={"data": "our faces", "metrics": {"psnr_db": 20.0}},
    )


def cut(classifier: Classifier) -> nn.Module:
    return classifier.layers[0]


def test_the_classifier_sees_the_part_of_the_face_that_it_was_trained_on(model: PublishedModel) -> None:
    checkpoint = ours("Smiling")
    classifier = with_classifier(model, checkpoint).classifier
    assert classifier.config.image_size == SIZE
    # Pictures whose colours are the pixel's place tell where each pixel of the part comes from.
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    places = torch.stack([columns, rows, columns])[None].float()
    seen = cut(classifier)(places)[0].numpy()
    assert seen.shape == (3, 16, 16)
    for (x, y), (wanted_x, wanted_y) in zip(checkpoint.template, model.template, strict=True):
        found_x = np.interp(x, np.arange(16), seen[0, 8])
        found_y = np.interp(y, np.arange(16), seen[1, :, 8])
        assert abs(found_x - wanted_x) < 0.02
        assert abs(found_y - wanted_y) < 0.02


def test_fine_grain_is_averaged_away(model: PublishedModel) -> None:
    classifier = with_classifier(model, ours("Smiling", size=8)).classifier
    checkerboard = torch.ones(1, 3, SIZE, SIZE)
    checkerboard[:, :, ::2, 1::2] = checkerboard[:, :, 1::2, ::2] = -1
    assert float(cut(classifier)(checkerboard).abs().max()) < 0.1
    torch.testing.assert_close(cut(classifier)(torch.ones(1, 3, SIZE, SIZE)), torch.ones(1, 3, 8, 8))


def test_the_same_crop_and_size_change_nothing() -> None:
    checkpoint = ours("A", "B")
    reframed = reframe(
        checkpoint.classifier,
        checkpoint.template,
        image_size=16,
        target=checkpoint.template,
        columns=(0, 1, 2, 3),
    )
    images = pictures(16)
    with torch.no_grad():
        torch.testing.assert_close(reframed(images), checkpoint.classifier(images), rtol=0, atol=1e-6)
    assert not reframed.training


def test_only_the_model_s_attributes_are_read_of_many(model: PublishedModel) -> None:
    checkpoint = ours("Eyeglasses", "Male", "Smiling", "Young")
    joined = with_classifier(model, checkpoint)
    images = pictures(SIZE)
    with torch.no_grad():
        logits = joined.classifier(images)
        everything = checkpoint.classifier(cut(joined.classifier)(images))
    torch.testing.assert_close(logits, everything[:, 4:6], rtol=0, atol=0)
    assert joined.autoencoder is model.autoencoder
    assert joined.attributes.names == ("Smiling",)
    assert joined.template == celeba_template(SIZE)
    assert joined.training["classifier"] == {
        "data": "our faces",
        "licence": "not stated",
        "command": "not stated",
    }


def test_a_classifier_without_the_attribute_is_refused(model: PublishedModel) -> None:
    with pytest.raises(BundleError, match=r"reads Male, Young, expected Smiling \(slider: 0 absent"):
        with_classifier(model, ours("Male", "Young"))


def test_a_classifier_with_other_categories_is_refused(model: PublishedModel) -> None:
    hair = AttributeSet([Attribute(name="Smiling", categories=("no", "a little", "much"))])
    checkpoint = replace(ours("Smiling"), attributes=hair)
    with pytest.raises(BundleError, match=r"expected Smiling \(slider: 0 absent"):
        with_classifier(model, checkpoint)


@pytest.mark.parametrize(
    "template",
    [
        ((5.0, 6.5), (10.0, 6.5), (7.5, 8.0)),
        ((10.0, 6.5), (5.0, 6.5), (7.5, 11.0)),
        ((7.4, 7.6), (8.1, 7.6), (7.7, 8.4)),
        tuple((x - 6.0, y - 5.0) for x, y in template_at(CELEBA_TIGHT, 16)),
        tuple((x + 8.0, y + 5.0) for x, y in template_at(CELEBA_TIGHT, 16)),
        ((7.0, 7.0), (7.0, 7.0), (7.0, 7.0)),
        ((5.0, 6.5), (10.0, 6.5)),
    ],
    ids=[
        "other proportions",
        "mirrored",
        "much more than the crop",
        "beyond its end",
        "before its start",
        "one point",
        "two points",
    ],
)
def test_a_classifier_of_otherwise_aligned_faces_is_refused(
    template: tuple[tuple[float, float], ...], model: PublishedModel
) -> None:
    with pytest.raises(BundleError, match="aligned differently") as caught:
        with_classifier(model, replace(ours("Smiling"), template=template))
    assert len(str(caught.value).splitlines()) == 1
