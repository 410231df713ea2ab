"""What texts must look like, as a pattern for JSON Schema and in words for people."""

from typing import Final

from agent.config.ids import ID_PATTERN

HWACCEL_PATTERN: Final = r"^[a-z0-9_]{2,32}$"
TOPIC_PREFIX_PATTERN: Final = r"^[A-Za-z0-9_.-]{1,64}(/[A-Za-z0-9_.-]{1,64})*$"
VERBS_PATTERN: Final = r"^(\*|[a-z][a-z_]*(\.[a-z][a-z_]*)*(\.\*)?)$"
AUDIENCE_PATTERN: Final = r"^(\*|[A-Za-z0-9_.-]{1,64})$"

WORDS: Final = {
    ID_PATTERN: "must be 1 to 64 letters, digits, `_`, `.` or `-`",
    HWACCEL_PATTERN: "must be `none`, `auto` or the name of a device type, such as `vaapi`",
    TOPIC_PREFIX_PATTERN: "must be letters, digits, `_`, `.` and `-`, in levels with `/` between them",
    VERBS_PATTERN: "must be a verb such as `ping`, the beginning of some such as `stream.*`, or `*`",
    AUDIENCE_PATTERN: "must be the name of a group, or `*`",
}
