"""Packets to connections: who called, how much, how it ended, in Zeek's words.

A flow is a 5-tuple in both directions. It ends when idle (TCP 300 s, other 60 s, an unanswered
attempt 60 s, a closed TCP connection 5 s), when a new SYN begins another on the same ports, or
when the table is full and it is the one idle longest.
Source: docs.zeek.org, "conn.log", for the states and for what counts as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from sakimori.readers._packets import ACK, FIN, ICMP, ICMP6, NO_PORT, RST, SYN, TCP, UDP
from sakimori.readers._pcap_rows import ends

if TYPE_CHECKING:
    from sakimori.readers._packets import Packet
    from sakimori.readers._pcap_rows import Row, Sink

_SECOND = 1_000_000
_MASK, _HALF = 0xFFFF_FFFF, 0x8000_0000
_LARGEST_JUMP = 1 << 26  # a larger step of the sequence number is no loss but nonsense

# Ports that servers listen on: a first packet from one of them is an answer.
_LOW_PORTS = (20, 21, 22, 23, 25, 53, 67, 80, 88, 110, 111, 119, 123, 135, 137, 138, 139, 143, 161)
_MID_PORTS = (389, 443, 445, 465, 514, 515, 587, 636, 853, 993, 995, 1080, 1194, 1433, 1521, 1883)
_UPPER_PORTS = (1900, 3128, 3268, 3306, 3389, 3478, 5060, 5222, 5223, 5353, 5355, 5432, 5900, 5938)
_HIGH_PORTS = (6379, 6697, 8000, 8080, 8443, 8883, 9001, 9200, *range(6660, 6670))
SERVER_PORTS = frozenset((*_LOW_PORTS, *_MID_PORTS, *_UPPER_PORTS, *_HIGH_PORTS))
_NAMES = {
    TCP: "tcp",
    UDP: "udp",
    ICMP: "icmp",
    ICMP6: "icmp",  # as Zeek has it
    2: "igmp",
    4: "ipip",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    88: "eigrp",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    115: "l2tp",
    132: "sctp",
}

Key = tuple[bytes, bytes, int, int, int]


class Watch(Protocol):
    """What is said in one flow: reads payloads, reports rows."""

    def add(self, forward: bool, packet: Packet) -> bool:
        """Take a payload; `forward` from the caller. False when no more is wanted."""

    def end(self) -> None:
        """Write the rows still open."""


class Watchers(Protocol):
    """Makes a watch for a flow when its first payload comes; None where none is wanted."""

    def __call__(self, flow: Flow, packet: Packet) -> Watch | None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """When flows end. Times in µs."""

    tcp_idle: int = 300 * _SECOND
    attempt_idle: int = 60 * _SECOND
    closed_idle: int = 5 * _SECOND
    other_idle: int = 60 * _SECOND
    flows: int = 65_536


class Side:
    """What one end of a flow sent. `size` is payload; for TCP how far the sequence moved."""

    __slots__ = ("flags", "next", "pkts", "size", "start")

    def __init__(self) -> None:
        self.pkts = 0
        self.size = 0
        self.flags = 0  # SYN, FIN, RST that were seen
        self.start = -1  # sequence number of the first payload byte, where a SYN told it
        self.next = -1


class Flow:
    """One connection under way."""

    __slots__ = (
        "called", "caller", "ends", "first", "idle", "key", "last", "proto", "reset_by",
        "same_start", "service", "watch", "watched",
    )  # fmt: skip

    def __init__(self, key: Key, ends_of: Row, packet: Packet, idle: int) -> None:
        self.key = key
        self.ends = ends_of
        self.proto = packet.proto
        self.first = self.last = packet.time
        self.idle = idle
        self.caller = Side()
        self.called = Side()
        self.reset_by: Side | None = None
        self.service: str | None = None
        self.watched = True
        self.watch: Watch | None = None
        self.same_start = 0


class FlowTable:
    """The flows under way; writes a `conn` row for each that ends."""

    def __init__(self, sink: Sink, watchers: Watchers, limits: Limits | None = None) -> None:
        self._sink = sink
        self._watchers = watchers
        self._limits = limits or Limits()
        self._flows: dict[Key, Flow] = {}
        self._since_sweep = 0
        self._now = 0

    def __len__(self) -> int:
        return len(self._flows)

    def add(self, packet: Packet) -> None:
        """Count a packet to its flow, opening and ending flows as needed."""
        time, src, dst, proto, sport, dport, size, _, flags, seq = packet
        key = (src, dst, sport, dport, proto)
        flow = self._flows.get(key)
        forward = True
        if flow is None:
            flow = self._flows.get((dst, src, dport, sport, proto))
            forward = False
        if (
            flow is None
            or time - flow.last > flow.idle
            or (flags & SYN and proto == TCP and _begins_anew(flow, forward, packet))
        ):
            flow, forward = self._open(key, packet, flow)
        if time > flow.last:  # noqa: PLR1730 - once a packet: max() costs more
            flow.last = time
        side = flow.caller if forward else flow.called
        side.pkts += 1
        if seq >= 0:
            self._tcp(flow, side, packet)
        elif proto != TCP:  # a TCP fragment's bytes are in the sequence numbers
            side.size += size
        if size and flow.watched:
            self._watch(flow, forward, packet)

    def end(self) -> None:
        """End every flow: the capture is over."""
        for flow in self._flows.values():
            self._close(flow)
        self._flows.clear()

    def _open(self, key: Key, packet: Packet, before: Flow | None) -> tuple[Flow, bool]:
        """End the flow that was there and begin one; return it, and whether its caller sent this."""
        if before is not None:
            self._close(self._flows.pop(before.key))
        self._tidy(packet.time)
        forward = not _is_answer(packet)
        if not forward:
            key = (key[1], key[0], key[3], key[2], key[4])
        again = before.same_start + 1 if before and before.first == packet.time else 0
        limits = self._limits
        flow = Flow(
            key,
            ends(_uid(key, packet.time, again), packet, as_sent=forward),
            packet,
            limits.attempt_idle if packet.proto == TCP else limits.other_idle,
        )
        flow.same_start = again
        self._flows[key] = flow
        return flow, forward

    def _tcp(self, flow: Flow, side: Side, packet: Packet) -> None:
        """Move the sequence number on; note SYN, FIN and RST."""
        flags, size = packet.flags, packet.size
        if flags & (SYN | FIN | RST):
            self._control(flow, side, packet)
        elif not side.flags:
            side.flags = ACK  # has spoken
        if flow.idle == self._limits.attempt_idle and (
            size or (flow.caller.flags and flow.called.flags)
        ):
            flow.idle = self._limits.tcp_idle
        if not size:
            return
        end = packet.seq + size + (flags >> 1 & 1)
        if side.next < 0:
            side.next = packet.seq
        ahead = (end - side.next) & _MASK
        if ahead < _HALF:
            side.size += ahead if ahead < _LARGEST_JUMP else size
            side.next = end & _MASK

    def _control(self, flow: Flow, side: Side, packet: Packet) -> None:
        flags = packet.flags
        side.flags |= flags & (SYN | FIN | RST)
        if flags & SYN:
            side.start = (packet.seq + 1) & _MASK
            if side.next < 0:
                side.next = side.start
        if flags & RST and flow.reset_by is None:
            flow.reset_by = side
        if flow.reset_by or flow.caller.flags & flow.called.flags & FIN:
            flow.idle = self._limits.closed_idle

    def _watch(self, flow: Flow, forward: bool, packet: Packet) -> None:
        watch = flow.watch
        if watch is None:
            watch = flow.watch = self._watchers(flow, packet)
        if watch is None or not watch.add(forward, packet):
            flow.watched = False
            flow.watch = None

    def _tidy(self, now: int) -> None:
        """End idle flows now and then: each sweep is paid by as many packets that opened one."""
        self._since_sweep += 1
        full = len(self._flows) >= self._limits.flows
        if not full and self._since_sweep <= max(2000, len(self._flows) // 2):
            return
        self._since_sweep = 0
        idle = [flow for flow in self._flows.values() if now - flow.last > flow.idle]
        if full and len(idle) < self._limits.flows // 10:
            oldest = sorted(self._flows.values(), key=lambda flow: flow.last)
            idle = oldest[: max(self._limits.flows // 10, 1)]
        for flow in idle:
            self._close(self._flows.pop(flow.key))

    def _close(self, flow: Flow) -> None:
        if flow.watch:
            flow.watch.end()
        caller, called = flow.caller, flow.called
        self._sink.add(
            "conn",
            {
                "ts": flow.first,
                **flow.ends,
                "proto": _NAMES.get(flow.proto, f"ip-{flow.proto}"),
                "service": flow.service,
                "duration": (flow.last - flow.first) / _SECOND,
                "src_bytes": caller.size,
                "dst_bytes": called.size,
                "src_pkts": caller.pkts,
                "dst_pkts": called.pkts,
                "state": state_of(flow),
            },
        )


def state_of(flow: Flow) -> str:
    """Return how the connection went, in Zeek's words.

    Differs from Zeek in one point: a reset of a connection that was joined in the middle is RSTO
    or RSTR when both sides had spoken, else OTH.
    """
    if flow.proto == TCP:
        return _tcp_state(flow)
    if flow.proto != UDP:
        return "OTH"
    if flow.caller.pkts:
        return "SF" if flow.called.pkts else "S0"
    return "SHR"


def _tcp_state(flow: Flow) -> str:
    caller, called = flow.caller.flags, flow.called.flags
    if flow.reset_by:
        return _reset_state(flow, by_called=flow.reset_by is flow.called)
    if caller & called & FIN:
        return "SF"
    if caller & FIN:
        return "S2" if called else "SH"
    if called & FIN:
        return "S3" if caller else "SHR"
    if caller & SYN:
        return "S1" if called & SYN else ("OTH" if called else "S0")
    return "OTH"


def _reset_state(flow: Flow, *, by_called: bool) -> str:
    caller, called = flow.caller.flags, flow.called.flags
    if caller & called & SYN:
        return "RSTR" if by_called else "RSTO"
    if caller & SYN:
        return "REJ" if by_called else "RSTOS0"
    if called & SYN:
        return "RSTRH" if by_called else "RSTO"
    if caller and called:
        return "RSTR" if by_called else "RSTO"
    return "OTH"


def _begins_anew(flow: Flow, forward: bool, packet: Packet) -> bool:
    """Whether a SYN (without ACK) opens another connection on the same ports."""
    if packet.flags & ACK:
        return False
    side, other = (flow.caller, flow.called) if forward else (flow.called, flow.caller)
    if side.start == (packet.seq + 1) & _MASK:
        return False  # sent again
    if not side.flags & SYN and side.flags | other.flags:
        # simultaneous open, or the SYN of an answer that was captured first
        return not (other.flags & SYN and not side.flags)
    return bool(side.flags)


def _is_answer(packet: Packet) -> bool:
    """Whether a flow's first packet comes from the called side."""
    if packet.proto == TCP and packet.flags & SYN and packet.seq >= 0:
        return bool(packet.flags & ACK)
    if packet.proto in (ICMP, ICMP6):
        return bool(packet.flags)
    if packet.sport == NO_PORT:
        return False
    return packet.sport in SERVER_PORTS and packet.dport not in SERVER_PORTS


def _uid(key: Key, time: int, again: int) -> str:
    """Return an id that the same packets always give: of both ends and the first packet's time."""
    src, dst, sport, dport, proto = key
    text = b"%b|%b|%d|%d|%d|%d|%d" % (src, dst, sport, dport, proto, time, again)
    return "C" + blake2b(text, digest_size=9).hexdigest()
