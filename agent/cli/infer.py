"""`vedette infer`: algorithms on files, from start to end, as fast as the machine can."""

import re
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.infer_algorithms import algorithms
from agent.cli.infer_sources import expand
from agent.cli.options import BrokerOption, ConfigOption, FolderOption, settings_with
from agent.config.algorithms import Keyframes, PixelFormat
from agent.config.ids import ID_PATTERN


def infer(  # noqa: PLR0913  the command's options
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help='Files, folders of images, patterns such as "clips/*.mp4", or any URL of a stream.',
            show_default=False,
        ),
    ],
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--algorithm",
            "-a",
            metavar="KIND",
            help="Kind of algorithm, or a file my_algo.py; repeat for more.",
        ),
    ] = None,
    *,
    interval: Annotated[
        float | None, typer.Option(help="Seconds from run to run; 0: every played frame.")
    ] = None,
    frame_count: Annotated[int | None, typer.Option(help="Frames a run gets, oldest first.")] = None,
    frame_step: Annotated[
        int | None, typer.Option(help="Played frames from one to the next of them.")
    ] = None,
    keyframes: Annotated[
        Keyframes | None, typer.Option(help="Whether a run may wait for a key frame.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Size of frames; else the source's.")
    ] = None,
    pixel_format: Annotated[PixelFormat | None, typer.Option(help="How frames are stored.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=32, help="Processes for an algorithm that is stateless.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="KEY=VALUE",
            help="A parameter, as JSON or text; KIND.KEY=VALUE for one of several.",
        ),
    ] = None,
    config: ConfigOption = None,
    folder: FolderOption = None,
    fps: Annotated[float | None, typer.Option(help="Thin frames evenly to so many a second.")] = None,
    position: Annotated[float, typer.Option(help="Begin so many seconds after the first frame.")] = 0.0,
    until: Annotated[float | None, typer.Option(help="End so many seconds after the first frame.")] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.mp4", help="Record the frames with the results drawn; {stream} is the source's id."
        ),
    ] = None,
    record_fps: Annotated[float | None, typer.Option(help="Record at this rate; else as the source.")] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write results to .jsonl or .msgpack; -: JSON Lines to standard output."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Send results over MQTT, too.")] = False,
    device: Annotated[
        str | None, typer.Option(help="Publish as this device; else as the agent's id with -infer.")
    ] = None,
    drain_s: Annotated[
        float, typer.Option("--drain-timeout", min=0, help="Seconds to wait for the broker at the end.")
    ] = 60.0,
    broker: BrokerOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Neither progress nor summary.")] = False,
) -> None:
    """Run algorithms on files from start to end: lossless, repeatable, as fast as the machine can.

    The same algorithms and settings as in an agent, the same windows, the same envelope. Without -a all
    algorithms of --config run. Results go to --out; without it, to standard output. Ends with 1 when a run
    raised, and with 130 when it was interrupted: then the output ends with a record that says so.
    """
    if device is not None and not publish:
        raise typer.BadParameter("is for --publish", param_hint="--device")
    from agent.cli.infer_job import Job, work  # noqa: PLC0415  what runs algorithms is loaded for those who do

    if device is not None and not re.fullmatch(ID_PATTERN, device):
        raise typer.BadParameter("an id is 1 to 64 letters, digits, `_`, `.` or `-`", param_hint="--device")
    settings = settings_with(config, broker)
    options = {
        "interval": interval,
        "frame_count": frame_count,
        "frame_step": frame_step,
        "keyframes": keyframes,
        "size": size,
        "pixel_format": pixel_format,
    }
    given = {name: value for name, value in options.items() if value is not None}
    job = Job(
        settings=settings,
        sources=expand(sources),
        folder=folder or settings.paths.algorithms,
        algorithms=algorithms(kind or [], given, param or [], settings.algorithms if config else ()),
        fps=fps,
        position=position,
        until=until,
        record=record,
        record_fps=record_fps,
        out=out,
        force=force,
        publish=publish,
        device=device,
        drain_s=drain_s,
        quiet=quiet,
        workers=workers,
    )
    raise typer.Exit(work(job))
