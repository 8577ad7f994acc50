"""Zeek's JSON logs: one log a file, or many logs mixed in one stream.

A line says which log it is of in `_path` (Zeek), `@path` or `@stream` (shippers); where none does,
the keys of the first lines tell. Field names may be dotted (`id.orig_h`), underscored
(`id_orig_h`) or nested (`{"id": {"orig_h"`); times are seconds, milliseconds or ISO 8601.
Source: docs.zeek.org, "Zeek Log Formats and Inspection" and LogAscii::json_timestamps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sakimori.readers import _jsonl, _zeek
from sakimori.readers._contract import Options, Reject, Rows, schema_of
from sakimori.readers._delimited import in_threads
from sakimori.readers._jsonl import Cell, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._jsonl import Lines
    from sakimori.readers._source import Block, Source

NAME = "zeek-json"
TITLE = "Zeek logs, JSON lines"
WRITES = _zeek.TABLES
GROWS = True

_KIND = ("_path", "@path", "@stream")
# A log's own fields, underscored: it is the first log all of one of whose sets are there.
_SIGNS: tuple[tuple[str, tuple[set[str], ...]], ...] = (
    ("notice", ({"note", "msg"}, {"note", "suppress_for"})),
    ("conn", ({"conn_state"}, {"history", "proto"}, {"orig_pkts", "resp_pkts", "proto"})),
    ("dns", ({"query", "qtype"}, {"query", "qtype_name"}, {"query", "rcode_name"})),
    ("x509", ({"certificate_subject"}, {"certificate_issuer"}, {"certificate_serial"})),
    ("ssl", ({"cipher", "established"}, {"server_name", "established"}, {"ssl_history"})),
    ("files", ({"fuid", "seen_bytes"}, {"fuid", "tx_hosts"}, {"fuid", "analyzers", "source"})),
    ("smtp", ({"mailfrom"}, {"rcptto"}, {"helo", "trans_depth"})),
    (
        "http",
        ({"trans_depth", "method"}, {"trans_depth", "status_code"}, {"method", "host", "uri"}),
    ),
    ("irc", ({"nick", "command"},)),
    ("ssh", ({"auth_attempts"}, {"auth_success"}, {"hassh"}, {"client", "server", "kex_alg"})),
    ("weird", ({"name", "notice"}, {"name", "peer"})),
)
_SQL_KINDS = {
    "text": "text", "lower": "text", "name": "text", "list": "texts", "reals": "reals",
    "time": "epoch", "real": "real", "flag": "flag",
}  # fmt: skip
_INTS = {pa.int32(): "int32", pa.int64(): "int64"}
# A notice about a host, not a connection, has its addresses here.
_ALSO = {"notice": {"id.orig_h": "src", "id.resp_h": "dst", "id.resp_p": "p"}}
# Before Zeek 5.1 a file had tx_hosts and rx_hosts, since then the connection and a direction.
_SENDER = (
    "SELECT * REPLACE (coalesce(tx_hosts, if(is_orig, orig_h, resp_h)) AS tx_hosts,"
    " coalesce(rx_hosts, if(is_orig, resp_h, orig_h)) AS rx_hosts) FROM cells"
)


def recognises(source: Source) -> bool:
    """Whether a first line is a JSON object with Zeek's time and a log's name or known fields."""
    objects = _jsonl.objects_in(source.head)
    if not objects or "ts" not in objects[0] or "event_type" in objects[0]:
        return False
    return bool(_named(objects[0]) or "id_orig_h" in _keys(objects[0]) or _guess(objects))


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read a stream of Zeek's JSON. Logs that fill no table of ours (kerberos, ...) give nothing.

    A row without its time or calling address is a reject; a weird or a notice need not have the
    address.
    """
    guess = _guess(_jsonl.objects_in(source.head))

    def parse(block: Block) -> Parsed:
        parts, rejects = _jsonl.split(
            _jsonl.lines_of(block), [path_of(key) for key in _KIND], tuple(_zeek.LOGS), guess
        )
        out: Parsed = [*rejects]
        for name, lines in parts.items():
            out += _rows(name, lines, source.name)
        return out

    yield from in_threads(source.blocks(), parse, options.threads)


def skipped(source: Source) -> str:
    """Return why a recognised file is left out, or ""."""
    objects = _jsonl.objects_in(source.head)
    guess = _guess(objects)
    found = dict.fromkeys(_named(one) or guess for one in objects)
    if not found or any(name in _zeek.LOGS for name in found):
        return ""
    return f"no table holds Zeek's {', '.join(name or 'unnamed' for name in found)} log"


def _rows(name: str, lines: Lines, source: str) -> Parsed:
    log = _zeek.LOGS[name]
    cells, then = _cells(name), "SELECT * FROM cells"
    if log.table == "files":
        then = _SENDER
        cells |= {"is_orig": Cell((path_of("is_orig"),), "flag")}
        cells |= {h: Cell(_spellings(f"id.{h}"), "texts") for h in ("orig_h", "resp_h")}
    rows = _jsonl.extract(lines, cells, then)
    needed = {"ts": "ts"} if log.table in ("alert", "cert", "files") else _NEEDED
    rows, rejects = _jsonl.keep_complete(lines, rows, needed)
    out: Parsed = [*rejects]
    if rows.num_rows:
        read = {column: rows[column] for column in rows.column_names}
        names = _jsonl.names_of(rows, source)
        batch = _zeek.batch_of(log, read, rows.num_rows, names)
        out.append(Rows(log.table, _jsonl.with_canonical_addresses(batch), lines.tail))
    return out


_NEEDED = {"ts": "ts", "id.orig_h": "id.orig_h"}


def _cells(name: str) -> dict[str, Cell]:
    """Return a log's fields, by Zeek's dotted names, as cells."""
    log = _zeek.LOGS[name]
    types = schema_of(log.table)
    also = _ALSO.get(name, {})
    cells = {}
    for field in log.fields:
        kind = _SQL_KINDS.get(field.kind) or _INTS[types.field(field.ours).type]
        for theirs in field.theirs:
            paths = _spellings(theirs)
            if theirs in also:
                paths += (path_of(also[theirs]),)
            cells[theirs] = Cell(paths, kind)
    return cells


def _spellings(field: str) -> tuple[str, ...]:
    if "." not in field:
        return (path_of(field),)
    return (path_of(field), path_of(field.replace(".", "_")), path_of(*field.split(".")))


def _named(line: dict[str, Any]) -> str:
    """Return the log a line says it is of, or ""."""
    return next((line[key] for key in _KIND if isinstance(line.get(key), str)), "")


def _keys(line: dict[str, Any]) -> set[str]:
    """Return a line's keys, underscored; nested ones joined to their parent's."""
    keys = {key.replace(".", "_") for key in line}
    for parent, value in line.items():
        if isinstance(value, dict):
            keys |= {f"{parent}_{key}" for key in value}
    return keys


def _guess(lines: list[dict[str, Any]]) -> str:
    """Return the log that lines without a name are of, by their keys, or ""."""
    keys = set().union(*(_keys(line) for line in lines if not _named(line)))
    if "call_id" in keys:  # SIP has HTTP's words
        return ""
    return next((log for log, sets in _SIGNS if any(signs <= keys for signs in sets)), "")
