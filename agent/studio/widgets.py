"""Fields of a form as Streamlit's widgets."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from agent.studio.form import MAX_WHOLE, Field
from agent.studio.words import plain

_LONG = 60  # characters that need more than a line


def entered(field: Field, key: str) -> Any:  # noqa: ANN401, PLR0911  one line a sort
    """Show a field; what stands in it."""
    meaning = field.meaning or None
    empty = "Nothing" if field.nullable else "Required" if field.required else "As the algorithm has it"
    match field.sort:
        case "whole":
            return st.number_input(
                field.label,
                min_value=_within(field.low),
                max_value=_within(field.high),
                value=field.entry,
                step=1,
                placeholder=empty,
                key=key,
                help=meaning,
            )
        case "number":
            low, high = _float(field.low), _float(field.high)
            return st.number_input(
                field.label,
                min_value=low,
                max_value=high,
                value=_float(field.entry),
                step=_step(field),
                format="%g",
                placeholder=empty,
                key=key,
                help=meaning,
            )
        case "flag":
            if field.nullable or field.entry is None:
                choices = (None, True, False)
                return st.selectbox(
                    field.label,
                    choices,
                    index=choices.index(field.entry),
                    format_func=lambda value: {None: empty, True: "Yes", False: "No"}[value],
                    key=key,
                    help=meaning,
                )
            return st.toggle(field.label, value=field.entry, key=key, help=meaning)
        case "choice":
            index = field.choices.index(field.entry) if field.entry in field.choices else None
            if field.nullable:
                return st.selectbox(
                    field.label,
                    (None, *field.choices),
                    index=0 if index is None else index + 1,
                    format_func=lambda value: empty if value is None else str(value),
                    key=key,
                    help=meaning,
                )
            return st.selectbox(
                field.label, field.choices, index=index, placeholder=empty, key=key, help=meaning
            )
        case "text":
            return st.text_input(field.label, field.entry, placeholder=empty, key=key, help=meaning)
        case "json":
            help_text = f"{field.meaning} As JSON.".strip() if not field.whole_map else meaning
            if "\n" in field.entry or len(field.entry) > _LONG or field.whole_map:
                return st.text_area(field.label, field.entry, key=key, help=help_text)
            return st.text_input(field.label, field.entry, placeholder=empty, key=key, help=help_text)


def complain(slot: DeltaGenerator, problem: str) -> None:
    """Say what is wrong with a field, in the place beneath it."""
    slot.markdown(f":red[:material/error: {plain(problem)}]")


def _within(bound: float | None) -> int | None:
    return None if bound is None else int(max(-MAX_WHOLE, min(MAX_WHOLE, bound)))


def _float(value: Any) -> float | None:  # noqa: ANN401  a number or None
    return None if value is None else float(value)


def _step(field: Field) -> float:
    """Of the buttons beside a number: about a tenth of what it is, or a hundredth of its range."""
    rough = abs(field.entry or 0.0) / 10
    if not rough:
        rough = 0.1 if field.low is None or field.high is None else (field.high - field.low) / 100
    for step in (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0):
        if rough <= step * 1.0001:
            return step
    return 1000.0
