"""What differs between two snapshots: a merge of two sorted streams, so memory follows the changes only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.changes import Change
from sakimori.endpoint.snapshot.layers import layers, shown
from sakimori.endpoint.snapshot.model import parse, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.snapshot.model import Record, Snapshot

Pair = tuple["Record | None", "Record | None"]


def diff(a: Snapshot, b: Snapshot) -> list[Change]:
    """Return what changed from `a` to `b`, sorted by object, key and name."""
    return [one for one in (_change(*pair) for pair in pairs(a, b)) if one is not None]


def compare(a: Snapshot, b: Snapshot) -> list[Change]:
    """Return what changed (to come: and what was not compared)."""
    return diff(a, b)


def pairs(a: Snapshot, b: Snapshot) -> Iterator[Pair]:
    """Yield the records that are not the same in both, side by side; None where one has none."""
    ours, theirs = a.lines(), b.lines()
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        if left == right:
            left, right = next(ours, None), next(theirs, None)
            continue
        one, other = _first(left, right)
        yield one, other
        left = next(ours, None) if one else left
        right = next(theirs, None) if other else right


def _first(left: bytes | None, right: bytes | None) -> Pair:
    one = parse(left) if left is not None else None
    other = parse(right) if right is not None else None
    if one is None or other is None:
        return one, other
    here, there = place(one), place(other)
    if here == there:
        return one, other
    return (one, None) if here < there else (None, other)


def _change(one: Record | None, other: Record | None) -> Change | None:
    told: tuple[str, ...] = ("added",) if one is None else ("removed",)
    if one is not None and other is not None:
        told = layers(one.object, one.state, other.state)
    record = other or one
    if record is None or not told:
        return None
    return Change(
        object=record.object,
        key=record.key,
        name=record.name,
        layers=told,
        before=shown(one) if one else None,
        after=shown(other) if other else None,
    )
