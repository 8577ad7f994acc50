"""Microsoft Exchange's message tracking log: comma-separated, its columns named by `#Fields:`.

Kept are a message's outcomes, one row per event: SEND and SENDEXTERNAL (to another server) and
DELIVER (to a mailbox) are "sent", FAIL is "bounced", DEFER is "deferred" (once per try). RECEIVE over
SMTP is kept with no status: the message was taken, what becomes of it is another row with the same
`uid`; count messages by `uid`, or rows that have a status. All other events (SUBMIT, EXPAND,
TRANSFER, AGENTINFO, HA*, RECEIVE from a mailbox, ...) are stages of the same message and left out.

`uid` is the network message id, the same on every server a message passes; before Exchange 2013 the
message id. `src_ip` is the original client where the log has it, else the client of this hop.
`sender` is the envelope's (return-path), else the header's. Times are UTC.
Source: learn.microsoft.com, "Message tracking" (Exchange Server).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers._contract import Reject, Rows, conform
from sakimori.readers._delimited import Cut, Dialect, cut
from sakimori.readers._maillog import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._contract import Options
    from sakimori.readers._source import Block, Source

NAME = "exchange-tracking"
TITLE = "Microsoft Exchange message tracking log"
WRITES = ("mail",)
GROWS = True

_BOM = b"\xef\xbb\xbf"
_NEEDED = ("date-time", "event-id")
_WANTED = (
    "date-time",
    "event-id",
    "source",
    "client-ip",
    "original-client-ip",
    "server-ip",
    "message-id",
    "network-message-id",
    "recipient-address",
    "recipient-status",
    "total-bytes",
    "message-subject",
    "sender-address",
    "return-path",
)
_TRACKING = re.compile(
    rb"^(?:#Log-type: *Message Tracking Log|#Fields: *date-time,(?=[^\n]*\bevent-id\b)"
    rb"(?=[^\n]*\binternal-message-id\b))",
    re.MULTILINE | re.IGNORECASE,
)
_QUOTED = r'^(?:[^",]*|"(?:[^"]|"")*")(?:,(?:[^",]*|"(?:[^"]|"")*"))*$'

_MAIL = """
WITH named AS (
    SELECT *, CASE
        WHEN "event-id" IN ('SEND', 'SENDEXTERNAL', 'DELIVER') THEN 'sent'
        WHEN "event-id" = 'FAIL' THEN 'bounced'
        WHEN "event-id" = 'DEFER' THEN 'deferred'
        END AS status
    FROM events
    WHERE status IS NOT NULL OR ("event-id" = 'RECEIVE' AND source = 'SMTP')
)
SELECT line, "date-time" AS said,
    TRY_CAST(CASE WHEN regexp_matches("date-time", '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z?$')
        THEN rtrim("date-time", 'Z') END AS TIMESTAMP) AS moment,
    coalesce("network-message-id", "message-id") AS uid,
    coalesce("original-client-ip", "client-ip") AS src_ip, "server-ip" AS dst_ip,
    CASE WHEN coalesce("return-path", "sender-address") = '<>' THEN ''
        ELSE lower(regexp_replace(coalesce("return-path", "sender-address"), '^<(.*)>$', '\\1'))
        END AS sender,
    string_split(lower("recipient-address"), ';') AS recipients, "message-subject" AS subject,
    "message-id" AS message_id, TRY_CAST("total-bytes" AS BIGINT) AS size, status,
    CASE WHEN status IS NOT NULL THEN trim("recipient-status", '''') END AS reason
FROM named ORDER BY line
"""


def recognises(source: Source) -> bool:
    """Whether the head has the tracking log's `#Log-type:` line, or its `#Fields:`."""
    return _TRACKING.search(source.head.removeprefix(_BOM)) is not None


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read one log; a new `#Fields:` line within (joined logs) holds from there on.

    Raises SourceError when the first `#Fields:` lacks the time or the event.
    """
    fields = _fields_of(source.head.removeprefix(_BOM))
    if not set(_NEEDED) <= set(fields):
        raise SourceError(
            "no #Fields line with date-time and event-id",
            where=source.name,
            hint="export the log as Exchange writes it, with its # lines",
        )
    config: dict[str, Any] = {"threads": options.threads, "autoload_known_extensions": False}
    with duckdb.connect(":memory:", config=config) as con:
        for block in source.blocks():
            for part in _parts(block):
                fields = _fields_of(part.data) or fields
                yield from _parse(part, fields, source.name, con)


def _fields_of(data: bytes) -> tuple[str, ...]:
    """Return the columns named by the first `#Fields:` line, or ()."""
    found = re.search(rb"^#Fields:([^\r\n]*)", data, re.MULTILINE | re.IGNORECASE)
    if not found:
        return ()
    names = [name.strip().lower() for name in found[1].decode("utf-8", "replace").split(",")]
    return tuple(f"{n}#{at}" if n in names[:at] else n for at, n in enumerate(names))


def _parts(block: Block) -> Iterator[Block]:
    """Cut a block before each `#Fields:` line but one at its start; take the byte order mark off."""
    data = block.data.removeprefix(_BOM)
    starts = [m.start() for m in re.finditer(rb"(?mi)^#Fields:", data) if m.start()]
    line = block.line
    for begin, end in zip([0, *starts], [*starts, len(data)], strict=True):
        piece = data[begin:end]
        if piece.strip():
            yield replace(block, data=piece, line=line)
        line += piece.count(b"\n")


@dataclass(frozen=True, slots=True)
class _Clean:
    block: Block
    rejects: list[Reject]


def _clean(block: Block) -> _Clean:
    """Turn into comments what would confuse the cutting of the other lines: a quote left open."""
    data = block.data.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    data = data.decode("utf-8", "replace").encode()
    if b'"' not in data:
        return _Clean(replace(block, data=data), [])
    lines = pc.split_pattern(pa.scalar(data.decode()), "\n").values
    bad = pc.and_(
        pc.match_substring(lines, '"'), pc.invert(pc.match_substring_regex(lines, _QUOTED))
    )
    at = pc.indices_nonzero(bad).to_pylist()
    if not at:
        return _Clean(replace(block, data=data), [])
    kept = pa.ListArray.from_arrays([0, len(lines)], pc.if_else(bad, "#", lines))
    text = pc.binary_join(kept, "\n")[0].as_py()
    rejects = [
        Reject(block.line + n, "a quote is not closed", lines[n].as_py(), block.tail) for n in at
    ]
    return _Clean(replace(block, data=text.encode()), rejects)


def _parse(
    block: Block, fields: tuple[str, ...], name: str, con: duckdb.DuckDBPyConnection
) -> Iterator[Rows | Reject]:
    clean = _clean(block)
    yield from clean.rejects
    parts = cut(clean.block, _dialect(fields))
    yield from (r for r in parts.rejects if r.text)
    con.register("events", _events(parts))
    found = con.execute(_MAIL).to_arrow_table()
    con.unregister("events")
    yield from _rows(found, name, tail=block.tail)


def _dialect(fields: tuple[str, ...]) -> Dialect:
    return Dialect(
        columns=fields,
        types={c: pa.string() for c in _WANTED if c in fields},
        delimiter=",",
        quoted=True,
        nulls=("",),
        comment="#",
    )


def _events(parts: Cut) -> pa.Table:
    """Return the lines' wanted columns, those the log lacks as null, without its # lines."""
    table = parts.table
    for name in _WANTED:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    table = table.append_column("line", parts.lines)
    comment = pc.fill_null(pc.starts_with(table["date-time"], "#"), False)
    return table.filter(pc.invert(comment))


def _rows(found: pa.Table, name: str, *, tail: bool) -> Iterator[Rows | Reject]:
    nowhen = found.filter(pc.is_null(found["moment"]))
    for line, said in zip(nowhen["line"].to_pylist(), nowhen["said"].to_pylist(), strict=True):
        yield Reject(line, "date-time is not a time", said or "", tail)
    found = found.filter(pc.is_valid(found["moment"]))
    if not found.num_rows:
        return
    columns: dict[str, Any] = {c: found[c] for c in found.column_names}
    columns["ts"] = pc.assume_timezone(found["moment"], "UTC")
    at_line = pc.binary_join_element_wise(name, found["line"].cast(pa.string()), ":")
    columns["uid"] = pc.coalesce(found["uid"], at_line)
    for side in ("src_ip", "dst_ip"):
        columns[side] = canonical(found[side])
    yield Rows("mail", conform("mail", columns, found.num_rows), tail)
