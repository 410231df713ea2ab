"""F. How soon something that is added works, how soon something removed is silent, and what others notice."""

import itertools
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Data, Goal, goals, median, spread, table
from benchmarks.stage import Stage, camera, stage
from benchmarks.video import FPS, clip
from tests.waiting import eventually
from tests.watcher import Message

TITLE = "F. Add and remove"
QUIET_S = 1.0  # nothing comes for so long: that was the last
ADD_S, REMOVE_S = 1.0, 0.2
STEADY = "steady"  # the stream that is to notice nothing
DISTURBED_S = 0.25  # a gap between results of a stream of 25 frames a second that somebody would notice

Times = dict[str, list[float]]


def measure(*, quick: bool) -> Data:
    """Streams of a file and of a camera, and an algorithm, come and go beside a stream that stays."""
    times: Times = {}
    brief = clip(key_frame_every_s=0.5)
    with camera(brief, group_first=False) as url, stage() as here:
        here.agent.configure(
            streams=[{"id": STEADY, "source": url}],
            algorithms=[_algorithm("watch", [STEADY]), _algorithm("probe", ["*"])],
        )
        here.agent.start()
        here.watcher.wait_for_results(3 * FPS, stream=STEADY, algorithm="watch", timeout_s=30.0)
        begin_s = time.monotonic()
        time.sleep(5.0)
        calm = _steady(here, begin_s)
        begin_s = time.monotonic()
        for repetition in range(2 if quick else 10):
            for name, source in {"file": _file(here, brief), "camera": {"source": url}}.items():
                _stream(here, name, {"id": f"{name}-{repetition}", **source}, times)
            _one_algorithm(here, f"extra-{repetition}", times)
            print(f"F {repetition + 1}:", {name: round(of[-1], 3) for name, of in times.items()})
        return {"times": times, "calm": calm, "busy": _steady(here, begin_s)}


def _file(here: Stage, file: Path) -> dict[str, Any]:
    return {"source": here.place(file), "loop": True}


def _algorithm(name: str, streams: list[str]) -> dict[str, Any]:
    return {"id": name, "kind": "probe", "streams": streams, "interval": 0.0, "size": [640, 360]}


def _stream(here: Stage, name: str, stream: dict[str, Any], times: Times) -> None:
    added_s = time.monotonic()
    here.call("stream.add", stream)
    first = here.watcher.wait_for(_is_result(stream["id"], "probe"), 30.0)
    here.watcher.wait_for_results(FPS, stream=stream["id"], timeout_s=30.0)
    removed_s = time.monotonic()
    here.call("stream.remove", {"id": stream["id"]})
    last = _wait_for_last(here, stream["id"], "probe")
    times.setdefault(f"`stream.add` to first result, {name}", []).append(first.received_s - added_s)
    # Below zero: the last result came before the command was sent.
    times.setdefault(f"`stream.remove` to silence, {name}", []).append(max(0.0, last.received_s - removed_s))


def _one_algorithm(here: Stage, name: str, times: Times) -> None:
    added_s = time.monotonic()
    here.call("algorithm.add", _algorithm(name, [STEADY]))
    first = here.watcher.wait_for(_is_result(STEADY, name), 30.0)
    here.watcher.wait_for_results(FPS, stream=STEADY, algorithm=name, timeout_s=30.0)
    removed_s = time.monotonic()
    here.call("algorithm.remove", {"id": name})
    last = _wait_for_last(here, STEADY, name)
    times.setdefault("`algorithm.add` to first result", []).append(first.received_s - added_s)
    times.setdefault("`algorithm.remove` to silence", []).append(max(0.0, last.received_s - removed_s))


def _is_result(stream: str, algorithm: str) -> Any:  # noqa: ANN401  what the watcher takes
    ending = f"/s/{stream}/a/{algorithm}/result"
    return lambda message: message.topic.endswith(ending)


def _wait_for_last(here: Stage, stream: str, algorithm: str) -> Message:
    """The last result, once none has come for a while."""

    def last() -> Message | None:
        newest = here.watcher.matching(f"d/+/s/{stream}/a/{algorithm}/result")[-1]
        return newest if time.monotonic() - newest.received_s > QUIET_S else None

    found = eventually(last, what=f"the results of {algorithm} on {stream} end")
    assert found is not None
    return found


def _steady(here: Stage, begin_s: float) -> Data:
    """What the stream that stays has felt since: its longest gap, and frames without a result."""
    messages = here.watcher.matching(f"d/+/s/{STEADY}/a/watch/result")
    since = [message for message in messages if message.received_s >= begin_s]
    gaps = [later.received_s - earlier.received_s for earlier, later in itertools.pairwise(since)]
    documents = [message.document for message in since]
    frames = documents[-1]["frame"] - documents[0]["frame"] + 1
    return {"results": len(since), "frames": frames, "longest_gap_s": max(gaps)}


def report(data: Data) -> str:
    """The section of RESULTS.md."""
    times: Times = data["times"]
    found = [
        Goal(
            text=f"{name} within {limit:g} s",
            measured=f"{spread(times[name])} s",
            met=median(times[name]) <= limit,
        )
        for name, limit in ((name, ADD_S if "add" in name else REMOVE_S) for name in times)
    ]
    calm, busy = data["calm"], data["busy"]
    missing = busy["frames"] - busy["results"]
    found.append(
        Goal(
            text="the stream that stays is not disturbed: each frame has its result, no gap that counts",
            measured=f"{missing} frames without one; longest gap {busy['longest_gap_s'] * 1e3:.0f} ms",
            met=missing == 0 and busy["longest_gap_s"] <= DISTURBED_S,
        )
    )
    rows = [
        [name, str(one["frames"]), str(one["results"]), f"{one['longest_gap_s'] * 1e3:.0f}"]
        for name, one in {"before anything was done": calm, "while things came and went": busy}.items()
    ]
    repetitions = max(len(of) for of in times.values())
    return f"""1080p25, key frame every 0.5 s, results for every frame; {repetitions} times each. From the
command's being sent until a subscriber has the first result, or the last. The camera begins with what
comes next, not with a key frame. Beside it a camera and its algorithm stay as they are:

{goals(found)}

{table(["the stream that stays", "frames", "results", "longest gap between results, ms"], rows)}"""
