"""Argus flows as `ra` prints them, comma or tab separated, with a header (`.binetflow`).

Columns are found by name, in any order; a line may lack its last ones. What is not a flow between
IP addresses (man, arp, llc and other link layer rows) is not kept: `source.warnings` says how many.

`Dir` decides who is the caller: `->` and `<->` the source, `<-` and `<?` the destination. Where
argus did not see who called (`<?>`, `?>`), the side with the lower port is the server.
Source: the manual pages of ra(1) and argus(8); fields and states, argus-clients' `ra -s`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.errors import SourceError
from sakimori.readers._columns import (
    Check,
    addresses,
    after_header,
    by_value,
    check_zone,
    clean,
    flat,
    real,
    sift,
    times,
    whole,
)
from sakimori.readers._contract import Options, Reject, Rows, conform
from sakimori.readers._delimited import Dialect, cut, in_threads
from sakimori.readers._flows import protocol, tcp_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.readers._delimited import Cut, Parsed
    from sakimori.readers._source import Block, Source

NAME = "argus-binetflow"
TITLE = "Argus flows (ra, .binetflow)"
WRITES = ("conn", "dns")
GROWS = True

# Columns read, by their name in lower case. All as text: one bad cell must not cost more than one.
_WANTED = {
    name.lower(): name
    for name in (
        "StartTime", "Dur", "Proto", "SrcAddr", "Sport", "Dir", "DstAddr", "Dport", "State",
        "TotPkts", "TotBytes", "SrcPkts", "SrcBytes", "DstPkts", "DstBytes", "srcUdata", "dstUdata",
    )
}  # fmt: skip
_COUNTS = ("totpkts", "totbytes", "srcpkts", "srcbytes", "dstpkts", "dstbytes")
_NEEDED = ("starttime", "proto", "srcaddr", "dstaddr")
_NOT_IP = ("man", "arp", "rarp", "llc", "lldp", "stp", "isis", "loop", "ipx", "eapol", "snap")
_MAC = r"^([0-9A-Fa-f]{1,2}:){5}[0-9A-Fa-f]{1,2}$"
# A state in one word, where argus prints no flags. RST does not say who reset: the called side
# is named, because a caller that resets is told by flags in newer argus.
_WORDS = {
    ("tcp", "REQ"): "S0",  # asked, no answer
    ("tcp", "INT"): "S0",  # the first packets only
    ("tcp", "ACC"): "S1",  # accepted
    ("tcp", "EST"): "S1",
    ("tcp", "CON"): "S1",  # connected, still open
    ("tcp", "FIN"): "SF",
    ("tcp", "CLO"): "SF",
    ("tcp", "RST"): "RSTR",
    ("udp", "CON"): "SF",  # packets both ways
    ("udp", "RSP"): "SF",
    ("udp", "ACC"): "SF",
    ("udp", "INT"): "S0",  # one way
    ("udp", "REQ"): "S0",
}
_LONGEST_PAYLOAD = 16_384
_KEY = "\x1f"


@dataclass(frozen=True, slots=True)
class _Layout:
    dialect: Dialect
    header: str
    name: str
    zone: str


def recognises(source: Source) -> bool:
    """Whether the first line names argus' columns."""
    columns, _ = _header(source.head)
    return set(_NEEDED) <= set(columns)


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read flows as conn rows, and as dns rows where srcUdata and dstUdata hold DNS messages.

    Times are in `options.timezone`. dst_bytes is TotBytes - SrcBytes; without SrcBytes neither
    side's count is known. A DNS message that argus cut short gives what was whole.

    Raises SourceError when the header lacks the time, the protocol or an address.
    """
    layout = _layout(source, options)
    left_out: list[int] = []

    def parse(block: Block) -> Parsed:
        return _parse(clean(block), layout, left_out)

    yield from in_threads(_blocks(source), parse, options.threads)
    if total := sum(left_out):
        source.warnings.append(f"{total} rows without IP addresses (arp, llc, man) were not kept")


def _blocks(source: Source) -> Iterable[Block]:
    return (block for found in source.blocks() if (block := after_header(found)))


def _header(head: bytes) -> tuple[tuple[str, ...], str]:
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0][:65536]
    text = line.decode("utf-8", errors="replace").rstrip("\r")
    delimiter = "\t" if "\t" in text else ","
    return tuple(name.strip().lower() for name in text.split(delimiter)), text


def _layout(source: Source, options: Options) -> _Layout:
    columns, header = _header(source.head)
    if missing := [name for name in _NEEDED if name not in columns]:
        raise SourceError(
            f"the header has no {', '.join(missing)}",
            where=f"{source.name}:1",
            hint="export with ra -c , -s stime dur proto saddr sport dir daddr dport state pkts bytes",
        )
    if repeated := {name for name in columns if name in _WANTED and columns.count(name) > 1}:
        raise SourceError(
            f"the header names {min(repeated)} more than once", where=f"{source.name}:1"
        )
    check_zone(options.timezone, source.name)
    dialect = Dialect(
        columns=tuple(
            f"{name}.{at}" if name not in _WANTED else name for at, name in enumerate(columns)
        ),
        types={name: pa.string() for name in columns if name in _WANTED},
        delimiter="\t" if "\t" in header else ",",
        nulls=("",),
    )
    return _Layout(dialect, header, source.name, options.timezone)


def _parse(block: Block, layout: _Layout, left_out: list[int]) -> Parsed:
    parts = _cut(block, layout)
    out: Parsed = list(parts.rejects)
    read = {name: flat(parts.table[name]) for name in parts.table.column_names}
    ip = _is_ip(read)
    left_out.append(len(ip) - pc.sum(ip, min_count=0).as_py())
    read = {name: column.filter(ip) for name, column in read.items()}
    lines = parts.lines.filter(ip)
    ours = _endpoints(read, layout)
    good, rejects = sift(block, lines, _checks(read, ours))
    out += [reject for reject in rejects if reject.text != layout.header]
    ours = {name: flat(column).filter(good) for name, column in ours.items()}
    lines = lines.filter(good)
    if not len(lines):
        return out
    ours["uid"] = pc.binary_join_element_wise(layout.name, lines.cast(pa.string()), ":")
    out.append(Rows("conn", conform("conn", ours, len(lines)), block.tail))
    if asked := _dns_rows(ours):
        out.append(Rows("dns", asked, block.tail))
    return out


def _cut(block: Block, layout: _Layout) -> Cut:
    """Cut a block; give lines that lack their last columns empty ones; leave out headers within."""
    parts = cut(block, layout.dialect)
    width, delimiter = len(layout.dialect.columns), layout.dialect.delimiter
    least = 1 + max(layout.dialect.columns.index(name) for name in _NEEDED)
    short: list[Reject] = []
    rejects: list[Reject] = []
    for reject in parts.rejects:
        fields = reject.text.count(delimiter) + 1
        if reject.text.rstrip("\r") == layout.header:
            continue
        (short if least <= fields < width and not block.tail else rejects).append(reject)
    if not short:
        return replace(parts, rejects=rejects)
    return _with_padded(replace(parts, rejects=rejects), short, layout.dialect, block)


def _with_padded(parts: Cut, short: list[Reject], dialect: Dialect, block: Block) -> Cut:
    """Add the lines that were too short, filled up, at their places."""
    width = len(dialect.columns)
    padded = [
        reject.text + dialect.delimiter * (width - 1 - reject.text.count(dialect.delimiter))
        for reject in short
    ]
    again = cut(replace(block, data="\n".join([*padded, ""]).encode(), line=0), dialect)
    number = [reject.line for reject in short]
    lines = pa.chunked_array([parts.lines, pa.array(number, pa.int64()).take(again.lines)])
    order = pc.sort_indices(lines)
    rejects = [replace(reject, line=number[reject.line]) for reject in again.rejects]
    table = pa.concat_tables([parts.table, again.table]).take(order)
    return type(parts)(table, flat(lines.take(order)), parts.rejects + rejects)


def _is_ip(read: dict[str, pa.Array]) -> pa.Array:
    """Return which rows are flows between IP addresses, or claim to be."""
    other = pc.is_in(pc.utf8_lower(read["proto"]), value_set=pa.array(_NOT_IP))
    link = pc.or_(
        pc.fill_null(pc.match_substring_regex(read["srcaddr"], _MAC), False),
        pc.fill_null(pc.match_substring_regex(read["dstaddr"], _MAC), False),
    )
    return pc.invert(pc.or_(other, link))


def _checks(read: dict[str, pa.Array], ours: dict[str, Any]) -> list[Check]:
    empty = pa.nulls(len(ours["ts"]), pa.string())
    port = "a port number (export with ra -n)"
    counts = [
        Check(_WANTED[name], read[name], ours[name], "a whole number")
        for name in _COUNTS
        if name in read
    ]
    return [
        Check("StartTime", read["starttime"], ours["ts"], "a time", needed=True),
        Check("Proto", read["proto"], ours["proto"], "a protocol", needed=True),
        Check("SrcAddr", read["srcaddr"], ours["near_ip"], "an IP address", needed=True),
        Check("DstAddr", read["dstaddr"], ours["far_ip"], "an IP address", needed=True),
        Check("Sport", read.get("sport", empty), ours["near_port"], port),
        Check("Dport", read.get("dport", empty), ours["far_port_told"], port),
        Check("Dur", read.get("dur", empty), ours["duration"], "a number"),
        *counts,
    ]


def _endpoints(read: dict[str, pa.Array], layout: _Layout) -> dict[str, Any]:
    """Return our columns: first as argus has them (near, far), then turned to caller and called."""
    rows = len(read["starttime"])
    column = {name: read.get(name, pa.nulls(rows, pa.string())) for name in _WANTED}
    column |= {name: whole(column[name]) for name in _COUNTS}
    proto = by_value(column["proto"], protocol, pa.string())
    near_port, code = _near_port(proto, column["sport"])
    told = by_value(column["dport"], _port, pa.int32())
    icmp = pc.fill_null(pc.equal(proto, "icmp"), False)
    small = pc.if_else(pc.less(told, 256), told, None)
    far_port = pc.if_else(icmp, pc.coalesce(code, small), told)
    turned = _turned(column["dir"], near_port, far_port)
    near, far = _counts(column)
    ours = {
        "ts": times(column["starttime"], layout.zone),
        "duration": real(column["dur"]),
        **{name: column[name] for name in _COUNTS},
        "proto": proto,
        "near_ip": addresses(column["srcaddr"]),
        "far_ip": addresses(column["dstaddr"]),
        "near_port": near_port,
        "far_port_told": told,
        "state": _states(proto, column["state"], turned),
        "src_data": pc.if_else(turned, column["dstudata"], column["srcudata"]),
        "dst_data": pc.if_else(turned, column["srcudata"], column["dstudata"]),
    }
    near |= {"ip": ours["near_ip"], "port": near_port}
    far |= {"ip": ours["far_ip"], "port": far_port}
    for what in near:
        ours[f"src_{what}"] = pc.if_else(turned, far[what], near[what])
        ours[f"dst_{what}"] = pc.if_else(turned, near[what], far[what])
    return ours


def _near_port(proto: pa.Array, sport: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the source's port, and the ICMP code where Sport holds it.

    For ICMP `0x0103` is type 3 in the low byte and code 1 in the high one; `0x03` is a type.
    """
    icmp = pc.fill_null(pc.equal(proto, "icmp"), False)
    port = by_value(sport, _port, pa.int32())
    kind = by_value(sport, lambda text: _icmp(text)[0], pa.int32())
    code = by_value(sport, lambda text: _icmp(text)[1], pa.int32())
    return pc.if_else(icmp, kind, port), pc.if_else(icmp, code, None)


