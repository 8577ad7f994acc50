"""Zeek's tab-separated logs: plain, rotated, joined end to end, still growing, with more columns.

The `#path` and `#fields` lines say what a file holds; columns are found by name, so that RITA's
node column, plugins' columns and versions' differences do not matter.
Source: docs.zeek.org, "Zeek Log Formats and Inspection".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers import _zeek
from sakimori.readers._contract import Options, Reject, Rows
from sakimori.readers._delimited import Dialect, cut, in_threads, seconds_to_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._source import Block, Source

NAME = "zeek-tsv"
TITLE = "Zeek logs, tab-separated"
WRITES = _zeek.TABLES
GROWS = True

_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
_SEPARATOR = re.compile(r"[\t !-~]")
_COMMENTS = re.compile(rb"^(?:#.*\n)+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Header:
    """What the comment lines at the top of a log say."""

    path: str = ""
    fields: tuple[str, ...] = ()
    separator: str = "\t"
    set_separator: str = ","
    unset: str = "-"
    empty: str = "(empty)"


def recognises(source: Source) -> bool:
    """Whether the head has Zeek's `#separator` or `#fields` line."""
    head = source.head[:4096]
    return head.startswith((b"#separator", b"#fields\t", b"#path")) or b"\n#fields\t" in head


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read one Zeek log. A log that fills no table of ours (kerberos, sip, ...) gives nothing.

    Raises SourceError when `#fields` lacks the time or the calling address.
    """
    header = _header_of(source)
    _check(header, source.name)

    def parse(piece: tuple[Block, Header]) -> Parsed:
        return _parse(*piece, source.name)

    yield from in_threads(_pieces(source.blocks(), header), parse, options.threads)


def skipped(source: Source) -> str:
    """Return why a recognised log is left out, or ""."""
    header = _header_of(source)
    return (
        "" if header.path in _zeek.LOGS else f"no table holds Zeek's {header.path or 'unnamed'} log"
    )


def _needed(log: _zeek.Log, present: Sequence[str]) -> list[str]:
    return [
        field.theirs[0]
        for field in log.fields
        if field.ours in log.needed and log.table != "alert" and field.theirs[0] in present
    ] or ["ts"]


def _check(header: Header, name: str) -> None:
    log = _zeek.LOGS.get(header.path)
    if log is not None and (lacking := _lacking(log, header)):
        raise SourceError(
            f"the #fields line of this {header.path} log has no {lacking}",
            where=name,
            hint="export the log with Zeek's own columns",
        )


def _lacking(log: _zeek.Log, header: Header) -> str:
    """Return the first needed field that the header does not name, or ""."""
    present = set(header.fields)
    needed = (field for field in log.fields if field.ours in log.needed)
    return next((f.theirs[0] for f in needed if not present.intersection(f.theirs)), "")


def _refused(block: Block, reason: str) -> Parsed:
    """Refuse every line of a block that is no comment."""
    texts = block.data.decode("utf-8", errors="replace").split("\n")
    return [
        Reject(line, reason, text, block.tail)
        for line, text in enumerate(texts, block.line)
        if text.strip("\r") and not text.startswith("#")
    ]


def _header_of(source: Source) -> Header:
    return _header_from(source.head.decode("utf-8-sig", errors="replace").splitlines(), Header())


def _header_from(lines: Iterable[str], before: Header) -> Header:
    """Apply comment lines to what was known; stops at the first line of data."""
    header = before
    for line in lines:
        if not line.startswith("#"):
            break
        named = line.startswith("#separator ")  # the one line that a space cuts
        word, _, rest = line[1:].partition(" " if named else header.separator)
        header = _with(header, word, rest)
    return header


def _with(header: Header, word: str, rest: str) -> Header:
    if word == "separator":
        sign = _ESCAPED.sub(lambda m: chr(int(m[1], 16)), rest.strip(" "))
        return replace(header, separator=sign) if _SEPARATOR.fullmatch(sign) else header
    if word == "fields":
        return replace(header, fields=tuple(rest.split(header.separator)))
    if word == "path":
        return replace(header, path=rest.strip())
    if word == "set_separator":
        return replace(header, set_separator=rest or ",")
    if word == "unset_field":
        return replace(header, unset=rest)
    return replace(header, empty=rest) if word == "empty_field" else header


def _pieces(blocks: Iterable[Block], header: Header) -> Iterator[tuple[Block, Header]]:
    """Pair blocks with their header; cut a block where a new `#fields` begins (joined logs)."""
    for block in blocks:
        if b"#fields" not in block.data:
            yield block, header
            continue
        for piece in _at_headers(block):
            lines = piece.data[:65536].decode("utf-8", errors="replace").splitlines()
            header = _header_from(lines, header)
            yield piece, header


def _at_headers(block: Block) -> Iterator[Block]:
    """Cut a block before each run of comment lines."""
    starts = [0, *(m.start() for m in _COMMENTS.finditer(block.data) if m.start())]
    line = block.line
    for begin, end in pairwise([*starts, len(block.data)]):
        data = block.data[begin:end]
        yield replace(block, data=data, line=line, start=block.start + begin)
        line += data.count(b"\n")


def _parse(block: Block, header: Header, name: str) -> Parsed:
    log = _zeek.LOGS.get(header.path)
    if log is None or not header.fields:
        return []
    if _lacking(log, header):
        return _refused(block, f"the #fields line before it has no {_lacking(log, header)}")
    dialect = Dialect(
        columns=header.fields,
        types=_zeek.columns_of(log, set(header.fields)),
        delimiter=header.separator,
        nulls=(header.unset, header.empty),
        comment="#",
    )
    parts = cut(block, dialect)
    out: Parsed = list(parts.rejects)
    table, lines = parts.table, parts.lines
    for needed in _needed(log, table.column_names):
        if table[needed].null_count:
            good = pc.is_valid(table[needed]).combine_chunks()
            gone = lines.filter(pc.invert(good)).to_pylist()
            out += [Reject(line, f"no {needed}", tail=block.tail) for line in gone]
            table, lines = table.filter(good), lines.filter(good)
    if table.num_rows:
        real = pc.is_valid(seconds_to_time(table["ts"])).combine_chunks()
        gone = lines.filter(pc.invert(real)).to_pylist()
        out += [Reject(line, "ts is no time in seconds", tail=block.tail) for line in gone]
        table, lines = table.filter(real), lines.filter(real)
    if table.num_rows:
        uid = pc.binary_join_element_wise(name, lines.cast("string"), ":")
        columns = {c: table[c] for c in table.column_names}
        batch = _zeek.batch_of(log, columns, table.num_rows, uid, header.set_separator)
        out.append(Rows(log.table, batch, block.tail))
    return out
