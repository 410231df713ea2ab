"""What runs gave: the newest result, the last ones, numbers over time, and what the algorithm shows."""

from typing import Any

import streamlit as st

from agent.ipc.foreign import Raised, call_foreign
from agent.studio.history import Entry, Past, rows
from agent.studio.player import Player
from agent.studio.sitting import Sitting
from agent.studio.stage import problem

_EVERY_S = 0.8
_MAX_DOTS = 600  # of a chart: more cannot be told apart
_FIRST_NAMES = 3

_RESULT, _TABLE, _CHART, _TIMES, _OWN = "Result", "Table", "Chart", "Times", "Own display"


def display(sitting: Sitting) -> None:
    """Everything about results; it follows what plays by itself."""
    player = sitting.player
    moves = player is not None and player.look().moves
    st.fragment(_results, run_every=_EVERY_S if moves else None)(sitting)


def _results(sitting: Sitting) -> None:
    player, past = sitting.player, sitting.history.look()
    _figures(past)
    own = None if player is None else getattr(player.use.algorithm, "show", None)
    views = [_RESULT, _TABLE, _CHART, _TIMES, *([_OWN] if callable(own) else [])]
    view = st.segmented_control(
        "View", views, default=_RESULT, required=True, key="view", label_visibility="collapsed"
    )
    newest = past.newest
    if newest is None or player is None:
        st.caption("Results appear here." if player is None else "There is no result yet.")
        return
    match view:
        case "Table":
            _table(past)
        case "Chart":
            _chart(past)
        case "Times":
            _times(past)
        case "Own display":
            _own(player, past)
        case _:
            _result(newest)


def _figures(past: Past) -> None:
    cost = past.cost
    with st.container(horizontal=True, gap="large"):
        st.metric("Runs", f"{past.runs:,}", width="content")
        st.metric("Median run", _ms(cost.median) if cost else "-", width="content")
        st.metric("Slowest run", _ms(cost.slowest) if cost else "-", width="content")
    if past.failed:
        st.caption(f":red[{past.failed:,} of them raised.]")


def _result(newest: Entry) -> None:
    if newest.run.error:
        problem(Raised(newest.run.error, newest.run.trace), "run() raised")
        return
    if newest.problem:
        st.warning(newest.problem, icon=":material/warning:")
        return
    found = rows(newest.tree)
    if found:
        st.dataframe(found, hide_index=True, width="stretch", height="content" if len(found) <= 6 else 250)  # noqa: PLR2004
    if isinstance(newest.tree, dict | list):
        st.json(newest.tree, expanded=2)
    else:
        st.code(repr(newest.tree), language=None)


def _table(past: Past) -> None:
    lines = [
        {
            "time (s)": round(entry.run.time, 3),
            "frame": entry.run.frame,
            "run (ms)": round(entry.run.run_s * 1e3, 2),
            **entry.facts,
            **({"problem": entry.problem} if entry.problem else {}),
        }
        for entry in reversed(past.entries)
    ]
    st.dataframe(_columns(lines), hide_index=True, width="stretch", height=420)


def _columns(lines: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for line in lines for name in line)
    return {name: [line.get(name) for line in lines] for name in names}


def _chart(past: Past) -> None:
    names = past.names()
    if not names:
        st.caption("There are no numbers in the results.")
        return
    chosen = st.multiselect(
        "Numbers", names, default=names[:_FIRST_NAMES], key="numbers", label_visibility="collapsed"
    )
    points = _thinned(past)
    if chosen:
        data = {"time (s)": [point.time_s for point in points]}
        data |= {name: [point.numbers.get(name) for point in points] for name in chosen}
        st.line_chart(data, x="time (s)", y=chosen, height=340)


def _times(past: Past) -> None:
    points = _thinned(past)
    data = {
        "time (s)": [point.time_s for point in points],
        "run (ms)": [point.run_ms for point in points],
    }
    st.line_chart(data, x="time (s)", y="run (ms)", height=340)
    if past.cost is not None:
        st.caption(f"The newest run took {_ms(past.cost.newest)}, without decoding and drawing.")


def _thinned(past: Past) -> list[Any]:
    every = max(1, -(-len(past.points) // _MAX_DOTS))
    return list(past.points[::-1][::every][::-1])


def _own(player: Player, past: Past) -> None:
    """What the algorithm's `show` puts onto the page; it is foreign code."""
    runs = [entry.run for entry in past.entries]
    outcome = call_foreign(lambda: player.use.algorithm.show(st, runs))
    if isinstance(outcome, Raised):
        problem(outcome, "show() raised")


def _ms(milliseconds: float) -> str:
    if milliseconds < 1:
        return f"{milliseconds * 1000:.3g} µs"
    return f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.3g} s"  # noqa: PLR2004
