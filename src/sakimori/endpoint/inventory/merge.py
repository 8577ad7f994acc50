"""Records of one machine, put together: only where a name says that they are of one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import kb
from sakimori.endpoint.inventory.record import Note, note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sakimori.endpoint.inventory.record import Record

# Endings of file names that say what a file is, not of which machine.
_KIND = re.compile(
    r"(?i)[-_. ]*(?:systeminfo\d*|sysinfo|qfe|wmic|hot-?fix(?:es)?|updates?(?:_\w+)?|dism|packages?|dpkg|rpm"
    r"|os-?release|computerinfo|sbom|spdx|cdx|osquery|software|system)+$"
)
_FIELDS = (
    "os", "version", "build", "ubr", "release", "service_pack", "edition", "architecture", "machine",
    "language", "encoding", "kernel", "installed", "said",
)  # fmt: skip
_TOLD = ("os", "version", "architecture")  # where a difference matters


def merged(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return the records with those of one machine as one, in the order of the first of each.

    Two are of one machine where both name it and the names are equal; or where one names none, and the
    file names are equal up to the word that says what the file is (PC1_systeminfo, PC1_qfe).
    """
    groups: list[list[Record]] = []
    for one in records:
        home = next((g for g in groups if _same(g, one)), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    return tuple(group[0] if len(group) == 1 else _one(group) for group in groups)


def _same(group: list[Record], one: Record) -> bool:
    names = {r.machine.lower() for r in group if r.machine}
    if one.machine and names:
        return one.machine.lower() in names
    stem = stem_of(one.source)
    return bool(stem) and any(stem_of(r.source) == stem for r in group)


def stem_of(source: str) -> str:
    """Return a file's name without folder, ending and the word for its kind; "" where none is left."""
    path = PurePath(source)
    return _KIND.sub("", path.name.split(".txt")[0] if ".txt" in path.name else path.stem).lower()


def _one(group: list[Record]) -> Record:
    """The first that says something wins; what another says otherwise is told."""
    ranked = sorted(group, key=lambda r: (r.os is None, r.version is None))
    values = {
        name: next((v for r in ranked if (v := getattr(r, name)) is not None), None)
        for name in _FIELDS
    }
    named = {r.machine.lower() for r in group if r.machine}
    by = "machine" if all(r.machine for r in group) and named else "file"
    sources = " + ".join(r.source for r in group)
    return replace(
        ranked[0],
        source=sources,
        reader=" + ".join(dict.fromkeys(r.reader for r in group)),
        updates=kb.unique(u for r in ranked for u in r.updates),
        other_updates=tuple(dict.fromkeys(o for r in ranked for o in r.other_updates)),
        offered=tuple(dict.fromkeys(o for r in ranked for o in r.offered)),
        products=tuple(dict.fromkeys(p for r in ranked for p in r.products)),
        assumed=(
            note(f"merged-{by}", sources=sources),
            *_conflicts(ranked),
            *dict.fromkeys(n for r in group for n in r.assumed if not _moot(n, group)),
        ),
        **values,
    )


def _conflicts(ranked: list[Record]) -> list[Note]:
    notes = []
    for name in _TOLD:
        said = list(dict.fromkeys(str(v) for r in ranked if (v := getattr(r, name)) is not None))
        if len(said) > 1:
            notes.append(note("conflict", what=name, first=said[0], others=", ".join(said[1:])))
    return notes


def _moot(one: Note, group: list[Record]) -> bool:
    """Whether another record of the group gives what a note misses."""
    missing = {
        "updates-only": any(r.os for r in group),
        "packages-only": any(r.os for r in group),
        "no-updates": any(r.updates for r in group),
        "type-unknown": any(r.architecture for r in group),
    }
    return missing.get(one.code, False)
