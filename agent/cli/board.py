"""The live table: devices, their streams, and the newest result of each algorithm."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.cli.words import brief, clean, clock
from agent.client.observed import Device, Notice, Observed
from agent.contract.status import AlgorithmState, AlgorithmStatus, StreamStatus

STYLES = {
    "online": "bold green",
    "running": "green",
    "opening": "yellow",
    "starting": "yellow",
    "retrying": "red",
    "refused": "bold red",
    "broken": "bold red",
    "lost": "bold red",
}


def board(observed: Observed, notices: Sequence[Notice], head: RenderableType, foot: str) -> Group:
    """Everything that is known, as one picture."""
    parts: list[RenderableType] = [head]
    for device in sorted(observed.devices.values(), key=lambda device: device.id):
        parts += [Text(), title(device), _streams(device), _results(device)]
    if not observed.devices:
        parts += [Text(), Text("nothing heard yet", "dim")]
    parts += footer(notices, foot)
    return Group(*parts)


def footer(notices: Sequence[Notice], foot: str) -> list[RenderableType]:
    """What stands below everything: the newest notices, and how to end."""
    parts: list[RenderableType] = [Text()]
    for notice in notices:
        text = f"{clock(notice.time_us)[:8]} {'!' if notice.bad else '·'} {notice.device} {notice.text}"
        parts.append(_line(text, "red" if notice.bad else "dim"))
    parts.append(_line(foot, "dim"))
    return parts


def _line(text: str, style: str) -> Text:
    return Text(clean(text), style, no_wrap=True, overflow="ellipsis")


def title(device: Device) -> Text:
    """The device, its state, and how complete its results are."""
    state = device.status.state.value if device.status is not None else "unknown"
    title = Text.assemble((device.id, "bold"), " ", (state, STYLES.get(state, "dim")), no_wrap=True)
    known = device.completeness
    if known is not None:
        missing = known.missing_count
        title.append(f"   epoch {known.epoch}, {known.heard} results, ", "dim")
        title.append(f"{missing} missing" if missing else "none missing", "bold red" if missing else "dim")
        if known.announced:
            title.append(f", {known.announced} dropped on the device", "bold red")
    return title


def new_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table as all of them look; the last column takes the room that is left."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True, header_style="dim")
    for column in columns:
        last = column == columns[-1]
        table.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if last else None,
        )
    return table


def _streams(device: Device) -> Table:
    table = new_table("stream", "state", "picture", "fps", "skipped", "source", right=("fps", "skipped"))
    for name, status in sorted(device.streams.items()):
        skipped = status.frames.skipped_busy + status.frames.skipped_stale + status.frames.corrupt
        table.add_row(
            name,
            Text(status.state.value, STYLES.get(status.state.value, "dim")),
            _picture(status),
            f"{status.fps:.1f}" if status.fps is not None else "-",
            str(skipped),
            Text(clean(status.error or status.source), "red" if status.error else "dim"),
        )
    return table


def _picture(status: StreamStatus) -> str:
    return f"{status.width}x{status.height} {clean(status.codec or '')}" if status.width else "-"


def _results(device: Device) -> Table:
    right = ("results", "per s", "latency", "skipped")
    table = new_table("algorithm", *right, "last result", right=right)
    silent = {
        (stream, name)
        for name, status in device.algorithms.items()
        for stream in status.streams or ("-",)
        if not any(pair[1] == name for pair in device.pairs)
    }
    for stream, algorithm in sorted({*device.pairs, *silent}):
        name = Text.assemble((f"{stream}/", "dim"), algorithm)
        trouble = _trouble(device.algorithms.get(algorithm))
        pair = device.pairs.get((stream, algorithm))
        if pair is None:
            table.add_row(name, "0", "-", "-", "-", trouble)
            continue
        table.add_row(
            name,
            str(pair.count),
            f"{pair.rate:.1f}" if pair.rate is not None else "-",
            f"{pair.last.latency_ms:.1f} ms",
            str(pair.skipped),
            trouble or Text(brief(pair.last.data)),
        )
    return table


def _trouble(status: AlgorithmStatus | None) -> Text | None:
    """What takes the place of the result while the algorithm does not run."""
    if status is None or status.state is AlgorithmState.RUNNING:
        return None
    words = status.state.value
    return Text(clean(f"{words}: {status.error}" if status.error else words), STYLES.get(words, "dim"))
