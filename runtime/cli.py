"""fader-run: sliders on a video, a picture or a folder of pictures."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fader.console import run

if TYPE_CHECKING:
    from fader.runtime import Editor, FaceOptions

__all__ = ["app", "main"]

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)

EXAMPLES = """
Examples:

    fader-run video.mp4 --attr Eyeglasses=0.8

    fader-run video.mp4 --attr Smiling=1.4 --attr Eyeglasses=1 -o both.mkv --crf 16

    fader-run video.mp4 --attr "Smiling=0@0s,1@2.5s" --attr Eyeglasses=1@3s-5s

    fader-run holiday/ "clips/*.mp4" --attr Smiling=+0.3 -o smiling/ --recursive --skip-existing

    fader-run "frames/%05d.png" --fps 24 --attr Smiling=1 -o clip.gif

    ffmpeg -i in.mp4 -f yuv4mpegpipe - | fader-run - --attr Smiling=1 -o - | ffmpeg -i - out.mp4

    fader-run rtsp://camera/stream --attr Eyeglasses=1 -o udp://127.0.0.1:9000

    fader-run video.mp4 --sweep Eyeglasses=0:1:5 --preview 3 --compare side
    fader-run interview.mp4 --attr left:Smiling=1 --attr right:Eyeglasses=1

    fader-run --list-attrs
