"""Indicators for Microsoft Defender for Endpoint, as the CSV that its portal imports.

The portal takes 500 rows a file and 15,000 indicators in all. It has no removal by CSV: the diff
sets what goes to `Audit`, which blocks nothing, and lets it end a day later. Single addresses only.
Source: Microsoft Learn, Manage indicators in Microsoft Defender for Endpoint.
"""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from sakimori.errors import SourceError
from sakimori.hostile import csv_safe
from sakimori.takedown.blocks import _text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sakimori.takedown.blocks._contract import BlockEntry, Options

NAME = "windows"
TITLE = "Defender for Endpoint indicators (CSV)"
SUPPORTS = ("address", "name", "url")

COLUMNS = (
    "IndicatorType", "IndicatorValue", "ExpirationTime", "Action", "Severity", "Title",
    "Description", "RecommendedActions", "RbacGroups", "Category", "MitreTechniques",
    "GenerateAlert",
)  # fmt: skip
_TYPES = {"address": "IpAddress", "name": "DomainName", "url": "Url"}

_Row = tuple[str, ...]

settle = _text.unchanged


def refuses(_entry: BlockEntry, _options: Options) -> str:
    """Refuse nothing."""
    return ""


def full(entries: Sequence[BlockEntry], _options: Options) -> str:
    """Return the CSV, with its header."""
    return _written(_row(entry) for entry in entries)


def diff(before: str, after: str, options: Options) -> str:
    """Return the rows to import, choosing to overwrite: new and changed ones, and what goes."""
    old, new = _parsed(before), _parsed(after)
    rows = [_ended(row, options) for key, row in old.items() if key not in new]
    rows += [row for key, row in new.items() if old.get(key) != row]
    return _written(rows) if rows else ""


def undo(after: str, before: str | None, options: Options) -> str:
    """Return the rows to import that lead back."""
    return diff(after, before or "", options) or _written(())


def _row(entry: BlockEntry) -> _Row:
    expires = f"{_text.stamp(entry.expires)[:-1]}.0Z" if entry.expires else ""
    reason = _description(entry.reason)
    return (
        _TYPES[entry.kind], entry.value, expires, "Block", "High", "Sakimori block",
        reason or "Blocked by decision", "", "", "CommandAndControl", "", "TRUE",
    )  # fmt: skip


@lru_cache(4096)
def _description(reason: str) -> str:
    return csv_safe(_text.harmless(reason, 200))


def _ended(row: _Row, options: Options) -> _Row:
    day = options.now.replace(hour=0, minute=0, second=0, microsecond=0)
    end = f"{_text.stamp(day + timedelta(days=2))[:-1]}.0Z"
    return (*row[:2], end, "Audit", "Informational", *row[5:-1], "FALSE")


def _written(rows: Iterable[_Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return out.getvalue()


def _parsed(text: str) -> dict[tuple[str, str], _Row]:
    """Return the rows by type and value. Raises SourceError when it is no such CSV."""
    if not text:
        return {}
    rows = csv.reader(io.StringIO(text))
    if tuple(next(rows, ())) != COLUMNS:
        raise SourceError("the previous file is no CSV of Defender indicators that we wrote")
    found: dict[tuple[str, str], _Row] = {}
    for row in rows:
        if len(row) != len(COLUMNS):
            raise SourceError(f"line {rows.line_num} of the previous CSV is not ours")
        found[row[0], row[1]] = tuple(row)
    return found
