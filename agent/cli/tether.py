"""`python -m agent.cli.tether …` is `vedette …`, which is asked to end when its parent ends, however."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    from agent.cli import main

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(sys.argv.pop(1)):  # it ended before that
        raise SystemExit(1)
    main()
