r"""Registry keys as verification compares them: the registry's own form, with every user's hive as HKCU.

A manifest says `HKCU\...` and means each user's; a snapshot has `NTUSER_alice\...` or `HKU\S-1-5-21-...`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sakimori.endpoint.registry.names import canonical

_USER = re.compile(r"^(?:HKU\\S-1-5-21-[0-9-]+|NTUSER[^\\]*)(?=\\|$)")


@lru_cache(maxsize=65536)
def registry_key(path: str) -> str:
    """Return a key's path in the form in which keys are compared; see registry.names.canonical."""
    bare = re.sub(r"\\{2,}", r"\\", path.strip())
    return _USER.sub("HKCU", canonical(bare))
