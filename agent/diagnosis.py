"""The command `diag`: everything that helps to find out what is wrong with this agent, in one bundle.

Only what is quick is asked in the event loop; the stacks, /proc and the packing are a thread's business. So
neither the tick nor results wait for it, and one diagnosis at a time keeps its memory bounded.
"""

import asyncio
import faulthandler
import hashlib
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from agent import log, memory_file
from agent.config.settings import Settings
from agent.contract import commands as c
from agent.contract.topics import PARTS_TYPE, Topics
from agent.delivery.messages import Outgoing
from agent.errors import CommandError
from agent.frames.segment import SHARED_MEMORY
from agent.health import about, bundle, machine, processes
from agent.health.stacks import stacks_of
from agent.supervise.catalog import Catalog
from agent.supervise.site import Site

PART_BYTES: Final = 98_304
"""Of one message: some brokers, AWS IoT among them, take 128 KiB at most, headers included."""
_MAX_TASKS: Final = 200

Facts = Mapping[str, Callable[[], Mapping[str, Any]]]
"""Documents by name: plain trees, asked in the event loop."""


class Diagnosis:
    """Gathers bundles, one at a time; `facts` is what others tell of themselves."""

    def __init__(
        self,
        topics: Topics,
        site: Site,
        catalog: Catalog,
        *,
        settings: Callable[[], Settings],
        facts: Facts,
        redact: Callable[[str], str],
        put: Callable[[Outgoing], None],
    ) -> None:
        self._topics = topics
        self._site = site
        self._catalog = catalog
        self._settings = settings
        self._facts = facts
        self._redact = redact
        self._put = put
        self._busy = False

    async def take(self, command: c.Diag, request_id: str) -> c.Diagnosed:
        """Gather one, and write or publish it. Raises CommandError 429, StateError."""
        if self._busy:
            raise CommandError(429, "a diagnosis is being gathered; ask again when it is done")
        seen = self._seen()
        self._busy = True
        work = asyncio.get_running_loop().run_in_executor(None, self._gather, command, request_id, seen)
        work.add_done_callback(self._done)
        return await asyncio.shield(work)  # the thread goes on when this task is given up

    def _done(self, work: "asyncio.Future[c.Diagnosed]") -> None:
        self._busy = False
        work.exception()  # somebody has looked at it, also when the task was given up

    def _seen(self) -> dict[str, Any]:
        """What only the event loop may look at."""
        return {
            "settings": self._settings(),
            "pids": self._site.children.pids(),
            "children": self._site.children.seen(),
            "tasks": _tasks(),
            "documents": {
                **{name: ask() for name, ask in self._facts.items()},
                "desired": self._desired(),
                "kinds": {
                    "installed": {name: kind.origin for name, kind in self._catalog.kinds.items()},
                    "failed": dict(self._catalog.failed),
                },
                "shm": {"lent_bytes": self._site.lent_bytes(), "segments": self._site.segments()},
            },
        }

    def _desired(self) -> dict[str, Any]:
        site = self._site
        return {
            "streams": {
                name: {"origin": run.origin, "config": run.config.model_dump(mode="json")}
                for name, run in site.streams.items()
            },
            "algorithms": {
                name: {"origin": run.origin, "config": run.config.model_dump(mode="json")}
                for name, run in site.algorithms.items()
            },
        }

    def _gather(self, command: c.Diag, request_id: str, seen: dict[str, Any]) -> c.Diagnosed:
        settings: Settings = seen["settings"]
        data = self._packed(seen, stacks=command.stacks)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = f"vedette-{self._topics.device}-{stamp}-{request_id}.tar.gz"
        done = c.Diagnosed(name=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        if command.to == "file":
            path = bundle.keep(settings.paths.state_dir / "diag", name, data)
            return done.model_copy(update={"path": str(path)})
        return done.model_copy(update=self._publish(request_id, data))

    def _publish(self, request_id: str, data: bytes) -> dict[str, Any]:
        parts = [data[start : start + PART_BYTES] for start in range(0, len(data), PART_BYTES)]
        for number, part in enumerate(parts, 1):
            topic = self._topics.diag_part(request_id, number)
            self._put(Outgoing(topic=topic, payload=part, kind="snapshot", content_type=PARTS_TYPE))
        return {"topic": self._topics.diag_part(request_id, 1).rpartition("/")[0], "parts": len(parts)}

    def _packed(self, seen: dict[str, Any], *, stacks: bool) -> bytes:
        settings: Settings = seen["settings"]
        made = bundle.Bundle(self._redact)
        made.add_document("about", _about())
        made.add_document("config", settings.redacted())
        for name, tree in seen["documents"].items():
            made.add_document(name, tree)
        roles = {pid: role for role, pid in seen["pids"].items()}
        running = processes.process_tree(roles)
        made.add_document("processes", {"children": seen["children"], "running": running})
        made.add_document("fds", processes.descriptors())
        made.add_document("machine", machine.machine() | machine.limits())
        made.add_document("disks", machine.disks(_folders(settings)))
        made.add_document("files", machine.files_in(settings.paths.state_dir))
        # Of all, those among them that only look at kinds or that an algorithm has started.
        named = {one["pid"]: _file_name(one["role"] or f"{one['name']}-{one['pid']}") for one in running[1:]}
        if stacks:
            made.add_text("stacks/agent.txt", f"{_own_stacks()}\n{seen['tasks']}")
            for pid, text in stacks_of(named).items():
                made.add_text(f"stacks/{named[pid]}.txt", text)
        for pid, name in named.items():
            if text := log.recent(pid):
                made.add_text(f"log/{name}.jsonl", text)
        made.add_text("log/agent.jsonl", log.recent(os.getpid()))  # last: it is the longest
        return made.packed()


def _about() -> dict[str, Any]:
    return {
        "version": about.version(),
        "python": sys.version,
        "platform": platform.platform(),
        "packages": dict(about.packages()),
        "hardware": about.hardware().model_dump(mode="json"),
        "pid": os.getpid(),
        "log_level": log.level(),
        "optimized": sys.flags.optimize,
    }


def _folders(settings: Settings) -> list[Path]:
    paths = settings.paths
    folders = [Path("/"), Path("/tmp"), SHARED_MEMORY, paths.state_dir, *paths.media_roots]  # noqa: S108  looked at
    return folders + [path for path in (paths.algorithms, paths.secrets) if path is not None]


def _own_stacks() -> str:
    """Of all threads of this process; the event loop's is one of them."""
    fd = memory_file.create("vedette-own-stacks")
    try:
        faulthandler.dump_traceback(file=fd, all_threads=True)
        return memory_file.read(fd, 1 << 16).decode("utf-8", "replace")
    finally:
        os.close(fd)


def _tasks() -> str:
    """Where each task of the event loop waits; by names of code only, for their values may be secrets."""
    lines = ["Tasks of the event loop:"]
    for task in list(asyncio.all_tasks())[:_MAX_TASKS]:
        lines.append(f"{task.get_name()}:")
        for frame in task.get_stack(limit=10):
            code = frame.f_code
            lines.append(f'  File "{code.co_filename}", line {frame.f_lineno} in {code.co_qualname}')
    return "\n".join(lines) + "\n"


def _file_name(role: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", role)
