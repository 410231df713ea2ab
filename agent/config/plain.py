"""Whether arguments and parameters are plain enough to be stored and told again, in JSON and msgpack."""

import math

_INT64 = 1 << 63


def problem_in(tree: object) -> str | None:
    """What cannot be stored and told again; None when all can.

    JSON and msgpack can say things that the other cannot: bytes, infinities (as 1e999), integers of more than
    64 bits, and texts that are no Unicode. The depth of the tree is bounded already.
    """
    if isinstance(tree, dict):
        return next(filter(None, map(problem_in, (*tree.keys(), *tree.values()))), None)
    if isinstance(tree, list):
        return next(filter(None, map(problem_in, tree)), None)
    if isinstance(tree, str):
        return None if tree.isascii() else _problem_in_text(tree)
    if isinstance(tree, bytes):
        return "bytes, where only plain values are taken"
    return _problem_in_number(tree)


def _problem_in_number(leaf: object) -> str | None:
    match leaf:
        case None | bool():
            return None
        case int():
            return None if -_INT64 <= leaf < _INT64 else "a whole number of more than 64 bits"
        case float():
            return None if math.isfinite(leaf) else "a number that is not finite"
        case _:
            return f"a {type(leaf).__name__}, where only plain values are taken"


def _problem_in_text(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return "a text with half a character (a lone surrogate)"
    return None
