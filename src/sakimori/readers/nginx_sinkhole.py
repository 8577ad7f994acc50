"""The access log of nginx as `sakimori sinkhole config --server nginx` sets it up: JSON lines.

The kind of reply follows from method and status, which that configuration fixes. What nginx hung up
on because of its limits (status 444) is `limited`. Failed handshakes are not in this log.
Source: nginx.org, ngx_http_log_module and its variables; nginx 1.22.1 run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from sakimori.readers import _jsonl
from sakimori.readers._contract import Options, Reject, Rows, conform
from sakimori.readers._delimited import in_threads
from sakimori.readers._jsonl import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._source import Block, Source

NAME = "nginx-sinkhole"
TITLE = "nginx set up as a sinkhole"
WRITES = ("sinkhole",)
GROWS = True

_CELLS = {
    "uid": at("text", "uid"),
    "ts": at("time", "iso"),
    "seconds": at("epoch", "time"),
    "src_ip": at("lower", "src_ip"),
    "src_port": at("int32", "src_port"),
    "dst_ip": at("lower", "dst_ip"),
    "dst_port": at("int32", "dst_port"),
    "service": at("lower", "scheme"),
    "host": at("lower", "host"),
    "method": at("text", "method"),
    "status": at("int32", "status"),
    "bytes": at("int64", "bytes"),
    "server_name": at("lower", "server_name"),
    "user_agent": at("text", "user_agent"),
    "sensor": at("text", "nginx_sinkhole"),
}
# "_" is the server's own name: it stands where there was no Host. The bytes are 0 for what nginx
# could not parse.
_SQL = """
SELECT * REPLACE (make_timestamptz(CAST(round(seconds * 1e6) AS BIGINT)) AS ts),
    'tcp' AS proto, true AS established, 1 AS count, false AS truncated,
    if(host = '_', NULL, rtrim(host, '.')) AS name,
    CASE WHEN status = 200 THEN 'http-page' WHEN status IN (404, 204, 400) THEN 'http-' || status
         WHEN status = 444 THEN NULL ELSE 'http-' || status END
        || if(method = 'HEAD' AND status IN (200, 404), '-head', '') AS reply,
    CASE WHEN status = 444 THEN 'limited' WHEN status = 499 THEN 'closed'
         WHEN status = 408 THEN 'timeout'
         WHEN status >= 400 AND status <> 404 THEN 'malformed' ELSE 'answered' END AS outcome
FROM cells
"""


def recognises(source: Source) -> bool:
    """Whether the first JSON object of a line has the sign that the made configuration writes."""
    first = next(iter(_jsonl.objects_in(source.head)), {})
    return {"nginx_sinkhole", "time", "src_ip"} <= first.keys()


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read a log. A line without time or address is a reject."""

    def parse(block: Block) -> Parsed:
        parts, rejects = _jsonl.split(_jsonl.lines_of(block), ["$.event"], [""])
        out: Parsed = [*rejects]
        for lines in parts.values():
            rows, bad = _jsonl.keep_complete(
                lines, _jsonl.extract(lines, _CELLS, _SQL), {"ts": "time", "src_ip": "src_ip"}
            )
            out += bad
            if rows.num_rows:
                columns = {name: rows[name] for name in rows.column_names}
                columns["ts"] = columns["ts"].cast(pa.timestamp("us", "UTC"))
                batch = conform("sinkhole", columns, rows.num_rows)
                out.append(Rows("sinkhole", _jsonl.with_canonical_addresses(batch), lines.tail))
        return out

    yield from in_threads(source.blocks(), parse, options.threads)
