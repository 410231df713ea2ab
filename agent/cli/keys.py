"""`vedette keys`: keys that sign commands."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.words import clean
from agent.client.asking import Signer
from agent.contract.signed import MAX_AHEAD_S
from agent.contract.topic import is_id
from agent.control.signatures import SigningKey
from agent.errors import VedetteError

keys = typer.Typer(
    name="keys",
    help="Keys that sign commands: make one, or show its public half.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SignOption = Annotated[
    Path | None, typer.Option("--sign", metavar="FILE", help="Private key to sign the command with.")
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", metavar="NAME", help="What devices call the key; else as its file is called."),
]
ExpiresOption = Annotated[
    float, typer.Option("--expires", min=1, max=MAX_AHEAD_S, help="Seconds that a signed command is valid.")
]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_OTHERS = 0o077


@keys.command(epilog="Examples:\n\nvedette keys new\n\nvedette keys new --out ops.pem")
def new(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="Where the private key goes; never over a file."),
    ] = Path("operator.pem"),
) -> None:
    """Make a key: the private half into a file for you alone, the public half as lines for agent.toml.

    The key is called after its file.
    """
    name = key_name(out)
    key = SigningKey.new()
    key.write(out)
    table = name if _BARE.fullmatch(name) else json.dumps(name)
    typer.echo(f"{clean(str(out))} has the private key: keep it where you sign, and nowhere else.", err=True)
    typer.echo("Put these lines into agent.toml of every device that is to obey it:\n", err=True)
    typer.echo(f'[security.keys.{table}]\npublic_key = "{key.public}"')
    typer.echo(f"\nThen: vedette call DEVICE ping --sign {clean(str(out))}", err=True)


@keys.command(epilog="Example:\n\nvedette keys show ops.pem")
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A private key.", show_default=False)],
) -> None:
    """Print the public half of a key, as agent.toml has it."""
    typer.echo(read_key(file).public)


def signer_of(file: Path | None, name: str | None, valid_s: float) -> Signer | None:
    """What signs, by the options; None when nothing is to be signed. Raises SigningKeyError, BadParameter."""
    if file is None:
        return None
    if name is not None and not is_id(name):
        raise typer.BadParameter("a name is 1 to 64 letters, digits, `_`, `.` or `-`", param_hint="--key")
    return Signer(key=read_key(file), name=name or key_name(file), valid_s=valid_s)


def read_key(file: Path) -> SigningKey:
    """The private key in a file, with a word of warning when others can read it. Raises SigningKeyError."""
    key = SigningKey.read(file)
    if file.stat().st_mode & _OTHERS:
        shown = clean(str(file))
        typer.echo(f"vedette: {shown} can be read by others, who can sign too: chmod 600 {shown}", err=True)
    return key


def key_name(file: Path) -> str:
    """What a key is called that nobody gave a name: as its file, without the ending. Raises VedetteError."""
    if not is_id(file.stem):
        raise VedetteError(
            f"{clean(file.name)} cannot be the name of a key: 1 to 64 letters, digits, `_`, `.` or `-`"
        )
    return file.stem
