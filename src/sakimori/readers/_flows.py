"""What flow records share: protocol names, TCP flags as states, two one-way flows as one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sakimori.readers._columns import UTC_TIME, by_value, flat
from sakimori.readers._contract import conform

if TYPE_CHECKING:
    from collections.abc import Mapping

# Source: IANA, Assigned Internet Protocol Numbers. ICMPv6 is called as Zeek calls it.
_PROTOCOLS = {
    0: "hopopt", 1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 17: "udp", 33: "dccp", 41: "ipv6",
    46: "rsvp", 47: "gre", 50: "esp", 51: "ah", 58: "icmp", 88: "eigrp", 89: "ospf", 103: "pim",
    112: "vrrp", 115: "l2tp", 132: "sctp", 136: "udplite",
}  # fmt: skip
_SAME = {"ipv6-icmp": "icmp", "icmp6": "icmp", "icmpv6": "icmp", "ospfigp": "ospf"}
WELL_KNOWN = 1024
APART = 300_000_000  # µs between the flows of two directions that are still one connection
_BITS = "FSRPAUEC"  # TCP flags from the lowest bit
_KEY = "\x1f"


def protocol(text: str) -> str | None:
    """Return a protocol's name in lower case, of its name or number; null for none."""
    word = text.strip().lower()
    if word.isascii() and word.isdigit() and len(word) <= 3:
        return _PROTOCOLS.get(int(word), word)
    return _SAME.get(word, word) or None


def letters(text: str) -> str:
    """Return the TCP flags of `...AP.SF`, `0x1b` or `27` as letters of FSRPAUEC, sorted so."""
    word = text.strip()
    try:
        bits = int(word, 0)
    except ValueError:
        return "".join(flag for flag in _BITS if flag in word.upper())
    return "".join(flag for at, flag in enumerate(_BITS) if bits >> at & 1)


def tcp_state(caller: str, answer: str) -> str:
    """Return Zeek's word for a TCP connection from the flags each side ever sent.

    Empty: nothing was seen of that side. Flags carry no order: a connection both sides closed is
    SF even if a reset followed, and a caller who acknowledges was answered, seen or not.
    """
    if "S" not in caller:  # the middle, or only an answer
        return "OTH"
    if not answer and "A" not in caller:
        return "RSTOS0" if "R" in caller else "SH" if "F" in caller else "S0"
    if answer and "S" not in answer:
        return "REJ" if "R" in answer else "OTH"
    return _ending(caller, answer or caller)


def _ending(caller: str, answer: str) -> str:
    """Return how an established connection went."""
    closed = ("F" in caller, "F" in answer)
    if all(closed):
        return "SF"
    if "R" in caller:
        return "RSTO"
    if "R" in answer:
        return "RSTR"
    return {(True, False): "S2", (False, True): "S3"}.get(closed, "S1")


def both_state(flags: str) -> str | None:
    """Return Zeek's word where the flags of both sides are in one field (`nfdump -b`).

    Who reset is not known: an attempt without data was refused, another was reset by the caller.
    Null for SYN alone: there was an answer, but its flags were not kept.
    """
    if "S" in flags and "A" not in flags:
        return None
    if "S" in flags and "R" in flags and not {"F", "P"} & set(flags):
        return "REJ"
    return tcp_state(flags, "")


def state(proto: str, caller: str, answer: str, *, answered: bool) -> str:
    """Return Zeek's word for a flow of any protocol; OTH where there is no call and answer."""
    if proto == "tcp":
        return tcp_state(caller, answer)
    if proto == "udp":
        return "SF" if answered else "S0"
    return "OTH"


