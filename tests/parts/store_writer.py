"""Commits changes with their replies until it is killed: `python -m tests.parts.store_writer FOLDER`.

Says "ready EPOCH" when the store is open, and the number of each command once it is stored.
"""

import sys
from pathlib import Path

from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.control.desired import Desired, merge
from agent.control.messages import Remembered
from agent.control.store import Store


def main() -> None:
    with Store(Path(sys.argv[1])) as store:
        sys.stdout.write(f"ready {store.epoch}\n")
        sys.stdout.flush()
        desired = merge(Settings(), store.changes)
        number = desired.revision
        while True:
            number += 1
            stream = StreamConfig(id=f"s{number % 7}", source=f"test://scene?seed={number}")
            desired = Desired(streams=desired.streams.put(stream), revision=number)
            payload = f"{number}".encode() * 50
            reply = Remembered(id=f"c{number}", code=200, payload=payload, content_type="x", time_us=10**16)
            store.commit(desired.changes(), reply)
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
