"""Names of files and devices in the order in which a person would number them."""

import re


def natural_order(name: str) -> list[tuple[bool, int, str]]:
    """A sort key that puts "frame9" before "frame10"."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
