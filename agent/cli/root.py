"""The root of the command line: every subcommand, and how errors look."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from agent.cli.call import call
from agent.cli.check import check
from agent.cli.demo import demo
from agent.cli.kinds import kinds
from agent.cli.run import run
from agent.cli.schema import schema
from agent.cli.watch import watch
from agent.errors import VedetteError

_app = typer.Typer(
    name="vedette",
    help="Edge agent for video: cameras in, algorithm results out over MQTT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:  # noqa: FBT001  typer's callback
    if value:
        typer.echo(f"vedette {version('vedette')}")
        raise typer.Exit


@_app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


for _command in (run, demo, watch, call, check, kinds, schema):
    _app.command()(_command)


def root() -> None:
    """Run the command line; an expected error is one sentence on stderr, and its exit code."""
    try:
        _app()
    except VedetteError as err:
        sys.stderr.write(f"vedette: {err}\n")
        raise SystemExit(err.exit_code) from err
