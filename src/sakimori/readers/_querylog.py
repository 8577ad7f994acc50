"""Query logs of name servers: lines that one expression cuts, into `sinkhole` or `dns`.

A server's ordinary query log is telemetry of resolvers and clients: table `dns`. One that bears the
sign of a configuration made by `sakimori sinkhole config` is a sinkhole's: table `sinkhole`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers import _jsonl
from sakimori.readers._columns import addresses, by_value, flat, times, whole
from sakimori.readers._contract import Rows, conform
from sakimori.readers._delimited import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._source import Block

SIGN = "sinkhole"  # what the made configurations call their view or identity
TABLES = ("sinkhole", "dns")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SINKHOLE_ONLY = {"service": "dns", "outcome": "answered"}
_ANSWERED = pa.array(["NOERROR", "NXDOMAIN", "REFUSED", "SERVFAIL", "FORMERR", "NOTIMP"])


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a line is cut: `whole` names the groups; a line that `is_one` matches but it does not is bad."""

    is_one: str
    whole: str
    zone: str
    tcp: str = ""  # flags that match were over TCP


def read_block(
    block: Block, grammar: Grammar, source: str, table_of: Callable[[Any], pa.Array]
) -> Parsed:
    """Return the rows of a block's lines; `table_of` gives, from the groups, which are a sinkhole's.

    Lines that are not of the grammar's kind (other messages of the server) give nothing.
    """
    lines = _jsonl.lines_of(block)
    text = pc.utf8_rtrim(flat(lines.table["line"]), "\r\n")
    ours = pc.match_substring_regex(text, grammar.is_one)
    if not pc.any(ours, min_count=0).as_py():
        return []
    lines, text = lines.where(ours), text.filter(ours)
    found = pc.extract_regex(text, grammar.whole)
    bad = pc.is_null(found)
    reason = UNFINISHED if block.tail else "not a query as this server logs it"
    out: Parsed = [*lines.refused(bad, reason)]
    lines, found = lines.where(pc.invert(bad)), found.filter(pc.invert(bad))
    if not len(found):
        return out
    groups = {f.name: pc.struct_field(found, f.name).cast(pa.string()) for f in found.type}
    if grammar.tcp:
        over_tcp = pc.match_substring_regex(groups["flags"], grammar.tcp)
        groups["proto"] = pc.if_else(over_tcp, "tcp", "udp")
    columns = _columns(groups, grammar.zone)
    for name, noun in _NEEDED:
        lost = pc.is_null(columns[name])
        if pc.any(lost, min_count=0).as_py():
            out += lines.refused(lost, f"the {noun} cannot be read")
            lines = lines.where(pc.invert(lost))
            columns = {n: c.filter(pc.invert(lost)) for n, c in columns.items()}
            groups = {n: c.filter(pc.invert(lost)) for n, c in groups.items()}
    columns["uid"] = flat(_jsonl.names_of(lines.table, source)).cast(pa.string())
    return out + _parted(columns, table_of(groups), block.tail)


_NEEDED = (("ts", "time"), ("src_ip", "address"))


def _columns(groups: dict[str, pa.Array], zone: str) -> dict[str, pa.Array]:
    columns = {
        "ts": times(_iso(_first(groups, ("ts", "epoch", "iso"))), zone),
        "src_ip": addresses(groups["src"]),
        "proto": groups.get("proto"),
        "qtype": _given(groups["qtype"]),
        "name": _given(pc.utf8_rtrim(pc.utf8_lower(groups["name"]), ".")),
        "rcode": _given(groups["rcode"]) if "rcode" in groups else None,
    }
    for ours, theirs in (("src_port", "sport"), ("dst_port", "dport"), ("bytes", "size")):
        if theirs in groups:
            columns[ours] = whole(groups[theirs])
    if "dst" in groups:
        columns["dst_ip"] = addresses(groups["dst"])
    return {name: column for name, column in columns.items() if column is not None}


def _parted(columns: dict[str, pa.Array], is_sinkhole: pa.Array, tail: bool) -> Parsed:
    out: Parsed = []
    for table, mask in (("sinkhole", is_sinkhole), ("dns", pc.invert(is_sinkhole))):
        part = {name: column.filter(mask) for name, column in columns.items()}
        size = len(part["uid"])
        if size:
            made = as_sinkhole(part, size) if table == "sinkhole" else as_dns(part)
            out.append(Rows(table, conform(table, made, size), tail))
    return out


def as_dns(columns: dict[str, Any]) -> dict[str, Any]:
    """Return columns as those of `dns`, where a name is called `query`."""
    return columns | {"query": columns["name"]}


def as_sinkhole(columns: dict[str, Any], size: int) -> dict[str, Any]:
    """Return columns as those of `sinkhole`. A question over UDP proves no address."""
    same = {name: pa.repeat(pa.scalar(text), size) for name, text in _SINKHOLE_ONLY.items()}
    return (
        {
            "established": _proven(columns.get("proto"), size),
            "count": pa.repeat(pa.scalar(1, pa.int64()), size),
            "truncated": pa.repeat(pa.scalar(False), size),
            "reply": _reply(columns.get("rcode")),
        }
        | same
        | columns
    )


def _proven(proto: pa.Array | None, size: int) -> pa.Array:
    """Return whether the caller's address is proven; where the log does not tell, it is not."""
    if proto is None:
        return pa.repeat(pa.scalar(False), size)
    return pc.fill_null(pc.equal(proto, "tcp"), False)


def _reply(rcode: pa.Array | None) -> pa.Array | None:
    """Return the closed set's word for an answer code; whether NOERROR held an answer is not known."""
    if rcode is None:
        return None
    known = pc.and_(pc.is_in(rcode, value_set=_ANSWERED), pc.not_equal(rcode, "NOERROR"))
    word = pc.binary_join_element_wise("dns", pc.utf8_lower(rcode), "-")
    return pc.if_else(pc.fill_null(known, False), word, pa.scalar(None, pa.string()))


def _first(groups: dict[str, pa.Array], names: tuple[str, ...]) -> pa.Array:
    """Return the first group that is there and not empty."""
    found = [_given(groups[name]) for name in names if name in groups]
    return pc.coalesce(*found)


def _given(text: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _iso(text: pa.Array) -> pa.Array:
    """Return BIND's `25-Nov-2026 14:10:14.123` as ISO 8601; other times stay as they are."""
    parts = pc.extract_regex(
        text, r"^(?P<day>[0-9]{2}-[A-Z][a-z]{2}-[0-9]{4}) (?P<clock>[0-9:.]+)$"
    )
    if parts.null_count == len(parts):
        return text
    day = by_value(pc.struct_field(parts, "day"), _day, pa.string())
    return pc.coalesce(pc.binary_join_element_wise(day, pc.struct_field(parts, "clock"), " "), text)


def _day(text: str) -> str | None:
    day, month, year = text.split("-")
    return f"{year}-{_MONTHS.index(month) + 1:02}-{day}" if month in _MONTHS else None
