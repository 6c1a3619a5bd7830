"""Writes a study: one HTML file for the participants, and the key beside it for whoever scores."""

import html
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from fader.errors import ConfigError
from fader.train.evaluation.study.blinding import Encoding, blind
from fader.train.evaluation.study.questions import Question, Wording

__all__ = ["write_study"]


def write_study(
    questions: Sequence[Question],
    path: Path,
    *,
    title: str,
    seed: int,
    wording: Wording | None = None,
    per_participant: int | None = None,
    encoding: Encoding = "png",
) -> Path:
    """Write a page that asks people, and the key to their answers.

    The page is one file that asks nothing of the network and works from a disk. It holds pictures and opaque
    ids; which condition a picture belongs to stands in the key alone.

    Args:
        questions: At least one; each participant gets them in an order of their own, single pictures first.
        path: The page, "<name>.html"; its folder must exist. An older page is replaced.
        title: Heading; participants read it.
        seed: Of ids and orders, 0 or more. Keep it from participants: with it and this code, ids can be
            traced to positions in `questions`.
        wording: Texts; default: those of `Wording`.
        per_participant: Ask each participant this many of `questions`, drawn by their name; default: all.
        encoding: "png" shows the pictures as they are; "jpeg" (quality 95) makes a smaller file.

    Returns:
        The key's path, "<name>.key.json" beside the page; keep it from participants.

    Raises:
        ConfigError: no question, a title, seed, size or path that will not do, or the key of another study
            lies there already.
    """
    at_most = len(questions) if per_participant is None else per_participant
    if not questions or not title.strip() or seed < 0 or at_most < 1:
        raise ConfigError(
            f"study of {len(questions)} questions, title {title!r}, seed {seed}, {at_most} for each "
            "participant: expected at least one question, a title, and no negative number"
        )
    if path.suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(f"cannot write the study to {path}: expected a name ending in .html")
    page, key = blind(questions, title=title, seed=seed, wording=wording or Wording(), encoding=encoding)
    key_path = path.with_suffix(".key.json")
    text = key.to_json()
    if key_path.exists() and key_path.read_bytes() != text.encode():
        raise ConfigError(
            f"{key_path} is the key of another study, whose answers nobody could score without it: choose "
            "another name, or delete it"
        )
    _write(key_path, text)
    _write(path, _render({**page, "perParticipant": at_most}))
    return key_path


def _render(page: dict[str, Any]) -> str:
    """Return the document; its data cannot end the element that they stand in."""
    data = json.dumps(page, ensure_ascii=False).replace("<", "\\u003c")
    parts = {
        "TITLE": html.escape(str(page["title"])),
        "STYLE": _template("page.css"),
        "SCRIPT": _template("page.js"),
        "DATA": data,
    }
    # Cut at the marks of the template, not replaced one after the other: a title may look like a mark.
    first, *rest = _template("page.html").split("{{")
    return first + "".join(parts[name] + text for name, text in (piece.split("}}", 1) for piece in rest))


def _template(name: str) -> str:
    return (files("fader.train.evaluation.study") / name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    """Write beside the target first: a page that is cut short would ask fewer questions."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; choose another place") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
