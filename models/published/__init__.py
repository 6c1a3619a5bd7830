"""The published Fader Networks: their .pth files, read without unpickling them."""

from fader.models.published.loading import PublishedModel, celeba_template, load_published, with_classifier

__all__ = ["PublishedModel", "celeba_template", "load_published", "with_classifier"]
