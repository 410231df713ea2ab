"""A. What a camera costs by how often its frames are asked for, beside four programs that do the same."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.figures import Data, Goal, goals, median, picture, spread, table
from benchmarks.peers import ffmpeg_pipe
from benchmarks.processes import Program, watch_cpu
from benchmarks.stage import camera, stage
from benchmarks.video import FPS, clip

TITLE = "A. Cost against demand"
TIMES_FLOOR, PLUS_CORES = 1.3, 0.003  # the goal: at most so many times the floor, and so much on top
KEY_S = 2.0  # from key frame to key frame, unless it says otherwise
INTERVALS_S = (0.0, 0.2, 1.0, 2.0, 10.0, 60.0)
WINDOWS_S = {0.0: 8.0, 0.2: 8.0, 1.0: 10.0, 2.0: 12.0, 10.0: 20.0, 60.0: 60.0}
ONCE_S = 60.0  # windows of this length are measured once
EVERYTHING_AT_S = (0.0, 1.0, 10.0)
EVERYTHING_S = 6.0  # the window of programs that decode everything: they do the same all the time
SETTLE_S = 3.0  # and one and a half groups of pictures, to know how long they are
EVERYTHING_SETTLE_S = 1.5
PROGRAMS = {
    "vedette": "Vedette, all processes",
    "floor": "floor: a bare PyAV loop",
    "opencv": "OpenCV read loop",
    "ffmpeg": "ffmpeg, piping BGR",
    "stream_infer": "Stream Infer 0.6.7",
}
EMPTY = """
from algos import BaseAlgo

class Empty(BaseAlgo):
    \"\"\"Takes frames and does nothing.\"\"\"
    def run(self, frames):
        return None
"""
EVERYTHING = ("opencv", "ffmpeg", "stream_infer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One program on one camera at one interval."""

    program: str
    interval_s: float
    window_s: float
    key_s: float = KEY_S
    source: str = "rtsp"
    exact: bool = False  # keyframes = "never"


@dataclass(slots=True)
class Figures:
    """What a case came to, one figure a repetition."""

    cores: list[float] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    others_cores: list[float] = field(default_factory=list)
    roles: list[dict[str, float]] = field(default_factory=list)
    failed: int = 0  # windows that had to be measured again


Runs = Callable[[], int]  # how many there were so far


def cases(*, quick: bool) -> list[Case]:
    """All that is measured, in its order; what is compared comes one after the other."""
    intervals = (0.0, 1.0, 10.0) if quick else INTERVALS_S
    windows = {interval: 10.0 if quick else WINDOWS_S[interval] for interval in intervals}
    everything = EVERYTHING if ffmpeg_pipe.find() else tuple(name for name in EVERYTHING if name != "ffmpeg")
    found = []
    for interval in intervals:
        window = windows[interval]
        found += [Case(program=name, interval_s=interval, window_s=window) for name in ("vedette", "floor")]
        if interval == 1.0:
            found += [
                Case(program=name, interval_s=interval, window_s=window, exact=True)
                for name in ("vedette", "floor")
            ]
        if interval in EVERYTHING_AT_S:
            found += [Case(program=name, interval_s=interval, window_s=EVERYTHING_S) for name in everything]
    for key_s in (1.0, 4.0):
        found += [
            Case(program=name, interval_s=1.0, window_s=8.0, key_s=key_s) for name in ("vedette", "floor")
        ]
    for interval in (1.0,) if quick else (0.0, 1.0):
        found += [
            Case(program=name, interval_s=interval, window_s=max(interval * 2, 8.0), source="file")
            for name in ("vedette", "floor")
        ]
    return found


def measure(*, quick: bool) -> Data:
    """Each case in each repetition; a repetition goes through all cases."""
    todo = cases(quick=quick)
    found = {case: Figures() for case in todo}
    with contextlib.ExitStack() as stack:
        clips = {key_s: clip(key_frame_every_s=key_s) for key_s in {case.key_s for case in todo}}
        urls = {key_s: stack.enter_context(camera(file)) for key_s, file in clips.items()}
        for repetition in range(1 if quick else 3):
            for case in todo:
                if repetition and case.interval_s >= ONCE_S:
                    continue
                source = urls[case.key_s] if case.source == "rtsp" else str(clips[case.key_s])
                _measure(case, source, found[case])
                print(f"A {repetition + 1}:", case, round(found[case].cores[-1], 5), found[case].runs[-1])
    return {
        "ffmpeg": ffmpeg_pipe.version(),
        "cases": [asdict(case) | asdict(figures) for case, figures in found.items()],
    }


