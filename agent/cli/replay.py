"""`vedette replay`: an algorithm on the window that it died of."""

import faulthandler
import json
from pathlib import Path
from typing import Annotated

import typer

from agent import log
from agent.cli.options import ConfigOption, JsonOption
from agent.cli.words import clean
from agent.config.settings import load_settings
from agent.contract.codec import UnpackableError, json_data
from agent.errors import KindError


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A window that the agent kept.")],
    times: Annotated[int, typer.Option(min=1, max=1_000_000, help="Run so often on one instance.")] = 1,
    as_json: JsonOption = False,  # noqa: FBT002  typer's way
    config: ConfigOption = None,
) -> None:
    """Run an algorithm once more on a window that it died of, in this process: fit for a debugger.

    With `on_crash = "keep"` the agent writes such windows to the folder crashes in its state folder. Ends
    with 1 when `run()` raises, and as its worker did when it crashes.
    """
    from agent.ipc.foreign import Raised, call_foreign  # noqa: PLC0415
    from agent.worker import keep, kinds  # noqa: PLC0415  foreign code: only this command runs it here

    settings = load_settings(config)
    log.configure(level="warning")
    window = keep.read(file)
    if not as_json:
        height, width = window.frames[-1].shape[:2]
        typer.echo(f"{window.algorithm} ({window.kind}) on {len(window.frames)} frames of {width}x{height}")
        typer.echo(f"kept because: {clean(window.reason)}")
    member = kinds.find(window.kind, settings.paths.algorithms)
    faulthandler.enable()

    def run() -> object:
        instance = kinds.make(member, window.algorithm, window.params)
        instance.init()
        result: object = None
        for _ in range(times):
            result = instance.run(window.frames)
        return result

    result = call_foreign(run)
    if isinstance(result, Raised):
        typer.echo(clean(result.trace or result.error), err=True)
        raise typer.Exit(1)
    try:
        text = json_data(result).decode()
    except UnpackableError as err:
        raise KindError(f"the result of {window.kind} cannot be packed: {err}") from err
    typer.echo(text if as_json else json.dumps(json.loads(text), indent=2, ensure_ascii=False))
