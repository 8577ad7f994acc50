"""Registry names as Windows compares them."""

from __future__ import annotations


def canonical(path: str) -> str:
    """Return a key's or value's name for comparing: case does not count."""
    return path.upper()
