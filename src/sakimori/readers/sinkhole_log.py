"""The log of `sakimori sinkhole run`: JSON lines, one a hit, with lines about the log among them.

Source: `takedown.sinkhole.log`, whose `event` lines (start, rotate, gap, stop) are no hits and give
nothing. Lines of a capture are left out too: bodies do not go into the lake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers import _jsonl
from sakimori.readers._contract import Options, Reject, Rows, conform
from sakimori.readers._delimited import in_threads
from sakimori.readers._jsonl import Cell, at, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._jsonl import Lines
    from sakimori.readers._source import Block, Source

NAME = "sinkhole"
TITLE = "Sakimori's sinkhole log"
WRITES = ("sinkhole",)
GROWS = True

_KINDS = {
    "ts": "time", "uid": "text", "src_ip": "lower", "src_port": "int32", "dst_ip": "lower",
    "dst_port": "int32", "proto": "lower", "service": "lower", "name": "lower", "qtype": "text",
    "server_name": "lower", "ja4": "text", "established": "flag", "method": "text",
    "path_hash": "text", "bot_id": "text", "user_agent": "text", "bytes": "int64", "reply": "text",
    "outcome": "text", "count": "int64", "truncated": "flag",
}  # fmt: skip
_CELLS: dict[str, Cell] = {name: at(kind, name) for name, kind in _KINDS.items()} | {
    "sensor": at("text", "sinkhole")
}
_NEEDED = {"ts": "ts", "uid": "uid", "service": "service"}


def recognises(source: Source) -> bool:
    """Whether the first JSON object of a line names a sinkhole, a time, and a hit or an event."""
    first = next(iter(_jsonl.objects_in(source.head)), {})
    return {"sinkhole", "ts"} <= first.keys() and ("uid" in first or "event" in first)


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read a log. A hit without time, id or service is a reject."""

    def parse(block: Block) -> Parsed:
        parts, rejects = _jsonl.split(
            _jsonl.lines_of(block), [path_of("capture"), path_of("event")], [""]
        )
        return [*rejects, *(_rows(parts[""]) if "" in parts else ())]

    yield from in_threads(source.blocks(), parse, options.threads)


def _rows(lines: Lines) -> Parsed:
    rows, rejects = _jsonl.keep_complete(lines, _jsonl.extract(lines, _CELLS), _NEEDED)
    out: Parsed = [*rejects]
    if rows.num_rows:
        columns = {name: rows[name] for name in rows.column_names}
        columns["outcome"] = pc.fill_null(rows["outcome"], "answered")
        columns["count"] = pc.fill_null(rows["count"], pa.scalar(1, pa.int64()))
        columns["truncated"] = pc.fill_null(rows["truncated"], False)
        batch = conform("sinkhole", columns, rows.num_rows)
        out.append(Rows("sinkhole", _jsonl.with_canonical_addresses(batch), lines.tail))
    return out
