"""Private memory of each process; how long it takes to start and to stop."""

import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import Data, spread, table
from benchmarks.processes import memory
from benchmarks.stage import Stage, camera, stage
from benchmarks.video import clip
from tests.waiting import eventually

TITLE = "Memory, start and stop"
SETTLE_S = 20.0
MB = 1e6

Times = dict[str, list[float]]


def measure(*, quick: bool) -> Data:
    """Memory once, starts and stops as often as it takes."""
    with camera(clip(key_frame_every_s=2)) as url:
        processes = _memory(url)
    print("memory:", processes)
    times: Times = {}
    brief = clip(key_frame_every_s=0.5)
    with camera(brief, group_first=False) as url:
        for repetition in range(1 if quick else 5):
            _start_and_stop(brief, url, times)
            print(f"start and stop {repetition + 1}:", {name: round(of[-1], 3) for name, of in times.items()})
    return {"memory": processes, "times": times}


def _memory(url: str) -> dict[str, list[float]]:
    """MB by process: private, and with its part of what it shares."""
    with stage() as here:
        here.agent.configure(
            streams=[{"id": "camera", "source": url}],
            algorithms=[{"id": "probe", "kind": "probe", "streams": ["camera"], "interval": 1.0}],
        )
        here.agent.start()
        here.wait_for_first_result()
        time.sleep(SETTLE_S)
        found = memory(here.agent.process.pid)
        return {role: [one.private / MB, one.share / MB] for role, one in found.items()}


def _start_and_stop(file: Path, url: str, times: Times) -> None:
    for name, source in {"file": str(file), "RTSP": url}.items():
        with stage() as here:
            here.agent.configure(streams=[_stream("here", source, here)], algorithms=[_every_frame()])
            began_s = time.monotonic()
            here.agent.start()
            online = here.watcher.wait_for(
                lambda message: message.topic.endswith("/status") and b'"online"' in message.payload, 30.0
            )
            first = here.watcher.wait_for(_is_result("here"), 30.0)
            times.setdefault("start to status online", []).append(online.received_s - began_s)
            times.setdefault(f"start to first result, {name}", []).append(first.received_s - began_s)
            exit_s, gone_s = _stop(here)
            times.setdefault(f"SIGTERM to exit, {name}", []).append(exit_s)
            times.setdefault(f"SIGTERM to all children gone, {name}", []).append(gone_s)


def _stop(here: Stage) -> tuple[float, float]:
    """Seconds from SIGTERM to the agent's exit, and until no child is left."""
    process = here.agent.process
    children = here.agent.children()
    began_s = time.monotonic()
    process.terminate()
    process.wait()
    exit_s = time.monotonic() - began_s
    eventually(lambda: not any(_lives(child) for child in children), what="children are gone")
    return exit_s, time.monotonic() - began_s


def _lives(child: psutil.Process) -> bool:
    try:
        return child.status() != psutil.STATUS_ZOMBIE  # those are the init process' to clear away
    except psutil.NoSuchProcess:
        return False


def _stream(name: str, source: str, here: Stage) -> dict[str, Any]:
    if source.startswith("rtsp"):
        return {"id": name, "source": source}
    return {"id": name, "source": here.place(Path(source)), "loop": True}


def _every_frame() -> dict[str, Any]:
    return {"id": "probe", "kind": "probe", "streams": ["*"], "interval": 0.0}


def _is_result(stream: str) -> Any:  # noqa: ANN401  what the watcher takes
    ending = f"/s/{stream}/a/probe/result"
    return lambda message: message.topic.endswith(ending)


def report(data: Data) -> str:
    """The section of RESULTS.md."""
    memory_mb: dict[str, list[float]] = data["memory"]
    times: Times = data["times"]
    everything = [sum(of) for of in zip(*memory_mb.values(), strict=True)]
    rows = [
        [role, *(f"{megabytes:.1f}" for megabytes in of)]
        for role, of in {**memory_mb, "all": everything}.items()
    ]
    return f"""One RTSP camera 1080p25, `probe` at 1 Hz, {SETTLE_S:g} s after the first result. *Private*
is what a process alone has (USS); with its part of what it shares it is the PSS.

{table(["process", "private, MB", "with its part of shared pages, MB"], rows)}

Starting and stopping, until a subscriber hears of it; 1080p25, a key frame every 0.5 s; the camera begins
with what comes next, not with a key frame; `probe` with `interval = 0`.

{table(["", "seconds"], [[name, spread(of)] for name, of in times.items()])}"""
