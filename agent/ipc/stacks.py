"""How a process shows its stacks to the agent, also when it hangs in native code.

faulthandler writes the Python stacks of all threads inside the handler of a signal, whatever the process
does and whoever holds the interpreter's lock, into a file in memory. A process that has not come so far does
not catch the signal, and must not be sent it: the agent looks at /proc first.
"""

import faulthandler
import signal
from typing import Final

from agent import memory_file

SIGNAL: Final = signal.SIGRTMIN + 7
"""Not one of SIGUSR1 and SIGUSR2: an algorithm, and what it loads, may use these."""

FILE: Final = "vedette-stacks"


def offer_stacks() -> None:
    """Write the stacks of all threads into a file in memory, each time that SIGNAL comes."""
    faulthandler.register(SIGNAL, file=memory_file.create(FILE), all_threads=True, chain=False)
