"""Templates that Home Assistant evaluates on our documents.

Invariant: none raises, whatever an algorithm returned; what is not there is `None`, which Home Assistant
shows as unknown. `value_json` is undefined when a payload is no JSON, as when a topic is cleared. Maps are
read by `['key']`, never by `.key`, which would find methods; what is undefined would count as a sequence,
so it is made none.
"""

import json
from collections.abc import Sequence
from typing import Final

from agent.contract.status import DeviceState, StreamState

_DATA: Final = "{% set data = value_json['data'] if value_json is mapping else none %}"

# The first of these that is there is counted: keys of docs/result-shapes.md that hold several shapes.
COUNTED: Final = (
    *("objects", "detections", "boxes", "bboxes", "regions", "codes", "keypoints", "landmarks", "points"),
    *("polygons", "contours", "lines", "paths", "trails"),
)
_COUNT: Final = (
    _DATA
    + "{% set found = namespace(count=none) %}"
    + "{% if data is mapping %}"
    + "{% if data['count'] is number %}{% set found.count = data['count'] | int %}{% endif %}"
    + f"{{% for key in {json.dumps(COUNTED)} if found.count is none %}}"
    + "{% set rows = data[key] | default(none) %}"
    + "{% if rows is mapping %}{% set found.count = 1 %}"
    + "{% elif rows is sequence and rows is not string %}"
    # A bare row of numbers stands for a list of one.
    + "{% set found.count = 1 if rows and rows[0] is number else rows | length %}"
    + "{% endif %}{% endfor %}"
    + "{% if found.count is none and (data['box'] or data['bbox'] or data['xyxy'] or data['xywh']) %}"
    + "{% set found.count = 1 %}{% endif %}"
    + "{% elif data is sequence and data is not string %}{% set found.count = data | length %}"
    + "{% endif %}"
)

COUNT: Final = _COUNT + "{{ found.count }}"
"""How many shapes there are in a result."""

ANY: Final = _COUNT + "{{ 'None' if found.count is none else 'ON' if found.count else 'OFF' }}"
"""Whether there is any."""

ONLINE: Final = (
    f"{{{{ 'ON' if value_json is mapping and value_json['state'] == '{DeviceState.ONLINE}' else 'OFF' }}}}"
)
"""Whether the agent is there."""

STATE: Final = "{{ value_json['state'] if value_json is mapping else 'None' }}"
"""The state of a stream, one of `STATES`."""

STATES: Final = tuple(state.value for state in StreamState)

_AILING: Final = (StreamState.RETRYING.value, StreamState.REFUSED.value)
AILING: Final = (
    "{{ 'None' if value_json is not mapping else "
    f"'ON' if value_json['state'] in {json.dumps(_AILING)} else 'OFF' }}}}"
)
"""Whether a stream gives no frames though it should."""

FRAME_RATE: Final = (
    "{{ value_json['fps'] if value_json is mapping and value_json['fps'] is number else 'None' }}"
)


def available(state: str) -> str:
    """Whether the state that a document tells is this one."""
    return f"{{{{ 'online' if value_json is mapping and value_json['state'] == '{state}' else 'offline' }}}}"


def flag(key: str, *, inverted: bool = False) -> str:
    """A flag of a result."""
    yes, no = ("OFF", "ON") if inverted else ("ON", "OFF")
    return (
        f"{_DATA}{{% set flag = data['{key}'] if data is mapping else none %}}"
        f"{{{{ '{yes}' if flag is true else '{no}' if flag is false else 'None' }}}}"
    )


def number(path: str) -> str:
    """A number of a result, by a path such as `left.count`; true is 1, false 0."""
    return (
        f"{_DATA}{{% set found = namespace(value=data) %}}"
        f"{{% for key in {json.dumps(path.split('.'))} %}}"
        "{% set found.value = found.value[key] if found.value is mapping else none %}{% endfor %}"
        "{{ found.value + 0 if found.value is number else 'None' }}"
    )


def rows(key: str) -> str:
    """How long a list of a result is."""
    return (
        f"{_DATA}{{% set rows = data['{key}'] | default(none) if data is mapping else none %}}"
        "{{ rows | length if rows is sequence and rows is not string else 'None' }}"
    )


def attributes(keys: Sequence[str]) -> str:
    """Some keys of a document, as attributes."""
    pairs = ", ".join(f"'{key}': value_json['{key}'] | default(none)" for key in keys)
    return f"{{{{ ({{{pairs}}} if value_json is mapping else {{}}) | tojson }}}}"


def command(arguments: dict[str, str]) -> str:
    """The payload of a command: each time with another id, for the same again would do nothing."""
    return (
        '{"id": "ha-{{ (now().timestamp() * 1000) | int }}", '
        f'"args": {json.dumps(arguments, separators=(", ", ": "))}}}'
    )
