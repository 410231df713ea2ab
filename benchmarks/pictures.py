"""The pictures of README.md and RESULTS.md, drawn from results.json, for light and for dark pages."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import demand, latency
from benchmarks.figures import Data, median
from benchmarks.video import FPS

MOST_MS = 40  # of the axis of latencies
FRAME_S = 1 / FPS  # where "every frame" stands on an axis of intervals


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a page."""

    name: str
    ink: str
    faint: str
    grid: str
    colours: dict[str, str]  # of programs


THEMES = (
    Theme(
        "light",
        "#1f2328",
        "#59636e",
        "#d1d9e0",
        {
            "vedette": "#0969da",
            "floor": "#59636e",
            "opencv": "#9a6700",
            "ffmpeg": "#8250df",
            "stream_infer": "#cf222e",
        },
    ),
    Theme(
        "dark",
        "#f0f6fc",
        "#9198a1",
        "#3d444d",
        {
            "vedette": "#58a6ff",
            "floor": "#9198a1",
            "opencv": "#d29922",
            "ffmpeg": "#bc8cff",
            "stream_infer": "#ff7b72",
        },
    ),
)
NAMES = {
    "vedette": "Vedette",
    "floor": "floor: bare PyAV loop",
    "opencv": "OpenCV read loop",
    "ffmpeg": "ffmpeg, raw frames",
    "stream_infer": "Stream Infer 0.6.7",
}


def draw(measured: dict[str, Data], folder: Path) -> None:
    """All pictures for which there are figures."""
    for theme in THEMES:
        if "demand" in measured:
            _cost(demand.headline(measured["demand"]), theme, folder / f"cost-{theme.name}.svg")
        if "latency" in measured:
            _latency(measured["latency"], theme, folder / f"latency-{theme.name}.svg")


def _cost(programs: dict[str, list[tuple[float, float]]], theme: Theme, path: Path) -> None:
    figure, axes = _figure(theme, 8.0, 4.6)
    ends = []
    for name, points in programs.items():
        seconds, cores = [interval_s or FRAME_S for interval_s, _ in points], [of for _, of in points]
        if name in demand.EVERYTHING:  # it does the same all the time
            last_s = max(interval_s or FRAME_S for interval_s, _ in programs["vedette"])
            seconds, cores = [*seconds, last_s], [*cores, cores[-1]]
        axes.plot(
            seconds,
            cores,
            color=theme.colours[name],
            linewidth=2.6 if name == "vedette" else 1.6,
            linestyle=(0, (4, 2)) if name == "floor" else "solid",
            marker="o",
            markersize=5 if name == "vedette" else 3.5,
            zorder=3 if name == "vedette" else 2,
        )
        ends.append((cores[-1], name))
    axes.set_xscale("log")
    axes.set_yscale("log")
    intervals = [interval_s for interval_s, _ in programs["vedette"]]
    axes.set_xticks(
        [interval_s or FRAME_S for interval_s in intervals],
        [f"{interval_s:g} s" if interval_s else "every\nframe" for interval_s in intervals],
    )
    ticks = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    for (end, name), height in zip(sorted(ends), _apart(sorted(at for at, _ in ends)), strict=True):
        axes.annotate(
            f"{NAMES[name]}  {end:.2g}",
            (1.01, height),
            xycoords=("axes fraction", "data"),
            color=theme.colours[name],
            fontsize=9.5,
            fontweight="bold" if name == "vedette" else "normal",
            va="center",
        )
    axes.set_xlabel("an algorithm looks at a frame every", color=theme.faint)
    axes.set_title("CPU cores for one camera, 1080p25 H.264", loc="left", color=theme.ink, fontsize=12)
    _save(figure, path)


def _apart(heights: Sequence[float], factor: float = 1.38) -> list[float]:
    """The same in their order, each at least `factor` times the one below, so that words do not overlap."""
    found: list[float] = []
    for height in heights:
        found.append(max(height, found[-1] * factor) if found else height)
    return found


def _latency(data: Data, theme: Theme, path: Path) -> None:
    figure, panels = _figure(theme, 8.0, 4.4, rows=len(latency.INTERVALS_S))
    for axes, name in zip(panels, latency.INTERVALS_S, strict=True):
        counts = {float(key): count for key, count in data[name]["histogram_ms"].items()}
        everything = sum(counts.values())
        middle_ms = median([one["heard_ms"]["p50"] for one in data[name]["rounds"]])
        axes.bar(
            list(counts),
            [100 * count / everything for count in counts.values()],
            width=latency.BIN_MS,
            align="edge",
            color=theme.colours["vedette"],
        )
        axes.axvline(middle_ms, color=theme.ink, linewidth=1)
        axes.set_xlim(0, MOST_MS)
        axes.set_ylabel("% of results", color=theme.faint)
        beyond = sum(count for at_ms, count in counts.items() if at_ms >= MOST_MS)
        words = f"{name}: {everything} results, half of them within {middle_ms:.1f} ms"
        words += f", {beyond} beyond {MOST_MS} ms" if beyond else ""
        axes.set_title(words, loc="left", color=theme.ink, fontsize=10)
    panels[-1].set_xlabel("ms from the arrival of a packet to the result at a subscriber", color=theme.faint)
    figure.tight_layout()
    _save(figure, path)


def _figure(theme: Theme, width: float, height: float, *, rows: int = 1) -> tuple[Any, Any]:
    """A figure of `rows` panels above each other, and the panel or all of them."""
    # Only the benchmarks' environment has it, the type checker's has not.
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    pyplot.switch_backend("svg")
    # The words stay words, and the same figures give the same file.
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "vedette", "font.family": "sans-serif"})
    figure, panels = pyplot.subplots(rows, 1, figsize=(width, height), squeeze=False)
    for axes in panels[:, 0]:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(theme.grid)
        axes.tick_params(colors=theme.faint, which="both")
        axes.grid(visible=True, axis="y", color=theme.grid, linewidth=0.6)
        axes.set_axisbelow(True)
    return figure, panels[0, 0] if rows == 1 else panels[:, 0]


def _save(figure: Any, path: Path) -> None:  # noqa: ANN401  a figure of matplotlib
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None})
    importlib.import_module("matplotlib.pyplot").close(figure)
    # matplotlib ends lines with spaces.
    path.write_text("\n".join(map(str.rstrip, path.read_text("utf-8").splitlines())) + "\n", "utf-8")
