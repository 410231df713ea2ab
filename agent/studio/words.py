"""Words of others on the page."""

_MARKDOWN = str.maketrans({letter: f"\\{letter}" for letter in r"\`*_{}[]<>()#+!|~$:"})


def plain(text: str) -> str:
    """Markdown that shows `text` as it is: it may come from a camera, a file or an algorithm."""
    return text.translate(_MARKDOWN)
