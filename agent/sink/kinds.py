"""Where kinds of sinks come from: two are built in, others are entry points of installed packages."""

import difflib
import importlib
import importlib.metadata
import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agent.config.problems import problems_of
from agent.errors import KindError
from agent.sink.base import Sink

GROUP = "vedette.sinks"
BUILT_IN = {"file": ("agent.sink.file", "FileSink"), "webhook": ("agent.sink.webhook", "WebhookSink")}


def names() -> list[str]:
    """Every kind that can be named in agent.toml."""
    return sorted({*BUILT_IN, *(point.name for point in importlib.metadata.entry_points(group=GROUP))})


def load(kind: str) -> type[Sink]:
    """The class of a kind; imports foreign code, so call it through `call_foreign`.

    Raises KindError, naming the nearest, when there is none.
    """
    if kind in BUILT_IN:
        module, name = BUILT_IN[kind]
        found = getattr(importlib.import_module(module), name)
    else:
        points = importlib.metadata.entry_points(group=GROUP, name=kind)
        if not points:
            near = difflib.get_close_matches(kind, names(), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names())}"
            raise KindError(f"no sink kind {kind!r}; {hint}")
        found = next(iter(points)).load()
    if not (inspect.isclass(found) and issubclass(found, Sink)):
        raise KindError(f"sink kind {kind!r} is not a class that derives from agent.sink.Sink")
    return found


def words(error: str) -> str:
    """Of an error while loading, what is for people: its class only where that is not ours."""
    return error.partition(f"{KindError.__module__}.{KindError.__name__}: ")[2] or error


def problems(member: type[Sink], params: Mapping[str, Any]) -> list[str]:
    """What is wrong with the parameters, one line each; empty when they are right."""
    try:
        member.Params.model_validate(dict(params))
    except ValidationError as err:
        return [f"params.{line}" for line in problems_of(err, member.Params)]
    return []
