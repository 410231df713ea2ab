"""What is promised about the shape of the code, read from the code."""

import ast
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for package in ("agent", "algos") for path in (ROOT / package).rglob("*.py"))
ALL_CODE = sorted({*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")})
MOST_LINES = 350
DRAWERS = {"util", "utils", "common", "misc", "helper", "helpers", "manager"}
BROAD = {"Exception", "BaseException"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_holds_one_idea(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", ALL_CODE, ids=name_of)
def test_no_module_is_a_drawer(path: Path) -> None:
    assert not DRAWERS & set(re.split(r"[_.]", path.stem))


@pytest.mark.parametrize("path", ALL_CODE, ids=name_of)
def test_nothing_is_put_off(path: Path) -> None:
    with path.open("rb") as file:
        comments = [
            token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT
        ]
    assert not [comment for comment in comments if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", comment)]


def test_one_broad_except() -> None:
    """It is around the call of foreign code, which is assumed to raise anything.

    One that tidies up and raises on swallows nothing, and does not count.
    """
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type) and not raises_on(node)
    ]
    assert len(found) <= 1, found
    assert all(place.startswith("agent/ipc/foreign.py") for place in found), found


def is_broad(caught: ast.expr | None) -> bool:
    match caught:
        case None:
            return True
        case ast.Tuple(elts=types):
            return any(is_broad(kind) for kind in types)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in BROAD
        case _:
            return False


def raises_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("except Exception: pass", True),
        ("except BaseException as err: pass", True),
        ("except: pass", True),
        ("except (OSError, Exception): pass", True),
        ("except builtins.Exception: pass", True),
        ("except OSError: pass", False),
        ("except (OSError, ValueError): pass", False),
    ],
)
def test_broad_is_seen(source: str, expected: bool) -> None:  # noqa: FBT001  a column of the table
    (node,) = ast.parse(f"try: pass\n{source}").body
    assert isinstance(node, ast.Try)
    assert is_broad(node.handlers[0].type) is expected
