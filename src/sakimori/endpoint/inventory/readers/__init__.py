"""Every kind of file an inventory is read from: a literal list; each file recognises its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sakimori.endpoint.inventory.readers import (
    cyclonedx,
    dism,
    dpkg,
    hive,
    hotfixes,
    offered,
    os_release,
    osquery,
    programs,
    properties,
    reg,
    rpm,
    spdx,
    systeminfo,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.endpoint.inventory.record import Record
    from sakimori.endpoint.inventory.source import Source


class Reader(Protocol):
    """What the inventory needs of a reader module."""

    NAME: str
    TITLE: str  # for people: what it accepts

    @property
    def sniff(self) -> Callable[[Source], bool]:
        """Whether the content (never the name) is of this kind. Never raises."""

    @property
    def read(self) -> Callable[[Source], list[Record]]:
        """Return one record per machine the file tells of. Raises SourceError only."""


# The first that recognises a file reads it: those whose marks are surest come first.
BUILTIN: tuple[Reader, ...] = (
    hive, reg, cyclonedx, spdx, osquery, hotfixes, offered, systeminfo, properties, programs, dism, os_release, dpkg, rpm,
)  # fmt: skip


def named() -> str:
    """Return what is accepted, for people."""
    return "; ".join(reader.TITLE for reader in BUILTIN)
