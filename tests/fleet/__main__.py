"""`python -m tests.fleet`: a fleet for whoever looks at a dashboard."""

import argparse
import signal
import sys
import time
from contextlib import suppress
from typing import Any

import tests.fleet
from agent.contract.topics import DEFAULT_PREFIX
from tests.fleet.fleet import Fleet


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=tests.fleet.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--url", default="mqtt://127.0.0.1:1883")
    parser.add_argument("--prefix", default=DEFAULT_PREFIX)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument(
        "--rate", type=float, default=5000.0, help="messages a second, of all devices together"
    )
    parser.add_argument("--seconds", type=float, help="end after so long; else at Ctrl-C")
    parser.add_argument("--quiet", action="store_true", help="say no rates")
    given: Any = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        began_s = time.monotonic()
        with Fleet(given.url, devices=given.devices, prefix=given.prefix) as fleet:
            _say(
                f"told of {given.devices} devices ({fleet.live} online) in {time.monotonic() - began_s:.2f} s"
            )
            for rate in fleet.run(given.rate, given.seconds):
                if not given.quiet:
                    _say(f"{rate:.0f} messages/s, {fleet.sent} in all")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main()
