"""Sinks of others, as installed packages: a folder on the path with a module and its metadata."""

from pathlib import Path

ORDERED = '''
"""A sink that does what a file says, and writes down what it has taken."""
import os
import signal
import time
from pathlib import Path

from agent.sink import Sink, SinkBusyError, SinkRefusedError

_leak = []


class Ordered(Sink):
    class Params(Sink.Params):
        folder: Path
        poison: int = -1
        bad: tuple[int, ...] = ()

    def open(self):
        if self.order() == "shut":
            raise ConnectionError("password hunter2-secret is not to my taste")

    def order(self):
        path = self.params.folder / "order"
        return path.read_text() if path.exists() else ""

    def send(self, items):
        with (self.params.folder / "calls").open("a") as file:
            file.write(f"{time.monotonic()} {len(items)}\\n")
        seqs = [item.seq for item in items]
        match self.order():
            case "raise":
                raise ConnectionError("nobody there")
            case "busy":
                raise SinkBusyError("too much", retry_after_s=3600)
            case "hang":
                signal.pause()
            case "hang-fork":
                os.fork()
                signal.pause()
            case "exit":
                os._exit(3)
            case "leak":
                _leak.append(b"x" * (160 << 20))
                time.sleep(60)
            case "slow":
                time.sleep(0.15 * len(items))
        if self.params.poison in seqs:
            os.kill(os.getpid(), signal.SIGSEGV)
        if set(self.params.bad) & set(seqs):
            raise SinkRefusedError("not to my taste")
        with (self.params.folder / "taken").open("a") as file:
            file.writelines(f"{item.epoch} {item.seq} {int(item.replay)}\\n" for item in items)
            file.flush()
            os.fsync(file.fileno())
'''


def install(folder: Path, name: str, source: str, points: dict[str, str]) -> Path:
    """Put a module and its metadata where `folder` on the path makes it an installed package."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    metadata = folder / f"{name}-1.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", encoding="utf-8")
    lines = [f"{point} = {target}" for point, target in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[vedette.sinks]", *lines, ""]), encoding="utf-8")
    return folder
