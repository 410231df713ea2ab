"""Names of devices, streams and algorithms, as they appear in MQTT topics."""

from typing import Annotated

from pydantic import StringConstraints

ID_PATTERN = r"^[A-Za-z0-9_.-]{1,64}$"

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""1 to 64 letters, digits, `_`, `.`, `-`."""
