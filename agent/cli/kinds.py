"""`vedette kinds`: what algorithms are installed."""

import asyncio
import json
from typing import Annotated

import typer
from rich import box
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from agent import log
from agent.cli.options import ConfigOption, JsonOption
from agent.cli.parameters import parameters
from agent.cli.terminal import terminal
from agent.cli.words import clean
from agent.config.settings import load_settings
from agent.contract.info import KindInfo
from agent.ipc.inspecting import KindFound
from agent.supervise.catalog import Catalog


def kinds(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="Show all about this one.", show_default=False)
    ] = None,
    as_json: JsonOption = False,  # noqa: FBT002  typer's way
    config: ConfigOption = None,
) -> None:
    """List the algorithm kinds that are installed here; with KIND, its documentation and parameters.

    Kinds come from installed packages and from the *.py files of the folder paths.algorithms. Ends with 1
    when one of these cannot be loaded.
    """
    settings = load_settings(config)
    log.configure(level="error")  # what cannot be loaded is shown below
    catalog = Catalog(settings.paths.algorithms)
    asyncio.run(catalog.refresh())
    found = [catalog.find(kind)] if kind is not None else sorted(catalog.kinds.values(), key=_name)
    if as_json:
        document = {
            "kinds": {one.kind: _info(one).model_dump(exclude_none=True) for one in found},
            "failed": dict(catalog.failed),
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif kind is not None:
        _show_one(found[0])
    else:
        _show_all(found, dict(catalog.failed))
    if kind is None and catalog.failed:
        raise typer.Exit(1)


def _name(found: KindFound) -> str:
    return found.kind


def _info(found: KindFound) -> KindInfo:
    return KindInfo(
        version=found.version,
        doc=found.doc,
        shared=found.shared,
        origin=found.origin,
        params_schema=json.loads(found.params_schema),
    )


def _show_all(found: list[KindFound], failed: dict[str, str]) -> None:
    console = terminal()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("kind", style="bold", no_wrap=True)
    table.add_column("version")
    table.add_column("what it does", ratio=1)
    table.add_column("from", style="dim", overflow="fold")
    for one in found:
        first = one.doc.partition("\n")[0]
        table.add_row(clean(one.kind), clean(one.version), Text(clean(first)), Text(clean(one.origin)))
    console.print(table)
    for origin, error in failed.items():
        console.print(Text(f"✗ {clean(origin)} cannot be loaded: {clean(error)}", "red"))
    if not found:
        console.print("No kind is installed; see `paths.algorithms` in agent.toml.")
    elif not failed:
        console.print(Text("`vedette kinds KIND` shows all about one.", "dim"))


def _show_one(found: KindFound) -> None:
    console = terminal()
    console.print(Text.assemble((clean(found.kind), "bold"), f"  version {clean(found.version)}"))
    console.print(Text(clean(found.origin), "dim"))
    console.print()
    console.print(Markdown(found.doc or "It says nothing of itself."))
    rows = list(parameters(json.loads(found.params_schema)))
    if not rows:
        console.print("\nIt has no parameters that it tells of.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in ("parameter", "type", "range", "default", "meaning"):
        table.add_column(column, ratio=1 if column == "meaning" else None, no_wrap=column == "parameter")
    for row in rows:
        table.add_row(
            Text(clean(row.name), "bold"),
            *(Text(clean(text)) for text in (row.type, row.range, row.default, row.meaning)),
        )
    console.print(table)
