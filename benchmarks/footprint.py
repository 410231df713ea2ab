"""Private memory of each process; how long it takes to start, to add, to remove and to stop."""

import shutil
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.processes import Memory, memory
from benchmarks.stage import Stage, camera, spread, stage, table
from benchmarks.video import clip
from tests.waiting import eventually
from tests.watcher import Message

SETTLE_S = 20.0
QUIET_S = 1.0  # nothing comes for so long: that was the last
MB = 1e6

Times = dict[str, list[float]]


def measure(*, repetitions: int) -> str:
    """The section of the report."""
    with camera(clip(key_frame_every_s=2)) as url:
        processes = _memory(url)
    print("memory:", {role: round(one.private / MB, 1) for role, one in processes.items()})
    brief = clip(key_frame_every_s=0.5)
    times: Times = {}
    with camera(brief, group_first=False) as url:
        for repetition in range(repetitions):
            _start_and_stop(brief, url, times)
            print(f"start and stop {repetition + 1}:", {name: round(of[-1], 3) for name, of in times.items()})
        _add_and_remove(brief, url, repetitions, times)
    return _report(processes, times, repetitions)


def _memory(url: str) -> dict[str, Memory]:
    with stage() as here:
        here.agent.configure(
            streams=[{"id": "camera", "source": url}],
            algorithms=[{"id": "probe", "kind": "probe", "streams": ["camera"], "interval": 1.0}],
        )
        here.agent.start()
        here.wait_for_first_result()
        time.sleep(SETTLE_S)
        return memory(here.agent.process.pid)


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


def _add_and_remove(file: Path, url: str, repetitions: int, times: Times) -> None:
    with stage() as here:
        here.agent.configure(algorithms=[_every_frame()])
        here.agent.start()
        here.watcher.wait_for(lambda message: message.topic.endswith("/reported"))
        for repetition in range(repetitions):
            for name, source in {"file": str(file), "RTSP": url}.items():
                stream = f"{name}-{repetition}"
                added_s = time.monotonic()
                _call(here, "stream.add", _stream(stream, source, here))
                first = here.watcher.wait_for(_is_result(stream), 30.0)
                here.watcher.wait_for_results(25, stream=stream, timeout_s=30.0)
                removed_s = time.monotonic()
                _call(here, "stream.remove", {"id": stream})
                last = _wait_for_last(here, stream)
                times.setdefault(f"`stream.add` to first result, {name}", []).append(
                    first.received_s - added_s
                )
                # Below zero: the last result came before the command was sent.
                times.setdefault(f"`stream.remove` to last result, {name}", []).append(
                    last.received_s - removed_s
                )
            print(f"add and remove {repetition + 1}:", {name: round(of[-1], 3) for name, of in times.items()})


def _stream(name: str, source: str, here: Stage) -> dict[str, Any]:
    if not source.startswith("rtsp"):
        copy = here.agent.media / Path(source).name  # only from there the agent may read files
        if not copy.exists():
            shutil.copyfile(source, copy)
        return {"id": name, "source": str(copy), "loop": True}
    return {"id": name, "source": source}


def _every_frame() -> dict[str, Any]:
    return {"id": "probe", "kind": "probe", "streams": ["*"], "interval": 0.0}


def _is_result(stream: str) -> Any:  # noqa: ANN401  what the watcher takes
    ending = f"/s/{stream}/a/probe/result"
    return lambda message: message.topic.endswith(ending)


def _wait_for_last(here: Stage, stream: str) -> Message:
    """The last result of a stream, once none has come for a while."""

    def last() -> Message | None:
        newest = here.watcher.matching(f"d/+/s/{stream}/a/probe/result")[-1]
        return newest if time.monotonic() - newest.received_s > QUIET_S else None

    found = eventually(last, what=f"the results of {stream} end")
    assert found is not None
    return found


def _call(here: Stage, verb: str, args: dict[str, Any]) -> None:
    reply = here.watcher.call(verb, args)
    if reply["code"] != 200:  # noqa: PLR2004  as in HTTP
        raise RuntimeError(f"{verb}: {reply}")


def _report(processes: dict[str, Memory], times: Times, repetitions: int) -> str:
    sums = Memory(
        private=sum(one.private for one in processes.values()),
        share=sum(one.share for one in processes.values()),
    )
    rows = [
        [role, f"{one.private / MB:.1f}", f"{one.share / MB:.1f}"]
        for role, one in {**processes, "all": sums}.items()
    ]
    return f"""## Memory, start and stop

### Memory

One RTSP camera 1080p25, `probe` at 1 Hz, {SETTLE_S:g} s after the first result. *Private* is what a process
alone has (USS); with its part of what it shares it is the PSS.

{table(["process", "private, MB", "with its part of shared pages, MB"], rows)}

### Times

Median of {repetitions} (lowest to highest), until a subscriber hears of it. 1080p25, a key frame every 0.5 s;
the camera begins with what comes next, not with a key frame; `probe` with `interval = 0`.

{table(["", "seconds"], [[name, spread(of)] for name, of in times.items()])}"""
