"""JSON lines to Arrow, block by block: DuckDB parses, bad lines are set aside."""

from __future__ import annotations

import json
import socket
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers._contract import Reject
from sakimori.readers._delimited import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sakimori.readers._source import Block

_BOM = b"\xef\xbb\xbf"
_SHOWN = 1000  # characters of a refused line that are kept
_HEAD_LINES = 20

# How a cell's text becomes a value. Nothing here raises: what is not of the kind is null. A count
# with a fraction is no count (a cast would round it). Times beyond 1e11 are milliseconds: as seconds
# they would lie after the year 5000.
_MACROS = """
CREATE MACRO as_text(x) AS nullif(x, '');
CREATE MACRO as_lower(x) AS lower(nullif(x, ''));
CREATE MACRO as_flag(x) AS TRY_CAST(x AS BOOLEAN);
CREATE MACRO as_real(x) AS if(isfinite(TRY_CAST(x AS DOUBLE)), TRY_CAST(x AS DOUBLE), NULL);
CREATE MACRO as_int32(x) AS
    if(TRY_CAST(x AS INTEGER) = TRY_CAST(x AS DOUBLE), TRY_CAST(x AS INTEGER), NULL);
CREATE MACRO as_int64(x) AS
    if(TRY_CAST(x AS BIGINT) = TRY_CAST(x AS DOUBLE), TRY_CAST(x AS BIGINT), NULL);
CREATE MACRO in_years(t) AS
    if(t BETWEEN TIMESTAMPTZ '0001-01-02 00:00:00Z' AND TIMESTAMPTZ '9999-12-30 00:00:00Z', t, NULL);
CREATE MACRO as_time(x) AS in_years(TRY_CAST(x AS TIMESTAMPTZ));
CREATE MACRO in_seconds(d) AS if(abs(d) > 1e11, d / 1000, d);
CREATE MACRO as_seconds(x) AS coalesce(in_seconds(TRY_CAST(x AS DOUBLE)), epoch(as_time(x)));
CREATE MACRO as_epoch(x) AS
    if(as_seconds(x) BETWEEN -62135510400 AND 253402214400, as_seconds(x), NULL);
CREATE MACRO is_list(x) AS (starts_with(x, '[') AND json_valid(x));
CREATE MACRO not_empty(items) AS if(len(items) > 0, items, NULL);
CREATE MACRO as_texts(x) AS not_empty(
    CASE WHEN is_list(x) THEN from_json(x, '["VARCHAR"]') WHEN x <> '' THEN [x] END);
CREATE MACRO as_reals(x) AS not_empty(
    CASE WHEN is_list(x) THEN from_json(x, '["DOUBLE"]')
    WHEN TRY_CAST(x AS DOUBLE) IS NOT NULL THEN [TRY_CAST(x AS DOUBLE)] END);
"""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of a block: a table of their text (`line`) and number in the file (`number`)."""

    table: pa.Table
    tail: bool = False

    def where(self, mask: Any) -> Lines:
        """Return the lines where `mask`."""
        if pc.all(mask, skip_nulls=False).as_py():
            return self
        return Lines(self.table.filter(mask), self.tail)

    def refused(self, mask: Any, reason: str) -> list[Reject]:
        """Return a reject for each line where `mask`."""
        return [
            Reject(row["number"], reason, row["line"].rstrip("\r\n"), self.tail)
            for row in self._shortened(mask).to_pylist()
        ]

    def _shortened(self, mask: Any) -> pa.Table:
        bad = self.table.filter(mask)
        text = pc.utf8_slice_codeunits(bad["line"], 0, _SHOWN)
        return pa.table([text, bad["number"]], names=["line", "number"])


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a line: the JSON paths that may hold it (the first that is there wins).

    Kinds: text, lower, int32, int64, real, flag, time (ISO 8601, without a zone UTC), epoch (seconds
    since 1970 as a number, from seconds, milliseconds or ISO 8601), texts, reals. Empty text and
    empty lists are null, as is what is not of the kind. A list or object where text belongs is
    given as its JSON.
    """

    paths: tuple[str, ...]
    kind: str = "text"


def at(kind: str, *keys: str) -> Cell:
    """Return a cell by dotted keys: `at("text", "tls.ja3.hash")` is `{"tls": {"ja3": ...`."""
    return Cell(tuple(path_of(*key.split(".")) for key in keys), kind)


def path_of(*keys: str) -> str:
    """Return the JSON path of nested keys, each taken literally."""
    return "$" + "".join(f'."{key}"' for key in keys)


def objects_in(head: bytes) -> list[dict[str, Any]]:
    """Return the JSON objects among the first 20 lines of a head."""
    found = []
    for line in head.removeprefix(_BOM).split(b"\n", _HEAD_LINES)[:_HEAD_LINES]:
        try:
            value = json.loads(line.decode("utf-8", errors="replace"))
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def lines_of(block: Block) -> Lines:
    """Return a block's lines that are not blank. Bytes that are not UTF-8 become U+FFFD."""
    data = block.data.removeprefix(_BOM) if block.start == 0 else block.data
    try:
        data.decode()
    except UnicodeDecodeError:
        data = data.decode("utf-8", errors="replace").encode()
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    if not len(ends) or ends[-1] < len(data):
        ends = np.append(ends, len(data))
    starts = np.concatenate(([0], ends)).astype(np.int64)
    text = pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(starts), pa.py_buffer(data))
    numbers = pa.array(np.arange(block.line, block.line + len(ends), dtype=np.int64))
    lines = Lines(pa.table([text, numbers], names=["line", "number"]), block.tail)
    blank = pc.match_substring_regex(text, r"^[ \t\r\n]*$")
    return lines.where(pc.invert(blank)) if pc.any(blank).as_py() else lines


