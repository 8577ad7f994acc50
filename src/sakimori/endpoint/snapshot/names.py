"""Registry names as Windows compares them, without joining what one machine holds as two."""

from __future__ import annotations

from functools import lru_cache

from sakimori.endpoint.registry.names import exact, upper

__all__ = ["canonical", "upper"]

_exact = lru_cache(maxsize=256)(exact)
# Roots whose second part has several forms too.
_DEEPER = frozenset(
    ("", "REGISTRY", "COMPUTER", "MY COMPUTER", "HKU", "HKEY_USERS", "USERS")
)  # fmt: skip


@lru_cache(maxsize=4096)
def canonical(path: str) -> str:
    r"""Return a key's name for comparing, as `registry.names.exact` has it: `HKLM\SOFTWARE\...`.

    Below the root, names are put in upper case as they are: space at the end of a name makes it another
    key, and hides well.
    """
    root, deeper, rest = path.partition("\\")
    if not deeper or upper(root) in _DEEPER:
        return exact(path)
    return f"{_exact(root)}\\{upper(rest)}"
