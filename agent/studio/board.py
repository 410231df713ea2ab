"""What is where on the page, and what its buttons do."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from agent.errors import VedetteError
from agent.studio.display import display
from agent.studio.form import by_field
from agent.studio.player import Phase
from agent.studio.serve import Setup
from agent.studio.sidebar import Chosen, choose
from agent.studio.sitting import Sitting
from agent.studio.stage import picture
from agent.studio.words import plain

_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 2.2rem 2rem 2rem; max-width: 1700px; }
[data-testid="stSidebarHeader"] { height: 2.6rem; margin: 0; }
[data-testid="stSidebarUserContent"] { padding-bottom: 2rem; }
[data-testid="stMetricValue"] { font-size: 1.35rem; }
[data-testid="stImage"] img { border-radius: 0.5rem; }
@media (max-width: 640px) { [data-testid="stMainBlockContainer"] { padding: 4.5rem 1rem 1rem; } }
</style>"""


def board(setup: Setup) -> None:
    """The whole page."""
    st.set_page_config(page_title="Vedette studio", layout="wide")
    st.html(_STYLE)
    sitting = _sitting(setup.folder, setup.secrets)
    with st.sidebar:
        chosen = choose(setup, sitting)
    _follow(chosen, sitting)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _controls(chosen, sitting)
        picture(sitting, chosen.hint)
    with right:
        display(sitting)


@st.cache_resource(scope="session", on_release=Sitting.close, show_spinner=False)
def _sitting(folder: str, secrets: str) -> Sitting:
    """One for each browser session; what it began ends with it."""
    return Sitting(Path(folder) if folder else None, Path(secrets) if secrets else None)


def _follow(chosen: Chosen, sitting: Sitting) -> None:
    """What plays is what is chosen, as long as that can be."""
    if sitting.recipe is not None and sitting.recipe.source != chosen.source:
        sitting.stop()
    recipe = chosen.recipe
    if sitting.player is None or recipe is None:
        return
    if recipe != sitting.recipe:
        _tried(chosen, lambda: sitting.change(recipe, hurry=chosen.hurry, draws=chosen.draws))
    sitting.player.gate.hurry(chosen.hurry)
    sitting.player.draw(chosen.draws)


def _controls(chosen: Chosen, sitting: Sitting) -> None:
    player = sitting.player
    phase = None if player is None else player.look().phase
    plays = phase in (Phase.PLAYING, Phase.OPENING)
    over = phase in (None, Phase.ENDED, Phase.FAILED)
    cannot = chosen.recipe is None and over
    with st.container(horizontal=True, gap="small"):
        toggled = st.button(
            "Pause" if plays else "Play",
            key="pause" if plays else "play",  # a click on what it said a moment ago is none on the other
            icon=":material/pause:" if plays else ":material/play_arrow:",
            type="primary",
            disabled=cannot,
        )
        stepped = st.button(
            "Step", key="step", icon=":material/skip_next:", disabled=cannot, help="One frame on, and pause."
        )
        next_result = st.button(
            "Next result",
            key="next",
            icon=":material/last_page:",
            disabled=cannot or over,
            help="On to the next new result, and pause.",
        )
        again = st.button(
            "Restart",
            key="restart",
            icon=":material/replay:",
            disabled=chosen.recipe is None or player is None,
            help="From the start position; the algorithm's code is loaded anew.",
        )
    if not (toggled or stepped or next_result or again):
        return
    if over or again or player is None:
        if not _begun(chosen, sitting, paused=stepped):
            return
    elif stepped:
        player.gate.step()
    elif next_result:
        player.gate.step_to_result()
    elif plays:
        player.gate.pause()
    else:
        player.gate.play()
    st.rerun()


def _begun(chosen: Chosen, sitting: Sitting, *, paused: bool) -> bool:
    recipe = chosen.recipe
    if recipe is None:
        return False
    return _tried(
        chosen, lambda: sitting.begin(recipe, paused=paused, hurry=chosen.hurry, draws=chosen.draws)
    )


def _tried(chosen: Chosen, act: Callable[[], None]) -> bool:
    """Whether it could be done; else it is said, at the field that is wrong where it is one."""
    try:
        act()
    except VedetteError as err:
        at_fields, others = by_field(chosen.form, str(err))
        for name, problem in at_fields.items():
            chosen.complain(name, problem)
        if others:
            st.error("\n\n".join(map(plain, others)), icon=":material/error:")
        return False
    return True
