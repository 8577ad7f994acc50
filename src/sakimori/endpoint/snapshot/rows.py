"""Small helpers of collectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sakimori.endpoint.snapshot.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def numbered(kind: str, found: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Record]:
    """Yield records of (key, state); a key that is there again gets " (2)", " (3)" and so on."""
    seen: dict[str, int] = {}
    for key, state in found:
        seen[key] = seen.get(key, 0) + 1
        yield Record(kind, f"{key} ({seen[key]})" if seen[key] > 1 else key, None, state)
