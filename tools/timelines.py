#!/usr/bin/env python
"""Draw the time lines of docs/sampling.md, by the agent's own rules: tools/timelines.py [--check].

`agent.sampling` is asked what it does with made-up frames; what it answers is drawn, so that a picture
cannot say anything else than the agent does. With --check nothing is written: it fails when one is stale.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from agent.config.algorithms import Keyframes
from agent.sampling import Due, KeyTimes, Sampler, Sampling, Thinner

DOCS = Path(__file__).parents[1] / "docs"


# --- what happens ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of the source."""

    pts_s: float
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """A window that is handed over, oldest frame first, and when."""

    window: tuple[Frame, ...]
    begins_s: float
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting: its words, and what comes of it."""

    title: str
    note: str
    frames: tuple[Frame, ...]
    played: frozenset[Frame]
    runs: tuple[Run, ...] = ()
    due_s: tuple[float, ...] = ()
    run_s: float = 0.0  # how long a run takes, in stream time; 0: not shown
    cut_s: float | None = None  # the source was opened anew
    decoded: frozenset[Frame] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture: rows on one axis of time."""

    name: str
    title: str
    until_s: float
    tick_s: float
    rows: Sequence[Row] = field(default_factory=tuple)


def source(fps: float, until_s: float, key_every: int = 0, begins_s: float = 0.0) -> tuple[Frame, ...]:
    """Frames at an even rate, every so manieth a key frame."""
    count = round((until_s - begins_s) * fps) + 1
    return tuple(
        Frame(round(begins_s + number / fps, 6), key_every > 0 and number % key_every == 0)
        for number in range(count)
    )


class _Stage:
    """Frames come in, and are played to one algorithm, whose worker takes its time."""

    def __init__(self, sampling: Sampling, fps: float | None, source_fps: float, run_s: float) -> None:
        self._sampling = sampling
        self._fps = (fps, source_fps)
        self._run_s = run_s
        self._keys = KeyTimes()
        self._sampler = Sampler(sampling, self._keys)
        self._sampler.want(0)
        self._free_s = 0.0
        self.played: list[Frame] = []
        self.runs: list[Run] = []
        self.due_s: list[float] = []
        self.open()

    def open(self) -> None:
        """The source is opened, perhaps anew."""
        self._thinner = Thinner(*self._fps)
        self._due = Due(self._sampling.interval_s)
        self._first = True
        self._keys.begin_generation()
        self._sampler.begin_generation()

    def frame(self, frame: Frame) -> None:
        """A frame comes in."""
        if self._free_s < frame.pts_s:
            self._serve(
                self._free_s
            )  # the worker became free between two frames: it gets the newest there is
        if self._sampling.keyframes == "only" and not frame.is_key:
            return
        if not self._thinner.played(frame.pts_s):
            return
        if frame.is_key:
            self._keys.arrived(frame.pts_s)
        self.played.append(frame)
        self._note_due(frame.pts_s)
        self._sampler.frame(frame.pts_s, is_key=frame.is_key)
        if self._free_s <= frame.pts_s:
            self._serve(frame.pts_s)

    def _note_due(self, pts_s: float) -> None:
        if self._sampling.interval_s == 0:
            return
        if self._first:
            self._first = False
            self._due.reached(pts_s)
            self.due_s.append(pts_s)
        while (point_s := self._due.next_s(0.0)) <= pts_s:
            self._due.reached(point_s)
            self.due_s.append(point_s)

    def _serve(self, now_s: float) -> None:
        if not self._sampler.wanted:
            self._sampler.want(0)
        if (take := self._sampler.take()) is not None:
            window = tuple(self.played[-1 - offset] for offset in self._sampling.offsets())
            self.runs.append(Run(window, now_s, take.skipped))
            self._free_s = now_s + self._run_s


