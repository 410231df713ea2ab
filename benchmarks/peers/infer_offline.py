"""Vedette offline with an algorithm that does nothing: `... FILE INTERVAL_S [KEYFRAMES [WORKERS]]`."""

import sys
from typing import TYPE_CHECKING, cast

from agent import Use, infer
from benchmarks.peers.empty import Busy, Empty

if TYPE_CHECKING:
    from agent.config.algorithms import Keyframes


def main() -> None:
    """From the file's start to its end; says how many windows there were."""
    path, interval_s = sys.argv[1], float(sys.argv[2])
    keyframes = cast("Keyframes", sys.argv[3] if len(sys.argv) > 3 else "auto")  # noqa: PLR2004
    workers = int(sys.argv[4]) if len(sys.argv) > 4 else 0  # noqa: PLR2004
    if workers:
        use = Use(Busy(), interval=interval_s, keyframes=keyframes, size=(320, 180), workers=workers)
    else:
        use = Use(Empty(), interval=interval_s, keyframes=keyframes)
    print(sum(1 for _ in infer(path, use)))


if __name__ == "__main__":
    main()
