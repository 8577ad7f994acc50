"""Lists of installed updates: `wmic qfe`, `Get-HotFix`, or bare KB numbers, one a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import dates, kb
from sakimori.endpoint.inventory.record import Note, Record, note
from sakimori.endpoint.inventory.rows import Row, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sakimori.endpoint.inventory.source import Source

NAME = "hotfixes"
TITLE = "wmic qfe or Get-HotFix as table, list or CSV, or KB numbers one a line"

_ID = "hotfixid"
_HEAD = re.compile(r"(?im)^.*\bHotFixID\b.*$")


def sniff(source: Source) -> bool:
    """Whether it has a column or key HotFixID, or holds nothing but KB numbers."""
    return bool(_HEAD.search(source.head)) or _plain(source.text) is not None


def read(source: Source) -> list[Record]:
    """Return one record per machine that the list names."""
    plain = _plain(source.text)
    rows = (
        [{_ID: item} for item in plain] if plain is not None else rows_of(source.text, _HEAD, _ID)
    )
    if not rows and source.head.lstrip()[:1] in ("[", "{"):
        return []  # JSON that is broken
    machines = {_machine(row) for row in rows} - {""}
    if len(machines) < 2:
        return [_record(source, rows, next(iter(machines), ""))]
    return [
        _record(source, [row for row in rows if _machine(row) in ("", name)], name)
        for name in sorted(machines)
    ]


def _machine(row: Mapping[str, str]) -> str:
    return (row.get("csname") or row.get("pscomputername") or row.get("source")
            or row.get("node") or "")  # fmt: skip


def _plain(text: str) -> list[str] | None:
    """The entries of a file of nothing but KB numbers; None where it holds anything else."""
    lines = [line.strip(" ,;\t\r") for line in text.split("\n")]
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries or not all(kb.KB.match(e) and kb.update_of(e) for e in entries):
        return None
    return entries


def _record(source: Source, rows: list[Row], machine: str) -> Record:
    order = dates.order_of(row.get("installedon", "") for row in rows)
    updates, others, undated = [], [], 0
    for row in rows:
        entry, day = _entry(row), row.get("installedon", "")
        made = kb.update_of(
            entry,
            title=_title(row),
            installed=dates.iso(day, order),
            by=row.get("installedby", ""),
        )
        if made is not None:
            updates.append(made)
            undated += bool(day and not made.installed)
        elif kb.bare(entry):
            others.append(kb.bare(entry))
    return Record(
        source=source.name,
        reader=NAME,
        machine=machine or None,
        encoding=source.encoding,
        updates=kb.unique(updates),
        other_updates=tuple(dict.fromkeys(o for o in others if not o.lower().startswith("file "))),
        assumed=(
            *source.notes(),
            note("updates-only"),
            *([note("dates-left", count=undated)] if undated else []),
            *_others(others),
            *kb.spelling_notes(updates),
        ),
    )


def _entry(row: Row) -> str:
    """The cell of the column; where wide cells shifted the columns, the one that looks like a number."""
    written = row.get(_ID, "")
    if kb.is_entry(written):
        return written
    cells = re.split(r"\s{2,}", row.get("", ""))
    return next((cell for cell in cells if kb.update_of(cell)), written)


def _title(row: Mapping[str, str]) -> str:
    return row.get("description", "")


def _others(others: list[str]) -> list[Note]:
    files = [o for o in others if o.lower().startswith("file ")]
    named = [o for o in dict.fromkeys(others) if o not in set(files)]
    notes = [note("files", count=len(files))] if files else []
    if named:
        notes.append(note("others", count=len(named), names=", ".join(named[:8])))
    return notes