def row(
    title: str,
    note: str,
    frames: tuple[Frame, ...],
    sampling: Sampling | None = None,
    *,
    fps: float | None = None,
    run_s: float = 0.0,
    cut_s: float | None = None,
    shows_decoding: bool = False,
) -> Row:
    """What the agent does with these frames; without sampling only which of them are played."""
    source_fps = 1 / (frames[1].pts_s - frames[0].pts_s)
    stage = _Stage(sampling or Sampling(1, 1, 1.0), fps, source_fps, run_s)
    for before, frame in zip((None, *frames), frames, strict=False):
        if cut_s is not None and before is not None and before.pts_s < cut_s <= frame.pts_s:
            stage.open()
        stage.frame(frame)
    runs = tuple(stage.runs) if sampling is not None else ()
    return Row(
        title=title,
        note=note,
        frames=frames,
        played=frozenset(stage.played),
        runs=runs,
        due_s=tuple(stage.due_s) if sampling is not None else (),
        run_s=run_s,
        cut_s=cut_s,
        decoded=_decoded(frames, runs) if shows_decoding else frozenset(),
    )


def _decoded(frames: Sequence[Frame], runs: Iterable[Run]) -> frozenset[Frame]:
    """What has to be decoded for these windows: from the key frame of a group up to the frame."""
    wanted = {frame for run in runs for frame in run.window}
    decoded: set[Frame] = set()
    group: list[Frame] = []
    for frame in frames:
        group = [frame] if frame.is_key else [*group, frame]
        if frame in wanted:
            decoded.update(group)
    return frozenset(decoded)


def _keyframes(keyframes: Keyframes, note: str) -> Row:
    frames = source(10, 6.0, key_every=12)
    return row(
        f'keyframes = "{keyframes}"', note, frames, Sampling(1, 1, 1.0, keyframes), shows_decoding=True
    )


def drawings() -> list[Drawing]:
    """All pictures."""
    camera = source(25, 1.2)
    slow = source(10, 3.0)
    broken = source(10, 1.3) + source(10, 3.0, begins_s=1.7)
    busy = source(10, 3.0)
    fifth = Sampling(1, 1, 0.2)
    return [
        Drawing(
            name="fps",
            title="fps: which frames are played",
            until_s=1.2,
            tick_s=0.2,
            rows=[
                row("(no fps)", "all 25 a second", camera),
                row("fps = 10", "evenly by time", camera, fps=10),
                row("fps = 5", "every fifth", camera, fps=5),
                row("fps = 30", "more than there are: all", camera, fps=30),
            ],
        ),
        Drawing(
            name="interval",
            title="interval: when a run is due",
            until_s=3.0,
            tick_s=0.5,
            rows=[
                row("interval = 1.0", "the default", slow, Sampling(1, 1, 1.0)),
                row("interval = 0.5", "twice a second", slow, Sampling(1, 1, 0.5)),
                row("interval = 0.75", "the next frame, no drift", slow, Sampling(1, 1, 0.75)),
                row("interval = 0", "every played frame", slow, Sampling(1, 1, 0.0)),
            ],
        ),
        Drawing(
            name="window",
            title="frame_count, frame_step: which frames a run gets",
            until_s=3.0,
            tick_s=0.5,
            rows=[
                row("frame_count = 1", "the default", slow, Sampling(1, 1, 1.0)),
                row("frame_count = 3", "frame_step = 1", slow, Sampling(3, 1, 1.0)),
                row("frame_count = 3", "frame_step = 3", slow, Sampling(3, 3, 1.0)),
                row("frame_count = 3", "frame_step = 2, fps = 5", slow, Sampling(3, 2, 1.0), fps=5),
                row("frame_count = 3", "frame_step = 3, a break", broken, Sampling(3, 3, 1.0), cut_s=1.7),
            ],
        ),
        Drawing(
            name="keyframes",
            title="keyframes: what may wait for a key frame, and what that saves",
            until_s=6.0,
            tick_s=1.0,
            rows=[
                _keyframes("never", "when it is due"),
                _keyframes("auto", "at most interval / 2 late"),
                _keyframes("only", "no other frames"),
            ],
        ),
        Drawing(
            name="busy",
            title="a run takes 0.5 s, and one is due every 0.2 s",
            until_s=3.0,
            tick_s=0.5,
            rows=[
                row("live", "the newest frame wins", busy, fifth, run_s=0.5),
                row("offline", "reading waits, none left out", busy, fifth),
            ],
        ),
    ]


