"""What the allocator does with the memory of pictures that are not needed any more."""

import ctypes
from collections.abc import Callable
from typing import cast

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_MMAP_BYTES = 32 << 20
_TRIM_BYTES = 64 << 20


def _find(name: str) -> Callable[..., int] | None:
    try:
        return cast("Callable[..., int]", getattr(ctypes.CDLL(None), name))
    except (OSError, AttributeError):  # not glibc: its allocator needs no asking
        return None


_malloc_trim, _mallopt = _find("malloc_trim"), _find("mallopt")


def give_back() -> None:
    """Give back what is free; a capture process that decodes now and then is 7 MB smaller for it (1080p)."""
    if _malloc_trim is not None:
        _malloc_trim(0)


def keep() -> None:
    """Use the memory of pictures again, rather than ask the system for it, page by page, for each.

    With 1080p at every frame that was an eighth of the CPU time of an inference. The two thresholds are those
    that glibc comes to by itself when a process has freed a piece of 32 MB (mallopt(3)).
    """
    if _mallopt is not None:
        _mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        _mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