def _measure(case: Case, source: str, figures: Figures) -> None:
    """One window, and once more if it fails: an hour is not to be lost for a program that did not start."""
    try:
        _window(case, source, figures)
    except (AssertionError, RuntimeError) as err:
        print(f"A: {case} once more, since {err}")
        figures.failed += 1
        _window(case, source, figures)


def _window(case: Case, source: str, figures: Figures) -> None:
    program = _agent(case, source) if case.program == "vedette" else _peer(case, source)
    with program as (pid, runs):
        time.sleep(EVERYTHING_SETTLE_S if case.program in EVERYTHING else max(SETTLE_S, 1.5 * case.key_s))
        before = runs()
        cpu = watch_cpu(pid, case.window_s)
        ran = runs() - before
    figures.runs.append(ran)
    figures.cores.append(cpu.total)
    figures.others_cores.append(cpu.others_cores)
    figures.roles.append(cpu.cores)


@contextlib.contextmanager
def _agent(case: Case, source: str) -> Iterator[tuple[int, Runs]]:
    with stage() as here:
        live = case.source == "rtsp"
        stream = {"id": "camera", "source": source if live else here.place(Path(source))}
        sampling = {"interval": case.interval_s, "keyframes": "never" if case.exact else "auto"}
        here.agent.add_kind("empty", EMPTY)
        here.agent.configure(
            streams=[stream if live else {**stream, "loop": True}],
            algorithms=[{"id": "empty", "kind": "Empty", "streams": ["camera"], **sampling}],
        )
        here.agent.start()
        here.wait_for_first_result()
        yield here.agent.process.pid, lambda: len(here.watcher.matching("d/+/s/camera/a/empty/result"))


@contextlib.contextmanager
def _peer(case: Case, source: str) -> Iterator[tuple[int, Runs]]:
    module = {"floor": "floor", "opencv": "opencv_loop", "ffmpeg": "ffmpeg_pipe"}.get(
        case.program, "stream_infer_loop"
    )
    command = [sys.executable, "-m", f"benchmarks.peers.{module}", source, str(case.interval_s)]
    command += ["--exact"] * case.exact + ["--paced"] * (case.source == "file")
    with Program(command) as program:
        program.wait_for_lines(1)
        yield program.pid, lambda: len(program.lines)


def report(data: Data) -> str:
    """The section of RESULTS.md."""
    main = [case for case in data["cases"] if _is_main(case)]
    intervals = sorted({case["interval_s"] for case in main})
    names = [name for name in PROGRAMS if any(case["program"] == name for case in main)]
    head = ["cores, median (lowest to highest)", *(_every(interval) for interval in intervals)]
    rows = [[PROGRAMS[name], *(_cell(main, name, interval) for interval in intervals)] for name in names]
    ffmpeg = f"ffmpeg is {data['ffmpeg']}." if data["ffmpeg"] else "There was no ffmpeg on this machine."
    return f"""One camera over RTSP, key frame every {KEY_S:g} s; an algorithm that does nothing, whole
picture in BGR, `keyframes = "auto"`. Repetitions: {len(main[0]["cores"])},
at {ONCE_S:g} s one;
programs one after the other. The floor keeps the same rule as Vedette and does nothing else: no
supervision, no shared memory, no MQTT. Programs that decode everything do the same at each interval; they
were measured for {EVERYTHING_S:g} s, and at three intervals only. {ffmpeg}

{picture("cost", "CPU cores for one camera by the interval at which frames are asked for")}

{table(head, rows)}

{_times(main, intervals)}

{goals(_goals(main, intervals))}

Where Vedette's cores go (median):

{_roles([case for case in main if case["program"] == "vedette"])}

### Other key frames, other sources

{_others([case for case in data["cases"] if not _is_main(case)])}

Runs in the windows of all cases and repetitions, counted and expected (Stream Infer runs again on frames
that it has seen). Windows that had to be measured again, as a program had failed:
{sum(case["failed"] for case in data["cases"])}.

{_runs(data["cases"], intervals)}"""


