"""A hive's keys as a tree, with everything that its cells say and `model.Key` has no place for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.registry.model import Value

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
BIG = 16344  # bytes of data that one segment holds; more is split (format 1.4 and later)


@dataclass(slots=True)
class Node:
    """One key. `written` is a FILETIME, `security` the descriptor's bytes, `class_name` UTF-16 as stored.

    `flags` and `access` are the key node's words as stored, `extra` the upper half of the word of the longest
    name (user and virtualisation flags). `marks` holds flags and spare of values where they say more than
    how the name is written: {name: flags | spare << 16}. `links` is filled while reading only.
    """

    name: str
    flags: int = 0
    written: int = 0
    security: bytes = b""
    values: list[Value] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    class_name: bytes = b""
    access: int = 0
    extra: int = 0
    marks: dict[str, int] = field(default_factory=dict)


def walk(root: Node, mount: str) -> Iterator[tuple[str, Node]]:
    """Yield each key's path and node, parents first, in stored order, without recursion."""
    stack = [(mount, root)]
    while stack:
        path, node = stack.pop()
        yield path, node
        stack.extend((f"{path}\\{child.name}", child) for child in reversed(node.children))


def to_filetime(moment: datetime | None) -> int:
    """Return 100 ns steps since 1601; 0 for None."""
    if moment is None:
        return 0
    past = moment - _EPOCH
    return (past.days * 86400 + past.seconds) * 10_000_000 + past.microseconds * 10


def from_filetime(steps: int) -> datetime | None:
    """Return the moment in UTC, to the microsecond; None for 0 and beyond the year 9999."""
    if not steps or steps > 2_650_467_743_999_999_999:
        return None
    return _EPOCH + timedelta(microseconds=steps // 10)
