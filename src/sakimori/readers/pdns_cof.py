"""Passive DNS in the Common Output Format: a JSON object a record, as lines or in an array.

A record with several values becomes one row a value. Where only the zone file was seen
(`zone_time_first`), its times count.
Source: draft-dulaunoy-dnsop-passive-dns-cof-13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers import _jsonl
from sakimori.readers._abuse import domain
from sakimori.readers._columns import addresses, by_value, flat
from sakimori.readers._contract import Options, Reject, Rows, conform
from sakimori.readers._delimited import seconds_to_time
from sakimori.readers._json_records import first_object, records
from sakimori.readers._jsonl import Cell
from sakimori.readers._jsonl import path_of as at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._jsonl import Lines
    from sakimori.readers._source import Source

NAME = "pdns-cof"
TITLE = "Passive DNS, Common Output Format (JSON)"
WRITES = ("pdns",)
GROWS = False  # it may be an array

_NEEDED = {"rrname", "rrtype", "rdata"}
_NAMED = ("NS", "CNAME", "DNAME", "PTR")
_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA"}
_CELLS = {
    "name": Cell((at("rrname"),)),
    "rrtype": Cell((at("rrtype"),)),
    "rdata": Cell((at("rdata"),), "texts"),
    "first": Cell((at("time_first"), at("time_first_ms"), at("zone_time_first")), "epoch"),
    "last": Cell((at("time_last"), at("time_last_ms"), at("zone_time_last")), "epoch"),
    "zone_first": Cell((at("zone_time_first"),), "epoch"),
    "zone_last": Cell((at("zone_time_last"),), "epoch"),
    "count": Cell((at("count"),), "int64"),
    "bailiwick": Cell((at("bailiwick"),)),
    "sensor": Cell((at("sensor_id"),)),
    "origin": Cell((at("origin"),)),
}
_THEN = "SELECT * REPLACE (unnest(rdata) AS rdata) FROM cells ORDER BY number"
_TIMES = {"ts": "last", "first_seen": "first", "zone_first": "zone_first", "zone_last": "zone_last"}


def recognises(source: Source) -> bool:
    """Whether the first object has the three fields that every record has."""
    return first_object(source.head).keys() >= _NEEDED


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:  # noqa: ARG001
    """Read records; one without name, data or time is a reject."""
    for lines, rejects in records(source):
        yield from rejects
        if not lines.table.num_rows:
            continue
        parts, refused = _jsonl.split(lines, (at("rrname", "never"),), ("",))
        yield from refused
        if "" in parts:
            yield from _rows(parts[""], source.name)


def _rows(lines: Lines, source: str) -> Iterator[Rows | Reject]:
    found = _jsonl.extract(lines, _CELLS, _THEN)
    gone = pc.invert(pc.is_in(lines.table["number"], value_set=flat(found["number"])))
    yield from lines.refused(gone, "rdata is missing or malformed")
    found, refused = _jsonl.keep_complete(
        lines, found, {"name": "rrname", "rrtype": "rrtype", "last": "time_last"}
    )
    yield from refused
    if not found.num_rows:
        return
    kind = by_value(found["rrtype"], _type_of, pa.string())
    columns = {name: seconds_to_time(flat(found[theirs])) for name, theirs in _TIMES.items()}
    columns |= {name: flat(found[name]) for name in ("count", "bailiwick", "sensor", "origin")}
    columns |= {
        "uid": _jsonl.names_of(found, source),
        "name": domain(found["name"]),
        "rrtype": kind,
        "rdata": _data(flat(found["rdata"]), kind),
    }
    yield Rows("pdns", conform("pdns", columns, found.num_rows))


def _type_of(text: str) -> str:
    word = text.strip().upper()
    return _TYPES.get(int(word), f"TYPE{word}") if word.isascii() and word.isdigit() else word


def _data(data: pa.Array, kind: pa.Array) -> pa.Array:
    """Return addresses and names in their canonical form, other data as it is."""
    named = pc.is_in(kind, value_set=pa.array(_NAMED))
    asked = pc.is_in(kind, value_set=pa.array(["A", "AAAA"]))
    return pc.if_else(
        named, domain(data), pc.if_else(asked, pc.coalesce(addresses(data), data), data)
    )