def _port(text: str) -> int | None:
    word = text.strip().lower()
    try:
        number = int(word, 16 if word.startswith("0x") else 10)
    except ValueError:
        return None
    return number if 0 <= number <= 65535 else None


def _icmp(text: str) -> tuple[int | None, int | None]:
    number = _port(text)
    if number is None:
        return None, None
    if number > 255 or len(text.strip()) == 6:
        return number & 255, number >> 8
    return number, None


def _turned(direction: pa.Array, near_port: pa.Array, far_port: pa.Array) -> pa.Array:
    """Return where the destination is the caller."""
    arrow = pc.fill_null(pc.utf8_trim_whitespace(direction), "->")
    back = pc.and_(pc.starts_with(arrow, "<"), pc.invert(pc.ends_with(arrow, ">")))
    unsure = pc.and_(pc.match_substring(arrow, "?"), pc.ends_with(arrow, ">"))
    served = pc.fill_null(pc.less(near_port, far_port), False)
    return pc.or_(back, pc.and_(unsure, served))


def _counts(column: dict[str, pa.Array]) -> tuple[dict[str, pa.Array], dict[str, pa.Array]]:
    """Return packets and bytes of the source and of the destination; null where not told."""
    near, far = {}, {}
    for what in ("pkts", "bytes"):
        sent, told = column[f"src{what}"], column[f"dst{what}"]
        rest = pc.subtract(column[f"tot{what}"], sent)
        near[what] = sent
        far[what] = pc.coalesce(told, pc.if_else(pc.less(rest, 0), None, rest))
    return near, far


