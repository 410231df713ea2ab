"""Secrets: where they come from, and how they stay out of sight."""

import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from agent.errors import SecretError

_NAME = r"\{secret:([A-Za-z0-9_.-]{1,64})\}"
_UNNAMED = _NAME.replace("(", "(?:")
_PLACEHOLDER = re.compile(_NAME)
# Every log line goes through these, whatever is in it: each looks at a character a bounded number of times.
_USERINFO = re.compile(  # a placeholder is no password, and is shown
    rf"(?P<user>://(?>(?:{_UNNAMED}|[^\s/?#@:])*)):"
    rf"(?!{_UNNAMED}@(?![^\s/?#]*@))"
    # The second: a password with a / that somebody forgot to encode; 8080/ is a port, and [::1] a host.
    r"(?:[^\s/?#]*@|(?<!/\[:)(?!\d{1,5}(?:[/?#\s]|$))\S{0,256}@)"
)
_QUERY = re.compile(
    r"(?i)(?P<key>[?&;](?=[\w.-]*(?:pass|pwd|secret|token|key|auth))[\w.-]*+=)"
    rf"(?!(?:{_UNNAMED})+(?:[&\s#;'\"]|$))[^&\s#;'\"]+"
)
ONLY_SECRETS: Final = re.compile(rf"(?:{_UNNAMED})+")
"""A text of placeholders and nothing else tells nothing, and is shown."""

_SECRET_KEY = re.compile(r"(?i)(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[._-]?key|(?:^|[._-])auth)$")
"""Keys of parameters and labels whose texts are not shown."""

HIDDEN: Final = "***"
_MIN_CHARS = 4  # a shorter secret would tear holes into every text; `vedette check` warns of it


class Secret:
    """A text that hides itself; `reveal()` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __str__(self) -> str:
        return HIDDEN

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def redact_url(text: str) -> str:
    """`text` with the passwords of URLs, and of their query parameters, masked."""
    return _QUERY.sub(rf"\g<key>{HIDDEN}", _USERINFO.sub(rf"\g<user>:{HIDDEN}@", text))


def redacted(tree: Any) -> Any:  # noqa: ANN401  any tree
    """A tree of plain values and models with passwords masked: in URLs, and under keys such as `password`."""
    match tree:
        case str():
            return redact_url(tree)
        case dict():
            return {key: _masked(key, item) for key, item in tree.items()}
        case list():
            return [redacted(item) for item in tree]
        case tuple():
            return tuple(redacted(item) for item in tree)
    return tree


def _masked(key: object, item: object) -> object:
    if isinstance(key, str) and isinstance(item, str) and _SECRET_KEY.search(key):
        return item if ONLY_SECRETS.fullmatch(item) else HIDDEN
    return redacted(item)


class Secrets:
    """Fills in `{secret:name}`, and masks every value that it has ever filled in.

    A secret is looked for in the credentials of the systemd unit, then in the secrets folder, then in the
    environment as VEDETTE_SECRET_<NAME>, with `.` and `-` as `_`. One newline at its end is not part of it.
    """

    def __init__(self, folder: Path | None = None, environ: Mapping[str, str] = os.environ) -> None:
        credentials = environ.get("CREDENTIALS_DIRECTORY")
        self._folders = [Path(place) for place in (credentials, folder) if place]
        self._environ = environ
        self._known: tuple[str, ...] = ()  # longest first; replaced whole: other threads write logs
        self._lock = threading.Lock()

    def expand(self, text: str, *, url: bool = False) -> Secret:
        """`text` with its secrets filled in, percent-encoded in a `url`. Raises SecretError."""

        def value(match: re.Match[str]) -> str:
            found = self._look_up(match[1])
            return quote(found, safe="") if url else found

        return Secret(_PLACEHOLDER.sub(value, text))

    def redact(self, text: str) -> str:
        """`text` without any secret: those filled in so far, and the passwords of URLs."""
        for value in self._known:
            text = text.replace(value, HIDDEN)
        return redact_url(text)

    def _look_up(self, name: str) -> str:
        variable = "VEDETTE_SECRET_" + re.sub(r"[.-]", "_", name).upper()
        places = [folder / name for folder in self._folders]
        value = None
        for path in places:
            try:
                value = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
                break
            except FileNotFoundError:
                continue
            except (OSError, UnicodeDecodeError) as err:
                raise SecretError(f"secret {name!r}: {path} cannot be read: {_why(err)}") from err
        if value is None:
            value = self._environ.get(variable)
        if value is None:
            looked = ", ".join([*map(str, places), f"${variable}"])
            raise SecretError(f"secret {name!r} is not there; looked for {looked}")
        if len(value) >= _MIN_CHARS:
            self._remember(value)
        return value

    def _remember(self, value: str) -> None:
        # As it is, as it stands in a URL and in a path, and as Python and JSON quote it.
        quoted = (repr(value)[1:-1], json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
        forms = {value, quote(value, safe=""), quote(value), *quoted}
        with self._lock:
            self._known = tuple(sorted({*self._known, *forms}, key=len, reverse=True))


def _why(err: OSError | UnicodeDecodeError) -> str:
    return err.strerror or "error" if isinstance(err, OSError) else "it is not UTF-8 text"
