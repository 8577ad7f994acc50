"""Mail servers' own logs: what lines say of one message, put together by its queue id.

A reader turns lines into rows of the table `event`; `messages` then joins them into rows of `mail`.
It all lies in a private DuckDB that spills to a temporary folder, so that memory stays bounded.
"""

from __future__ import annotations

import ipaddress
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers._contract import Reject, Rows, conform
from sakimori.readers._syslog import YEAR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from sakimori.readers._contract import Options
    from sakimori.readers._source import Source

MEMORY = "512MB"
_BUCKET = 1_000_000  # events joined at a time: lists of recipients cannot spill
_BATCH = 65_536
_IPV4 = (
    r"^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}"
    r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"
)

# kind: begin (a client hands a message over), about (more of it), try (one recipient's outcome),
# end (the server forgets it), refusal (complete in itself, not joined).
# Time: one of utc, local, clock (see _syslog). queued: the server took charge of the message.
_EVENT = """
CREATE TABLE event (
    line BIGINT, utc TIMESTAMP, local TIMESTAMP, clock BIGINT, host VARCHAR, qid VARCHAR,
    kind VARCHAR, queued BOOLEAN, src_ip VARCHAR, src_port INTEGER, dst_ip VARCHAR,
    dst_port INTEGER, helo VARCHAR, sender VARCHAR, recipient VARCHAR, recipients VARCHAR[],
    subject VARCHAR, message_id VARCHAR, size BIGINT, status VARCHAR, relay VARCHAR,
    reason VARCHAR, login VARCHAR)
"""
_RESULT = """
CREATE TABLE result (
    line BIGINT, moment TIMESTAMP, zoned BOOLEAN, qid VARCHAR, src_ip VARCHAR, src_port INTEGER,
    dst_ip VARCHAR, dst_port INTEGER, helo VARCHAR, sender VARCHAR, recipients VARCHAR[],
    subject VARCHAR, message_id VARCHAR, size BIGINT, status VARCHAR, reason VARCHAR, login VARCHAR)
"""
_TIME = """
    coalesce(utc, local, TRY_STRPTIME(CAST(clock + $year AS VARCHAR), '%Y%m%d%H%M%S')) AS moment,
    utc IS NOT NULL AS zoned
"""
_REFUSALS = f"""
INSERT INTO result BY NAME
SELECT line, {_TIME}, nullif(qid, 'NOQUEUE') AS qid, src_ip, src_port, helo, sender,
    CASE WHEN recipient IS NOT NULL THEN [recipient] END AS recipients, subject, message_id, size,
    status, reason, login
FROM event WHERE kind = 'refusal'
"""
# A queue id is used again: a message begins where a client appears, after the last one's end, or
# after five days' silence (Postfix' maximal_queue_lifetime, within which a message is tried).
_MESSAGES = f"""
INSERT INTO result BY NAME
WITH timed AS MATERIALIZED (
    SELECT *, hash(host, qid) AS key, {_TIME} FROM event
    WHERE kind <> 'refusal' AND hash(host, qid) % $buckets = $bucket
), marked AS (
    SELECT key, line, $reused AND (kind = 'begin' OR lag(kind) OVER same = 'end'
        OR moment - lag(moment) OVER same > INTERVAL 5 DAY) AS begins
    FROM timed WINDOW same AS (PARTITION BY key ORDER BY line)
), parts AS (
    SELECT line, count(*) FILTER (begins) OVER (PARTITION BY key ORDER BY line) AS part
    FROM marked
), numbered AS MATERIALIZED (
    SELECT * FROM timed JOIN parts USING (line)
), about AS (
    SELECT host, qid, part, min(line) AS line, arg_min(moment, line) AS moment,
        arg_min(zoned, line) AS zoned, bool_or(queued) AS queued,
        arg_min(src_ip, line) AS src_ip, arg_min(src_port, line) AS src_port,
        arg_min(helo, line) AS helo, arg_min(sender, line) AS sender,
        arg_min(recipients, line) AS recipients, arg_min(subject, line) AS subject,
        arg_min(message_id, line) AS message_id, arg_min(size, line) AS size,
        arg_min(login, line) AS login
    FROM numbered GROUP BY host, qid, part
), tried AS (
    SELECT host, qid, part, status, relay, recipient, min(line) AS line, max(line) AS last,
        arg_min(moment, line) AS moment, arg_min(zoned, line) AS zoned, arg_max(reason, line) AS reason,
        arg_min(dst_ip, line) AS dst_ip, arg_min(dst_port, line) AS dst_port
    FROM numbered WHERE kind = 'try' GROUP BY host, qid, part, status, relay, recipient
), outcome AS (
    SELECT host, qid, part, status, relay, min(line) AS line, arg_min(moment, line) AS moment,
        arg_min(zoned, line) AS zoned, arg_max(reason, last) AS reason,
        arg_min(dst_ip, line) AS dst_ip, arg_min(dst_port, line) AS dst_port,
        list_transform(
            list_sort(list({{'line': line, 'to': recipient}}) FILTER (recipient IS NOT NULL)),
            lambda one: one.to) AS recipients
    FROM tried GROUP BY host, qid, part, status, relay
)
SELECT coalesce(o.line, a.line) AS line, CASE WHEN o.line IS NULL THEN a.moment ELSE o.moment END AS moment,
    CASE WHEN o.line IS NULL THEN a.zoned ELSE o.zoned END AS zoned,
    a.qid, src_ip, src_port, dst_ip, dst_port, helo, sender,
    CASE WHEN o.line IS NULL THEN a.recipients ELSE o.recipients END AS recipients,
    subject, message_id, size, status, reason, login
FROM about a LEFT JOIN outcome o
    ON a.qid = o.qid AND a.part = o.part AND a.host IS NOT DISTINCT FROM o.host
WHERE o.line IS NOT NULL OR queued
"""


