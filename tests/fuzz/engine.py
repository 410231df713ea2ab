"""One target under atheris, as a process of its own: libFuzzer ends it, and says what it counted.

`python -m tests.fuzz.engine TARGET [options of libFuzzer]`.
"""

import importlib
import os
import sys
from pathlib import Path

atheris = importlib.import_module("atheris")  # an extra, and without types

with atheris.instrument_imports(include=["agent"]):
    from agent import log
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer has had enough, or a promise is broken."""
    row = TARGETS[sys.argv[1]]
    # What is logged is written, too, but not shown.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, row.open() as target:
        log.configure(style="json", stream=nowhere)
        atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
