"""The root of the command line: every subcommand, and how errors look."""

import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from agent.cli.call import call
from agent.cli.check import check
from agent.cli.dashboard import dashboard
from agent.cli.demo import demo
from agent.cli.diag import diag
from agent.cli.infer import infer
from agent.cli.keys import keys
from agent.cli.kinds import kinds
from agent.cli.new import new
from agent.cli.replay import replay
from agent.cli.run import run
from agent.cli.schema import schema
from agent.cli.studio import studio
from agent.cli.watch import watch
from agent.errors import VedetteError

_app = typer.Typer(
    name="vedette",
    help="Edge agent for video: cameras in, algorithm results out over MQTT. Try `vedette demo` first.",
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
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


_EXAMPLES: tuple[tuple[Callable[..., None], tuple[str, ...]], ...] = (
    (run, ("vedette run --config /etc/vedette/agent.toml", "vedette run --broker mqtt://10.0.0.2:1883")),
    (demo, ("vedette demo", "vedette demo --source rtsp://user:password@10.0.0.5/stream1")),
    (watch, ("vedette watch gate-7", "vedette watch gate-7 --stream door --json | jq .data")),
    (
        call,
        (
            "vedette call gate-7 ping",
            "vedette call gate-7 stream.add id=door source=rtsp://10.0.0.5/stream1 fps=10",
            "vedette call gate-7 algorithm.update id=movement params.min_area=0.01",
            "vedette call g/berlin ping --timeout 3",
            "vedette call gate-7 stream.pause id=door --sign ops.pem",
        ),
    ),
    (diag, ("vedette diag gate-7", "vedette diag gate-7 --out gate-7.tar.gz")),
    (check, ("vedette check --config agent.toml", "vedette check --json | jq '.findings[].text'")),
    (kinds, ("vedette kinds", "vedette kinds motion")),
    (
        infer,
        (
            "vedette infer walk.mp4 -a motion --interval 0.5 --out walk.jsonl",
            "vedette infer 'clips/*.mp4' -a my_algo.py -p level=12 --record 'drawn/{stream}.mp4' --out -",
            "vedette infer walk.mp4 --config algorithms.toml --publish",
        ),
    ),
    (
        dashboard,
        (
            "vedette dashboard --broker ws://10.0.0.2:9001 --open",
            "vedette dashboard --export /var/www/vedette",
        ),
    ),
    (studio, ("vedette studio", "vedette studio walk.mp4 -a my_algo.py")),
    (new, ("vedette new my_algo", "vedette new my_algo --one-file --folder my-algos")),
    (
        replay,
        (
            "vedette replay crashes/heads/20261123T101500.000000-door-4711.npz",
            "python -m pdb -m agent replay FILE",
        ),
    ),
    (schema, ("vedette schema > vedette.schema.json", "vedette schema --asyncapi > asyncapi.yaml")),
)
for _command, _lines in _EXAMPLES:
    _app.command(epilog="\n\n".join(("Examples:", *_lines)))(_command)
_app.add_typer(keys, epilog="Examples:\n\nvedette keys new --out ops.pem\n\nvedette keys show ops.pem")


def root() -> None:
    """Run the command line; an expected error is one sentence on stderr, and its exit code."""
    try:
        _app(prog_name="vedette")  # also as `python -m agent`
    except VedetteError as err:
        sys.stderr.write(f"vedette: {err}\n")
        raise SystemExit(err.exit_code) from err
