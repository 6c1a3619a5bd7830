"""fader-cache: what the store of latents holds, and how to make it smaller."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fader.console import run

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

Folder = Annotated[Path | None, typer.Option("--cache-dir", help="The store; default: in the user's cache.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MIB = 2**20


@app.callback()
def cache() -> None:
    """Show or shrink what fader-run keeps of videos, so that the next edit of the same one is faster."""


@app.command("list")
def list_command(*, cache_dir: Folder = None, as_json: AsJson = False) -> None:
    """Show what is stored, the most recently used first."""
    from fader.runtime.store import LatentStore

    store = LatentStore(cache_dir)
    entries = store.entries()
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in entries], default=str, indent=2))
        return
    if not entries:
        typer.echo(f"nothing is stored in {store.folder}", err=True)
    for entry in entries:
        used = entry.used.astimezone().strftime("%Y-%m-%d %H:%M")
        what = "damaged" if entry.source is None else f"{entry.frames} frames of {entry.source}"
        typer.echo(f"{used}  {entry.n_bytes / MIB:8.1f} MiB  {what}")


@app.command()
def prune(
    *,
    max_size: Annotated[str, typer.Option(help="Bytes that may stay, such as 2GB or 500MiB.")],
    cache_dir: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Remove the least recently used sources beyond a size."""
    from fader.runtime.store import parse_bytes

    _remove(cache_dir, parse_bytes(max_size), as_json=as_json)


@app.command()
def clear(*, cache_dir: Folder = None, as_json: AsJson = False) -> None:
    """Remove everything that is stored."""
    _remove(cache_dir, 0, as_json=as_json)


def _remove(folder: Path | None, max_bytes: int, *, as_json: bool) -> None:
    from fader.runtime.store import LatentStore

    store = LatentStore(folder)
    n_removed = store.prune(max_bytes)
    left = store.entries()
    n_bytes = sum(entry.n_bytes for entry in left)
    if as_json:
        typer.echo(json.dumps({"removed": n_removed, "left": len(left), "bytes": n_bytes}))
    else:
        typer.echo(f"{n_removed} removed, {len(left)} left in {n_bytes / MIB:.1f} MiB")


def main() -> None:
    """Run the command line."""
    run(app)
