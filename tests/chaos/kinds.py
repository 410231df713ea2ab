"""The algorithms of the site: one that counts, and one that misbehaves as it is told."""

from pathlib import Path

MEMORY_MAX = 128 << 20  # of the rogue

SOURCE = '''
"""Algorithms for a bad day."""
import ctypes, os, signal, sys, time
from pathlib import Path
from algos import BaseAlgo

class Counted(BaseAlgo):
    """Numbers its own results, so that the same one is known under whichever number it comes."""
    def init(self):
        self.life = f"{os.getpid()}-{time.monotonic_ns()}"
        self.count = 0
    def run(self, frames):
        self.count += 1
        return {"life": self.life, "count": self.count, "frames": list(frames.numbers)}

class Rogue(BaseAlgo):
    """Does what stands in the file `orders`, and first notes it in the file `deeds`."""
    class Params(BaseAlgo.Params):
        orders: str
        deeds: str
    def init(self):
        self.hoard = []
    def run(self, frames):
        orders = Path(self.params.orders)
        if not orders.exists():
            self.hoard.clear()
            return {"behaves": True}
        order = orders.read_text()
        with open(self.params.deeds, "a") as deeds:
            deeds.write(order + "\\n")
        return getattr(self, order)()
    def raises(self):
        raise RuntimeError("as ordered")
    def hangs(self):
        while True:
            signal.pause()
    def crashes(self):
        ctypes.string_at(0)
    def exits(self):
        sys.exit(3)
    def leaks(self):
        self.hoard.append(b"x" * (32 << 20))
        return {"hoard": len(self.hoard)}
    def floods(self):
        Path(self.params.orders).unlink()
        return {"flood": b"x" * ((8 << 20) - 64)}  # as large as a result may be, too large for the broker
'''

DEEDS = ("raises", "hangs", "crashes", "exits", "leaks", "floods")


class Orders:
    """Tells the rogue how to misbehave, and sees what it has done."""

    def __init__(self, folder: Path) -> None:
        self.orders = folder / "orders"
        self.deeds = folder / "deeds"

    @property
    def params(self) -> dict[str, str]:
        """For its configuration."""
        return {"orders": str(self.orders), "deeds": str(self.deeds)}

    def give(self, deed: str) -> None:
        """From now on it does that, at every run."""
        # Whole or not at all: it may read at any moment.
        new = self.orders.with_suffix(".new")
        new.write_text(deed, encoding="utf-8")
        new.replace(self.orders)

    def take_back(self) -> None:
        """From now on it behaves."""
        self.orders.unlink(missing_ok=True)

    def done(self, deed: str) -> int:
        """How often it has done that."""
        return self.deeds.read_text(encoding="utf-8").split().count(deed) if self.deeds.exists() else 0
