"""Hives, exports and the live registry as records of a snapshot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.endpoint.snapshot.model import Gap, Source, place
from sakimori.endpoint.snapshot.names import canonical
from sakimori.endpoint.snapshot.registry import records_of, tops
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sakimori.endpoint.registry.found import HiveRead, Problem
    from sakimori.endpoint.registry.model import Key
    from sakimori.endpoint.snapshot.model import Record


@dataclass(slots=True)
class Registry:
    """What was read. `roots` are canonical keys that are covered whole."""

    records: list[Record] = field(default_factory=list)
    roots: tuple[str, ...] = ()
    gaps: list[Gap] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)


def read_this() -> Registry:
    """Read the registry of the machine that this runs on. Raises RefusedError where it has none."""
    from sakimori.endpoint.registry.source import read_live  # noqa: PLC0415

    found, keys = Registry(), _Keys()
    given = read_live()
    found.gaps += keys.add(given, "HKLM")
    found.roots = tops(key.path.partition("\\")[0] for key in given.keys)
    found.records = keys.records()
    return found


def read(hives: Iterable[tuple[str, Path]], exports: Iterable[Path]) -> Registry:
    """Read all sources. Raises SourceError where one cannot be read at all.

    Where two sources have one key, the first counts; two keys of one name in one hive are kept both.
    """
    from sakimori.endpoint.registry.hive import read_hive  # noqa: PLC0415 - slow to import
    from sakimori.endpoint.registry.reg_read import read_reg  # noqa: PLC0415

    found, keys = Registry(), _Keys()
    roots: list[str] = []
    for name, path in hives:
        given, digest = read_hive(path, name), _sum(path)
        found.sources.append(Source("hive", name, str(path), digest, given.notes))
        roots.append(name)
        found.gaps += keys.add(given, name)
    for path in exports:
        given, digest = read_reg(path), _sum(path)
        found.sources.append(Source("export", "", str(path), digest, given.notes))
        roots += tops(key.path for key in given.keys)
        found.gaps += keys.add(given, str(path))
    found.roots = tops(roots)
    found.records = keys.records()
    return found


class _Keys:
    """Keys of all sources by canonical name."""

    def __init__(self) -> None:
        self._held: dict[str, list[Key]] = {}

    def add(self, given: HiveRead, name: str) -> list[Gap]:
        """Add a source's keys; return what is wrong with it."""
        earlier, again = set(self._held), 0
        for key in given.keys:
            place = canonical(key.path)
            if place in earlier:
                again += 1
            else:
                self._held.setdefault(place, []).append(key)
        gaps = [_gap(one, name) for one in given.problems]
        if again:
            gaps.append(
                Gap("registry", f"({name})", f"{again} keys came from an earlier source already")
            )
        return gaps

    def records(self) -> list[Record]:
        """Return all records, sorted by place."""
        made: list[Record] = []
        for name in sorted(self._held, key=lambda one: (one.replace("\\", "\0"), one)):
            held = self._held[name]
            records = [record for key in held for record in records_of(key)]
            made += sorted(records, key=place) if len(held) > 1 else records
        return made


def _gap(problem: Problem, name: str) -> Gap:
    """Return a problem of a hive as a gap.

    One that is in a cell may hide any key of the hive, so that what is missing there is not compared. One
    that is about the file as a whole, such as a log that is not there, is told and hides nothing.
    """
    inside = ": " in problem.where
    return Gap("registry", name if inside else f"({name})", f"{problem.where}: {problem.reason}")


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(
            error.strerror or "cannot be read", where=str(path), hint="check the path"
        ) from error
