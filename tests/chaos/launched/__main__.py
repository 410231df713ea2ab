"""The command `vedette`, with a ledger of what delivery has accepted, and when.

What was accepted just before a kill is known to nobody else. A line is in the kernel's hands before delivery
is given the result, so the ledger may say too much by one, and never too little.
"""

import os
import time

from agent.cli import main
from agent.delivery.delivery import Delivery
from agent.delivery.messages import Outgoing

_put = Delivery.put


def _noted(self: Delivery, message: Outgoing) -> None:
    if message.epoch is not None and message.seq is not None:
        os.write(_ledger, b"%d %d %d\n" % (message.epoch, message.seq, time.monotonic_ns()))
    _put(self, message)


if __name__ == "__main__":
    _ledger = os.open(os.environ["CHAOS_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.set_inheritable(_ledger, False)  # noqa: FBT003 - its only argument
    Delivery.put = _noted  # type: ignore[method-assign]
    main()
