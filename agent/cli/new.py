"""`vedette new`: the beginning of an algorithm."""

import asyncio
import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from agent import log
from agent.cli import scaffold
from agent.cli.options import ConfigOption
from agent.cli.scaffold import Name
from agent.config.settings import Settings, load_settings
from agent.errors import ScaffoldError
from agent.supervise.catalog import Catalog


def new(
    name: Annotated[
        str, typer.Argument(help="Of the algorithm, e.g. my_algo; it becomes its kind.", show_default=False)
    ],
    *,
    one_file: Annotated[
        bool, typer.Option("--one-file", help="Only a file, for the folder paths.algorithms.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="DIR",
            help="Where to make it; else here, or with --one-file in paths.algorithms, if that is set.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write the beginning of an algorithm: a package with a test that passes, or one file.

    Nothing that is there is overwritten. Ends with 1 when the name cannot be used, and says why.
    """
    settings = load_settings(config)
    spelled = Name.checked(name)
    if one_file:
        _one_file(spelled, folder or settings.paths.algorithms or Path(), settings)
    else:
        _package(spelled, (folder or Path()) / name, settings)


def _one_file(name: Name, folder: Path, settings: Settings) -> None:
    place = folder / f"{name.name}.py"
    if place.exists():
        raise ScaffoldError(f"{place} is there already, and is not overwritten")
    _check_free(name, place, settings)
    scaffold.write(folder, scaffold.one_file(name))
    typer.echo(f"wrote {place}")
    there = settings.paths.algorithms
    if there is None or there.resolve() != folder.resolve():
        path = json.dumps(str(folder.resolve()), ensure_ascii=False)  # as TOML writes it, too
        typer.echo(f"agent.toml has to name its folder:\n\n[paths]\nalgorithms = {path}\n")
    typer.echo(f'`vedette kinds {name.name}` shows it; `kind = "{name.name}"` in agent.toml uses it')


def _package(name: Name, folder: Path, settings: Settings) -> None:
    if folder.exists():
        raise ScaffoldError(f"{folder} is there already, and is not overwritten")
    _check_free(name, folder, settings)
    files = scaffold.package(name)
    scaffold.write(folder, files)
    for place in files:
        typer.echo(f"wrote {folder / place}")
    typer.echo(
        f"\ncd {shlex.quote(str(folder))}\npython -m pytest\npip install --no-deps -e .\n\n"
        f'then `vedette kinds {name.name}` shows it; `kind = "{name.name}"` in agent.toml uses it'
    )


def _check_free(name: Name, place: Path, settings: Settings) -> None:
    """Raises ScaffoldError when a kind or a module of this name is here already."""
    log.configure(level="error")  # what cannot be loaded is not the matter here
    catalog = Catalog(settings.paths.algorithms)
    asyncio.run(catalog.refresh())
    other = catalog.kinds.get(name.name)
    if other is not None:
        raise ScaffoldError(
            f"a kind {name.name!r} is installed already, from {other.origin}; choose another name"
        )
    hidden = name.hides(place)
    if hidden is not None:
        raise ScaffoldError(f"{name.name!r} would hide the module {hidden}; choose another name")