def _states(proto: pa.Array, told: pa.Array, turned: pa.Array) -> pa.Array:
    parts = (proto, told, turned.cast(pa.string()))
    key = pc.binary_join_element_wise(*parts, _KEY, null_handling="replace")
    return by_value(key, _state, pa.string())


def _state(key: str) -> str | None:
    proto, told, turned = key.split(_KEY)
    word = told.strip().upper()
    if proto == "tcp" and "_" in word:
        near, _, far = word.partition("_")
        return tcp_state(far, near) if turned == "true" else tcp_state(near, far)
    if proto in ("tcp", "udp"):
        return _WORDS.get((proto, word))
    return "OTH"


def _dns_rows(ours: dict[str, Any]) -> pa.RecordBatch | None:
    """Return dns rows of payloads that are DNS messages, parsing each distinct one once."""
    ported = pc.or_(pc.equal(ours["dst_port"], 53), pc.equal(ours["src_port"], 53))
    data = pc.or_(pc.is_valid(ours["src_data"]), pc.is_valid(ours["dst_data"]))
    asked = {name: flat(column).filter(pc.and_(ported, data)) for name, column in ours.items()}
    if not len(asked["ts"]):
        return None
    answer = by_value(_payload(asked["dst_data"]), _message, _MESSAGE)
    mute = pc.is_null(answer)
    question = by_value(pc.if_else(mute, _payload(asked["src_data"]), None), _message, _MESSAGE)
    for name in ("query", "qtype"):
        asked[name] = pc.coalesce(pc.struct_field(answer, name), pc.struct_field(question, name))
    for name in ("rcode", "answers", "ttls"):
        asked[name] = pc.struct_field(answer, name)
    two = pc.and_(pc.equal(asked["totpkts"], 2), pc.is_valid(answer))
    asked["rtt"] = pc.if_else(two, asked["duration"], None)
    named = pc.is_valid(asked["query"])
    asked = {name: flat(column).filter(named) for name, column in asked.items()}
    return conform("dns", asked, len(asked["ts"])) if len(asked["ts"]) else None


