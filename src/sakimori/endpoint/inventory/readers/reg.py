"""Exports of the registry as `.reg` files, of any version."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory.registry import record_of, troubles
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.record import Record
    from sakimori.endpoint.inventory.source import Source

NAME = "reg"
TITLE = "a .reg export"

_HEADS = ("Windows Registry Editor Version", "REGEDIT4")


def sniff(source: Source) -> bool:
    """Whether it begins with the line of a `.reg` file."""
    return source.head.lstrip().startswith(_HEADS)


def read(source: Source) -> list[Record]:
    """Return one record of what the export says. Raises SourceError where that is nothing."""
    from sakimori.endpoint.registry.reg_read import parse_reg  # noqa: PLC0415 - slow to import

    page = (source.encoding or "").lower()
    encoding = page if page.startswith("cp") else None  # version 4 does not say its code page
    found = parse_reg(source.data, source.name, encoding=encoding)
    told = record_of(source.name, NAME, found.keys)
    if told is None:
        raise SourceError(
            "no system, product or update is in this export",
            where=source.name,
            hint=r"they are below HKLM\SOFTWARE and HKLM\SYSTEM",
        )
    return [
        replace(
            told,
            encoding=source.encoding,
            assumed=(*source.notes(), *told.assumed, *troubles(found.problems)),
        )
    ]
