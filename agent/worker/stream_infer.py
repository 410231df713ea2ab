"""Runs classes that were written for the library Stream Infer, import line included.

Their modules begin with `from stream_infer.algo import BaseAlgo`. In a worker this package's stand-in
answers that import, whether or not Stream Infer is installed: it needs none of the rest.
"""

import sys
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from algos import Frames
from algos.base import BaseAlgo


class StreamInferAlgo:
    """What `stream_infer.algo.BaseAlgo` is to an algorithm: a name, `init` and `run`."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or type(self).__name__

    def init(self, **_params: Any) -> None:  # noqa: ANN401  whatever the author takes
        """Load the model."""

    def run(self, frames: list[np.ndarray[Any, Any]]) -> Any:  # noqa: ANN401  whatever the author returns
        """Run on the frames, oldest first."""
        raise NotImplementedError(f"{type(self).__name__} has no run()")


def install() -> None:
    """Answer `import stream_infer` and `from stream_infer.algo import BaseAlgo` from here on."""
    package = types.ModuleType("stream_infer", "Vedette's stand-in for Stream Infer")
    package.__path__ = []
    module = types.ModuleType("stream_infer.algo", package.__doc__)
    StreamInferAlgo.__name__ = StreamInferAlgo.__qualname__ = "BaseAlgo"
    for where in (package, module):
        where.BaseAlgo = StreamInferAlgo  # type: ignore[attr-defined]
    package.algo = module  # type: ignore[attr-defined]
    sys.modules["stream_infer"] = package
    sys.modules["stream_infer.algo"] = module


def installed() -> bool:
    """Whether this process answers that import so."""
    module = sys.modules.get("stream_infer.algo")
    return getattr(module, "BaseAlgo", None) is StreamInferAlgo


class Adapted(BaseAlgo):
    """A Stream Infer algorithm behind the interface of `algos`.

    It gets frames of its own that it may draw on and keep, as in Stream Infer; the copy is the price.
    """

    def __init__(self, name: str, foreign: type[StreamInferAlgo], params: Mapping[str, Any]) -> None:
        super().__init__(name)
        self._foreign_params = dict(params)
        try:
            self._algorithm = foreign(name)
        except TypeError:  # a constructor that takes no name, as some have
            self._algorithm = foreign()

    def init(self) -> None:
        """Stream Infer passes what `load_algo` got beyond its own arguments to `init`; so do params."""
        self._algorithm.init(**self._foreign_params)

    def run(self, frames: Frames) -> Any:  # noqa: ANN401  whatever the author returns
        """Copies the frames, then runs."""
        return self._algorithm.run([frame.copy() for frame in frames])
