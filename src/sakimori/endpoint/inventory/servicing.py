"""Packages of Windows' own servicing, as dism and the registry name them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import dates
from sakimori.endpoint.inventory.record import Note, Update, note

if TYPE_CHECKING:
    from collections.abc import Iterable

# Package_for_KB976902~31bf3856ad364e35~amd64~~6.1.1.17514: name, key, processor, language, version
IDENTITY = re.compile(r"(?<![\w.\-])([A-Za-z0-9_.\-]{1,200})~[0-9a-f]{16}~(\w*)~([\w-]*)~([\d.]+)")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of Windows' own servicing: an identity, and whether it is installed."""

    name: str
    processor: str
    version: str
    text: str  # state, kind and time as they are written after the identity
    installed: bool

    @property
    def kb(self) -> str:
        """The KB number in its name, "" where there is none."""
        found = re.search(r"(?i)(?:_|^)(KB\d{5,7})(?!\d)", self.name)
        return found[1].upper() if found else ""


def installed_of(
    packages: Iterable[Package], order: str = ""
) -> tuple[tuple[Update, ...], tuple[str, int] | None, list[Note]]:
    """Return KB updates of installed packages, (build, revision) of the newest roll-up, and notes."""
    updates: dict[str, Update] = {}
    rollups: list[tuple[int, int]] = []
    left: set[str] = set()
    for package in packages:
        rollup = re.match(r"Package_for_RollupFix\b", package.name)
        numbers = package.version.split(".")
        if not package.installed:
            left |= {package.kb} - {""}
        elif rollup and len(numbers) > 1:
            rollups.append((int(numbers[0]), int(numbers[1])))
        elif package.kb:
            day = dates.iso(package.text, order)
            updates.setdefault(package.kb, Update(id=package.kb, written=package.kb, installed=day))
    notes = []
    if left - updates.keys():
        notes.append(note("not-installed", names=", ".join(sorted(left - updates.keys())[:8])))
    revision = max(rollups, default=None)
    if revision:
        notes.append(note("rollup", build=str(revision[0]), ubr=str(revision[1])))
    found = (str(revision[0]), revision[1]) if revision else None
    return tuple(updates.values()), found, notes
