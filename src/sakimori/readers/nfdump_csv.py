"""NetFlow and IPFIX as `nfdump -o csv` prints it, with the header of any version.

Read are nfdump 1.6's and 1.7's `ts,te,td,sa,da,sp,dp,pr,flg,...` with its Summary at the end, the
later `firstSeen,duration,proto,srcAddr,...` and `csv-fast` with times in ms. Statistics
(`nfdump -s`) are no flows and not recognised.
Source: nfdump(1); nfdump 1.7.1 run; output_csv.c and output_csv_fast.c of nfdump 1.7.

Flow records are mostly one-way: `_flows.conn_of` says how two become one row. It sees one block
(8 MiB, some 40 000 flows) at a time: where the two ways lie in different blocks, or the file grew
between them, they stay two rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

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
    sift,
    times,
    whole,
)
from sakimori.readers._contract import Options, Reject, Rows
from sakimori.readers._delimited import Dialect, cut, in_threads
from sakimori.readers._flows import conn_of, letters, protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sakimori.readers._delimited import Parsed
    from sakimori.readers._source import Block, Source

NAME = "nfdump-csv"
TITLE = "NetFlow and IPFIX (nfdump -o csv)"
WRITES = ("conn",)
GROWS = True

# nfdump's names in its versions, lower case, to one name each.
_NAMES = {
    "ts": "ts", "firstseen": "ts", "first": "ts",
    "te": "te", "lastseen": "te", "last": "te",
    "td": "td", "duration": "td",
    "pr": "pr", "proto": "pr",
    "sa": "sa", "srcaddr": "sa", "da": "da", "dstaddr": "da",
    "sp": "sp", "srcport": "sp", "dp": "dp", "dstport": "dp",
    "flg": "flg", "flags": "flg",
    "ipkt": "ipkt", "pkt": "ipkt", "packets": "ipkt", "inpackets": "ipkt",
    "ibyt": "ibyt", "byt": "ibyt", "bytes": "ibyt", "inbytes": "ibyt",
    "opkt": "opkt", "outpackets": "opkt",
    "obyt": "obyt", "outbytes": "obyt",
}  # fmt: skip
COUNTS = ("ipkt", "ibyt", "opkt", "obyt")
_FLOW_COUNTS = ("pkts", "bytes", "back_pkts", "back_bytes")
_TEXTS = ("ts", "te", "td", "pr", "sa", "da", "sp", "dp", "flg")
_NEEDED = ("ts", "pr", "sa", "da")
# The lines around the flows: a Summary of three lines, and what an empty result says.
_AROUND = re.compile(
    r"^(Summary|flows,bytes,packets.*|[0-9]+(,[0-9]+){0,5},?|No matching flows)?\r?$"
)


def recognises(source: Source) -> bool:
    """Whether the first line is nfdump's header for flows."""
    return set(_NEEDED) <= set(_header(source.head)[0])


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:
    """Read flows as conn rows. Times without an offset are in `options.timezone`.

    Raises SourceError when the header lacks the time, the protocol or an address.
    """
    names, header = _header(source.head)
    if missing := [name for name in _NEEDED if name not in names]:
        raise SourceError(
            f"the header has no {', '.join(missing)}",
            where=f"{source.name}:1",
            hint="export the flows with nfdump -r FILE -o csv",
        )
    check_zone(options.timezone, source.name)
    dialect = dialect_of(names)

    def parse(block: Block) -> Parsed:
        return flows_in(clean(block), dialect, source.name, (options.timezone, header))

    blocks = (block for found in source.blocks() if (block := after_header(found)))
    yield from in_threads(blocks, parse, options.threads)


def _header(head: bytes) -> tuple[tuple[str, ...], str]:
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0][:65536]
    text = line.decode("utf-8", errors="replace").rstrip("\r")
    found: list[str] = []
    for word in text.split(","):
        name = _NAMES.get(word.strip().lower(), "")
        found.append("" if name in found else name)
    return tuple(found), text


def dialect_of(names: Sequence[str]) -> Dialect:
    """Return how lines with these columns (ts, te, td, pr, sa, ..., "" for others) are cut."""
    return Dialect(
        columns=tuple(name or f"other.{at}" for at, name in enumerate(names)),
        types={name: pa.string() for name in (*_TEXTS, *COUNTS) if name in names},
        delimiter=",",
        nulls=("",),
    )


