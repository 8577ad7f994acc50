"""Registry names as Windows compares them, without joining what one machine holds as two."""

from __future__ import annotations

from functools import lru_cache

from sakimori.endpoint.registry.names import exact, upper

__all__ = ["canonical", "upper"]

_exact = lru_cache(maxsize=4096)(exact)


@lru_cache(maxsize=4096)
def canonical(path: str) -> str:
    r"""Return a key's name for comparing, as `registry.names.exact` has it: `HKLM\SOFTWARE\...`.

    Only the first two parts can have several forms; the rest is put in upper case as it is. Space at
    the end of a name is kept: such a key is another one, and hides well.
    """
    first, _, rest = path.partition("\\")
    second, deeper, rest = rest.partition("\\")
    if not (first and deeper):
        return exact(path) + path[len(path.rstrip(" \t\r\n")) :]
    return _exact(path[: len(first) + 1 + len(second)]) + "\\" + upper(rest)
