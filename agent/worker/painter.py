"""Draws results of an algorithm on pictures: foreign code, so that only processes of their own do it."""

import json
from typing import Any

import msgpack

from agent import log
from agent.contract.codec import decode_data
from agent.ipc.foreign import Raised, call_foreign
from agent.worker import kinds
from agent.worker.args import PainterArgs
from algos import BaseAlgo
from algos.base import Picture
from algos.drawing import draw, drawn

_log = log.get_logger("painter")


class Painter:
    """Draws the newest result; by `draw` of the algorithm until that raises, then by the default drawing.

    The instance is one whose `init()` was not called: a model is loaded by the worker, not twice.
    """

    def __init__(self, args: PainterArgs) -> None:
        """Load the kind; one that cannot be loaded cannot run either, and its worker says so."""
        self._size = args.size
        self._algorithm = self._loaded(args)
        self._result: Any = None
        self._has_result = False

    def show(self, data: bytes, text: bytes) -> None:
        """Draw this result from now on; packed in msgpack, or else in JSON."""
        packed = msgpack.unpackb(data, strict_map_key=False) if data else json.loads(text)
        self._result, self._has_result = decode_data(packed), True

    def forget(self) -> None:
        """The stream stood still: what was seen is not there any more."""
        self._result, self._has_result = None, False

    def paint(self, image: Picture, top: int = 0) -> int:
        """Paint the newest result on `image`, (H, W, 3) BGR, in place; `top` as for `algos.drawing.draw`."""
        if not self._has_result:
            return top
        algorithm, result = self._algorithm, self._result
        if algorithm is None:
            return draw(image, result, self._size, top=top)
        outcome = call_foreign(lambda: drawn(algorithm, image, result, self._size, top=top))
        if not isinstance(outcome, Raised):
            return outcome
        _log.warning("algorithm_cannot_draw", error=outcome.error)
        self._algorithm = None
        return self.paint(image, top)

    def _loaded(self, args: PainterArgs) -> BaseAlgo | None:
        def make() -> BaseAlgo:
            return kinds.make(kinds.load(args.origin)[args.kind], args.algorithm, args.params)

        made = call_foreign(make)
        if isinstance(made, Raised):
            _log.warning("algorithm_cannot_draw", error=made.error)
            return None
        return made
