"""Names of devices, streams and algorithms, as they appear in MQTT topics."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

ID_PATTERN = r"^[A-Za-z0-9_.-]{1,64}$"

MAX_ITEMS = 1000  # streams, and algorithms: what is stored and reported stays bounded


def _no_folder(name: str) -> str:
    """Some ids name folders; these two would be others than their own."""
    if name in {".", ".."}:
        raise ValueError("must not be `.` or `..`")
    return name


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN), AfterValidator(_no_folder)]
"""1 to 64 letters, digits, `_`, `.`, `-`; neither `.` nor `..`."""
