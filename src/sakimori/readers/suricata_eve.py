"""Suricata's EVE log (eve.json): one JSON object a line, of many event types.

A connection comes from its `flow` event. `netflow` events say the same one direction at a time, so
they are left out of a file from the first block with a `flow` event on (Suricata logs each flow to
both where both are on); in a file without, each becomes a row whose `dst_*` sizes are null.

A DNS question and its answer are two events. They are joined within a block of about 8 MiB, first
question to first answer of the same flow, id, name and type; a question without its answer is a row
of its own, so only the few in flight at a block's end count twice. Version 1 logs one event for each
record of an answer; those of one message are put together. Of a message's questions the first counts:
more than one is invalid (RFC 9619).
Source: docs.suricata.io, "Eve JSON Format".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers import _jsonl
from sakimori.readers._contract import Options, Reject, Rows, conform
from sakimori.readers._delimited import in_threads
from sakimori.readers._jsonl import Cell, at, path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._jsonl import Lines
    from sakimori.readers._source import Block, Source

NAME = "suricata-eve"
TITLE = "Suricata EVE JSON"
WRITES: tuple[str, ...] = ("conn", "dns", "http", "tls", "mail", "ssh", "files", "alert")
GROWS = True

_FLOW = re.compile(rb'"event_type"\s*:\s*"flow"')
_ALL = "SELECT * FROM cells"
_ICMP = pa.array(["icmpv6", "ipv6-icmp"])

# Zeek's words from the TCP flags each side sent (FIN 1, SYN 2, RST 4). Where Suricata did not track
# the session it writes no flags or zeros; its own state then tells less.
# Source: docs.zeek.org, conn_state in base/protocols/conn/main.zeek.
_STATE = """
CASE WHEN proto <> 'tcp' OR proto IS NULL THEN
        CASE WHEN dst_pkts > 0 THEN 'SF' WHEN dst_pkts = 0 OR flow_state = 'new' THEN 'S0'
             WHEN flow_state IN ('established', 'closed') THEN 'SF' END
    WHEN coalesce(ours, 0) | coalesce(theirs, 0) = 0 THEN
        CASE WHEN flow_state = 'new' AND dst_pkts = 0 THEN 'S0'
             WHEN flow_state = 'established' THEN 'S1'
             WHEN flow_state = 'closed' THEN 'SF' END
    WHEN ours & 2 > 0 AND theirs & 2 > 0 THEN
        CASE WHEN ours & 1 > 0 AND theirs & 1 > 0 THEN 'SF'
             WHEN ours & 4 > 0 THEN 'RSTO' WHEN theirs & 4 > 0 THEN 'RSTR'
             WHEN ours & 1 > 0 THEN 'S2' WHEN theirs & 1 > 0 THEN 'S3' ELSE 'S1' END
    WHEN ours & 2 > 0 THEN
        CASE WHEN theirs & 4 > 0 THEN 'REJ' WHEN ours & 4 > 0 THEN 'RSTOS0'
             WHEN ours & 1 > 0 THEN 'SH' WHEN coalesce(theirs, 0) = 0 THEN 'S0' ELSE 'OTH' END
    WHEN theirs & 2 > 0 THEN
        CASE WHEN theirs & 4 > 0 THEN 'RSTRH' WHEN theirs & 1 > 0 THEN 'SHR' ELSE 'OTH' END
    ELSE 'OTH' END
"""
_FLOW_SQL = f"""
SELECT *, if(finish >= ts, date_diff('microsecond', ts, finish) / 1e6, NULL) AS duration,
    {_STATE} AS state
FROM (SELECT * REPLACE (if(service IN ('failed', 'unknown'), NULL, service) AS service),
             TRY_CAST('0x' || flags_ts AS INTEGER) AS ours,
             TRY_CAST('0x' || flags_tc AS INTEGER) AS theirs
      FROM cells)
"""
_NETFLOW_SQL = """
SELECT * REPLACE (if(service IN ('failed', 'unknown'), NULL, service) AS service),
    if(finish >= ts, date_diff('microsecond', ts, finish) / 1e6, NULL) AS duration
