"""What differs between two snapshots: a merge of two sorted streams, so memory follows the changes only.

What one of the two did not look at, or could not, is not compared: it is counted and told, never
taken for a change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.changes import Change
from sakimori.endpoint.snapshot import noise
from sakimori.endpoint.snapshot.coverage import Coverage
from sakimori.endpoint.snapshot.layers import layers, shown
from sakimori.endpoint.snapshot.model import parse, place
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.snapshot.coverage import Why
    from sakimori.endpoint.snapshot.model import Place, Record, Snapshot

Pair = tuple["Record | None", "Record | None"]


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Records that only one side looked at. `why` says on which side and for which reason."""

    object: str
    why: Why
    records: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed, sorted by object, key and name, and what could not be compared."""

    changes: tuple[Change, ...]
    not_compared: tuple[NotCompared, ...] = ()


@dataclass(slots=True)
class _Found:
    changes: list[Change] = field(default_factory=list)
    left_out: dict[tuple[str, Why], int] = field(default_factory=dict)


def diff(a: Snapshot, b: Snapshot) -> list[Change]:
    """Return what changed from `a` to `b`, sorted by object, key and name. Raises SourceError."""
    return list(compare(a, b).changes)


def compare(a: Snapshot, b: Snapshot) -> Difference:
    """Return what changed from `a` to `b` and what was not compared.

    Raises SourceError where a snapshot's file is gone or altered since it was read.
    """
    coverage, found = Coverage(a, b), _Found()
    own = {(one.path, one.sha256) for one in (a, b) if one.sha256}
    for one, other in pairs(a, b):
        missing = _missing(coverage, one, other)
        if missing is not None:
            found.left_out[missing] = found.left_out.get(missing, 0) + 1
        elif not noise.is_snapshot(one, other, own):
            change = _change(one, other)
            if change is not None:
                found.changes.append(change)
    for kind, why, count in coverage.untaken():
        found.left_out.setdefault((kind, why), count)
    return Difference(
        tuple(noise.settled(found.changes)),
        tuple(NotCompared(kind, why, n) for (kind, why), n in sorted(found.left_out.items())),
    )


def _missing(
    coverage: Coverage, one: Record | None, other: Record | None
) -> tuple[str, Why] | None:
    """Return why a record that only one side has is not compared, None where it is."""
    record = one or other
    if record is None or (one is not None and other is not None):
        return None
    why = coverage.why_missing(record, "b" if other is None else "a")
    return None if why is None else (record.object, why)


def pairs(a: Snapshot, b: Snapshot) -> Iterator[Pair]:
    """Yield the records that are not the same in both, side by side; None where one has none."""
    left, right = _Stream(a), _Stream(b)
    while left.line is not None or right.line is not None:
        if left.line == right.line:  # the usual case, without parsing
            left.step()
            right.step()
            continue
        here, there = left.place(), right.place()
        first, second = here <= there, there <= here
        yield left.record if first else None, right.record if second else None
        if first:
            left.step()
        if second:
            right.step()


_END: Place = ("\U0010ffff", "", "", True, "")  # after every place


class _Stream:
    """A snapshot's lines, one at a time; each is parsed once, and only where that is needed."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._lines = snapshot.lines()
        self.step()

    def step(self) -> None:
        """Go to the next line; `line` is None after the last."""
        self.line = next(self._lines, None)
        self.record: Record | None = None
        self._place = _END

    def place(self) -> Place:
        """Return where the line's record stands. Raises SourceError where it is none."""
        if self.record is None and self.line is not None:
            try:
                self.record = parse(self.line)
            except (ValueError, RecursionError) as error:
                raise SourceError(
                    "holds a line that is no record",
                    where=self._snapshot.path,
                    hint="take it again",
                ) from error
            self._place = place(self.record)
        return self._place


def _change(one: Record | None, other: Record | None) -> Change | None:
    told: tuple[str, ...] = ("added",) if one is None else ("removed",)
    if one is not None and other is not None:
        told = layers(one, other)
    record = other or one
    if record is None or not told:
        return None
    return Change(
        object=record.object,
        key=record.key,
        name=record.name,
        layers=told,
        before=_state(one),
        after=_state(other),
    )


def _state(record: Record | None) -> dict[str, Any] | None:
    return None if record is None else shown(record)
