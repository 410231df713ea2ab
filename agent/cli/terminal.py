"""Where tables and lists are written to."""

import os

from rich.console import Console

_WIDE = 160  # characters; what goes into a file or a pipe need not be wrapped for a terminal of 80


def terminal() -> Console:
    """Standard output, as wide as it is."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, width=_WIDE)
    return console
