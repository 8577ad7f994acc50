"""Hives, exports and the live registry as records of a snapshot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sakimori.endpoint.snapshot.model import Gap, Source
from sakimori.endpoint.snapshot.names import canonical
from sakimori.endpoint.snapshot.registry import records_of, tops
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sakimori.endpoint.registry.model import Key
    from sakimori.endpoint.registry.source import HiveRead
    from sakimori.endpoint.snapshot.model import Record


@dataclass(slots=True)
class Registry:
    """What was read. `roots` are canonical keys that are covered whole."""

    records: list[Record] = field(default_factory=list)
    roots: tuple[str, ...] = ()
    gaps: list[Gap] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)


def read(hives: Iterable[tuple[str, Path]], exports: Iterable[Path]) -> Registry:
    """Read all sources; without any, the live registry. Raises SourceError."""
    from sakimori.endpoint.registry import read_hive, read_live, read_reg  # noqa: PLC0415

    found = Registry()
    keys: dict[str, Key] = {}
    roots: list[str] = []
    for name, path in hives:
        found.sources.append(Source("hive", name, str(path), _sum(path)))
        given = read_hive(path, name)
        roots.append(name)
        _add(found, keys, given, name)
    for path in exports:
        found.sources.append(Source("export", "", str(path), _sum(path)))
        given = read_reg(path)
        own = tops(key.path for key in given.keys)
        roots += own
        _add(found, keys, given, str(path))
    if not found.sources:
        given = read_live()
        roots += {key.path.partition("\\")[0] for key in given.keys}
        _add(found, keys, given, "")
    found.roots = tops(roots)
    for name in sorted(keys, key=lambda one: (one.replace("\\", "\0"), one)):
        found.records += records_of(keys[name])
    return found


def _add(found: Registry, keys: dict[str, Key], given: HiveRead, name: str) -> None:
    """Add a source's keys; where two sources have one key, the first counts."""
    again = 0
    for key in given.keys:
        again += keys.setdefault(canonical(key.path), key) is not key
    if again:
        reason = f"{again} keys are there twice; the first one counts"
        found.gaps.append(Gap("registry", f"({name})", reason))
    for problem in given.problems:
        found.gaps.append(Gap("registry", name, f"{problem.where}: {problem.reason}"))


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(
            error.strerror or "cannot be read", where=str(path), hint="check the path"
        ) from error