def conn_of(flows: Mapping[str, Any], lines: pa.Array, name: str) -> pa.RecordBatch:
    """Return conn rows of flows seen one way each, in the order of their lines.

    `flows`: ts and end (µs, int64), proto, src_ip, src_port, dst_ip, dst_port, flags (letters),
    pkts, bytes; and for records of both ways back_pkts, back_bytes (0 or null: one way).

    Two flows are one row when they have the same ends, opposite directions, and the later starts
    at most five minutes after the earlier one ended. The caller is the side that sent SYN alone;
    else the one that started first where TCP flags show a start, or UDP ports do not say
    otherwise; else the side with the higher port. A lone flow from a well-known to a higher port is an answer: its source is the
    called side, and the caller's counts are null. Any other lone flow has the answer's null.
    """
    table = {key: flat(column) for key, column in flows.items()}
    caller, answer = _sides(table, lines)
    both = _both_ways(table)
    known = _Taken(table, caller, answer, both)
    uid = pc.binary_join_element_wise(name, known.first(lines).cast(pa.string()), ":")
    start, end = known.least("ts"), known.most("end")
    columns = {
        "ts": start.cast(UTC_TIME),
        "uid": uid,
        "src_ip": known.side("src_ip", "dst_ip"),
        "src_port": known.side("src_port", "dst_port"),
        "dst_ip": known.side("dst_ip", "src_ip"),
        "dst_port": known.side("dst_port", "src_port"),
        "proto": known.side("proto", "proto"),
        "duration": pc.divide(pc.subtract(end, start).cast(pa.float64()), 1e6),
        "src_bytes": known.of_caller("bytes"),
        "dst_bytes": known.of_answer("bytes"),
        "src_pkts": known.of_caller("pkts"),
        "dst_pkts": known.of_answer("pkts"),
        "state": known.states(),
    }
    return conform("conn", columns, len(caller))


class _Taken:
    """The rows at `caller` and `answer` (-1: none) of flow columns, side by side."""

    def __init__(self, table: dict[str, pa.Array], caller: Any, answer: Any, both: Any) -> None:
        self._table = table
        self._caller = pa.array(caller, mask=caller < 0)
        self._answer = pa.array(answer, mask=answer < 0)
        self._both = pa.array(both[caller] & (caller >= 0))

    def first(self, column: pa.Array) -> pa.Array:
        return pc.min_element_wise(column.take(self._caller), column.take(self._answer))

    def least(self, key: str) -> pa.Array:
        return self.first(self._table[key])

    def most(self, key: str) -> pa.Array:
        column = self._table[key]
        return pc.max_element_wise(column.take(self._caller), column.take(self._answer))

    def side(self, ours: str, turned: str) -> pa.Array:
        """Return the caller's `ours`, or for a lone answer its `turned`."""
        return pc.coalesce(
            self._table[ours].take(self._caller), self._table[turned].take(self._answer)
        )

    def of_caller(self, key: str) -> pa.Array:
        return self._table[key].take(self._caller)

    def of_answer(self, key: str) -> pa.Array:
        back = self._table[f"back_{key}"].take(self._caller)
        return pc.if_else(self._both, back, self._table[key].take(self._answer))

    def states(self) -> pa.Array:
        flags = self._table["flags"]
        parts = (
            self.side("proto", "proto"),
            flags.take(self._caller),
            flags.take(self._answer),
            self._both.cast(pa.string()),
            pc.is_valid(self._answer).cast(pa.string()),
        )
        told = pc.binary_join_element_wise(*parts, _KEY, null_handling="replace")
        return by_value(told, _state_told, pa.string())


def _state_told(told: str) -> str | None:
    proto, caller, answer, both, answered = told.split(_KEY)
    if both == "true" and proto == "tcp":
        return both_state(caller)
    return state(proto, caller, answer, answered="true" in (both, answered))


def _both_ways(table: dict[str, pa.Array]) -> Any:
    more = [_numbers(table[key]) > 0 for key in ("back_pkts", "back_bytes")]
    return more[0] | more[1]


def _numbers(column: pa.Array) -> Any:
    return pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)


def _sides(table: dict[str, pa.Array], lines: pa.Array) -> tuple[Any, Any]:
    """Return for each connection the rows of the caller's flow and of the answer's; -1: none."""
    rows = len(lines)
    earlier, later = _pairs(table, lines)
    swap = ~_earlier_calls(table, earlier, later)
    caller, answer = np.where(swap, later, earlier), np.where(swap, earlier, later)
    lone = np.ones(rows, dtype=bool)
    lone[earlier] = lone[later] = False
    alone = np.flatnonzero(lone)
    reply = _is_answer(table)[alone]
    caller = np.concatenate([caller, np.where(reply, -1, alone)])
    answer = np.concatenate([answer, np.where(reply, alone, -1)])
    number = _numbers(lines)
    far = np.iinfo(np.int64).max
    first = np.minimum(
        np.where(caller < 0, far, number[caller]) if rows else caller,
        np.where(answer < 0, far, number[answer]) if rows else answer,
    )
    order = np.argsort(first, kind="stable")
    return caller[order], answer[order]