_MESSAGE = pa.struct(
    [
        ("query", pa.string()),
        ("qtype", pa.string()),
        ("rcode", pa.string()),
        ("answers", pa.list_(pa.string())),
        ("ttls", pa.list_(pa.float64())),
    ]
)


def _payload(column: pa.Array) -> pa.Array:
    """Return the base64 of `s[48]=...` without the message id, which differs in equal messages."""
    coded = pc.replace_substring_regex(flat(column), r"^[sd]\[[0-9]+\]=", "")
    well = pc.match_substring_regex(coded, r"^[A-Za-z0-9+/]{16,}={0,2}$")
    short = pc.less_equal(pc.binary_length(coded), _LONGEST_PAYLOAD)
    return pc.utf8_slice_codeunits(pc.if_else(pc.and_(well, short), coded, None), 3, None)


def _message(coded: str) -> dict[str, Any] | None:
    """Return what a DNS message says, its id replaced by 0; null when it is none."""
    whole = "AAA" + coded
    try:
        wire = base64.b64decode(whole[: len(whole) // 4 * 4])
        message = dns.message.from_wire(wire, continue_on_error=True, ignore_trailing=True)
    except (binascii.Error, dns.exception.DNSException, ValueError):
        return None
    if not message.question:
        return None
    asked = message.question[0]
    found = [(_answer(rdata), float(group.ttl)) for group in message.answer for rdata in group]
    return {
        "query": asked.name.to_text(omit_final_dot=True).lower() or ".",
        "qtype": dns.rdatatype.to_text(asked.rdtype),
        "rcode": dns.rcode.to_text(message.rcode()),
        "answers": [text for text, _ in found],
        "ttls": [ttl for _, ttl in found],
    }


def _answer(rdata: Any) -> str:
    text: str = rdata.to_text()
    return text.rstrip(".").lower() if hasattr(rdata, "target") else text
