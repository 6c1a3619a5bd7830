"""Parts a study in two: what the page may know, and the key that says what it was.

The page's half is made of pictures, wording and opaque ids in a drawn order, so it is the same whatever the
conditions are called and whichever picture has which.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from fader.errors import ConfigError
from fader.train.evaluation.study.key import Key, Truth
from fader.train.evaluation.study.questions import Pair, Picture, Question, Wording

__all__ = ["Encoding", "blind"]

Encoding = Literal["png", "jpeg"]
JPEG_QUALITY = 95
LETTERS = str.maketrans("0123456789abcdef", "bcdfghjkmnpqrstv")
"""Consonants make no words, and no spreadsheet takes them for a number."""


def blind(
    questions: Sequence[Question], *, title: str, seed: int, wording: Wording, encoding: Encoding
) -> tuple[dict[str, Any], Key]:
    """Return what the page may know, as JSON's types, and the key.

    Raises:
        ConfigError: pictures that are no RGB images of one size.
    """
    random = np.random.default_rng(seed)
    ids = _opaque_ids(seed)
    embedded: dict[str, int] = {}
    items: list[dict[str, Any]] = []
    pictures: dict[str, Truth] = {}
    pairs: dict[str, dict[str, Truth]] = {}

    def embed(picture: Picture) -> int:
        return embedded.setdefault(_data_uri(picture.image, encoding), len(embedded))

    _require_one_size(questions)
    for position in random.permutation(len(questions)):
        question, item = questions[int(position)], next(ids)
        if isinstance(question, Picture):
            pictures[item] = _truth(question)
            ask = wording.attribute(question.attribute)
            items.append({"id": item, "picture": embed(question), "ask": ask})
            continue
        options = [question.first, question.second][:: 1 if random.random() < 0.5 else -1]
        named = {next(ids): picture for picture in options}
        pairs[item] = {option: _truth(picture) for option, picture in named.items()}
        shown = [{"id": option, "picture": embed(picture)} for option, picture in named.items()]
        items.append({"id": item, "options": shown})
    page = {
        "title": title,
        "introduction": wording.introduction,
        "consent": wording.consent,
        "natural": wording.natural,
        "pair": wording.pair,
        "items": items,
        "pictures": list(embedded),
    }
    study = _opaque(json.dumps(page))
    all_pictures = [picture for question in questions for picture in _pictures(question)]
    key = Key(
        study=study,
        title=title,
        conditions=tuple(dict.fromkeys(picture.condition for picture in all_pictures)),
        attributes=tuple(dict.fromkeys(picture.attribute for picture in all_pictures)),
        pictures=pictures,
        pairs=pairs,
    )
    return {"study": study, **page}, key


def _pictures(question: Question) -> tuple[Picture, ...]:
    return (question.first, question.second) if isinstance(question, Pair) else (question,)


def _truth(picture: Picture) -> Truth:
    return Truth(
        attribute=picture.attribute,
        condition=picture.condition,
        present=picture.present,
        source=picture.source,
    )


def _opaque_ids(seed: int) -> Iterator[str]:
    return (_opaque(f"{seed}:{number}") for number in count())


def _opaque(text: str) -> str:
    """Return 12 letters, 48 bits: among ten thousand ids two are equal once in six million studies."""
    return hashlib.sha256(text.encode()).hexdigest()[:12].translate(LETTERS)


def _require_one_size(questions: Sequence[Question]) -> None:
    shapes = set()
    for picture in (picture for question in questions for picture in _pictures(question)):
        image = picture.image
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ConfigError(
                f"{picture.condition} of {picture.source} is {image.dtype} of shape {image.shape}: "
                "expected uint8 of shape (H, W, 3)"
            )
        shapes.add(image.shape)
    if len(shapes) > 1:
        raise ConfigError(
            f"pictures of shapes {sorted(shapes)}: expected one, because a size tells the condition; "
            "resize them"
        )


def _data_uri(image: NDArray[np.uint8], encoding: Encoding) -> str:
    """Encode anew, whatever file it came from: no condition may be told by a format or by metadata."""
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if encoding == "jpeg" else []
    _, content = cv2.imencode(f".{encoding}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return f"data:image/{encoding};base64,{base64.b64encode(content.tobytes()).decode()}"
