"""The report for people: a table for each section, remedies under what they mend, and the verdict."""

from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fader.runtime.doctor.examine import Report
from fader.runtime.doctor.findings import Finding, Level

__all__ = ["show"]

STYLES = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.ERROR: "bold red"}


def show(report: Report, console: Console) -> None:
    """Print a report.

    Args:
        report: From `examine`.
        console: Where to; its width is kept.
    """
    name_width = max((len(finding.name) for finding in report.findings), default=0)
    for section, findings in groupby(report.findings, key=lambda finding: finding.section):
        console.print(Text(section, style="bold"))
        console.print(_table(list(findings), name_width))
    console.print(_verdict(report))


def _table(findings: list[Finding], name_width: int) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(min_width=max(map(len, Level)))
    table.add_column(min_width=min(name_width, 22), max_width=22, overflow="fold")
    table.add_column(overflow="fold")
    for finding in findings:
        # Texts, because square brackets such as those of fader[cpu] would be read as markup.
        text = Text(finding.found)
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}", style="bold")
        table.add_row(Text(finding.level, style=STYLES[finding.level]), Text(finding.name), text)
    return table


def _verdict(report: Report) -> Text:
    counts = [(report.count(level), level) for level in (Level.ERROR, Level.WARNING)]
    said = ", ".join(f"{n} {level}{'s' if n > 1 else ''}" for n, level in counts if n) or "nothing to mend"
    verdict = "Edits can be made here" if report.can_edit else "No edit can be made here"
    return Text(f"{verdict}: {said}.", style="green" if report.can_edit else "bold red")