FROM cells
"""
# An alert's own addresses are those of the packet; the flow's are those of the connection (since 7).
_ALERT_SQL = """
SELECT * REPLACE (
        coalesce(flow_src, if(back, dst_ip, src_ip)) AS src_ip,
        coalesce(flow_dst, if(back, src_ip, dst_ip)) AS dst_ip,
        coalesce(flow_sport, if(back, dst_port, src_port)) AS src_port,
        coalesce(flow_dport, if(back, src_port, dst_port)) AS dst_port),
    'suricata' AS sensor
FROM (SELECT *, coalesce(direction = 'to_client', false) AS back FROM cells)
"""
_TLS_SQL = """
SELECT * REPLACE (rtrim(server_name, '.') AS server_name),
    coalesce(server_alpns[1], alpn_tc) AS alpn,
    if(fingerprint IS NULL, NULL, [replace(fingerprint, ':', '')]) AS cert_hashes
FROM cells
"""
_HTTP_SQL = r"""
SELECT * REPLACE (rtrim(regexp_replace(host, '^([^:]*|\[.*\]):[0-9]{1,5}$', '\1'), '.') AS host)
FROM cells
"""
_MAIL_SQL = """
SELECT * REPLACE (trim(sender, '<> ') AS sender,
    [lower(trim(one, '<> ')) FOR one IN recipients] AS recipients)
FROM cells
"""
_DNS_SQL = """
, told AS (
    SELECT *, coalesce(uid, 'line ' || number) AS flow,
        coalesce(kind IN ('answer', 'response'), listed IS NOT NULL) AS reply,
        kind IN ('answer', 'response') AND listed IS NULL AND grouped IS NULL
            AND coalesce(version, 1) = 1 AS single,
        coalesce(kind IN ('answer', 'response') AND src_port = 53 AND dst_port <> 53, false) AS back,
        from_json(if(json_valid(listed), listed, NULL),
            '[{"rdata":"VARCHAR","ttl":"DOUBLE"}]') AS records,
        from_json(if(json_valid(grouped), grouped, NULL), '{"CNAME":["VARCHAR"],"A":["VARCHAR"],
            "AAAA":["VARCHAR"],"MX":["VARCHAR"],"NS":["VARCHAR"],"PTR":["VARCHAR"],
            "TXT":["VARCHAR"],"NULL":["VARCHAR"]}') AS g
    FROM cells),
events AS (
    SELECT number, ts, flow, uid, id, reply, single, proto, rcode, qtype,
        rtrim(query, '.') AS query,
        if(back, dst_ip, src_ip) AS src_ip, if(back, dst_port, src_port) AS src_port,
        if(back, src_ip, dst_ip) AS dst_ip, if(back, src_port, dst_port) AS dst_port,
        CASE WHEN listed IS NOT NULL THEN [r.rdata FOR r IN records IF r.rdata IS NOT NULL]
             WHEN grouped IS NOT NULL
             THEN flatten([g."CNAME", g."A", g."AAAA", g."MX", g."NS", g."PTR", g."TXT", g."NULL"])
             WHEN rdata IS NOT NULL THEN [rdata] END AS answers,
        CASE WHEN listed IS NOT NULL THEN [r.ttl FOR r IN records IF r.rdata IS NOT NULL]
             WHEN rdata IS NOT NULL THEN [ttl] END AS ttls
    FROM told),
messages AS (
    SELECT unnest(first), flow, id, ts, single,
        flatten([one.answers FOR one IN parts]) AS answers,
        flatten([one.ttls FOR one IN parts]) AS ttls
    FROM (
        SELECT flow, id, ts, bool_or(single) AS single, min_by({first}, number) AS first,
            list({'answers': answers, 'ttls': ttls} ORDER BY number) AS parts
        FROM events WHERE reply GROUP BY flow, id, ts, if(single, -1, number))),
replies AS (
    SELECT *, row_number() OVER (PARTITION BY flow, id, name, type ORDER BY number) AS nth
    FROM (SELECT *, {key} FROM messages)),
questions AS (
    SELECT *, row_number() OVER (PARTITION BY flow, id, name, type ORDER BY number) AS nth
    FROM (SELECT *, {key} FROM events WHERE NOT reply))
SELECT {both},
    r.rcode AS rcode, not_empty(r.answers) AS answers, not_empty(r.ttls) AS ttls,
    if(r.ts >= q.ts, date_diff('microsecond', q.ts, r.ts) / 1e6, NULL) AS rtt
FROM questions q FULL JOIN replies r
    ON q.flow = r.flow AND q.id IS NOT DISTINCT FROM r.id AND q.name = r.name
    AND q.type = r.type AND q.nth = r.nth
