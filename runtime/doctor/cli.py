"""fader-doctor: what is installed, what works on this machine, and how to mend what does not."""

import json
from contextlib import ExitStack
from typing import Annotated

import typer

from fader import console

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

EXAMPLES = """
Examples:

    fader-doctor

    fader-doctor --json > report.json

    fader-doctor --json | jq '.findings[] | select(.level == "error")'
"""


@app.command(epilog=EXAMPLES)
def doctor_command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, nothing else.")] = False,
) -> None:
    """Say what is installed and what works here, with a remedy for what does not.

    Libraries, drivers and engines are tried in processes of their own, so that none can take the report with
    it. The exit code is 0 if a clip could be edited, else 1.
    """
    from rich.console import Console

    from fader.runtime.doctor.examine import examine
    from fader.runtime.doctor.table import show

    with ExitStack() as shown:

        def on_step(step: str) -> None:
            shown.close()
            if not as_json:
                shown.enter_context(console.status(step))

        report = examine(on_step)
    if as_json:
        typer.echo(json.dumps(report.to_fields(), indent=2))
    else:
        show(report, Console())
    raise typer.Exit(0 if report.can_edit else 1)


def main() -> None:
    """Run the command; exit codes are 0 an edit can be made, 1 none can, 2 wrong usage, 130 interrupted."""
    console.run(app)
