"""Any CSV with a header: comma, semicolon, tab or pipe, quoted or not.

Read are files whose header follows a known vocabulary, and any other by a map in
`options.columns`: map name -> {our column: their column, "table": conn (if not given), dns, ...,
"time_format": auto, epoch, epoch_ms, iso or a strftime format}. A value in quotes may hold the
delimiter, not a newline. Cells that are empty, `-` or `(empty)` are null.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers._columns import after_header, check_zone, clean, flat, sift
from sakimori.readers._contract import Options, Reject, Rows, conform
from sakimori.readers._delimited import Cut, Dialect, cut, in_threads
from sakimori.readers._plan import NULLS, Plan, extra_of, known, plan_for, values
from sakimori.readers._shadowserver import looks_like
from sakimori.tables import TELEMETRY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._source import Block, Source

NAME = "csv"
TITLE = "Tables as CSV"
WRITES = tuple(TELEMETRY)
GROWS = True

_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True, slots=True)
class _Layout:
    plan: Plan
    dialect: Dialect
    name: str
    zone: str


def recognises(source: Source) -> bool:
    """Whether the header follows a known vocabulary and has what one of our tables needs."""
    headers = _headers(source.head)
    if any(
        looks_like(header) for header, _ in headers
    ):  # Shadowserver's have a reader of their own
        return False
    return any(known(header) for header, _ in headers)


def fits(source: Source, options: Options) -> bool:
    """Whether a map of the settings, or else a known vocabulary, fits the header."""
    try:
        _layout(source, options)
    except SourceError:
        return False
    return True


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read rows of the one table the header fits; a map of the settings goes first.

    Times without an offset are in `options.timezone`.
    Raises SourceError when nothing fits, with the columns that there are.
    """
    layout = _layout(source, options)
    check_zone(options.timezone, source.name)

    def parse(block: Block) -> Parsed:
        return _parse(clean(block), layout)

    blocks = (block for found in source.blocks() if (block := after_header(found)))
    yield from in_threads(blocks, parse, options.threads)


def _headers(head: bytes) -> list[tuple[tuple[str, ...], str]]:
    """Return the first line cut by each delimiter that cuts it, the one with most columns first."""
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].rstrip(b"\r")
    if b"\x00" in line or len(line) > 60_000:
        return []
    text = line.decode("utf-8", errors="replace")
    found = []
    for delimiter in _DELIMITERS:
        cells = tuple(_cells(text, delimiter))
        if len(cells) > 1:
            found.append((cells, delimiter))
    return sorted(found, key=lambda pair: -len(pair[0]))


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for row in csv.reader([text], delimiter=delimiter) for cell in row]
    except csv.Error:
        return []


def _layout(source: Source, options: Options) -> _Layout:
    headers = _headers(source.head)
    if not headers:
        raise SourceError(
            "the first line is no header",
            where=f"{source.name}:1",
            hint="a CSV begins with a line of column names",
        )
    first: SourceError | None = None
    for header, delimiter in headers:
        try:
            plan = plan_for(header, options.columns, f"{source.name}:1")
        except SourceError as error:
            first = first or error
            continue
        return _Layout(plan, _dialect(header, delimiter, plan), source.name, options.timezone)
    raise first or SourceError("the first line is no header", where=f"{source.name}:1")


def _dialect(header: tuple[str, ...], delimiter: str, plan: Plan) -> Dialect:
    columns = tuple(
        name if header.index(name) == at else f"{name} ({at})" for at, name in enumerate(header)
    )
    return Dialect(
        columns=columns,
        types={
            name: pa.string()
            for name in columns
            if plan.table == "event" or name in plan.theirs.values()
        },
        delimiter=delimiter,
        quoted=True,
        nulls=NULLS,
    )


def _parse(block: Block, layout: _Layout) -> Parsed:
    out: Parsed = []
    parts = _cut(block, layout.dialect)
    out += parts.rejects
    read = {name: parts.table[name] for name in parts.table.column_names}
    ours, checks = values(layout.plan, read, layout.zone)
    ours |= extra_of(layout.plan, read, len(parts.lines))
    good, rejects = sift(block, parts.lines, checks)
    out += [reject for reject in rejects if not _is_header(reject, layout.dialect)]
    lines = parts.lines.filter(good)
    if not len(lines):
        return out
    ours = {name: flat(column).filter(good) for name, column in ours.items()}
    place = pc.binary_join_element_wise(layout.name, lines.cast(pa.string()), ":")
    ours["uid"] = pc.coalesce(ours["uid"], place) if "uid" in ours else place
    batch = conform(layout.plan.table, ours, len(lines))
    out.append(Rows(layout.plan.table, batch, block.tail))
    return out


def _is_header(reject: Reject, dialect: Dialect) -> bool:
    """Whether a refused line is the header again, as in files joined end to end."""
    return tuple(_cells(reject.text, dialect.delimiter)) == dialect.columns


def _cut(block: Block, dialect: Dialect) -> Cut:
    """Cut a block after taking out the lines whose quotes would swallow the next ones."""
    if b'"' not in block.data:
        return cut(block, dialect)
    ended = block.data.endswith(b"\n")
    text = block.data[: -1 if ended else None].decode()
    lines = pc.list_flatten(pc.split_pattern(pa.array([text]), "\n"))
    whole = pc.match_substring_regex(lines, _whole_line(dialect.delimiter))
    well = pc.or_(whole, pc.invert(pc.match_substring(lines, '"')))
    bad = pc.invert(well)
    numbers = np.arange(block.line, block.line + len(lines))
    rejects = [
        Reject(line, "a quote is not closed", text.rstrip("\r"), block.tail)
        for line, text in zip(
            numbers[bad.to_numpy(zero_copy_only=False)].tolist(),
            lines.filter(bad).to_pylist(),
            strict=True,
        )
    ]
    kept = lines.filter(well)
    data = "\n".join(kept.to_pylist()).encode() + (b"\n" if ended else b"")
    if not len(kept):
        empty = pa.schema(list(dialect.types.items())).empty_table()
        return Cut(empty, pa.array([], pa.int64()), rejects)
    parts = cut(replace(block, data=data, line=0), dialect)
    place = pa.array(numbers).filter(well)
    rejects += [replace(r, line=place[r.line].as_py()) for r in parts.rejects]
    return Cut(parts.table, place.take(parts.lines), rejects)


def _whole_line(delimiter: str) -> str:
    """Return the pattern of a line in which each cell that opens a quote closes it."""
    end = re.escape(delimiter)
    cell = f'(?:"(?:[^"]|"")*"|[^"{end}][^{end}]*|)'
    return f"^{cell}(?:{end}{cell})*\r?$"
