"""Secrets: where they come from, how they are told from other texts, and how they stay out of sight."""

import base64
import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

from agent.errors import SecretError

_NAME = r"\{secret:([A-Za-z0-9_.-]{1,64})\}"
_UNNAMED = _NAME.replace("(", "(?:")
_PLACEHOLDER = re.compile(_NAME)
# Every log line goes through these, whatever is in it: each looks at a character a bounded number of times.
_USERINFO = re.compile(  # a placeholder is no password, and is shown
    rf"(?P<user>://(?>(?:{_UNNAMED}|[^\s/?#@:])*)):"
    rf"(?!{_UNNAMED}@(?![^\s/?#]*@))"
    # The second: a password with a / that somebody forgot to encode; 8080/ is a port, and [::1] a host.
    r"(?P<password>[^\s/?#]*@|(?<!/\[:)(?!\d{1,5}(?:[/?#\s]|$))\S{0,256}@)"
)
# Some cameras take user and password in the path: /user=admin_password=x_channel=1.
_QUERY = re.compile(
    r"(?i)(?P<key>[?&;/=](?=[\w.-]*(?:pass|loginpas|pwd|secret|token|key|auth|signature|(?<![a-z0-9])pw=))"
    r"[\w.-]*+=)"
    rf"(?!(?:{_UNNAMED})+(?:[&\s#;'\"]|$))(?P<value>[^&\s#;'\"]+)"
)
_AUTHORIZATION = re.compile(r"(?i)(?:basic|bearer|token) (\S{8,})")  # the value of a header
ONLY_SECRETS: Final = re.compile(rf"(?:{_UNNAMED})+")
"""A text of placeholders and nothing else tells nothing, and is shown."""

_SECRET_KEY = re.compile(
    r"(?i)(?:pass(?:word|wd|phrase|code)?s?|pwd|(?:^|[._-])(?:pw|pin|auth|bearer)|secret|tokens?"
    r"|credentials?|authorization|cookie|api[._-]?keys?|(?:private|secret|access)[._-]?keys?)$"
)
"""Keys of parameters and labels whose texts are not shown."""

_MAYBE_SECRET_KEY = re.compile(r"(?i)(?:(?<!public)(?:^|[._-])key|secrets|signature)$")
"""Likewise; but what they name may be an everyday word, and is not looked for elsewhere when it is short."""

HIDDEN: Final = "***"
_MIN_CHARS = 4  # a shorter secret would tear holes into every text; `vedette check` warns of it
_MIN_MAYBE_CHARS = 8  # of what may as well be an everyday word or number

Whose = Literal["ours", "wanted", "passing"]
"""Where a secret was learned: from agent.toml, from what is to run, from a command that may be refused."""


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
            return {
                key: _hidden(item) if _names_secret(key, item) else redacted(item)
                for key, item in tree.items()
            }
        case list():
            return [redacted(item) for item in tree]
        case tuple():
            return tuple(redacted(item) for item in tree)
    return tree


def secrets_in(tree: Any) -> Iterator[str]:  # noqa: ANN401  any tree
    """Every text that `redacted` would mask, as it stands there; parts of URLs also decoded."""
    match tree:
        case str():
            yield from _secrets_of_url(tree)
        case dict():
            for key, item in tree.items():
                if _names_secret(key, item):
                    least = _MIN_CHARS if _SECRET_KEY.search(key) else _MIN_MAYBE_CHARS
                    yield from (text for text in _leaves(item) if len(text) >= least)
                    if isinstance(item, str):
                        yield from _secrets_of_url(item)
                else:
                    yield from secrets_in(item)
        case list() | tuple():
            for item in tree:
                yield from secrets_in(item)


def _secrets_of_url(text: str) -> Iterator[str]:
    if found := _AUTHORIZATION.fullmatch(text):
        yield found[1]
    for found in _USERINFO.finditer(text):
        password = found["password"].removesuffix("@")
        user = unquote(found["user"].removeprefix("://"))
        if len(password) >= _MIN_CHARS:  # the last: as "Authorization: Basic" has it
            yield from (password, unquote(password), _base64(f"{user}:{unquote(password)}"))
    for found in _QUERY.finditer(text):
        if len(found["value"]) >= _MIN_MAYBE_CHARS:  # ?keyframes=auto
            yield from (found["value"], unquote(found["value"]))


def _names_secret(key: object, item: object) -> bool:
    """Whether what stands under this key is a secret; under `secrets` one text is the name of a folder."""
    if not isinstance(key, str) or item is None or isinstance(item, bool):
        return False
    if _SECRET_KEY.search(key):
        return True
    return _MAYBE_SECRET_KEY.search(key) is not None and not (key == "secrets" and isinstance(item, str))


def _hidden(item: object) -> object:
    match item:
        case dict():
            return {key: _hidden(value) for key, value in item.items()}
        case list() | tuple():
            return [_hidden(value) for value in item]
        case None | bool():
            return item
        case str() if ONLY_SECRETS.fullmatch(item):
            return item
    return HIDDEN


