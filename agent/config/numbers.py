"""Numbers as people write them: `true` is none, although Python counts it as 1."""

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError


def _no_number(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


def _no_whole_number(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


NUMBER = BeforeValidator(_no_number)
"""Stands after the range inside `Annotated`, or JSON Schema does not see the range."""

WHOLE = BeforeValidator(_no_whole_number)
"""Likewise."""

Number = Annotated[float, NUMBER]
Whole = Annotated[int, WHOLE]
