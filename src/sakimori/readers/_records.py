"""CSV whose quoted values may hold newlines: whole records in blocks, bad ones aside, lines kept.

A quote that is never closed would swallow the rest of the file. Where records begin with a time,
each stretch from one such beginning to the next must hold an even number of quotes; one that does
not is set aside alone.
"""

from __future__ import annotations

import csv as python_csv
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from sakimori.readers._contract import Reject
from sakimori.readers._source import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sakimori.readers._source import Block

_QUOTE, _NEWLINE, _RETURN, _DASH = 34, 10, 13, 45
_BEGINS = re.compile(rb'"?[0-9]{4}-[0-9]{2}-')
_TRIES = 50
_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Records:
    """A block's records: columns of text, the line each began at, and what was refused."""

    table: pa.Table
    lines: pa.Array
    rejects: list[Reject]


def whole_records(blocks: Iterable[Block], *, by_time: bool) -> Iterator[Block]:
    """Give blocks that end where a record ends. `by_time`: records begin with a time."""
    held: Block | None = None
    for found in blocks:
        block = replace(held, data=held.data + found.data) if held else found
        cut_at = _last_beginning(block.data, by_time=by_time)
        if not cut_at and len(block.data) < LONGEST_LINE:
            held = block
            continue
        cut_at = cut_at or len(block.data)
        yield replace(block, data=block.data[:cut_at], tail=False)
        rest = block.data[cut_at:]
        line = block.line + block.data.count(b"\n", 0, cut_at)
        held = replace(block, data=rest, line=line, start=block.start + cut_at) if rest else None
    if held:
        yield replace(held, tail=False)


def _last_beginning(data: bytes, *, by_time: bool) -> int:
    """Return where the last record surely begins, or 0."""
    end, fallback = len(data) - 1, 0
    for _ in range(_TRIES):
        end = data.rfind(b"\n", 0, end)
        if end < 0:
            break
        if by_time and not _BEGINS.match(data, end + 1):
            continue
        fallback = fallback or end + 1
        if data.count(b'"', 0, end + 1) % 2 == 0:
            return end + 1
    return fallback


def cut_records(block: Block, columns: Sequence[str], delimiter: str, *, by_time: bool) -> Records:
    """Cut a block of valid UTF-8 into columns of text; empty cells are null.

    A record with another number of cells, or with a quote left open, becomes a reject.
    """
    data, at_line, rejects = _without_open_quotes(block, by_time=by_time)
    if not data:
        return Records(_empty(columns), pa.array([], pa.int64()), rejects)
    begins, lines = _record_starts(data, at_line)
    bad: list[csv.InvalidRow] = []
    try:
        table = _parsed(data, columns, delimiter, bad)
    except pa.ArrowInvalid:
        table = None
    if table is None or table.num_rows + len(bad) != len(lines):
        return _one_by_one(data, begins, lines, (columns, delimiter, rejects))
    wrong = np.array([row.number - 1 for row in bad], dtype=np.int64)
    rejects += [
        Reject(int(lines[row.number - 1]), _width(row.actual_columns, columns), row.text[:_SHOWN])
        for row in bad
    ]
    return Records(table, pa.array(np.delete(lines, wrong)), rejects)


def _width(actual: int | None, columns: Sequence[str]) -> str:
    return f"{actual} fields, not {len(columns)}"


def _empty(columns: Sequence[str]) -> pa.Table:
    return pa.schema([(name, pa.string()) for name in columns]).empty_table()


def _parsed(
    data: bytes, columns: Sequence[str], delimiter: str, bad: list[csv.InvalidRow]
) -> pa.Table:
    def on_bad(row: csv.InvalidRow) -> str:
        bad.append(row)
        return "skip"

    return csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(
            column_names=list(columns), use_threads=False, block_size=len(data) + 1
        ),
        parse_options=csv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=b'"' in data,
            ignore_empty_lines=False,
            invalid_row_handler=on_bad,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            check_utf8=False,  # it was checked, or repaired, before
        ),
    )


