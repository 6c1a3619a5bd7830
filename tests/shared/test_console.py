"""What commands share: exit codes, errors in one line, bars that keep quiet where nobody sees them."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from fader import console
from fader.errors import ConfigError


def exit_code(command: object) -> object:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)  # type: ignore[type-var]
    before, sys.argv = sys.argv, ["tool"]
    try:
        with pytest.raises(SystemExit) as caught:
            console.run(app)
    finally:
        sys.argv = before
    return caught.value.code


def test_a_command_that_ends_well_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        typer.echo("done")

    assert exit_code(command) == 0
    assert capsys.readouterr() == ("done\n", "")


def test_our_error_is_one_line_on_stderr_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise ConfigError("found a\nand b,\n  expected c")

    assert exit_code(command) == 1
    assert capsys.readouterr() == ("", "error: found a and b, expected c\n")


def test_ctrl_c_exits_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise KeyboardInterrupt

    assert exit_code(command) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise typer.BadParameter("name an input")

    assert exit_code(command) == 2
    assert "name an input" in capsys.readouterr().err


def test_a_command_may_choose_its_own_exit_code() -> None:
    def command() -> None:
        raise typer.Exit(5)

    assert exit_code(command) == 5


def test_an_error_that_is_not_ours_is_not_hidden() -> None:
    def command() -> None:
        raise ZeroDivisionError

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    before, sys.argv = sys.argv, ["tool"]
    try:
        with pytest.raises(ZeroDivisionError):
            console.run(app)
    finally:
        sys.argv = before


BAR = """
from fader.console import progress
with progress("editing", unit="frames", total=3{quiet}) as bar:
    for done in range(1, 4):
        bar.at(done, total=3, note="soon")
print("end")
"""


def on_a_terminal(script: str) -> str:
    """What a script writes to stderr when that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 4096):
            written += part
    except OSError:  # how Linux says that the other side has closed
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0
    return written.decode()


def test_a_bar_shows_count_and_note_on_a_terminal() -> None:
    shown = on_a_terminal(BAR.format(quiet=""))
    assert "3/3" in shown
    assert "frames/s" in shown
    assert "soon" in shown


def test_a_quiet_bar_shows_nothing() -> None:
    assert on_a_terminal(BAR.format(quiet=", quiet=True")).strip() == ""


def test_a_bar_shows_nothing_where_stderr_is_no_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BAR.format(quiet="")], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("end\n", "")


def test_a_status_is_a_plain_line_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.status("building"):
        pass
    assert capsys.readouterr().err == "building\n"


REPORT = """
import typer
from fader import console
app = typer.Typer()
@app.command()
def command(): {say}("report")
console.run(app)
"""


@pytest.mark.parametrize("say", ["print", "typer.echo"])
def test_a_report_that_cannot_be_written_is_one_line_and_exits_with_1(say: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", REPORT.format(say=say)],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    said = "error: standard output cannot be written (No space left on device)\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.parametrize("say", ["print", "typer.echo"])
def test_a_reader_that_went_away_is_no_traceback(say: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(say=say)],
        check=False,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert done.returncode == 1
    assert done.stderr in {"", "error: standard output cannot be written (Broken pipe)\n"}


def test_what_lasts_is_told_line_by_line_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for quiet in (True, False):
        with console.progress("clip.mp4", unit="frames", quiet=quiet) as bar:
            for done in range(1, 41):
                now[0] += 0.5
                bar.at(done, 40)
    assert capsys.readouterr().err.splitlines() == [
        "clip.mp4: 20 of 40 frames, 2.0 frames/s",
        "clip.mp4: 40 of 40 frames, 2.0 frames/s",
    ]
