"""Registry keys as records: one for each key, one for each value; bytes whole, security as SDDL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.endpoint.snapshot.model import Record
from sakimori.endpoint.snapshot.names import canonical, upper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.endpoint.registry.model import Key


def records_of(key: Key) -> Iterator[Record]:
    """Yield a key's record and those of its values. What the source does not tell is None."""
    written = key.written.isoformat().replace("+00:00", "Z") if key.written else None
    security = {"owner": key.owner, "group": key.group, "dacl": key.dacl, "sacl": key.sacl}
    yield Record("registry", key.path, None, {"key_time": written, **security})
    for value in sorted(key.values, key=lambda one: upper(one.name)):
        state: dict[str, Any] = {
            "type": value.type,
            "data": value.data.hex(),
            "key_time": written,
        }
        yield Record("registry", key.path, value.name, state)


def tops(paths: Iterable[str]) -> tuple[str, ...]:
    r"""Return those canonical paths that lie below no other one: what an export covers."""
    kept: list[str] = []
    for path in sorted({canonical(one) for one in paths}, key=lambda one: one.replace("\\", "\0")):
        if not (kept and path.startswith(kept[-1] + "\\")):
            kept.append(path)
    return tuple(kept)
