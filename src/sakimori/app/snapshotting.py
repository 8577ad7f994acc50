"""Taking a snapshot: which collectors run, on which ground, into which file; and reading it back."""

from __future__ import annotations

import glob
import os
import platform
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori import __version__
from sakimori.endpoint.changes import OBJECTS
from sakimori.endpoint.snapshot import (
    files,
    jobs,
    modules,
    packages,
    places,
    services,
    sockets,
    users,
)
from sakimori.endpoint.snapshot.diff import Difference
from sakimori.endpoint.snapshot.diff import compare as endpoint_compare
from sakimori.endpoint.snapshot.format import aside_of, read_snapshot, write_snapshot
from sakimori.endpoint.snapshot.ground import Ground
from sakimori.endpoint.snapshot.model import Gap, Header, Scope, Source, place
from sakimori.errors import ConfigError, SakimoriError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sakimori.endpoint.changes import Change
    from sakimori.endpoint.snapshot.model import Record, Snapshot

_COLLECTORS: dict[str, Callable[[Ground], Iterator[Record]]] = {
    "job": jobs.collect,
    "module": modules.collect,
    "package": packages.collect,
    "service": services.collect,
    "socket": sockets.collect,
    "user": users.collect,
}
_OF_A_TREE = ("file", "job", "package", "service", "user")
_ON_LINUX = (*_OF_A_TREE, "module", "socket")
_ON_OTHERS = ("file", "socket")
_ON_WINDOWS = ("file", "registry", "socket")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to take. Nothing given: the live machine. `only` names kinds of objects; empty: all that fit.

    `root` holds another machine's files; keys are paths as that machine names them. `hives` are (name
    they are mounted as, file). `paths` stand in for the usual folders. `excludes` are patterns on the
    whole path.
    """

    root: Path | None = None
    hives: tuple[tuple[str, Path], ...] = ()
    exports: tuple[Path, ...] = ()
    paths: tuple[Path, ...] = ()
    excludes: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    threads: int = 2

    def __post_init__(self) -> None:
        """Refuse kinds of objects that are none."""
        check_kinds(self.only)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was written."""

    path: Path
    header: Header
    size: int
    counts: dict[str, int]
    scopes: tuple[Scope, ...]
    gaps: tuple[Gap, ...]


def take(
    asked: Asked,
    out: Path,
    *,
    now: datetime,
    machine: str = "",
    tick: Callable[[int], None] = lambda _: None,
) -> Taken:
    """Take a snapshot into `out`. Reads only, writes nothing but this file.

    `machine` names it in the file; empty: its host name. `tick` is called with the number of records
    now and then. Raises SourceError where a hive, an export or a folder that was asked for cannot be
    read, EngineError when the disk refuses. What else cannot be read is told in `gaps`.
    """
    ground = _ground(asked)
    taking = _Taking(asked, ground, kinds(asked), tick)
    aside = aside_of(out)
    taking.own = frozenset(os.path.realpath(path) for path in (out, aside))
    sources = taking.open_registry()
    header = Header(
        tool=f"sakimori {__version__}",
        machine=machine or _machine(asked, ground),
        taken=now.isoformat().replace("+00:00", "Z"),
        asked=_asked(asked),
        sources=tuple(sources),
    )
    written = write_snapshot(out, header, taking.records(), taking.finish, aside)
    scopes, gaps = taking.finish()
    return Taken(
        path=out,
        header=header,
        size=written.size,
        counts=dict(taking.counts),
        scopes=tuple(scopes),
        gaps=tuple(gaps),
    )


