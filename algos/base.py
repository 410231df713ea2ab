"""All that an author of an algorithm needs: `BaseAlgo` to derive from, `Frames` to read.

```python
from algos import BaseAlgo, Frames
from pydantic import Field

class Bright(BaseAlgo):
    '''Tells whether the picture is bright.'''

    class Params(BaseAlgo.Params):
        level: int = Field(128, ge=0, le=255, description="Mean brightness from which on it is.")

    params: Params

    def run(self, frames: Frames) -> dict[str, bool]:
        return {"bright": bool(frames[-1].mean() >= self.params.level)}
```
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Picture = NDArray[np.uint8]
"""(H, W, 3) for "bgr24" and "rgb24", (H, W) for "gray8", (H * 3 / 2, W) for "nv12"; 0..255."""


class Frames(Sequence[Picture]):
    """The frames of one window, oldest first; a sequence that nothing can be changed in.

    It can be used where a list of arrays is expected: index, slice, `len`, iterate, `if not frames`.
    The arrays are views into memory that is used again once `run()` has returned: copy what you keep.
    """

    __slots__ = ("_arrays", "numbers", "pixel_format", "stream", "times")

    def __init__(
        self,
        arrays: Iterable[Picture],
        *,
        times: Iterable[float] = (),
        numbers: Iterable[int] = (),
        stream: str = "",
        pixel_format: str = "bgr24",
    ) -> None:
        """Raise ValueError when `times` or `numbers` are given, but not one for each frame."""
        self._arrays = tuple(arrays)
        self.times = tuple(times)
        """Stream time of each frame in seconds (its pts); empty if unknown."""
        self.numbers = tuple(numbers)
        """Number of each frame, counted from the stream's start; empty if unknown."""
        self.stream = stream
        """Id of the stream."""
        self.pixel_format = pixel_format
        """How the arrays are to be read: "bgr24", "rgb24", "gray8" or "nv12"."""
        for name, values in (("times", self.times), ("numbers", self.numbers)):
            if values and len(values) != len(self._arrays):
                raise ValueError(f"{len(self._arrays)} frames, but {len(values)} {name}")

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> "Frames": ...
    def __getitem__(self, index: int | slice) -> "Picture | Frames":
        """One picture, or the `Frames` of a slice, with their times and numbers."""
        if isinstance(index, slice):
            return Frames(
                self._arrays[index],
                times=self.times[index],
                numbers=self.numbers[index],
                stream=self.stream,
                pixel_format=self.pixel_format,
            )
        return self._arrays[index]

    def __len__(self) -> int:
        return len(self._arrays)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self._arrays)

    def __repr__(self) -> str:
        shape = self._arrays[-1].shape if self._arrays else ()
        return f"<Frames: {len(self)} of {self.stream or '?'}, {self.pixel_format} {shape}>"


class BaseAlgo:
    """One algorithm: derive from it, and define `run`.

    An instance serves one stream, so it may keep state between runs in `self`. Calls come one after the
    other, `init` first. What it raises is reported with its traceback, and the next run goes on.
    """

    kind: ClassVar[str] = "BaseAlgo"
    """The name that configuration uses; the class's name, if a class does not set it."""
    version: ClassVar[str] = "1"
    """Goes with each result, so that whoever reads results can tell which code made them."""
    shared: ClassVar[bool] = False
    """True: one instance serves all streams (one large model); it then keeps state by `frames.stream`."""

    stateless: ClassVar[bool] = False
    """True: a run depends on its window alone, so that offline several processes may share the windows."""

    class Params(BaseModel):
        """Parameters: derive from it, with ranges, defaults and descriptions; a misspelt one is an error."""

        model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __init__(self, name: str | None = None, params: Params | Mapping[str, Any] | None = None) -> None:
        """Raise pydantic.ValidationError when `params` do not fit `Params`; load models in `init` instead."""
        self.name = name or type(self).__name__
        """What this instance is called: the algorithm's id in the configuration."""
        self.params = self.Params.model_validate({} if params is None else params)
        self.log = logging.getLogger(f"algos.{self.name}")
        """For what an operator should read; never for each frame."""

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401  as of object
        super().__init_subclass__(**kwargs)
        if "kind" not in cls.__dict__:
            cls.kind = cls.__name__

    def init(self) -> None:
        """Load models and the like: once, in the process that will call `run`."""

    def run(self, frames: Frames) -> Any:  # noqa: ANN401  whatever the author returns
        """The result for a window: any tree of plain values, numpy scalars and arrays.

        `frames[-1]` is the newest picture, the one that the result is about; it is read-only.
        """
        raise NotImplementedError(f"{type(self).__name__} has no run(self, frames)")

    def run_batch(self, windows: Sequence[Frames]) -> Sequence[Any]:
        """One result a window, in their order; windows are of different streams.

        For classes that are `shared` and quicker with several at once. This one runs one after the other.
        """
        return [self.run(frames) for frames in windows]

    def draw(self, image: Picture, result: Any) -> None:  # noqa: ANN401  what `run` returned
        """Paint a result on `image`, (H, W, 3) BGR uint8, in place; it may be smaller than what `run` saw."""