def split(
    lines: Lines, kind: Sequence[str], known: Sequence[str], default: str = ""
) -> tuple[dict[str, Lines], list[Reject]]:
    """Part lines by the text at the first of the `kind` paths that is there.

    Gives the `known` kinds only; lines without one are of the `default` kind. What is not JSON, or
    not an object, becomes a reject.
    """
    got = query(
        lines,
        f"SELECT valid, starts_with(ltrim(line, ' \t\r'), '{{') AS object,"
        f" {_first('part', len(kind))} AS kind FROM (SELECT line, json_valid(line) AS valid,"
        f" CASE WHEN json_valid(line) THEN json_extract_string(line, {_list(kind)}) END AS part"
        " FROM lines)",
    )
    rejects = lines.refused(pc.invert(got["valid"]), UNFINISHED if lines.tail else "not JSON")
    rejects += lines.refused(pc.and_not(got["valid"], got["object"]), "not a JSON object")
    good = pc.and_(got["valid"], got["object"])
    kinds = pc.if_else(good, pc.fill_null(got["kind"], default), pa.scalar(None, pa.string()))
    found = [name for name in pc.unique(kinds).to_pylist() if name in known]
    return {name: lines.where(pc.equal(kinds, name)) for name in found}, rejects


def extract(lines: Lines, cells: Mapping[str, Cell], then: str = "SELECT * FROM cells") -> pa.Table:
    """Return `number` and the cells of each line, through the SQL `then` over the view `cells`."""
    paths = [path for cell in cells.values() for path in cell.paths]
    columns, before = [], 0
    for name, cell in cells.items():
        columns.append(f'as_{cell.kind}({_first("part", len(cell.paths), before)}) AS "{name}"')
        before += len(cell.paths)
    return query(
        lines,
        f"WITH cells AS MATERIALIZED (SELECT number, {', '.join(columns)} FROM"
        f" (SELECT number, json_extract_string(line, {_list(paths)}) AS part FROM lines)) {then}",
    )


def keep_complete(
    lines: Lines, rows: pa.Table, needed: Mapping[str, str]
) -> tuple[pa.Table, list[Reject]]:
    """Set aside rows that lack a needed column; `needed` maps the column to its foreign name."""
    rejects: list[Reject] = []
    for name, theirs in needed.items():
        if rows[name].null_count:
            bad = rows.filter(pc.is_null(rows[name]))["number"]
            mask = pc.is_in(lines.table["number"], value_set=bad.combine_chunks())
            rejects += lines.refused(mask, f"{theirs} is missing or malformed")
            rows = rows.filter(pc.is_valid(rows[name]))
    return rows, rejects


def with_canonical_addresses(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with `src_ip` and `dst_ip` in lower case, IPv6 in its short form (RFC 5952).

    Suricata writes IPv6 in full, Zeek short: one host must be one text.
    """
    for name in {"src_ip", "dst_ip"} & set(batch.schema.names):
        column = batch.column(name)
        if pc.any(pc.match_substring(column, ":")).as_py():
            packed = column.dictionary_encode()
            short = pa.array([_short(a) for a in packed.dictionary.to_pylist()], pa.string())
            index = batch.schema.get_field_index(name)
            batch = batch.set_column(index, batch.schema.field(index), short.take(packed.indices))
    return batch


def _short(address: str) -> str:
    lower = address.lower()
    try:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, lower))
    except (OSError, ValueError):  # IPv4, a zone, or no address
        return lower


def names_of(rows: pa.Table, source: str) -> Any:
    """Return `source:line` for each row: its id where the log gives none."""
    return pc.binary_join_element_wise(source, rows["number"].cast(pa.string()), ":")


def query(lines: Lines, sql: str) -> pa.Table:
    """Run SQL over the view `lines` (line, number), in a database that no other thread uses.

    Raises SourceError when the database gives up (out of memory).
    """
    try:
        database = _IDLE.pop()
    except IndexError:
        database = _database()
    try:
        database.register("lines", lines.table)
        return database.execute(sql).to_arrow_table()
    except duckdb.Error as error:
        first = lines.table["number"][0].as_py() if lines.table.num_rows else 1
        raise SourceError(
            f"the JSON lines from line {first} on cannot be read: {error}",
            hint="check the free memory, or cut the file into smaller ones",
        ) from error
    finally:
        database.unregister("lines")
        _IDLE.append(database)


# A database takes longer to make than a small file to read, so they are kept, one per busy thread.
_IDLE: deque[duckdb.DuckDBPyConnection] = deque()


def _database() -> duckdb.DuckDBPyConnection:
    """Return a database in memory, of one thread, without files or network."""
    database = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "enable_external_access": False,
        },
    )
    database.execute("SET TimeZone = 'UTC'")
    database.execute(_MACROS)
    return database


def _list(paths: Sequence[str]) -> str:
    """Return paths as an SQL list."""
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"


def _first(name: str, count: int, after: int = 0) -> str:
    """Return the first entry of a list that is not null, of `count` entries after `after`."""
    return f"coalesce({', '.join(f'{name}[{after + n + 1}]' for n in range(count))})"