def hive(text: str) -> tuple[str, Path]:
    """Return NAME and FILE of `NAME=FILE`. Raises ConfigError where one is missing."""
    name, equals, path = text.partition("=")
    if not (name.strip("\\ ") and equals and path):
        raise ConfigError(f"{text!r} is not NAME=FILE", hint="such as SOFTWARE=hives/SOFTWARE")
    return name.strip("\\ "), Path(path)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two snapshots and what differs."""

    a: Snapshot
    b: Snapshot
    found: Difference


def compare(a: Path, b: Path, *, only: tuple[str, ...] = (), autoruns: bool = False) -> Compared:
    """Read two snapshots and return what differs; `only` and `autoruns` narrow what is told.

    Raises SourceError where one is no snapshot or damaged.
    """
    check_kinds(only)
    before, after = read_snapshot(a), read_snapshot(b)
    found = endpoint_compare(before, after)
    changes = tuple(
        one for one in found.changes if _wanted(one, only) and (not autoruns or _autorun(one))
    )
    left = tuple(one for one in found.not_compared if not only or one.object in only)
    return Compared(before, after, Difference(changes, left))


def _wanted(change: Change, only: tuple[str, ...]) -> bool:
    return not only or change.object in only


def _autorun(change: Change) -> bool:
    return any(state is not None and "autorun" in state for state in (change.before, change.after))


def look(
    path: Path, *, only: tuple[str, ...] = (), key: str = ""
) -> tuple[Snapshot, Iterator[Record]]:
    """Read a snapshot and return it with those of its records that are asked for; none without `only`, `key`.

    Raises SourceError.
    """
    check_kinds(only)
    one = read_snapshot(path)
    if not only and not key:
        return one, iter(())
    matches = places.matcher((key,) if key else ("*",)).match
    return one, (
        record
        for record in one.records()
        if (not only or record.object in only) and matches(record.key)
    )


def check_kinds(only: tuple[str, ...]) -> None:
    """Raise ConfigError where one of these is no kind of object."""
    for kind in only:
        if kind not in OBJECTS:
            raise ConfigError(f"no object is named {kind!r}", hint=", ".join(OBJECTS))


def kinds(asked: Asked) -> tuple[str, ...]:
    """Return which kinds of objects are taken, in the order of a snapshot."""
    registry = {"registry"} if asked.hives or asked.exports else set[str]()
    if asked.only:
        return tuple(sorted(asked.only))
    if asked.root is not None:
        return tuple(sorted({*_OF_A_TREE} | registry))
    if registry:
        return tuple(sorted(registry | ({"file"} if asked.paths else set())))
    if sys.platform == "win32":
        return _ON_WINDOWS
    return tuple(sorted(_ON_LINUX if sys.platform.startswith("linux") else _ON_OTHERS))


def _ground(asked: Asked) -> Ground:
    if asked.root is None:
        return Ground()
    if not asked.root.is_dir():
        raise SourceError("is no folder", where=str(asked.root), hint="check --root")
    return Ground(os.path.realpath(asked.root), live=False)


def _machine(asked: Asked, ground: Ground) -> str:
    if asked.root is not None:
        named = Ground(ground.root).lines("file", "/etc/hostname")
        return named[0] if named else ""
    return "" if kinds(asked) == ("registry",) else platform.node()


def _asked(asked: Asked) -> dict[str, Any]:
    """Return what was asked, as the header keeps it."""
    return {
        "root": None if asked.root is None else str(asked.root),
        "paths": [str(path) for path in asked.paths],
        "excludes": list(asked.excludes),
        "only": list(asked.only),
        "as_root": hasattr(os, "geteuid") and os.geteuid() == 0,
    }


@dataclass(slots=True)
class _Taking:
    """One run of the collectors."""

    asked: Asked
    ground: Ground
    kinds: tuple[str, ...]
    tick: Callable[[int], None]
    own: frozenset[str] = frozenset()
    counts: Counter[str] = field(default_factory=Counter)
    _registry: list[Record] = field(default_factory=list)
    _roots: tuple[str, ...] = ()

    def open_registry(self) -> list[Source]:
        """Read hives and exports, before anything is written: one that cannot be read ends the run."""
        if "registry" not in self.kinds:
            return []
        from sakimori.app import _snapshot_registry as registry  # noqa: PLC0415 - slow to import

        given = self.asked.hives or self.asked.exports
        if not given and not self.ground.live:
            self.ground.miss("registry", "", "no hive is named")
            return []
        try:
            found = (
                registry.read(self.asked.hives, self.asked.exports)
                if given
                else registry.read_this()
            )
        except SakimoriError as error:
            if given:
                raise
            self.ground.miss("registry", "", str(error))
            return []
        self._registry, self._roots = found.records, found.roots
        self.ground.gaps += found.gaps
        return found.sources

    def records(self) -> Iterator[Record]:
        """Yield all records, sorted by place."""
        for kind in self.kinds:
            for record in self._guarded(kind):
                self.counts[kind] += 1
                if not self.counts[kind] & 0x3FF:
                    self.tick(self.counts.total())
                yield record

    def _guarded(self, kind: str) -> Iterator[Record]:
        try:
            if kind == "registry":
                yield from self._registry
            elif kind == "file":
                owners = users.owners(self.ground)
                yield from files.collect(self.ground, self._wanted(), owners)
            else:
                yield from sorted(_COLLECTORS[kind](self.ground), key=place)
        except Exception as error:  # noqa: BLE001 - the rest must be taken; this is told in the snapshot
            said = next(iter(str(error).splitlines()), "")[:200]
            self.ground.miss(kind, "", f"failed: {type(error).__name__}: {said}")

    def _wanted(self) -> files.Wanted:
        return files.Wanted(
            roots=self._file_roots(),
            excluded=(*places.NOISE, *self.asked.excludes),
            own=self.own,
            threads=self.asked.threads,
        )

    def _file_roots(self) -> tuple[str, ...]:
        if self.asked.paths:
            return tuple(_key(path, within=self.asked.root) for path in self.asked.paths)
        if self.asked.root is not None:
            return ("/",)
        return (*places.usual(), *users.unusual_homes(self.ground))

    def finish(self) -> tuple[list[Scope], list[Gap]]:
        """Return what was looked at and what could not be read."""
        gaps = sorted(set(self.ground.gaps), key=lambda gap: (gap.object, gap.key, gap.reason))
        whole = {gap.object: gap.reason for gap in gaps if not gap.key}
        scopes = []
        for kind in self.kinds:
            reason = whole.get(kind, "") if not self.counts[kind] else ""
            scopes.append(self._scope(kind, reason))
        return scopes, gaps

    def _scope(self, kind: str, reason: str) -> Scope:
        if kind == "file":
            wanted = self._wanted()
            own = tuple(glob.escape(path.removeprefix(self.ground.root)) for path in self.own)
            return Scope(kind, wanted.roots, (*wanted.excluded, *sorted(own)), reason)
        return Scope(kind, self._roots if kind == "registry" else (), (), reason)


def _key(path: Path, *, within: Path | None) -> str:
    """Return a path as a key. Raises SourceError where it is not there or lies outside of the root."""
    if within is None:
        if not os.path.lexists(path):
            raise SourceError("is not there", where=str(path), hint="check --path")
        return os.path.abspath(path).replace(os.sep, "/")  # noqa: PTH100 - links stay links
    key = os.path.normpath(f"/{path}")
    key = f"/{key.lstrip('/')}"
    if not os.path.lexists(f"{within}{key}"):
        raise SourceError("is not there", where=f"{within}{key}", hint="--path is below --root")
    return key