def headline(data: Data) -> dict[str, list[tuple[float, float]]]:
    """(interval in seconds, cores) of each program, for the picture."""
    main = [case for case in data["cases"] if _is_main(case)]
    return {
        name: [(case["interval_s"], median(case["cores"])) for case in main if case["program"] == name]
        for name in PROGRAMS
        if any(case["program"] == name for case in main)
    }


def _is_main(case: Data) -> bool:
    return case["source"] == "rtsp" and case["key_s"] == KEY_S and not case["exact"]


def _every(interval_s: float) -> str:
    return f"every {interval_s:g} s" if interval_s else "every frame"


def _find(found: Sequence[Data], program: str, interval_s: float) -> Data | None:
    return next((c for c in found if c["program"] == program and c["interval_s"] == interval_s), None)


def _cell(found: Sequence[Data], program: str, interval_s: float) -> str:
    case = _find(found, program, interval_s)
    return spread(case["cores"], 4) if case else "as before"


def _ratios(over: Data, under: Data) -> list[float]:
    return [a / b for a, b in zip(over["cores"], under["cores"], strict=True)]


def _times(main: Sequence[Data], intervals: Sequence[float]) -> str:
    rows = []
    for name, title in PROGRAMS.items():
        pairs = [(_find(main, name, interval), _find(main, "vedette", interval)) for interval in intervals]
        if name != "vedette" and any(case for case, _ in pairs):
            rows.append([title, *(spread(_ratios(a, b), 2) if a and b else "" for a, b in pairs)])
    return table(["times Vedette", *(_every(interval) for interval in intervals)], rows)


def _goals(main: Sequence[Data], intervals: Sequence[float]) -> list[Goal]:
    found = []
    for interval in intervals:
        ours, floor = _find(main, "vedette", interval), _find(main, "floor", interval)
        if ours is None or floor is None:
            continue
        times = median(_ratios(ours, floor))
        over = median([a - TIMES_FLOOR * b for a, b in zip(ours["cores"], floor["cores"], strict=True)])
        found.append(
            Goal(
                text=f"{_every(interval)}: at most {TIMES_FLOOR} times the floor and {PLUS_CORES:g} cores",
                measured=f"{times:.2f} times; {TIMES_FLOOR} times and {over:+.4f} cores",
                met=over <= PLUS_CORES,
            )
        )
    return found


def _roles(found: Sequence[Data]) -> str:
    names = list(dict.fromkeys(role for case in found for roles in case["roles"] for role in roles))
    head = ["process", *(_every(case["interval_s"]) for case in found)]
    return table(
        head,
        [[name, *(f"{median([r.get(name, 0.0) for r in c['roles']]):.4f}" for c in found)] for name in names],
    )


def _others(found: Sequence[Data]) -> str:
    rows = []
    for case in found:
        if case["program"] != "vedette":
            continue
        same = ("interval_s", "key_s", "source", "exact")
        floor = next(c for c in found if c["program"] == "floor" and all(c[k] == case[k] for k in same))
        what = "RTSP" if case["source"] == "rtsp" else "file at its own pace"
        exact = ', `keyframes = "never"`' if case["exact"] else ""
        title = f"{what}, key frame every {case['key_s']:g} s{exact}, {_every(case['interval_s'])}"
        ratios = spread(_ratios(case, floor), 2)
        rows.append([title, spread(case["cores"], 4), spread(floor["cores"], 4), ratios])
    return table(["", "Vedette, cores", "floor, cores", "Vedette, times the floor"], rows)


def _runs(found: Sequence[Data], intervals: Sequence[float]) -> str:
    def cell(program: str, interval: float) -> str:
        there = [c for c in found if c["program"] == program and c["interval_s"] == interval]
        expected = sum(len(c["runs"]) * c["window_s"] / (interval or 1 / FPS) for c in there)
        return f"{sum(map(sum, (c['runs'] for c in there)))} of {expected:.0f}" if there else ""

    names = [name for name in PROGRAMS if any(case["program"] == name for case in found)]
    head = ["all cases", *(_every(interval) for interval in intervals)]
    return table(head, [[PROGRAMS[n], *(cell(n, interval) for interval in intervals)] for n in names])
