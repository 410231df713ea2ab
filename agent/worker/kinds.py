"""Where kinds come from: entry points of installed packages, and the files of a local folder.

Never from the network: an origin names an entry point or a file that is on this machine already.
"""

import importlib.metadata
import importlib.util
import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.errors import KindError
from agent.ipc.inspecting import KindFound
from agent.worker import stream_infer
from algos import BaseAlgo

GROUP = "vedette.algorithms"
_ENTRY_POINT = "entry-point:"
_FILE = "file:"

Kind = type[BaseAlgo] | type[stream_infer.StreamInferAlgo]


def origins(folder: Path | None) -> list[str]:
    """Everything that may hold a kind, files after entry points, in the order of their names."""
    points = sorted(f"{_ENTRY_POINT}{point.name}" for point in importlib.metadata.entry_points(group=GROUP))
    files = sorted(folder.glob("*.py")) if folder is not None else []
    return points + [f"{_FILE}{path}" for path in files if not path.name.startswith("_")]


def load(origin: str) -> dict[str, Kind]:
    """The kinds of one origin by name; imports foreign code, so call it through `call_foreign`.

    Raises KindError when the origin holds none.
    """
    stream_infer.install()
    if origin.startswith(_ENTRY_POINT):
        name = origin.removeprefix(_ENTRY_POINT)
        points = importlib.metadata.entry_points(group=GROUP, name=name)
        if not points:
            raise KindError(f"no installed package offers an algorithm {name!r}")
        return {name: next(iter(points)).load()}
    path = Path(origin.removeprefix(_FILE))
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module_name = f"vedette_algorithm_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise KindError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    found = {
        _name(member): member
        for member in vars(module).values()
        if inspect.isclass(member)
        and issubclass(member, BaseAlgo | stream_infer.StreamInferAlgo)
        and member.__module__ == module_name
        and not inspect.isabstract(member)
    }
    if not found:
        raise KindError(f"{path.name} has no class that derives from BaseAlgo")
    return found


def find(kind: str, folder: Path | None) -> Kind:
    """An installed kind by name, loaded into this process. Raises KindError, and what loading raises."""
    for origin in origins(folder):
        if origin.startswith(_FILE) or origin == f"{_ENTRY_POINT}{kind}":
            found = load(origin)
            if kind in found:
                return found[kind]
    raise KindError(f"no algorithm kind {kind!r} is installed here; see `vedette kinds`")


def _name(member: Kind) -> str:
    kind = getattr(member, "kind", None)
    return kind if isinstance(kind, str) and kind else member.__name__


def describe(kind: str, member: Kind, origin: str) -> KindFound:
    """What the outside may know of a kind."""
    schema = member.Params.model_json_schema() if issubclass(member, BaseAlgo) else {"type": "object"}
    return KindFound(
        kind,
        origin,
        str(getattr(member, "version", "1")),
        inspect.cleandoc(member.__doc__ or ""),
        bool(getattr(member, "shared", False)),
        json.dumps(schema),
    )


def make(member: Kind, name: str, params: Mapping[str, Any]) -> BaseAlgo:
    """An instance, `init()` not called yet."""
    if issubclass(member, BaseAlgo):
        return member(name, dict(params))
    return stream_infer.Adapted(name, member, params)


def problems(member: Kind, params: Mapping[str, Any]) -> list[str]:
    """What is wrong with the parameters, one line each; empty when they are right."""
    if issubclass(member, BaseAlgo):
        try:
            member.Params.model_validate(dict(params))
        except ValidationError as err:
            from agent.config.problems import problems_of  # noqa: PLC0415  only needed when something is wrong

            return [f"params.{line}" for line in problems_of(err, member.Params)]
        return []
    try:
        inspect.signature(member.init).bind(None, **params)
    except TypeError as err:
        return [f"params: {member.__name__}.init() {err}"]
    return []
