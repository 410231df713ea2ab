"""Whether the arguments of a command are plain enough to be stored and told again, in JSON and msgpack."""

import math

_INT64 = 1 << 63


def problem_in(tree: object) -> str | None:
    """What cannot be stored and told again; None when all can.

    JSON and msgpack can say things that the other cannot: bytes, infinities (as 1e999), integers of more than
    64 bits, and texts that are no Unicode. The depth of the tree is bounded already.
    """
    match tree:
        case dict():
            inner = [problem_in(part) for part in (*tree.keys(), *tree.values())]
            return next((problem for problem in inner if problem is not None), None)
        case list():
            return next((problem for item in tree if (problem := problem_in(item)) is not None), None)
        case _:
            return _problem_in_leaf(tree)


def _problem_in_leaf(leaf: object) -> str | None:
    match leaf:
        case str():
            return _problem_in_text(leaf)
        case bytes():
            return "bytes, where only plain values are taken"
        case float() if not math.isfinite(leaf):
            return "a number that is not finite"
        case int() if not -_INT64 <= leaf < _INT64:
            return "a whole number of more than 64 bits"
        case _:
            return None


def _problem_in_text(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return "a text with half a character (a lone surrogate)"
    return None