def _pairs(table: dict[str, pa.Array], lines: pa.Array) -> tuple[Any, Any]:
    """Return the rows of the flows that belong together: the earlier ones, the later ones.

    In the time order of each pair of ends, neighbours of opposite direction are linked; of a run
    of links the first and second are one connection, the third and fourth, and so on.
    """
    code, up = _ends(table)
    ts, end = _numbers(table["ts"]), _numbers(table["end"])
    order = np.lexsort((_numbers(lines), ts, code))
    code, up, ts, end = code[order], up[order], ts[order], end[order]
    one_way = ~_both_ways(table)[order]
    linked = np.zeros(len(order), dtype=bool)
    linked[1:] = (
        (code[1:] == code[:-1])
        & (up[1:] != up[:-1])
        & one_way[1:]
        & one_way[:-1]
        & (ts[1:] <= end[:-1] + APART)
    )
    at = np.arange(len(order))
    begin = np.maximum.accumulate(np.where(linked, 0, at)) if len(at) else at
    second = np.flatnonzero(linked & ((at - begin) % 2 == 1))
    return order[second - 1], order[second]


def _ends(table: dict[str, pa.Array]) -> tuple[Any, Any]:
    """Return a number for each unordered pair of ends, and which way the flow goes."""
    icmp = pc.equal(table["proto"], "icmp")  # type and code are no ports
    ports = {
        side: pc.if_else(icmp, 0, pc.fill_null(table[f"{side}_port"], -1).cast(pa.int64()))
        for side in ("src", "dst")
    }
    src, dst = table["src_ip"], table["dst_ip"]
    up = pc.or_(
        pc.greater(src, dst),
        pc.and_(pc.equal(src, dst), pc.greater(ports["src"], ports["dst"])),
    )
    low, high = pc.if_else(up, dst, src), pc.if_else(up, src, dst)
    low_port = pc.if_else(up, ports["dst"], ports["src"]).cast(pa.string())
    high_port = pc.if_else(up, ports["src"], ports["dst"]).cast(pa.string())
    proto = pc.fill_null(table["proto"], "")
    key = pc.binary_join_element_wise(proto, low, low_port, high, high_port, _KEY)
    code = flat(key).dictionary_encode().indices
    return _numbers(code), up.to_numpy(zero_copy_only=False)


def _earlier_calls(table: dict[str, pa.Array], earlier: Any, later: Any) -> Any:
    """Return where the flow that started first is the caller's."""
    ts = _numbers(table["ts"])
    source, target = _numbers(table["src_port"])[earlier], _numbers(table["dst_port"])[earlier]
    proto = table["proto"]
    tcp, udp, syn, bare = (
        pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
        for mask in (
            pc.equal(proto, "tcp"),
            pc.equal(proto, "udp"),
            pc.match_substring(table["flags"], "S"),
            _bare_syn(table),
        )
    )
    sooner = ts[earlier] < ts[later]
    one_known = (source < WELL_KNOWN) != (target < WELL_KNOWN)
    seen = np.where(tcp[earlier], syn[earlier] | syn[later], ~one_known)
    ported = (tcp | udp)[earlier]
    guess = np.where(ported, np.where(sooner & seen, True, source >= target), True)
    asks, asked = (tcp & bare)[earlier], (tcp & bare)[later]
    return np.where(asks != asked, asks, guess)


def _bare_syn(table: dict[str, pa.Array]) -> pa.Array:
    """Return where SYN was sent and nothing acknowledged: only a caller does so."""
    acknowledged = pc.match_substring(table["flags"], "A")
    return pc.and_(pc.match_substring(table["flags"], "S"), pc.invert(acknowledged))


def _is_answer(table: dict[str, pa.Array]) -> Any:
    """Return which flows, alone, are plainly the answer to a call that was not seen."""
    source, target = _numbers(table["src_port"]), _numbers(table["dst_port"])
    ported = pc.is_in(table["proto"], value_set=pa.array(["tcp", "udp"]))
    maybe = pc.and_(ported, pc.invert(_bare_syn(table)))
    known = (source > 0) & (source < WELL_KNOWN) & (target >= WELL_KNOWN)
    return maybe.to_numpy(zero_copy_only=False) & known & ~_both_ways(table)