def _leaves(item: object) -> Iterator[str]:
    match item:
        case dict():
            for value in item.values():
                yield from _leaves(value)
        case list() | tuple():
            for value in item:
                yield from _leaves(value)
        case None | bool():
            return
        case str() if not ONLY_SECRETS.fullmatch(item):
            yield item
        case int() | float() if len(str(item)) >= _MIN_MAYBE_CHARS:
            yield str(item)


def _base64(text: str) -> str:
    """Without what pads it: some do."""
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


class _Known:
    """Values that are masked, with their forms; beyond `count`, or `chars` together, the oldest go."""

    def __init__(self, count: int, chars: int) -> None:
        self.values: dict[str, frozenset[str]] = {}
        self._count = count
        self._chars = chars
        self._size = 0

    def add(self, values: Iterable[str]) -> None:
        for value in values:
            if value not in self.values:
                self.values[value] = frozenset(_forms(value))
                self._size += len(value)
        while len(self.values) > self._count or self._size > self._chars:
            oldest = next(iter(self.values))
            del self.values[oldest]
            self._size -= len(oldest)


class Secrets:
    """Fills in `{secret:name}`, and masks every value that it has ever filled in, or learned of.

    A secret is looked for in the credentials of the systemd unit, then in the secrets folder, then in the
    environment as VEDETTE_SECRET_<NAME>, with `.` and `-` as `_`. One newline at its end is not part of it.
    """

    def __init__(self, folder: Path | None = None, environ: Mapping[str, str] = os.environ) -> None:
        credentials = environ.get("CREDENTIALS_DIRECTORY")
        self._folders = [Path(place) for place in (credentials, folder) if place]
        self._environ = environ
        self._masked: tuple[str, ...] = ()  # longest first; replaced whole: other threads write logs
        # What comes over the network can push out of these only what came that way, too.
        self._known: dict[Whose, _Known] = {
            "ours": _Known(1 << 20, 1 << 26),
            "wanted": _Known(4096, 1 << 20),
            "passing": _Known(256, 1 << 18),
        }
        self._lock = threading.Lock()

    def expand(self, text: str, *, url: bool = False) -> Secret:
        """`text` with its secrets filled in, percent-encoded in a `url`. Raises SecretError."""

        def value(match: re.Match[str]) -> str:
            found = self._look_up(match[1])
            return quote(found, safe="") if url else found

        return Secret(_PLACEHOLDER.sub(value, text))

    def learn(self, tree: Any, whose: Whose = "wanted") -> None:  # noqa: ANN401  any tree
        """Mask from now on what stands in `tree` as it is, and is a secret by its place.

        Passwords of URLs, and what stands under keys such as `password`. `whose`: "ours" are agent.toml's,
        which are not forgotten; "wanted" those of what is to run; "passing" those of a command.
        """
        self._remember((value for value in secrets_in(tree) if len(value) >= _MIN_CHARS), whose)

    def fill(self, tree: Any) -> tuple[Any, tuple[str, ...]]:  # noqa: ANN401  any tree
        """A tree of plain values with its secrets filled in, and all forms of these, to be masked elsewhere.

        Secrets by their place count, too, as in `learn`. Texts with `://` in them are URLs. Raises
        SecretError.
        """
        hidden: dict[str, None] = {}

        def filled(item: Any) -> Any:  # noqa: ANN401
            match item:
                case str():
                    for name in _PLACEHOLDER.findall(item):
                        hidden.update(dict.fromkeys(_forms(self._look_up(name))))
                    return self.expand(item, url="://" in item).reveal()
                case dict():
                    return {key: filled(value) for key, value in item.items()}
                case list() | tuple():
                    return [filled(value) for value in item]
            return item

        done = filled(tree)
        self.learn(done)
        for value in secrets_in(done):
            hidden.update(dict.fromkeys(_forms(value)))
        masked = (form for form in hidden if len(form) >= _MIN_CHARS)
        return done, tuple(sorted(masked, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """`text` without any secret: those filled in or learned so far, and the passwords of URLs."""
        for value in self._masked:
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
            self._remember([value], "ours")
        return value

    def _remember(self, values: Iterable[str], whose: Whose) -> None:
        ours = self._known["ours"].values
        with self._lock:
            if new := [value for value in values if value not in ours]:
                self._known[whose].add(new)
                forms = {
                    form for known in self._known.values() for each in known.values.values() for form in each
                }
                self._masked = tuple(sorted(forms, key=len, reverse=True))


def _forms(value: str) -> Iterator[str]:
    """As it is, as it stands in a URL and in a path, as Python and JSON quote it, and in base64."""
    yield from (value, quote(value, safe="", errors="replace"), quote(value, errors="replace"))
    yield from (repr(value)[1:-1], json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield _base64(value)


def _why(err: OSError | UnicodeDecodeError) -> str:
    return err.strerror or "error" if isinstance(err, OSError) else "it is not UTF-8 text"
