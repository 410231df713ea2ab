"""The inputs that are kept: one line each, in base64, a file for each target."""

import base64
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def kept(name: str) -> list[bytes]:
    """Those of a target: what once broke a promise, and what went the furthest into the code."""
    path = FOLDER / f"{name}.txt"
    lines = path.read_text("ascii").splitlines() if path.exists() else []
    return [base64.b64decode(line, validate=True) for line in lines if line and not line.startswith("#")]


def keep(name: str, inputs: list[bytes]) -> None:
    """Write those of a target anew."""
    lines = sorted({base64.b64encode(data).decode() for data in inputs}, key=lambda line: (len(line), line))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n", "ascii")
