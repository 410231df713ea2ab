"""What the dashboard's tests compare its reading of results with is what Python finds today."""

import re
from pathlib import Path

from algos import drawing
from tests import shapes_corpus

DASHBOARD = Path(__file__).parents[2] / "dashboard"


def test_the_corpus_is_what_python_finds() -> None:
    assert shapes_corpus.FILE.read_text("utf-8") == shapes_corpus.corpus(), (
        "what Python finds, or its tests, changed: run `python -m tests.shapes_corpus` and the page's tests"
    )


def test_other_seeds_give_other_trees() -> None:
    assert shapes_corpus.corpus(seed=1, random=5) != shapes_corpus.corpus(seed=2, random=5)


def test_the_page_paints_in_the_colours_of_drawings() -> None:
    source = (DASHBOARD / "src" / "shapes" / "paint.ts").read_text("utf-8")
    (palette,) = re.findall(r"const PALETTE = \[(.*?)\];", source, re.DOTALL)
    expected = [f"#{red:02x}{green:02x}{blue:02x}" for blue, green, red in drawing._PALETTE]
    assert re.findall(r"#\w{6}", palette) == expected
