"""What streams and algorithms cost: `vedette watch --cost`."""

from collections.abc import Iterator, Sequence
from typing import Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.cli.board import STYLES, footer, new_table, title
from agent.cli.screen import LineScreen
from agent.cli.words import clean
from agent.client.observed import Device, Happening, Measured, Notice, Observed
from agent.contract.codec import json_data
from agent.contract.status import AlgorithmStatus, Reported, StreamStatus

_STREAM_RIGHT = ("CPU", "fps in", "decoded", "each", "key every", "busy", "stale", "corrupt")
_ALGORITHM_RIGHT = ("CPU", "runs a s", "run CPU", "mean", "max", "skipped")


def cost_board(observed: Observed, notices: Sequence[Notice], head: RenderableType, foot: str) -> Group:
    """Where the CPU goes, device by device, dearest first."""
    parts: list[RenderableType] = [head]
    for device in sorted(observed.devices.values(), key=lambda device: device.id):
        parts += [Text(), _sum(device)]
        if device.report is not None:
            parts += [_streams(device.report), _algorithms(device.report)]
    if not observed.devices:
        parts += [Text(), Text("nothing heard yet", "dim")]
    parts += footer(notices, foot)
    return Group(*parts)


def _sum(device: Device) -> Text:
    line = title(device)
    if device.report is not None:
        line.append(f"   {_in_all(device.report)}", "bold")
    return line


def _in_all(report: Reported) -> str:
    capture, runs = _cores(report.streams.values()), _cores(report.algorithms.values())
    return f"{capture + runs:.3f} cores: {capture:.3f} capture, {runs:.3f} algorithms"


def _cores(items: Any) -> float:  # noqa: ANN401  statuses of either kind
    return sum(item.cpu or 0.0 for item in items)


def _streams(report: Reported) -> Table:
    table = new_table("stream", *_STREAM_RIGHT, "note", right=_STREAM_RIGHT)
    for name, status in sorted(report.streams.items(), key=lambda item: -(item[1].cpu or 0.0)):
        frames = status.frames
        words = status.state.value
        table.add_row(
            name,
            _number(status.cpu, 3),
            _number(status.fps, 1),
            _number(status.fps_decoded, 1),
            _number(status.decode_ms, 1, " ms"),
            _number(status.key_interval_s, 1, " s"),
            str(frames.skipped_busy),
            str(frames.skipped_stale),
            str(frames.corrupt),
            Text(clean(status.note or words), "yellow" if status.note else STYLES.get(words, "dim")),
        )
    return table


def _algorithms(report: Reported) -> Table:
    table = new_table("algorithm", *_ALGORITHM_RIGHT, "state", right=_ALGORITHM_RIGHT)
    for name, status in sorted(report.algorithms.items(), key=lambda item: -(item[1].cpu or 0.0)):
        words = status.state.value
        table.add_row(
            name,
            _number(status.cpu, 3),
            _number(status.runs_per_s, 2),
            _number(status.run_cpu_ms, 1, " ms"),
            _number(status.run_ms_mean, 1, " ms"),
            _number(status.run_ms_max, 1, " ms"),
            str(status.skipped),
            Text(words, STYLES.get(words, "dim")),
        )
    return table


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"


class CostLines(LineScreen):
    """A line for each stream and algorithm whenever a device tells its counters."""

    def show(self, happening: Happening) -> None:
        """Write the lines; results are not shown."""
        if isinstance(happening, Measured):
            for line in _lines(happening.report):
                typer.echo(clean(f"{happening.device} {line}"))
        elif isinstance(happening, Notice):
            super().show(happening)


class CostJson(LineScreen):
    """The same as a JSON line a device."""

    def show(self, happening: Happening) -> None:
        """Write the line."""
        if isinstance(happening, Measured):
            typer.echo(json_data({"device": happening.device} | _document(happening.report)))
        elif isinstance(happening, Notice):
            typer.echo(clean(f"{happening.device} {happening.text}"), err=True)


def _lines(report: Reported) -> Iterator[str]:
    yield _in_all(report)
    for name, stream in sorted(report.streams.items()):
        yield f"stream {name}: {_of_stream(stream)}"
    for name, algorithm in sorted(report.algorithms.items()):
        yield f"algorithm {name}: {_of_algorithm(algorithm)}"


def _of_stream(status: StreamStatus) -> str:
    text = f"{_number(status.cpu, 3)} cores, {_number(status.fps, 1)} fps in, "
    text += f"{_number(status.fps_decoded, 1)} decoded, {_number(status.decode_ms, 1, ' ms')} each"
    if status.key_interval_s is not None:
        text += f", a key frame every {status.key_interval_s:.1f} s"
    skipped = status.frames.skipped_busy + status.frames.skipped_stale
    text += f", {skipped} skipped, {status.frames.corrupt} corrupt"
    return f"{text}; {status.note}" if status.note else text


def _of_algorithm(status: AlgorithmStatus) -> str:
    each = _number(status.run_cpu_ms, 1, " ms")
    rate = f"{_number(status.cpu, 3)} cores, {_number(status.runs_per_s, 2)} runs a second"
    return f"{rate}, {each} CPU each, {status.skipped} skipped"


def _document(report: Reported) -> dict[str, Any]:
    of_streams = {"cpu", "fps", "fps_decoded", "decoded", "decode_ms", "key_interval_s", "note", "frames"}
    of_algorithms = {"cpu", "runs", "runs_per_s", "skipped", "run_cpu_ms", "run_ms_mean", "run_ms_max"}
    return {
        "cores": round(_cores(report.streams.values()) + _cores(report.algorithms.values()), 4),
        "streams": {name: one.model_dump(include=of_streams) for name, one in report.streams.items()},
        "algorithms": {
            name: one.model_dump(include=of_algorithms) for name, one in report.algorithms.items()
        },
    }