# --- how it looks ---------------------------------------------------------------------------------------

WIDTH, LEFT, RIGHT = 800, 200, 24
TOP, ROW, BASE = 52, 66, 40  # BASE: from the top of a row to the foot of its frames
HIGH, HIGH_KEY = 15, 24
STYLE = """
svg { --page: #ffffff; --edge: #d1d9e0; --text: #1f2328; --dim: #59636e; --faint: #d8dee4; --played: #818b98;
  --decoded: #d4a72c; --member: #54aeff; --sampled: #0550ae; --busy: #fbdfa6; --late: #bc4c00 }
@media (prefers-color-scheme: dark) {
  svg { --page: #0d1117; --edge: #3d444d; --text: #f0f6fc; --dim: #9198a1; --faint: #3d444d;
    --played: #6e7681; --decoded: #9e6a03; --member: #1f6feb; --sampled: #a5d6ff; --busy: #5a3e0a;
    --late: #f0883e }
}
text { font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: var(--text) }
.page { fill: var(--page); stroke: var(--edge) }
.title { font-weight: 600; font-size: 14px }
.key { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: 12.5px; font-weight: 600 }
.dim { fill: var(--dim); font-size: 12px }
.late { fill: var(--late); font-size: 11px }
.mid { text-anchor: middle }
.faint { fill: none; stroke: var(--faint); stroke-width: 1.3 }
.played { fill: var(--played) }
.decoded { fill: var(--decoded) }
.member { fill: var(--member) }
.sampled { fill: var(--sampled) }
.due { fill: var(--late) }
.busy { fill: var(--busy) }
.line { stroke: var(--edge); fill: none }
.span { stroke: var(--member); fill: none; stroke-width: 1.5 }
.cut { stroke: var(--late); fill: none; stroke-width: 1.5; stroke-dasharray: 4 3 }
"""


def svg(drawing: Drawing) -> str:
    """The picture, for light and dark pages alike."""
    axis_y = TOP + ROW * len(drawing.rows)
    height = axis_y + 62
    words = f"{drawing.title}: {'; '.join(f'{one.title}, {one.note}' for one in drawing.rows)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {_extent(WIDTH, height)} role="img">',
        f"<title>{escape(words)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
        _text(20, 28, drawing.title, "title"),
    ]
    for number, one in enumerate(drawing.rows):
        parts += _row(one, TOP + ROW * number, drawing.until_s)
    parts += _axis(drawing, axis_y)
    parts += _legend(drawing, axis_y + 44)
    return "\n".join([*parts, "</svg>", ""])


def _extent(width: int, height: int) -> str:
    return f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'


def _x(time_s: float, until_s: float) -> float:
    return round(LEFT + 8 + time_s / until_s * (WIDTH - LEFT - RIGHT - 16), 1)


def _row(one: Row, top: int, until_s: float) -> list[str]:
    foot = top + BASE
    parts = [
        _text(20, top + 28, one.title, "key"),
        _text(20, top + 45, one.note, "dim"),
        f'<path class="line" d="M{LEFT} {foot + 0.5}H{WIDTH - RIGHT}"/>',
    ]
    if one.cut_s is not None:
        x = _x(one.cut_s, until_s) - 6
        parts.append(f'<path class="cut" d="M{x} {top + 8}V{foot + 14}"/>')
    if one.run_s:
        parts += [_busy(run, foot, one.run_s, until_s) for run in one.runs]
    parts += [_bar(_x(frame.pts_s, until_s), foot, *_look(one, frame)) for frame in one.frames]
    low = foot + (12 if one.run_s else 4)
    parts += [f'<path class="due" d="M{_x(time_s, until_s)} {low}l4 7h-8z"/>' for time_s in one.due_s]
    for number, run in enumerate(one.runs):
        x1, x2 = _x(run.window[0].pts_s, until_s), _x(run.window[-1].pts_s, until_s)
        if len(run.window) > 1:
            y = top + 15 - 5 * (number % 2)
            parts.append(f'<path class="span" d="M{x1} {y + 4}V{y}H{x2}V{y + 4}"/>')
        if run.skipped:
            parts.append(_text(min(x2, WIDTH - RIGHT - 20), top + 9, f"skipped {run.skipped}", "late mid"))
    return parts


