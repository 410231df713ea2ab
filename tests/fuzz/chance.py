"""One target by chance alone, with hypothesis: `python -m tests.fuzz.chance TARGET RUNS`.

Prints how many inputs there were, how many seconds they took, the peak of memory in MB, and the slowest.
"""

import os
import resource
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent import log
from tests.fuzz.inputs import kept
from tests.fuzz.targets import TARGETS, Row


def main(arguments: list[str]) -> None:
    """Raises what breaks a promise."""
    name, runs = arguments
    row, count, slowest_s, began_s = TARGETS[name], 0, 0.0, time.monotonic()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, row.open() as target:
        log.configure(style="json", stream=nowhere)

        @settings(
            max_examples=int(runs),
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(inputs_of(row))
        def run(data: bytes) -> None:
            nonlocal count, slowest_s
            start_s = time.monotonic()
            target(data)
            count, slowest_s = count + 1, max(slowest_s, time.monotonic() - start_s)

        run()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"{count} {time.monotonic() - began_s:.1f} {peak_mb} {slowest_s:.3f}\n")


def inputs_of(row: Row) -> st.SearchStrategy[bytes]:
    """Any bytes, and good inputs with pieces of any bytes put over them."""
    any_bytes = st.binary(max_size=min(row.max_len, 512))
    pieces = st.lists(st.tuples(st.integers(0, 1 << 12), st.binary(max_size=8)), max_size=4)
    seeds = st.sampled_from([*row.seeds(), *kept(row.name)])
    return any_bytes | st.builds(_over, seeds, pieces)


def _over(seed: bytes, pieces: list[tuple[int, bytes]]) -> bytes:
    data = bytearray(seed)
    for at, piece in pieces:
        start = at % (len(data) + 1)
        data[start : start + len(piece)] = piece
    return bytes(data)


if __name__ == "__main__":
    main(sys.argv[1:])
