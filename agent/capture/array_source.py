"""What sources without FFmpeg's packets have in common: each unit is one whole picture."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from agent.capture.source import Picture, SourceInfo, Stamp


@dataclass(slots=True, eq=False)
class PictureUnit:
    """A `Unit` that is a whole picture; `content` is what its source makes the picture of."""

    content: object
    pts_s: float
    size: int
    stamp: Stamp

    @property
    def dts_s(self) -> float:
        """Nothing is reordered."""
        return self.pts_s

    @property
    def is_key(self) -> bool:
        """Each picture stands alone."""
        return True


class WholePictures:
    """The part of a `Source` that is the same for all of them."""

    info: SourceInfo

    def flush(self) -> list[Picture]:
        """Nothing is held back."""
        return []

    def restart(self) -> None:
        """Nothing is remembered."""

    def close(self) -> None:
        """Nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
