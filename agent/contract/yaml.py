"""Plain trees as YAML, readable and stable, in a few lines: reading YAML is nobody's need here."""

import json
import re

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def to_yaml(tree: object) -> str:
    """`tree` of dicts (str keys), lists and JSON scalars as a YAML document in block style.

    Texts are always in double quotes with JSON's escapes, which YAML shares: no text is ever taken for
    something else.
    """
    return "\n".join(_lines(tree, "")) + "\n"


def _lines(tree: object, indent: str) -> list[str]:
    if isinstance(tree, dict) and tree:
        lines = []
        for key, value in tree.items():
            plain = _PLAIN_KEY.fullmatch(key) and key.lower() not in _WORDS
            name = f"{indent}{key if plain else json.dumps(key)}:"
            if isinstance(value, dict | list) and value:
                lines += [name, *_lines(value, indent + "  ")]
            else:
                lines.append(f"{name} {_scalar(value)}")
        return lines
    if isinstance(tree, list | tuple) and tree:
        lines = []
        for value in tree:
            first, *rest = _lines(value, indent + "  ")
            lines += [f"{indent}- {first.lstrip(' ')}", *rest]
        return lines
    return [indent + _scalar(tree)]


def _scalar(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
