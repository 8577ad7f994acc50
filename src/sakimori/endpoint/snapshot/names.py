"""Registry names as Windows compares them."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def canonical(path: str) -> str:
    """Return a key's name for comparing: case does not count."""
    return path.upper()


def upper(name: str) -> str:
    """Return a value's name for comparing."""
    return name.upper()
