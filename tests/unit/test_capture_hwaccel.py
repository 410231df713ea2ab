"""Which hardware decodes, for every answer that hardware can give."""

import pytest

from agent.capture.hwaccel import Choice, choose

COMPILED = ("qsv", "cuda", "exotic", "v4l2m2m")


@pytest.mark.parametrize(
    ("wanted", "works", "device", "tried"),
    [
        ("none", ("cuda",), "none", []),
        ("", ("cuda",), "none", []),
        ("auto", ("cuda", "qsv"), "cuda", ["cuda"]),
        ("auto", ("qsv",), "qsv", ["cuda", "qsv"]),
        ("AUTO", ("v4l2m2m",), "v4l2m2m", ["cuda", "qsv", "v4l2m2m"]),
        ("auto", ("exotic",), "exotic", ["cuda", "qsv", "v4l2m2m", "exotic"]),
        ("auto", (), "none", ["cuda", "qsv", "v4l2m2m", "exotic"]),
        ("qsv", ("cuda", "qsv"), "qsv", ["qsv"]),
        ("qsv", ("cuda",), "none", ["qsv"]),
        ("vaapi", ("cuda",), "none", []),
    ],
)
def test_choice(wanted: str, works: tuple[str, ...], device: str, tried: list[str]) -> None:
    asked: list[str] = []

    def attempt(name: str) -> int | str:
        asked.append(name)
        return 1 if name in works else f"{name} is broken"

    choice: Choice[int] = choose(wanted, codec="h264", compiled=COMPILED, attempt=attempt)
    assert choice.device == device
    assert asked == tried
    assert (choice.decoder is None) == (device == "none")


def test_the_note_says_why_software_decodes() -> None:
    def attempt(device: str) -> int | str:
        return f"no {device} here"

    assert choose("none", codec="h264", compiled=COMPILED, attempt=attempt).note == ""
    assert "no qsv here" in choose("qsv", codec="h264", compiled=COMPILED, attempt=attempt).note
    unknown = choose("vaapi", codec="h264", compiled=COMPILED, attempt=attempt).note
    assert "vaapi" in unknown
    assert "cuda" in unknown
    every = choose("auto", codec="hevc", compiled=COMPILED, attempt=attempt).note
    assert "hevc" in every
    assert all(f"no {device} here" in every for device in COMPILED)
    assert choose("auto", codec="hevc", compiled=(), attempt=attempt).note
