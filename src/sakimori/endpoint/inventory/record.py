"""What every source of an inventory comes to: one record of one machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sakimori.endpoint.inventory.notes import NOTES


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was assumed, with the reason: a key of NOTES and what fills its places."""

    code: str
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def text(self) -> str:
        """The sentence in English. Values are as the source wrote them: whoever shows it escapes."""
        return NOTES[self.code].format_map(dict(self.values))


def note(code: str, **values: Any) -> Note:
    """Return a note; `code` must be in NOTES."""
    return Note(code, tuple(values.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One update as the source lists it.

    `id` is "KB" and the number, or as written where it has none. `release` is the 2 of
    `KB961371-v2` (a re-release under the same number), None where none is written. `installed` is
    an ISO date, "" where none is given or its order of day and month cannot be told.
    """

    id: str
    written: str
    release: int | None = None
    title: str = ""
    installed: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One installed product or package. `purl` is "" where the kind of package is not known."""

    name: str
    version: str = ""
    vendor: str = ""
    architecture: str = ""
    installed: str = ""
    purl: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one source says of one machine. None: the source does not say.

    `os` is the name in English without its maker ("Windows 7 Enterprise N"); `version` is "6.1.7601",
    `build` the last of its numbers, `ubr` the revision after it; `release` is the name of a build
    ("22H2"). `architecture` is x86, x64, arm, arm64, ia64, or as written. `updates` are installed;
    `offered` are those that the source says are missing. `other_updates` are entries of an update
    list that name no KB. `said` is how many updates the source says that it lists.
    """

    source: str
    reader: str
    os: str | None = None
    version: str | None = None
    build: str | None = None
    ubr: int | None = None
    release: str | None = None
    service_pack: int | None = None
    edition: str | None = None
    architecture: str | None = None
    machine: str | None = None
    language: str | None = None
    encoding: str | None = None
    kernel: str | None = None
    installed: str | None = None
    said: int | None = None
    updates: tuple[Update, ...] = ()
    other_updates: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    products: tuple[Product, ...] = field(default=())
    assumed: tuple[Note, ...] = ()
