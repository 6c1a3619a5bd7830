"""The figures as text: Markdown whose tables are also readable as they stand."""

from collections.abc import Iterable, Sequence

from fader.attributes import Kind
from fader.train.evaluation.estimates import Estimate
from fader.train.evaluation.judging import COPIES, PLAIN
from fader.train.evaluation.probe import Probe
from fader.train.evaluation.report import Report, SwapFigures
from fader.train.evaluation.sliders import MONOTONE

__all__ = ["markdown"]

NONE = "-"

Row = Sequence[str]


def markdown(report: Report) -> str:
    """Return all figures as Markdown; docs/evaluation.md says what each of them means."""
    sections = (
        _head(report),
        _swaps(report),
        _copies(report),
        _judge(report),
        _kept(report),
        *_groups(report),
        _distances(report),
        _closeness(report),
        _codes(report),
        _sliders(report),
    )
    return "\n\n".join(sections) + "\n"


def _table(header: Row, rows: Iterable[Row]) -> str:
    rows = [header, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _percent(figure: Estimate | None) -> str:
    if figure is None:
        return NONE
    low, high = 100 * figure.low, 100 * figure.high
    return f"{100 * figure.value:.1f} ({low:.1f} to {high:.1f})"


def _number(figure: Estimate | None, digits: int = 2) -> str:
    if figure is None:
        return NONE
    return f"{figure.value:.{digits}f} ({figure.low:.{digits}f} to {figure.high:.{digits}f})"


def _head(report: Report) -> str:
    about = [
        f"{name.replace('_', ' ')}: {value}" for name, value in report.about.items() if value is not None
    ]
    words = "In brackets: 95 % intervals. What each figure means: docs/evaluation.md."
    lists = ["\n".join(f"- {line}" for line in about)] if about else []
    return "\n\n".join([f"# Evaluation on {report.n_images:,} held-out images", *lists, words])


def _swaps(report: Report) -> str:
    header = (
        "edit",
        "images",
        "before",
        "after",
        "real images",
        "others kept",
        "pasted",
        "others kept, pasted",
    )
    rows = [
        (
            swap.name,
            f"{swap.before.n:,}",
            _percent(swap.before),
            _percent(swap.seen.get(PLAIN)),
            _percent(swap.real),
            _percent(swap.others_kept),
            _percent(swap.pasted),
            _percent(swap.pasted_kept),
        )
        for swap in report.swaps
    ]
    return (
        "## Edits that the judge sees, %\n\nOf the same images before and after the edit, and of real images "
        "that have what it puts in. Pasted: as fader-run makes the edit, from what the judge reads of the "
        f"other attributes, and with only the difference put back.\n\n{_table(header, rows)}"
    )


def _copies(report: Report) -> str:
    rows = [(swap.name, *(_percent(swap.seen.get(kind)) for kind in COPIES)) for swap in report.swaps]
    return f"## Edits that the judge sees in copies, %\n\n{_table(('edit', *COPIES), rows)}"


def _judge(report: Report) -> str:
    rows = [(a.name, *(_percent(a.judge.get(kind)) for kind in COPIES)) for a in report.attributes]
    return (
        "## What the judge is worth: balanced accuracy on real images, %\n\n"
        f"{_table(('attribute', *COPIES), rows)}"
    )


def _kept(report: Report) -> str:
    names = [a.name for a in report.attributes]
    nothing = ("(none, only drawn)", *(_percent(a.rebuilt_kept) for a in report.attributes))
    rows = [(swap.name, *(_percent(swap.kept.get(name)) for name in names)) for swap in report.swaps]
    return (
        "## Attributes on which the judge does not change its mind, %\n\n"
        f"{_table(('edit', *names), [nothing, *rows])}"
    )


def _groups(report: Report) -> list[str]:
    sections = []
    for attribute in report.attributes:
        swaps = [swap for swap in report.swaps if swap.attribute == attribute.name]
        names = list(dict.fromkeys(name for swap in swaps for name in swap.groups))
        if names:
            rows = [(name, *(_in_group(swap, name) for swap in swaps)) for name in names]
            table = _table(("group", *(swap.name for swap in swaps)), rows)
            sections.append(
                f"## {attribute.name} by group: edits that the judge sees, % of images\n\n{table}"
            )
    return sections


def _in_group(swap: SwapFigures, name: str) -> str:
    figure = swap.groups.get(name)
    return NONE if figure is None else f"{_percent(figure)} of {figure.n:,}"


def _distances(report: Report) -> str:
    rows = []
    for swap in report.swaps:
        found = swap.distance
        three = (found.halves, found.edited, found.untouched) if found else (None, None, None)
        rows.append((swap.name, str(found.edited.n) if found else NONE, *map(_number, three)))
    header = ("edit", "images", "real, other half", "edited", "not edited")
    return (
        "## Distance to real images that have it\n\nKID on the judge's features; in brackets the middle 95 % "
        f"of draws.\n\n{_table(header, rows)}"
    )


def _closeness(report: Report) -> str:
    close = report.closeness

    def row(name: str, prefix: str) -> Row:
        levels = close.get(f"{prefix}levels")
        return (
            name,
            _number(close.get(f"{prefix}psnr_db"), 1),
            _number(close.get(f"{prefix}ssim"), 3),
            _number(levels, 2),
        )

    rows = [row("with the image's labels", ""), row("at neutral", "neutral_")]
    if "drawing_psnr_db" in close:
        rows.append(row("the drawing, without the mask", "drawing_"))
    header = ("drawn", "PSNR, dB", "SSIM", "mean change, levels of 255")
    return f"## Reconstruction\n\n{_table(header, rows)}"


def _codes(report: Report) -> str:
    rows = [
        (a.name, _probed(a.code, a.kind), _constant(a.code, a.kind), _probed(a.image, a.kind))
        for a in report.attributes
    ]
    return (
        "## What a fresh probe reads from the code\n\nBalanced accuracy, %; R² of continuous attributes.\n\n"
        f"{_table(('attribute', 'from the code', 'constant answer', 'from the image'), rows)}"
    )


def _probed(found: Probe | None, kind: Kind) -> str:
    if found is None:
        return NONE
    return _number(found.score) if kind == "continuous" else _percent(found.score)


def _constant(found: Probe | None, kind: Kind) -> str:
    if found is None:
        return NONE
    return f"{found.baseline if kind == 'continuous' else 100 * found.baseline:.1f}"


def _sliders(report: Report) -> str:
    rows = [
        (
            a.name,
            _number(a.slider.spearman),
            _percent(a.slider.monotone),
            _percent(a.slider.pasted_monotone),
            _number(a.slider.change, 1),
        )
        for a in report.attributes
        if a.slider
    ]
    in_order = f"images of {MONOTONE:g} or more, %"
    header = ("slider", "Spearman", in_order, "the same, pasted", "judge's logit from 0 to 1")
    return f"## Sliders from 0 to 1.5\n\n{_table(header, rows)}"
