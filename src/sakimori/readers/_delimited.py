"""Delimited text (tabs, commas) to Arrow, block by block, on several threads, bad lines aside."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from sakimori.readers._contract import Reject, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from typing import TypeVar

    from sakimori.readers._source import Block

    T = TypeVar("T")

Parsed = list[Rows | Reject]
UNFINISHED = "the last line is not finished; it is read when it is"
_WELL_FORMED = {  # what a cell must look like to become this type
    pa.int64(): r"^-?[0-9]{1,18}$",
    pa.float64(): r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$",
    pa.bool_(): r"^(T|F|true|false)$",
}
_FIRST_SECOND, _END_OF_SECONDS = -62_135_596_800.0, 253_402_300_799.0  # year 1 to 9999
_TRUE, _FALSE = ["T", "true"], ["F", "false"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a file is cut: `columns` in file order, `types` of those wanted (Arrow), `nulls`."""

    columns: tuple[str, ...]
    types: dict[str, pa.DataType]  # string, int64, float64 or bool
    delimiter: str = "\t"
    quoted: bool = False
    nulls: tuple[str, ...] = ("-",)
    comment: str = ""  # lines that start so are skipped


@dataclass(frozen=True, slots=True)
class Cut:
    """A block's good lines: columns as typed, each row's line number, and the lines refused."""

    table: pa.Table
    lines: pa.Array
    rejects: list[Reject]


def in_threads(
    blocks: Iterable[T], parse: Callable[[T], Parsed], threads: int
) -> Iterator[Rows | Reject]:
    """Parse blocks (or pieces) on `threads` threads; give results in order, at most threads + 1 ahead."""
    with ThreadPoolExecutor(max_workers=threads) as pool:
        ahead: deque[Future[Parsed]] = deque()
        try:
            for block in blocks:
                ahead.append(pool.submit(parse, block))
                if len(ahead) > threads:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()


def cut(block: Block, dialect: Dialect) -> Cut:
    """Cut a block's lines into typed columns.

    A line with another number of fields, or with text where a number belongs, becomes a reject;
    the other lines are kept. Bytes that are not UTF-8 become U+FFFD. Empty lines are skipped.
    """
    if b"\r" in block.data:  # a lone one is no end of a line here, but is to the parser
        data = block.data.replace(b"\r\n", b"\n").replace(b"\r", b" ")
        block = replace(block, data=data)
    if not _is_utf8(block.data):
        return _cut_carefully(block, dialect)
    try:
        table, bad = _parse(block.data, dialect, dialect.types)
        rejects = _refused(block, dialect, bad)
        lines = _line_numbers(block.line, table.num_rows, [row.number for row in bad])
    except pa.ArrowInvalid:  # a cell is not of its type: slower, cell by cell
        return _cut_carefully(block, dialect)
    if b"\n\n" in block.data or block.data.startswith(b"\n"):
        return _without_empty(Cut(table, lines, rejects))
    return Cut(table, lines, rejects)


def _parse(
    data: bytes, dialect: Dialect, types: dict[str, pa.DataType]
) -> tuple[pa.Table, list[csv.InvalidRow]]:
    bad: list[csv.InvalidRow] = []

    def on_bad(row: csv.InvalidRow) -> str:
        bad.append(row)
        return "skip"

    table = csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(
            column_names=list(dialect.columns), use_threads=False, block_size=len(data) + 1
        ),
        parse_options=csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char='"' if dialect.quoted else False,
            ignore_empty_lines=False,
            invalid_row_handler=on_bad,
        ),
        convert_options=csv.ConvertOptions(
            include_columns=list(types),
            column_types=types,
            null_values=list(dialect.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            check_utf8=False,  # it was checked, or repaired, before
            true_values=_TRUE,
            false_values=_FALSE,
        ),
    )
    return table, bad


def _cut_carefully(block: Block, dialect: Dialect) -> Cut:
    """Cut again as text, refuse the lines with a malformed cell, and type the rest."""
    data = block.data.decode("utf-8", errors="replace").encode()
    table, bad = _parse(data, dialect, dict.fromkeys(dialect.types, pa.string()))
    rejects = _refused(block, dialect, bad)
    lines = _line_numbers(block.line, table.num_rows, [row.number for row in bad])
    cut_up = _without_empty(Cut(table, lines, rejects))
    table, lines = cut_up.table, cut_up.lines
    texts: list[bytes] = []
    for name, kind in dialect.types.items():
        if kind not in _WELL_FORMED:
            continue
        matches = pc.match_substring_regex(table[name], _WELL_FORMED[kind])
        good = pc.fill_null(matches, True).combine_chunks()
        if not pc.all(good).as_py():
            texts = texts or data.split(b"\n")
            cells = table[name].filter(pc.invert(good)).to_pylist()
            numbers = lines.filter(pc.invert(good)).to_pylist()
            rejects += [
                Reject(
                    number,
                    f"{name} is {cell[:40]!r}, not {_NOUNS[kind]}",
                    texts[number - block.line].decode(errors="replace"),
                    block.tail,
                )
                for number, cell in zip(numbers, cells, strict=True)
            ]
            table, lines = table.filter(good), lines.filter(good)
    typed = [_typed(table[name], kind) for name, kind in dialect.types.items()]
    return Cut(pa.table(typed, names=list(dialect.types)), lines, rejects)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _without_empty(whole: Cut) -> Cut:
    """Leave out rows without any value: empty lines."""
    if not whole.table.num_columns or not whole.table.num_rows:
        return whole
    given = [
        pc.fill_null(pc.not_equal(column.cast(pa.string()), ""), False)
        for column in whole.table.columns
    ]
    keep = reduce(pc.or_, given)
    keep = keep.combine_chunks() if isinstance(keep, pa.ChunkedArray) else keep
    return Cut(whole.table.filter(keep), whole.lines.filter(keep), whole.rejects)


_NOUNS = {pa.int64(): "a whole number", pa.float64(): "a number", pa.bool_(): "T or F"}


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if kind != pa.bool_():
        return column.cast(kind)
    null = pa.scalar(None, pa.bool_())
    return pc.if_else(pc.is_null(column), null, pc.is_in(column, value_set=pa.array(_TRUE)))


def _refused(block: Block, dialect: Dialect, bad: list[csv.InvalidRow]) -> list[Reject]:
    """Name the lines of a wrong width; comments are not among them."""
    return [
        Reject(
            block.line + row.number - 1,
            UNFINISHED
            if block.tail
            else f"{row.actual_columns} fields, not {row.expected_columns}",
            row.text,
            block.tail,
        )
        for row in bad
        if not (dialect.comment and row.text.startswith(dialect.comment))
    ]


def _line_numbers(first: int, rows: int, bad: list[int]) -> pa.Array:
    """Give each kept row's line: all lines from `first` but the bad ones (numbered from 1)."""
    numbers = np.arange(rows + len(bad), dtype=np.int64)
    if bad:
        numbers = np.delete(numbers, np.asarray(bad) - 1)
    return pa.array(numbers[:rows] + first)


def seconds_to_time(seconds: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Turn epoch seconds (float64) into UTC microsecond times; relative times start at 1970.

    Null outside the years 1 to 9999, as for milliseconds taken for seconds, and for NaN.
    """
    exists = pc.and_(pc.greater_equal(seconds, _FIRST_SECOND), pc.less(seconds, _END_OF_SECONDS))
    seconds = pc.if_else(exists, seconds, pa.scalar(None, pa.float64()))
    micros = pc.round(pc.multiply(seconds, 1_000_000.0)).cast(pa.int64())
    return micros.cast(pa.timestamp("us", "UTC"))
