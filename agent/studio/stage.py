"""The picture, and how far it is: anew several times a second while it moves, without the rest."""

import base64

import streamlit as st

from agent.ipc.foreign import Raised
from agent.studio.player import Look, Phase
from agent.studio.sitting import Sitting
from agent.studio.words import plain

_EVERY_S = 0.15
_MINUTE_S = 60

_WORDS = {
    Phase.OPENING: "Opening …",
    Phase.PLAYING: "Playing",
    Phase.STEPPING: "Stepping",
    Phase.PAUSED: "Paused",
    Phase.ENDED: "At the end",
    Phase.FAILED: "Stopped",
}


def picture(sitting: Sitting, hint: str) -> None:
    """The picture of what plays; `hint`: what to do while nothing does."""
    player = sitting.player
    if player is None:
        _card(hint, ":material/smart_display:")
        return
    look = player.look()
    st.fragment(_moving, run_every=_EVERY_S if look.moves else None)(sitting, look.phase)


def problem(raised: Raised, what: str) -> None:
    """What somebody's code raised, or our own sentence."""
    sentence = f"{what}: {raised.error}" if what else raised.error
    st.error(plain(sentence), icon=":material/error:")
    if raised.trace:
        with st.expander("Traceback"):
            st.code(raised.trace, language="python", wrap_lines=True)


def _moving(sitting: Sitting, phase: Phase) -> None:
    player = sitting.player
    if player is None:
        return
    look = player.look()
    if look.phase is not phase:  # the buttons say something else now
        st.rerun()
    if look.jpeg:
        # Within the page: a picture of its own address may be gone before the browser asks for it.
        st.image(f"data:image/jpeg;base64,{base64.b64encode(look.jpeg).decode()}", width="stretch")
    elif look.failure is None:
        _card("Opening the source, and the algorithm …", ":material/hourglass_empty:")
    if look.jpeg:
        _how_far(look)
    if look.failure is not None:
        problem(look.failure, "The algorithm cannot begin" if look.failure.trace else "")
    if look.bad_drawing is not None:
        problem(look.bad_drawing, "draw() raised")


def _how_far(look: Look) -> None:
    words = "Live" if look.live and look.phase is Phase.PLAYING else _WORDS[look.phase]
    text = f"{words} · {_clock(look.position_s)}"
    if look.duration_s:
        st.progress(min(1.0, look.position_s / look.duration_s), f"{text} of {_clock(look.duration_s)}")
    else:
        st.caption(text)


def _card(text: str, icon: str) -> None:
    with st.container(border=True, height=360, horizontal_alignment="center", vertical_alignment="center"):
        st.markdown(f"## {icon}", text_alignment="center")
        st.markdown(text, text_alignment="center")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, _MINUTE_S)
    return f"{int(minutes)}:{rest:05.2f}"