def _look(one: Row, frame: Frame) -> tuple[float, str]:
    """Height and look of a frame."""
    high = HIGH_KEY if frame.is_key else HIGH
    if any(frame is run.window[-1] for run in one.runs):
        return high + 3, "sampled"
    if any(frame in run.window for run in one.runs):
        return high, "member"
    if frame in one.decoded:
        return high, "decoded"
    return high, "played" if frame in one.played and not one.decoded else "faint"


def _busy(run: Run, foot: int, run_s: float, until_s: float) -> str:
    begin, end = _x(run.begins_s, until_s), min(_x(run.begins_s + run_s, until_s), WIDTH - RIGHT)
    return f'<rect class="busy" x="{begin}" y="{foot + 3}" width="{round(end - begin - 2, 1)}" height="6"/>'


def _bar(x: float, foot: float, high: float, look: str) -> str:
    wide = 5 if look != "faint" else 4
    return (
        f'<rect class="{look}" x="{round(x - wide / 2, 1)}" y="{foot - high}" width="{wide}" '
        f'height="{high}" rx="1"/>'
    )


def _axis(drawing: Drawing, y: int) -> list[str]:
    parts = []
    for number in range(round(drawing.until_s / drawing.tick_s) + 1):
        time_s = number * drawing.tick_s
        unit = " s" if number == 0 else ""
        parts.append(_text(_x(time_s, drawing.until_s), y + 12, f"{time_s:g}{unit}", "dim mid"))
    return parts


def _legend(drawing: Drawing, y: int) -> list[str]:
    """What the marks of this picture mean, those that are in it."""
    rows = drawing.rows
    runs = [run for one in rows for run in one.runs]
    decoding = any(one.decoded for one in rows)
    marks = (
        (bool(runs), _bar(4, 0, 12, "sampled"), 13, "sampled"),
        (any(len(run.window) > 1 for run in runs), _bar(4, 0, 12, "member"), 13, "also in its window"),
        (decoding, _bar(4, 0, 12, "decoded"), 13, "only decoded"),
        (decoding, _bar(4, 0, 12, "faint"), 13, "not decoded"),
        (decoding, _bar(3, 0, 10, "faint") + _bar(10, 0, 16, "faint"), 19, "key frame"),
        (not decoding, _bar(4, 0, 12, "played"), 13, "played"),
        (
            not decoding and any(set(one.frames) - one.played for one in rows),
            _bar(4, 0, 12, "faint"),
            13,
            "not played",
        ),
        (any(one.due_s for one in rows), '<path class="due" d="M4 -9l4 7h-8z"/>', 13, "a run is due"),
        (
            any(one.run_s for one in rows),
            '<rect class="busy" y="-8" width="14" height="6"/>',
            20,
            "the worker runs",
        ),
        (any(one.cut_s for one in rows), '<path class="cut" d="M4 -13v15"/>', 13, "opened anew"),
    )
    parts = []
    x = 20.0
    for shown, mark, shift, words in marks:
        if shown:
            text = _text(shift, -1, words, "dim")
            parts.append(f'<g transform="translate({x:g} {y})">{mark}{text}</g>')
            x += round(shift + 6.6 * len(words) + 16)
    return parts


def _text(x: float, y: float, words: str, look: str) -> str:
    return f'<text class="{look}" x="{x:g}" y="{y:g}">{escape(words)}</text>'


def main(arguments: Sequence[str]) -> int:
    """Write the pictures, or with --check say which are stale."""
    stale = []
    for drawing in drawings():
        path = DOCS / f"sampling-{drawing.name}.svg"
        text = svg(drawing)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            stale.append(path.name)
    if stale:
        print(f"stale: {', '.join(stale)}; run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