"""
INPUT, MODEL, OUTPUT, FACES = "Input", "Model", "Output", "Faces"
MANY = "Several outputs at once, comparing, a part of a video"
STORE = "Store: the next edit of a video is faster"


@app.command(epilog=EXAMPLES)
def run_command(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="Videos, pictures, folders of them, quoted globs; - for standard input; a camera "
            "(rtsp://..., /dev/video0, webcam:0).",
        ),
    ] = None,
    *,
    attr: Annotated[
        list[str] | None,
        typer.Option(
            "--attr",
            help="NAME=VALUE: 0 absent, 1 present, beyond exaggerates, +0.3 more than there is. With times: "
            "VALUE@TIME,VALUE@TIME moves from one to the next, VALUE@START-END is for a while. Repeat for "
            "several.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            help="Target; default: INPUT with .edited before its ending. A folder for several INPUTs, - for "
            "y4m on standard output, out/%05d.png for pictures, clip.gif, or a URL for live streams.",
        ),
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(help="Frames a second of pictures, which then make one video.", rich_help_panel=INPUT),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look into folders in folders.", rich_help_panel=INPUT)
    ] = False,
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Pass over inputs whose result is there: goes on with a batch that was stopped.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    edits: Annotated[
        Path | None,
        typer.Option(
            "--edits", help="TOML file with values, and with tables of named outputs.", rich_help_panel=MANY
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FROM:TO:COUNT: so many outputs at even steps, as INPUT.NAME=VALUE.mp4.",
            rich_help_panel=MANY,
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE,NAME=VALUE: an output with these as well as all --attr. Repeat for several.",
            rich_help_panel=MANY,
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            help="side: the source left of the edit; wipe: a line moves between.", rich_help_panel=MANY
        ),
    ] = None,
    preview: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Only the beginning of video files.", rich_help_panel=MANY),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(
            metavar="A:B",
            help="Only these frames, as a Python slice; or times: 2s-5.5s.",
            rich_help_panel=MANY,
        ),
    ] = None,
    list_attrs: Annotated[
        bool, typer.Option("--list-attrs", help="Show the model's attributes and stop.")
    ] = False,
    model: Annotated[
        Path | None, typer.Option(help="Bundle; default: the shipped one.", rich_help_panel=MODEL)
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="Inference engine, as fader-doctor lists them; auto never takes openvino-int8, which is the "
            "fastest on a CPU and the least exact.",
            rich_help_panel=MODEL,
        ),
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(
            help="CPU threads of the engine; default: half of the processors, since videos are decoded and "
            "encoded beside it.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(help="FFmpeg's name of an encoder; default: the source's.", rich_help_panel=OUTPUT),
    ] = None,
    crf: Annotated[
        float | None,
        typer.Option(help="Quality, lower is better; default: near the source.", rich_help_panel=OUTPUT),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="The encoder's preset.", rich_help_panel=OUTPUT)] = None,
    no_mark: Annotated[
        bool,
        typer.Option("--no-mark", help="Do not note in the file what was edited.", rich_help_panel=OUTPUT),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Keep a video's finished parts until it is whole, and go on from those of a stopped run; of "
            "several INPUTs, pass over those whose result is there.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    min_face: Annotated[
        float, typer.Option(help="Smallest face, as a share of the longer side.", rich_help_panel=FACES)
    ] = 0.04,
    max_faces: Annotated[
        int, typer.Option(help="Faces followed at once, the best first.", rich_help_panel=FACES)
    ] = 16,
    face: Annotated[
        list[str] | None,
        typer.Option(
            help="Whose face: left, right, largest, a place such as 0.3,0.4 or 0.3,0.4@2s (shares of width "
            "and height), or a track's number. Repeat for several. --attr left:Smiling=1 is for one value.",
            rich_help_panel=FACES,
        ),
    ] = None,
    list_faces: Annotated[
        bool,
        typer.Option("--list-faces", help="Show a video's tracks and stop.", rich_help_panel=FACES),
    ] = False,
    aligned: Annotated[
        bool,
        typer.Option(
            "--aligned", help="Each frame is a crop as the model takes it: no search.", rich_help_panel=FACES
        ),
    ] = False,
    cache_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of the store; default: in the user's cache.", rich_help_panel=STORE),
    ] = None,
    cache_size: Annotated[str, typer.Option(help="Bound of the store.", rich_help_panel=STORE)] = "4GiB",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Neither use nor fill the store.", rich_help_panel=STORE)
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the report as JSON; no progress bar.", rich_help_panel=OUTPUT),
    ] = False,
    timings: Annotated[
        bool,
        typer.Option("--timings", help="Say how long each stage worked, and waited.", rich_help_panel=OUTPUT),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no report.")] = False,
) -> None:
    """Move attributes of every face by sliders, in videos, pictures, folders of them, or a live stream.

    Attributes that are not named stay as the model reads them from the face. A video keeps its resolution,
    frame rate, time stamps, audio and subtitles.
    """
    from fader.runtime import Editor, EncodeOptions, FaceOptions, LatentStore, Part
    from fader.runtime.batch import Batch, plan
    from fader.runtime.compare import form
    from fader.runtime.edits import Edits
    from fader.runtime.engines.session import threads_beside_video
    from fader.runtime.job import Job, sentence
    from fader.runtime.store import parse_bytes

    threads = threads_beside_video() if threads is None else threads
    if list_attrs:
        with Editor.open(model, engine=engine, threads=threads) as editor:
            _show_attributes(editor, as_json=as_json)
        return
    faces = FaceOptions(min_size=min_face, max_faces=max_faces, aligned=aligned)
    if list_faces:
        if not sources or len(sources) > 1 or preview is not None or frames is not None:
            raise typer.BadParameter("--list-faces takes one INPUT, a whole video file")
        with Editor.open(model, engine=engine, threads=threads) as editor:
            _show_tracks(editor, Path(sources[0]), faces, as_json=as_json)
        return
    if not sources or not (attr or edits or sweep or variant):
        raise typer.BadParameter(
            "name an INPUT and at least one --attr NAME=VALUE; --list-attrs shows the names"
        )
    if preview is not None and frames is not None:
        raise typer.BadParameter("--preview and --frames both name a part: leave one out")
    encoding = EncodeOptions(codec=codec, crf=crf, preset=preset, mark=not no_mark)
    wanted = Edits.parse(attr or (), variant or (), sweep or (), edits, faces=face or ())
    part = (
        Part.parse(frames) if frames is not None else Part.preview(preview) if preview is not None else None
    )
    tasks = plan(sources, out, fps=fps, recursive=recursive)
    say = partial(typer.echo, err=out == "-")  # standard output is the video's then
    store = None if no_cache else LatentStore(cache_dir, max_bytes=parse_bytes(cache_size))
    with Editor.open(model, engine=engine, threads=threads) as editor:
        wanted.check(editor.model)
        job = Job(
            editor,
            wanted.named,
            encoding,
            faces,
            store,
            quiet=quiet or as_json,
            compare=form(compare),
            part=part,
            resume=resume,
        )
        show = None if as_json or quiet else lambda report: say(sentence(report, timings=timings))
        batch = Batch(job.do, show=show, targets=job.targets, check=job.check)
        try:
            # Results are whole: those of a batch that was stopped are behind where it goes on.
            batch.do(tasks, skip_existing=skip_existing or (resume and tasks.is_batch))
        finally:
            if as_json and batch.outcomes:
                say(json.dumps(batch.outcomes, default=str, indent=2))


def _show_attributes(editor: "Editor", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([a.to_fields() for a in editor.attributes]))
        return
    for attribute in editor.attributes:
        typer.echo(f"{attribute.name:16} {attribute.describe()}")


def _show_tracks(editor: "Editor", source: Path, faces: "FaceOptions", *, as_json: bool) -> None:
    from fader.runtime.listing import sentence_of, tracks_in

    tracks = tracks_in(editor, source, faces, quiet=as_json)
    if as_json:
        typer.echo(json.dumps([asdict(track) for track in tracks], indent=2))
        return
    for track in tracks:
        typer.echo(sentence_of(track))
    if not tracks:
        typer.echo(f"no face was found in {source}; --min-face 0.02 finds smaller ones")


def main() -> None:
    """Run the command line."""
    run(app)
