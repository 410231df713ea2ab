"""Which kinds there are to choose from, and what they say of themselves."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.ipc.foreign import Raised, call_foreign
from agent.offline.installed import described
from agent.supervise.catalog import Catalog


@dataclass(frozen=True, slots=True)
class KindTold:
    """One kind."""

    doc: str
    version: str
    origin: str
    schema: Mapping[str, Any]  # JSON Schema of its parameters


@dataclass(frozen=True, slots=True)
class KindsTold:
    """All of them, by name, and the files that give none: name to error."""

    found: Mapping[str, KindTold]
    failed: Mapping[str, str]


def kinds_told(folder: Path | None, file: str = "") -> KindsTold:
    """Installed kinds and those of the folder, looked at in a process of their own; `file`: one more.

    The file is a path that ends in .py, and the name of its kind here, as for `vedette infer -a`.
    """
    catalog = Catalog(folder)
    asyncio.run(catalog.refresh())
    found = {
        name: KindTold(one.doc, one.version, one.origin, json.loads(one.params_schema))
        for name, one in sorted(catalog.kinds.items(), key=lambda item: item[0].lower())
    }
    failed = dict(catalog.failed)
    if file.endswith(".py"):
        told = call_foreign(lambda: described(file))
        if isinstance(told, Raised):
            failed[file] = told.error
        else:
            one = KindTold(told.doc, told.version, told.origin, json.loads(told.params_schema))
            found = {file: one, **found}
    return KindsTold(found, failed)