@contextmanager
def database(source: Source, options: Options) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a private DuckDB with an empty `event` table; it is gone afterwards.

    Raises SourceError when memory and the temporary folder do not suffice.
    """
    with tempfile.TemporaryDirectory(dir=source._spool, prefix="sakimori-") as folder:
        config: dict[str, Any] = {
            "memory_limit": MEMORY,
            "threads": options.threads,
            "temp_directory": folder,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(":memory:", config=config) as con:
            con.execute(_EVENT)
            con.execute(_RESULT)
            try:
                yield con
            except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
                raise SourceError(
                    f"its lines could not be joined: {str(error).splitlines()[0]}",
                    where=source.name,
                    hint="free some space in the temporary folder, or split the log",
                ) from error


def messages(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    zone: ZoneInfo,
    *,
    year: int = 0,
    reused: bool = True,
) -> Iterator[Rows | Reject]:
    """Join the events into `mail`: a row for each message and outcome, a row for each refusal.

    A message's row has all recipients with the same status and relay; its time is the first such
    line's, its reason the last one's. A message taken in charge whose outcome the log does not hold
    is one row without a status. `year` is the first line's, for clocks; `zone` that of local times;
    `reused` says that a queue id serves message after message.
    """
    counted = con.execute("SELECT count(*) FROM event").fetchone()
    buckets = 1 + (counted[0] if counted else 0) // _BUCKET
    con.execute(_REFUSALS, {"year": year * YEAR})
    for bucket in range(buckets):
        con.execute(
            _MESSAGES,
            {"year": year * YEAR, "buckets": buckets, "bucket": bucket, "reused": reused},
        )
    con.execute("DROP TABLE event")
    reader = con.execute("SELECT * FROM result ORDER BY line").to_arrow_reader(_BATCH)
    for batch in reader:
        yield from _rows(pa.Table.from_batches([batch]), source.name, zone)


def _rows(found: pa.Table, name: str, zone: ZoneInfo) -> Iterator[Rows | Reject]:
    """Give one batch of `mail`; a row whose day does not exist in its year is refused."""
    nowhen = found.filter(pc.is_null(found["moment"]))
    for line in nowhen["line"].to_pylist():
        yield Reject(line, "the day does not exist in that year; set the year of the log")
    found = found.filter(pc.is_valid(found["moment"]))
    if not found.num_rows:
        return
    columns: dict[str, Any] = {c: found[c] for c in found.column_names}
    local = pc.assume_timezone(
        found["moment"], zone.key, ambiguous="earliest", nonexistent="earliest"
    )
    columns["ts"] = pc.if_else(
        found["zoned"],
        pc.assume_timezone(found["moment"], "UTC"),
        local.cast(pa.timestamp("us", "UTC")),
    )
    at_line = pc.binary_join_element_wise(name, found["line"].cast(pa.string()), ":")
    columns["uid"] = pc.coalesce(found["qid"], at_line)
    for side in ("src_ip", "dst_ip"):
        columns[side] = canonical(found[side])
    yield Rows("mail", conform("mail", columns, found.num_rows))


def canonical(texts: pa.ChunkedArray) -> pa.Array:
    """Return addresses in canonical text; null for what is no address ("unknown", a socket's path).

    "IPv6:" and zone ids ("%eth0") are taken off, IPv4 in IPv6 (::ffff:192.0.2.1) becomes IPv4.
    """
    coded = texts.combine_chunks().dictionary_encode()
    values = coded.dictionary
    if not pc.all(pc.match_substring_regex(values, _IPV4)).as_py():
        values = pa.array([_address(value) for value in values.to_pylist()], pa.string())
    return values.take(coded.indices)


def _address(text: str) -> str | None:
    bare = text.strip().removeprefix("IPv6:").partition("%")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
