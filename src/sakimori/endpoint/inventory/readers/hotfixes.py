"""Lists of installed updates: `wmic qfe`, `Get-HotFix`, or bare KB numbers, one a line."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import dates, kb
from sakimori.endpoint.inventory.record import Note, Record, note

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sakimori.endpoint.inventory.source import Source

NAME = "hotfixes"
TITLE = "wmic qfe or Get-HotFix as table, list or CSV, or KB numbers one a line"

_ID = "hotfixid"
_HEAD = re.compile(r"(?im)^.*\bHotFixID\b.*$")
_FIRST = re.compile(r"(?:PSComputerName|Node|Caption|Source|CSName|Description|HotFixID)\b|\"")
_LIST = re.compile(r"(?i)^\s*(\w+)\s*[=:]\s*(.*?)\s*$")
_RULE = re.compile(r"^[\s-]+$")
Row = dict[str, str]


def sniff(source: Source) -> bool:
    """Whether it has a column or key HotFixID, or holds nothing but KB numbers."""
    return bool(_HEAD.search(source.head)) or _plain(source.text) is not None


def read(source: Source) -> list[Record]:
    """Return one record per machine that the list names."""
    plain = _plain(source.text)
    rows = [{_ID: item} for item in plain] if plain is not None else _rows(source.text)
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
    lines = [line.strip(" ,;\t\r") for line in text[: 1 << 20].split("\n")]
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries or not all(kb.KB.match(e) and kb.update_of(e) for e in entries):
        return None
    return entries


def _rows(text: str) -> list[Row]:
    """Rows by lower-case column name, in whichever form the list is."""
    head = _HEAD.search(text)
    if head is None:
        return []
    line, body = _from_header(text, head)
    if _LIST.match(line) and re.match(r"(?i)^\s*HotFixID\s*[=:]", line):
        return _of_list(text)
    if "," in line and line.count(",") >= 1 and not re.search(r"\S {2,}\S", line):
        return _of_csv(body)
    return _of_table(body)


def _from_header(text: str, head: re.Match[str]) -> tuple[str, str]:
    """Return the header without what a program said on the same line, and the text from there."""
    first = _FIRST.search(head[0])
    at = head.start() + (first.start() if first else 0)
    return text[at : head.end()], text[at:]


def _of_csv(text: str) -> list[Row]:
    try:
        rows = list(csv.reader(io.StringIO(re.sub(r"\r+\n", "\n", text).replace("\r", "\n"))))
    except csv.Error:
        return []
    names = [cell.strip().lower() for cell in rows[0]] if rows else []
    return [dict(zip(names, (c.strip() for c in row), strict=False)) for row in rows[1:] if row]


def _of_list(text: str) -> list[Row]:
    """Blocks of `Key=Value` or `Key : Value`; an empty line or a repeated key begins another."""
    rows: list[Row] = [{}]
    for line in text.split("\n"):
        found = _LIST.match(line.strip("\r"))
        key = found[1].lower() if found else ""
        if found is None or key in rows[-1]:
            rows.append({})
        if found is not None:
            rows[-1][key] = found[2]
    whole = [row for row in rows if row.get(_ID)]
    return whole or _joined(rows)


def _joined(rows: Iterable[Row]) -> list[Row]:
    """Blocks that empty lines tore apart (wmic writes CR CR LF)."""
    one: Row = {}
    for row in rows:
        one.update(row)
    return [one] if one.get(_ID) else []


def _of_table(text: str) -> list[Row]:
    """Columns begin where their names do. Where a cell runs over, the entry is found by its shape."""
    lines = [line.strip("\r") for line in text.split("\n")]
    columns = [(m[0].lower(), m.start()) for m in re.finditer(r"\S+", lines[0])]
    ends = [start for _, start in columns[1:]] + [None]
    rows: list[Row] = []
    for line in lines[1:]:
        if not line.strip() or _RULE.match(line):
            continue
        row = {name: line[a:b].strip() for (name, a), b in zip(columns, ends, strict=True)}
        if not kb.is_entry(row.get(_ID, "")):
            cells = re.split(r"\s{2,}", line.strip())
            row[_ID] = next((cell for cell in cells if kb.update_of(cell)), row.get(_ID, ""))
        rows.append(row)
    return rows


def _record(source: Source, rows: list[Row], machine: str) -> Record:
    order = dates.order_of(row.get("installedon", "") for row in rows)
    updates, others, undated = [], [], 0
    for row in rows:
        entry, day = row.get(_ID, ""), row.get("installedon", "")
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


def _title(row: Mapping[str, str]) -> str:
    return row.get("description", "")


def _others(others: list[str]) -> list[Note]:
    files = [o for o in others if o.lower().startswith("file ")]
    named = [o for o in dict.fromkeys(others) if o not in set(files)]
    notes = [note("files", count=len(files))] if files else []
    if named:
        notes.append(note("others", count=len(named), names=", ".join(named[:8])))
    return notes
