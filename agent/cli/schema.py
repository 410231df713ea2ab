"""`vedette schema`: the contract for machines."""

import json
from typing import Annotated

import typer

from agent.contract.asyncapi import asyncapi, schemas
from agent.contract.yaml import to_yaml


def schema(
    *,
    as_asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="AsyncAPI 3 document of all topics, as YAML.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON Schemas of all payloads (default); AsyncAPI as JSON.")
    ] = False,
) -> None:
    """Print the MQTT contract for machines: JSON Schemas of every payload, or an AsyncAPI document."""
    if as_asyncapi and not as_json:
        typer.echo(to_yaml(asyncapi()), nl=False)
        return
    document = asyncapi() if as_asyncapi else {"$defs": schemas()}
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
