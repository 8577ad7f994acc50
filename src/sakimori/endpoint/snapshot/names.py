"""Registry names as Windows compares them, without joining what one machine holds as two."""

from __future__ import annotations

from functools import lru_cache

from sakimori.endpoint.registry.names import exact, upper

__all__ = ["canonical", "upper"]


@lru_cache(maxsize=4096)
def canonical(path: str) -> str:
    r"""Return a key's name for comparing, as `registry.names.exact` has it: `HKLM\SOFTWARE\...`.

    Space at the end of a name is kept: such a key is another one, and hides well.
    """
    return exact(path) + path[len(path.rstrip(" \t\r\n")) :]