def flows_in(block: Block, dialect: Dialect, name: str, how: tuple[str, str]) -> Parsed:
    """Return a block's conn rows and rejects. `how`: time zone, and the header to skip if met."""
    zone, header = how
    parts = cut(block, dialect)
    length = parts.table.num_rows
    read = {name: pa.nulls(length, pa.string()) for name in (*_TEXTS, *COUNTS)}
    read |= {name: flat(parts.table[name]) for name in parts.table.column_names}
    flows = flows_of(read, zone)
    good, rejects = sift(block, parts.lines, checks_of(read, flows))
    out: Parsed = [
        reject
        for reject in parts.rejects + rejects
        if not _AROUND.match(reject.text) and reject.text.rstrip("\r") != header
    ]
    flows = {key: flat(column).filter(good) for key, column in flows.items()}
    lines = parts.lines.filter(good)
    if len(lines):
        out.append(Rows("conn", conn_of(flows, lines, name), block.tail))
    return out


def flows_of(read: dict[str, pa.Array], zone: str) -> dict[str, Any]:
    """Return nfdump's columns as `_flows.conn_of` wants them; what is malformed is null."""
    start, end = times(read["ts"], zone), times(read["te"], zone)
    begin = start.cast(pa.int64())
    length = by_value(read["td"], seconds, pa.int64())
    proto = by_value(read["pr"], protocol, pa.string())
    icmp = pc.fill_null(pc.equal(proto, "icmp"), False)
    kind = by_value(read["dp"], lambda text: _type_and_code(text)[0], pa.int32())
    code = by_value(read["dp"], lambda text: _type_and_code(text)[1], pa.int32())
    source, target = (by_value(read[side], _port, pa.int32()) for side in ("sp", "dp"))
    return {
        "ts": begin,
        "end": pc.max_element_wise(
            begin, pc.coalesce(pc.add(begin, length), end.cast(pa.int64()), begin)
        ),
        "proto": proto,
        "src_ip": addresses(read["sa"]),
        "src_port": pc.if_else(icmp, kind, source),
        "dst_ip": addresses(read["da"]),
        "dst_port": pc.if_else(icmp, code, target),
        "flags": pc.fill_null(by_value(read["flg"], letters, pa.string()), ""),
        "pkts": whole(read["ipkt"]),
        "bytes": whole(read["ibyt"]),
        "back_pkts": whole(read["opkt"]),
        "back_bytes": whole(read["obyt"]),
    }


def checks_of(read: dict[str, pa.Array], flows: dict[str, Any]) -> list[Check]:
    """Return what must hold of each row."""
    return [
        Check("the start", read["ts"], flows["ts"], "a time", needed=True),
        Check("the protocol", read["pr"], flows["proto"], "a protocol", needed=True),
        Check("the source", read["sa"], flows["src_ip"], "an IP address", needed=True),
        Check("the destination", read["da"], flows["dst_ip"], "an IP address", needed=True),
        *(
            Check(theirs, read[theirs], flows[ours], "a whole number")
            for theirs, ours in zip(COUNTS, _FLOW_COUNTS, strict=True)
        ),
    ]


def seconds(text: str) -> int | None:
    """Return a duration, `0.020` in seconds or `1 d 00:00:00.020`, in µs; null where it is none."""
    word = text.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", word):
        return round(float(word) * 1e6)
    found = re.fullmatch(
        r"(?:([0-9]{1,5}) ?d )?([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?", word
    )
    if not found:
        return None
    days, hours, minutes, rest, fraction = found.groups(default="0")
    whole = ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(rest)
    return whole * 1_000_000 + round(float(fraction) * 1e6)


def _port(text: str) -> int | None:
    word = text.strip()
    if not (word.isascii() and word.isdigit() and len(word) <= 5):
        return None
    return int(word) if int(word) <= 65535 else None


def _type_and_code(text: str) -> tuple[int | None, int | None]:
    """Return an ICMP flow's type and code: `3.1`, or 769 = 3 * 256 + 1, where a port would be."""
    kind, dot, code = text.strip().partition(".")
    if dot:
        return _port(kind), _port(code)
    number = _port(kind)
    return (None, None) if number is None else (number >> 8, number & 255)
