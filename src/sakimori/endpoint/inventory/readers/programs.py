"""Installed programs of Windows: `wmic product get`, or the Uninstall keys as PowerShell prints them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import dates
from sakimori.endpoint.inventory.record import Product, Record, note
from sakimori.endpoint.inventory.rows import Row, rows_of

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.source import Source

NAME = "programs"
TITLE = "wmic product, or DisplayName and DisplayVersion of PowerShell, as table, list, CSV or JSON"

_FORMS = (
    ("displayname", re.compile(r"(?im)^.*\bDisplayName\b.*$")),
    ("name", re.compile(r"(?m)^.*\bName\b.*\bVersion\b.*$")),
    ("name", re.compile(r"(?m)^\s*Name\s*[=:].*$")),
)
_MAKERS = ("publisher", "vendor")
_VERSIONS = ("displayversion", "version")


def sniff(source: Source) -> bool:
    """Whether there are rows with a name, a version and a maker."""
    return bool(_rows(source.head))


def read(source: Source) -> list[Record]:
    """Return one record of the programs."""
    rows = _rows(source.text)
    order = dates.order_of(row.get("installdate", "") for row in rows)
    products = [
        Product(
            name=row.get("displayname") or row.get("name", ""),
            version=next((row[name] for name in _VERSIONS if row.get(name)), ""),
            vendor=next((row[name] for name in _MAKERS if row.get(name)), ""),
            installed=dates.iso(row.get("installdate", ""), order),
        )
        for row in rows
    ]
    machine = next((row[n] for row in rows for n in ("node", "pscomputername") if row.get(n)), None)
    return [
        Record(
            source=source.name,
            reader=NAME,
            machine=machine,
            encoding=source.encoding,
            products=tuple(dict.fromkeys(products)),
            assumed=(*source.notes(), note("packages-only")),
        )
    ]


def _rows(text: str) -> list[Row]:
    """Rows that name a program; none where the columns are not those of programs."""
    for key, head in _FORMS:
        rows = [row for row in rows_of(text, head, key) if row.get(key)]
        if rows and any(v in rows[0] for v in _VERSIONS) and any(m in rows[0] for m in _MAKERS):
            return rows
    return []