def _without_open_quotes(block: Block, *, by_time: bool) -> tuple[bytes, Any, list[Reject]]:
    """Return the data without blank lines and bad stretches, and each line's number."""
    data = block.data if block.data.endswith(b"\n") else block.data + b"\n"
    cells = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(cells == _NEWLINE)
    starts = np.concatenate(([0], ends[:-1] + 1))
    numbers = np.arange(block.line, block.line + len(ends), dtype=np.int64)
    quotes = np.flatnonzero(cells == _QUOTE)
    before = np.searchsorted(quotes, starts)
    held = np.diff(np.append(before, len(quotes)))  # quotes in each line
    keep = np.ones(len(ends), dtype=bool)
    rejects = []
    opens = _begins_with_time(cells, starts) if by_time else np.ones(len(starts), dtype=bool)
    for first, last in _bad_stretches(held, opens):
        keep[first:last] = False
        text = data[starts[first] : ends[last - 1]][:_SHOWN].decode("utf-8", errors="replace")
        rejects.append(Reject(int(numbers[first]), "a quote is not closed", text.rstrip("\r")))
    sizes = ends - starts
    blank = (sizes == 0) | ((sizes == 1) & (cells[np.maximum(ends - 1, 0)] == _RETURN))
    if blank.any():
        inside = np.cumsum(np.where(keep, held, 0)) % 2 == 1
        keep &= ~blank | inside
    if keep.all():
        return data, numbers, rejects
    kept = np.flatnonzero(keep)
    pieces = [data[starts[at] : ends[at] + 1] for at in kept]
    return b"".join(pieces), numbers[keep], rejects


def _begins_with_time(cells: Any, starts: Any) -> Any:
    """Return which lines begin like `2024-` or `"2024-`."""
    padded = np.concatenate((cells, np.zeros(8, np.uint8)))
    first = starts + (padded[starts] == _QUOTE)
    digits = np.ones(len(starts), dtype=bool)
    for offset in range(4):
        cell = padded[first + offset]
        digits &= (cell >= 48) & (cell <= 57)
    opens = digits & (padded[first + 4] == _DASH)
    opens[:1] = True
    return opens


def _bad_stretches(held: Any, opens: Any) -> list[tuple[int, int]]:
    """Return the stretches of lines (first, last + 1) in which a quote stays open.

    Two odd stretches side by side are one record with a line in it that looks like a beginning.
    """
    firsts = np.flatnonzero(opens)
    odd = np.flatnonzero(np.add.reduceat(held, firsts) % 2)
    bounds = np.append(firsts, len(held))
    found, at = [], 0
    while at < len(odd):
        if at + 1 < len(odd) and odd[at + 1] == odd[at] + 1:
            at += 2
            continue
        found.append((int(bounds[odd[at]]), int(bounds[odd[at] + 1])))
        at += 1
    return found


def _record_starts(data: bytes, at_line: Any) -> tuple[Any, Any]:
    """Return where each record begins, in bytes (and the end), and the line it begins at."""
    cells = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(cells == _NEWLINE)
    if b'"' in data:
        quotes = np.flatnonzero(cells == _QUOTE)
        closed = np.searchsorted(quotes, ends) % 2 == 0
        closed[-1] = True
        at = np.flatnonzero(closed)
        begins = np.concatenate(([0], ends[at] + 1))
        return begins, at_line[np.concatenate(([0], at[:-1] + 1))]
    return np.concatenate(([0], ends + 1)), at_line


def _one_by_one(
    data: bytes, begins: Any, lines: Any, how: tuple[Sequence[str], str, list[Reject]]
) -> Records:
    """Cut records one at a time: for blocks whose quotes the parser reads in another way."""
    columns, delimiter, rejects = how
    rows: list[list[str | None]] = []
    kept: list[int] = []
    for at, line in enumerate(lines.tolist()):
        text = data[begins[at] : begins[at + 1]].decode("utf-8", errors="replace").rstrip("\r\n")
        try:
            read = list(python_csv.reader([text + "\n"], delimiter=delimiter, strict=True))
        except python_csv.Error as error:
            rejects.append(Reject(line, str(error), text[:_SHOWN]))
            continue
        cells = read[0] if len(read) == 1 else []
        if len(cells) == len(columns):
            rows.append([cell or None for cell in cells])
            kept.append(line)
        else:
            rejects.append(Reject(line, _width(len(cells), columns), text[:_SHOWN]))
    table = pa.table(
        [pa.array([row[at] for row in rows], pa.string()) for at in range(len(columns))],
        names=list(columns),
    )
    return Records(table, pa.array(kept, pa.int64()), rejects)
