"""What is played: a source, an algorithm and its settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.config.algorithms import AlgorithmConfig
from agent.config.problems import problems_of
from agent.errors import ConfigError
from agent.offline import Use
from agent.offline.installed import installed


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a change of makes the playing begin anew."""

    source: str  # as `infer` takes it; `{secret:name}` is filled in later
    kind: str  # the name of a kind, or a path that ends in .py
    settings: Mapping[str, Any]  # keys of [[algorithms]]
    params: Mapping[str, Any]
    fps: float | None
    start_s: float

    def __repr__(self) -> str:
        return f"<Recipe: {self.kind}>"  # the source may have a password

    def use(self, folder: Path | None) -> Use:
        """The algorithm, made anew: its code is imported. Raises VedetteError, which names what is wrong."""
        name = Path(self.kind).stem if self.kind.endswith(".py") else self.kind
        table = {
            "id": re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:64],
            "kind": self.kind,
            **self.settings,
            "params": dict(self.params),
        }
        try:
            config = AlgorithmConfig.model_validate(table)
        except ValidationError as err:
            raise ConfigError("\n".join(problems_of(err, AlgorithmConfig))) from None
        return installed([config], folder)[0]
