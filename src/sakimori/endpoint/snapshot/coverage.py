"""Which part of a machine both snapshots looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sakimori.endpoint.snapshot.names import canonical
from sakimori.endpoint.snapshot.places import below, matcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.snapshot.model import Record, Scope, Snapshot

_SEPARATORS = {"registry": "\\"}
_DATABASES = {
    "dpkg": "/var/lib/dpkg/status",
    "apk": "/lib/apk/db/installed",
    "pacman": "/var/lib/pacman/local",
    "rpm": "/var/lib/rpm",
}


class Why(NamedTuple):
    """Why something is not compared.

    `side` is the snapshot ("a" or "b") that lacks it. `kind`: "untaken" (nothing of this object was
    taken, `reason` says why; "": it was not asked for), "outside" (its roots do not hold it), "excluded" (a pattern left it
    out) or "unread" (`key` could not be read, `reason` says why; "" is all of this object).
    """

    side: str
    kind: str
    key: str = ""
    reason: str = ""


class Coverage:
    """What each of two snapshots looked at."""

    def __init__(self, a: Snapshot, b: Snapshot) -> None:
        self._sides = {"a": a, "b": b}
        self._scopes = {
            side: {scope.object: scope for scope in snapshot.scopes}
            for side, snapshot in self._sides.items()
        }
        self._gaps = {
            side: {(gap.object, _key(gap.object, gap.key)): gap.reason for gap in snapshot.gaps}
            for side, snapshot in self._sides.items()
        }
        self._holed = {
            (side, gap.object)
            for side, snapshot in self._sides.items()
            for gap in snapshot.gaps
            if not gap.key.startswith("(")  # a note about a source
        }

    def why_missing(self, record: Record, side: str) -> Why | None:
        """Return why `side` may lack a record although the machine had it; None: it was not there."""
        scope = self._scopes[side].get(record.object)
        if scope is None or scope.reason:
            return Why(side, "untaken", "", scope.reason if scope else "")
        key = _key(record.object, record.key)
        if scope.roots and not below(scope.roots, _separator(record.object)).match(key):
            return Why(side, "outside")
        if matcher(scope.excluded).match(record.key):
            return Why(side, "excluded")
        return self._unread(record, key, side)

    def _unread(self, record: Record, key: str, side: str) -> Why | None:
        if (side, record.object) not in self._holed:
            return None
        gaps = self._gaps[side]
        for place in _places(record, key):
            reason = gaps.get((record.object, place))
            if reason is not None:
                return Why(side, "unread", place, reason)
        return None

    def untaken(self) -> Iterator[tuple[str, Why, int]]:
        """Yield the kinds of object that one side took and the other did not, with 0 records."""
        for side, other in (("a", "b"), ("b", "a")):
            for scope in self._sides[other].scopes:
                there = self._scopes[side].get(scope.object)
                if not scope.reason and (there is None or there.reason):
                    yield scope.object, Why(side, "untaken", "", _reason(there)), 0


def _reason(scope: Scope | None) -> str:
    return scope.reason if scope else ""


def _separator(kind: str) -> str:
    return _SEPARATORS.get(kind, "/")


def _key(kind: str, key: str) -> str:
    return canonical(key) if kind == "registry" else key


def _places(record: Record, key: str) -> Iterator[str]:
    """Yield a key, where it was read from, what that lies in, and "" for all of its kind."""
    yield key
    separator = _separator(record.object)
    where = key if record.object in {"file", "registry"} else _source(record)
    yield where
    while separator in where:
        where = where.rpartition(separator)[0]
        yield where or separator
    yield ""


def _source(record: Record) -> str:
    """Return the file that a record was read from, "" where that is no single one."""
    source = record.state.get("source")
    if isinstance(source, str):
        return source
    if record.object == "user":
        return "/etc/group" if record.key.startswith("group:") else "/etc/passwd"
    if record.object == "package":
        return _DATABASES.get(str(record.state.get("manager")), "")
    return ""