ORDER BY number
""".replace(  # version 1 does not say what type was asked for
    "{key}",
    "coalesce(query, '') AS name, if((SELECT bool_or(single) FROM messages), '',"
    " coalesce(qtype, '')) AS type",
)
_SAME = ("uid", "src_ip", "src_port", "dst_ip", "dst_port", "proto", "query", "qtype")
_DNS_SQL = _DNS_SQL.replace(
    "{first}", "{" + ", ".join(f"'{c}': {c}" for c in ("number", *_SAME, "rcode")) + "}"
).replace("{both}", ", ".join(f"coalesce(q.{c}, r.{c}) AS {c}" for c in ("number", "ts", *_SAME)))


@dataclass(frozen=True, slots=True)
class _Event:
    """One event type: our table, its cells, the SQL over them, and where its time lies."""

    table: str
    cells: dict[str, Cell]
    sql: str = _ALL
    time: str = "timestamp"

    @property
    def needed(self) -> dict[str, str]:
        """Columns a row must have. An alert of a broken packet has no address."""
        when = {"ts": self.time}
        return when if self.table == "alert" else when | {"src_ip": "src_ip"}

    @property
    def all_cells(self) -> dict[str, Cell]:
        return _ENDPOINTS | {"ts": at("time", self.time)} | self.cells


_ENDPOINTS = {
    "uid": at("text", "flow_id"),
    "src_ip": at("lower", "src_ip"),
    "src_port": at("int32", "src_port", "icmp_type"),
    "dst_ip": at("lower", "dest_ip"),
    "dst_port": at("int32", "dest_port", "icmp_code"),
    "proto": at("lower", "proto"),
    "service": at("lower", "app_proto"),
}
_EVENTS = {
    "flow": _Event(
        "conn",
        {
            "finish": at("time", "flow.end"),
            "src_bytes": at("int64", "flow.bytes_toserver"),
            "dst_bytes": at("int64", "flow.bytes_toclient"),
            "src_pkts": at("int64", "flow.pkts_toserver"),
            "dst_pkts": at("int64", "flow.pkts_toclient"),
            "flow_state": at("lower", "flow.state"),
            "flags_ts": at("text", "tcp.tcp_flags_ts"),
            "flags_tc": at("text", "tcp.tcp_flags_tc"),
        },
        _FLOW_SQL,
        time="flow.start",
    ),
    "netflow": _Event(
        "conn",
        {
            "finish": at("time", "netflow.end"),
            "src_bytes": at("int64", "netflow.bytes"),
            "src_pkts": at("int64", "netflow.pkts"),
        },
        _NETFLOW_SQL,
        time="netflow.start",
    ),
    "dns": _Event(
        "dns",
        {
            "kind": at("lower", "dns.type"),
            "version": at("int32", "dns.version"),
            "id": at("int64", "dns.id"),
            "query": Cell(
                (path_of("dns", "rrname"), '$."dns"."queries"[0]."rrname"'),
                "lower",
            ),
            "qtype": Cell((path_of("dns", "rrtype"), '$."dns"."queries"[0]."rrtype"')),
            "rcode": at("text", "dns.rcode"),
            "rdata": at("text", "dns.rdata"),
            "ttl": at("real", "dns.ttl"),
            "listed": at("text", "dns.answers"),
            "grouped": at("text", "dns.grouped"),
        },
        _DNS_SQL,
    ),
    "http": _Event(
        "http",
        {
            "method": at("text", "http.http_method"),
            "host": at("lower", "http.hostname"),
            "uri": at("text", "http.url"),
            "referrer": at("text", "http.http_refer"),
            "user_agent": at("text", "http.http_user_agent"),
            "status": at("int32", "http.status"),
            "resp_bytes": at("int64", "http.length"),
            "mime": at("text", "http.http_content_type"),
        },
        _HTTP_SQL,
    ),
    "tls": _Event(
        "tls",
        {
            "version": at("text", "tls.version"),
            "server_name": at("lower", "tls.sni"),
            "server_alpns": at("texts", "tls.server_alpns"),
            "alpn_tc": at("text", "tls.alpn_tc"),
            "ja3": at("lower", "tls.ja3.hash"),
            "ja3s": at("lower", "tls.ja3s.hash"),
            "ja4": at("text", "tls.ja4"),
            "subject": at("text", "tls.subject"),
            "issuer": at("text", "tls.issuerdn"),
            "not_before": at("time", "tls.notbefore"),
            "not_after": at("time", "tls.notafter"),
            "fingerprint": at("lower", "tls.fingerprint"),
        },
        _TLS_SQL,
    ),
    "smtp": _Event(
        "mail",
        {
            "helo": at("text", "smtp.helo"),
            "sender": at("lower", "smtp.mail_from"),
            "recipients": at("texts", "smtp.rcpt_to"),
            "subject": at("text", "email.subject"),
            "message_id": at("text", "email.message_id"),
            "mailer": at("text", "email.x_mailer"),
        },
        _MAIL_SQL,
    ),
    "ssh": _Event(
        "ssh",
        {
            "client": at("text", "ssh.client.software_version"),
            "server": at("text", "ssh.server.software_version"),
            "hassh": at("lower", "ssh.client.hassh.hash"),
        },
    ),
    "fileinfo": _Event(
        "files",
        {
            "file_id": at("text", "fileinfo.file_id"),
            "mime": at("text", "fileinfo.magic"),
            "name": at("text", "fileinfo.filename"),
            "bytes": at("int64", "fileinfo.size"),
            "md5": at("lower", "fileinfo.md5"),
            "sha1": at("lower", "fileinfo.sha1"),
            "sha256": at("lower", "fileinfo.sha256"),
        },
    ),
    "alert": _Event(
        "alert",
        {
            "flow_src": at("lower", "flow.src_ip"),
            "flow_dst": at("lower", "flow.dest_ip"),
            "flow_sport": at("int32", "flow.src_port"),
            "flow_dport": at("int32", "flow.dest_port"),
            "direction": at("lower", "direction"),
            "signature_id": at("text", "alert.signature_id"),
            "name": at("text", "alert.signature"),
            "category": at("text", "alert.category"),
            "severity": at("int32", "alert.severity"),
            "action": at("lower", "alert.action"),
        },
        _ALERT_SQL,
    ),
}


def recognises(source: Source) -> bool:
    """Whether the first whole line that is a JSON object has `event_type` and `timestamp`."""
    objects = _jsonl.objects_in(source.head)
    return bool(objects) and {"event_type", "timestamp"} <= objects[0].keys()


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read an EVE log; event types that no table holds (stats, anomaly, ...) give nothing.

    An event without its type, its time or (alerts aside) its address is a reject.
    """

    def parse(piece: tuple[Block, bool]) -> Parsed:
        block, flows = piece
        known = [event for event in _EVENTS if not (flows and event == "netflow")]
        kind, lines = [path_of("event_type")], _jsonl.lines_of(block)
        parts, rejects = _jsonl.split(lines, kind, [*known, ""])
        out: Parsed = [*rejects]
        for name, part in parts.items():
            out += _rows(_EVENTS[name], part, source.name) if name else _untyped(part)
        return out

    pieces = _with_flows(source.blocks(), seen=bool(_FLOW.search(source.head)))
    yield from in_threads(pieces, parse, options.threads)


def _with_flows(blocks: Iterable[Block], *, seen: bool) -> Iterator[tuple[Block, bool]]:
    """Pair each block with whether it, or one before it, has a flow event."""
    for block in blocks:
        seen = seen or bool(_FLOW.search(block.data))
        yield block, seen


def _untyped(lines: Lines) -> Parsed:
    every = pa.repeat(pa.scalar(True), lines.table.num_rows)
    return [*lines.refused(every, "event_type is missing")]


def _rows(event: _Event, lines: Lines, source: str) -> Parsed:
    rows = _jsonl.extract(lines, event.all_cells, event.sql)
    rows, rejects = _jsonl.keep_complete(lines, rows, event.needed)
    out: Parsed = [*rejects]
    if rows.num_rows:
        columns = {name: rows[name] for name in rows.column_names}
        columns["uid"] = pc.coalesce(rows["uid"], _jsonl.names_of(rows, source))
        icmp = pc.is_in(rows["proto"], value_set=_ICMP)
        columns["proto"] = pc.if_else(icmp, "icmp", rows["proto"])
        batch = conform(event.table, columns, rows.num_rows)
        out.append(Rows(event.table, _jsonl.with_canonical_addresses(batch), lines.tail))
    return out
