"""Rows that Windows' programs print: a table, CSV, a list of `Key : Value`, or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, str]

_FIRST = re.compile(
    r"(?:PSComputerName|Node|Caption|Source|CSName|Description|HotFixID|Name|DisplayName)\b|\""
)
_PAIR = re.compile(r"(?i)^\s*(\w+)\s*[=:]\s*(.*?)\s*$")
_RULE = re.compile(r"^[\s-]+$")


def rows_of(text: str, head: re.Pattern[str], key: str) -> list[Row]:
    """Return rows by lower-case column name; rows of a table hold their whole line under "".

    `head` finds the line that names the columns, or the first pair of a list; `key` is the column that
    a row of a list must have. Text that is none of the forms gives no rows.
    """
    if text.lstrip()[:1] in ("[", "{"):
        return _of_json(text)
    found = head.search(text)
    if found is None:
        return []
    line, body = _from_header(text, found)
    if re.match(rf"(?i)^\s*{key}\s*[=:]", line):
        return _of_list(text, key)
    if "," in line and not re.search(r"\S {2,}\S", line):
        return _of_csv(body)
    return _of_table(body)


def _of_json(text: str) -> list[Row]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    given = value if isinstance(value, list) else [value]
    return [
        {str(name).lower(): _text(cell) for name, cell in one.items()}
        for one in given
        if isinstance(one, dict)
    ]


def _text(cell: Any) -> str:
    """Text of a cell; a date of PowerShell is an object that holds it as DateTime."""
    if isinstance(cell, dict):
        cell = cell.get("DateTime", "")
    return "" if cell is None or isinstance(cell, list | dict) else str(cell).strip()


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


def _of_list(text: str, key: str) -> list[Row]:
    """Blocks of `Key=Value` or `Key : Value`; an empty line or a repeated key begins another."""
    rows: list[Row] = [{}]
    for line in text.split("\n"):
        found = _PAIR.match(line.strip("\r"))
        name = found[1].lower() if found else ""
        if found is None or name in rows[-1]:
            rows.append({})
        if found is not None:
            rows[-1][name] = found[2]
    whole = [row for row in rows if row.get(key)]
    return [_joined(rows)] if len(whole) == 1 else whole


def _joined(rows: Iterable[Row]) -> Row:
    """One block that empty lines tore apart: wmic may write one after each line."""
    one: Row = {}
    for row in rows:
        one.update(row)
    return one


def _of_table(text: str) -> list[Row]:
    """Columns begin where their names do."""
    lines = [line.strip("\r") for line in text.split("\n")]
    columns = [(m[0].lower(), m.start()) for m in re.finditer(r"\S+", lines[0])]
    ends = [start for _, start in columns[1:]] + [None]
    rows: list[Row] = []
    for line in lines[1:]:
        if line.strip() and not _RULE.match(line):
            cells = {name: line[a:b].strip() for (name, a), b in zip(columns, ends, strict=True)}
            rows.append({**cells, "": line.strip()})
    return rows
