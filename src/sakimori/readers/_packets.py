"""A frame's bytes to one packet: link layer, IP with fragments, TCP, UDP, ICMP.

Written with struct because every packet of a capture goes through here. Sources: RFC 791, 768,
792, 4443, 8200, 9293; link layers from tcpdump.org/linktypes.html.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import NamedTuple

from sakimori.readers._pcap_bytes import MalformedError

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
FIN, SYN, RST, ACK = 1, 2, 4, 16
NO_PORT = -1

_IP4, _IP6 = 0x0800, 0x86DD
_IP = frozenset((_IP4, _IP6))
_TAGGED = frozenset((0x8100, 0x88A8, 0x9100, 0x9200))
_PPPOE, _MPLS = 0x8864, 0x8847
_PPP_IP = {0x0021: _IP4, 0x0057: _IP6}
_ETHERNET = 1
_RAW = frozenset((12, 14, 101, 228, 229))
_LOOPBACK = frozenset((0, 108))
_SLL, _SLL2 = 113, 276
_INET6_FAMILIES = frozenset((10, 24, 28, 30))  # Linux, BSDs, macOS
LINK_NAMES = {
    9: "PPP",
    50: "PPP serial",
    105: "IEEE 802.11",
    119: "IEEE 802.11 with Prism header",
    127: "IEEE 802.11 with radiotap",
    147: "user 0",
    189: "USB",
    195: "IEEE 802.15.4",
    201: "Bluetooth HCI",
    220: "USB with padding",
    239: "Linux netfilter log",
    249: "USBPcap",
    251: "Bluetooth LE",
    253: "Linux netlink",
    272: "nRF sniffer",
}
_EXTENSIONS = frozenset((0, 43, 51, 60, 135))  # IPv6 headers to step over
_FRAGMENT6 = 44
# ICMP answers and the question each belongs to, so that both are one flow.
_QUESTION_OF = {ICMP: {0: 8, 14: 13, 16: 15, 18: 17}, ICMP6: {129: 128, 136: 135, 134: 133}}
_FRAGMENTS_KEPT = 4096

_HEADER4 = struct.Struct("!BxHHHxB2x4s4s")
_HEADER6 = struct.Struct("!IHBx16s16s")
_TCP = struct.Struct("!HHI4xBB")
_UDP = struct.Struct("!HHH")

_Head = tuple[int, bytes, bytes, int]  # time, src, dst, protocol


class Packet(NamedTuple):
    """One IP packet. `payload` is what was captured of `size` bytes after the headers.

    For ICMP `sport` is the type and `dport` the code, swapped for an answer, with the type of its
    question. Protocols without ports have NO_PORT.
    """

    time: int  # µs since 1970
    src: bytes  # 4 or 16 bytes
    dst: bytes
    proto: int
    sport: int
    dport: int
    size: int
    payload: bytes
    flags: int = 0  # of TCP; 1 for an ICMP answer
    seq: int = -1  # of TCP; -1 where there is none, as in a later fragment


class Decoder:
    """Turns frames into packets. Keeps the ports of fragmented datagrams, and what it skipped."""

    def __init__(self) -> None:
        self.unknown: Counter[int] = Counter()  # frames by link type that cannot be read
        self._fragments: dict[tuple[bytes, bytes, int, int], tuple[int, int]] = {}

    def decode(self, time: int, link: int, data: bytes) -> Packet | None:
        """Return the packet, or None when the frame carries no IP (ARP, LLDP, ...).

        Raises MalformedError for headers that contradict themselves or are cut short.
        """
        try:
            if link == _ETHERNET:
                kind, at = data[12] << 8 | data[13], 14
                if kind not in _IP:
                    kind, at = _inner(data, kind, at)
            else:
                kind, at = self._other_link(link, data)
            if kind == _IP4:
                return self._ip4(time, data, at)
            if kind == _IP6:
                return self._ip6(time, data, at)
        except (struct.error, IndexError) as error:
            raise MalformedError("cut short inside its headers") from error
        return None

    def _other_link(self, link: int, data: bytes) -> tuple[int, int]:
        if link in _RAW:
            return _by_version(data, 0), 0
        if link == _SLL:
            return _inner(data, data[14] << 8 | data[15], 16)
        if link == _SLL2:
            return _inner(data, data[0] << 8 | data[1], 20)
        if link in _LOOPBACK:
            family = max(data[0], data[3])  # either byte order; no family is over 255
            return (_IP4 if family == 2 else _IP6 if family in _INET6_FAMILIES else 0), 4
        self.unknown[link] += 1
        return 0, 0

    def _ip4(self, time: int, data: bytes, at: int) -> Packet:
        first, total, ident, fragment, proto, src, dst = _HEADER4.unpack_from(data, at)
        size = (first & 15) << 2
        if first >> 4 != 4 or size < 20:
            raise MalformedError(f"the IPv4 header begins with {first:#04x}")
        if not total:
            total = len(data) - at  # the network card cuts it later (segmentation offload)
        elif total < size:
            raise MalformedError(f"an IPv4 packet of {total} bytes is shorter than its header")
        head = (time, src, dst, proto)
        if fragment & 0x3FFF:
            return self._fragment(
                head, ident, (fragment & 0x1FFF, fragment >> 13 & 1), data[at + size : at + total]
            )
        return _transport(head, data, at + size, at + total)

    def _ip6(self, time: int, data: bytes, at: int) -> Packet:
        first, length, proto, src, dst = _HEADER6.unpack_from(data, at)
        if first >> 28 != 6:
            raise MalformedError(f"the IPv6 header begins with {first >> 24:#04x}")
        at += 40
        end = at + length if length else len(data)
        while proto in _EXTENSIONS:
            size = (data[at + 1] + 2) * 4 if proto == 51 else (data[at + 1] + 1) * 8
            proto = data[at]
            at += size
        head = (time, src, dst, proto)
        if proto == _FRAGMENT6:
            offset, ident = struct.unpack_from("!HI", data, at + 2)
            head = (time, src, dst, data[at])
            return self._fragment(head, ident, (offset >> 3, offset & 1), data[at + 8 : end])
        if at > end:
            raise MalformedError("the IPv6 extension headers are longer than the packet")
        return _transport(head, data, at, end)

    def _fragment(self, head: _Head, ident: int, place: tuple[int, int], data: bytes) -> Packet:
        """Give a fragment the ports of its datagram's first one. `place`: offset, more follow."""
        _, src, dst, proto = head
        key = (src, dst, proto, ident)
        offset, more = place
        if not offset:
            packet = _transport(head, data, 0, len(data))
            if more:
                self._keep(key, (packet.sport, packet.dport))
            return packet
        ports = self._fragments.get(key, (NO_PORT, NO_PORT))
        if not more:
            self._fragments.pop(key, None)
        return Packet(*head, *ports, len(data), b"")

    def _keep(self, key: tuple[bytes, bytes, int, int], ports: tuple[int, int]) -> None:
        if len(self._fragments) >= _FRAGMENTS_KEPT:
            del self._fragments[next(iter(self._fragments))]
        self._fragments[key] = ports


def _inner(data: bytes, kind: int, at: int) -> tuple[int, int]:
    """Step over VLAN tags, PPPoE and MPLS; return the EtherType and where its packet begins."""
    while kind in _TAGGED:
        kind, at = data[at + 2] << 8 | data[at + 3], at + 4
    if kind == _PPPOE:
        return _PPP_IP.get(data[at + 6] << 8 | data[at + 7], 0), at + 8
    if kind == _MPLS:
        while not data[at + 2] & 1:
            at += 4
        return _by_version(data, at + 4), at + 4
    return kind, at


def _by_version(data: bytes, at: int) -> int:
    return {4: _IP4, 6: _IP6}.get(data[at] >> 4, 0)


def _transport(head: _Head, data: bytes, at: int, end: int) -> Packet:
    proto = head[3]
    if proto == TCP:
        sport, dport, seq, offset, flags = _TCP.unpack_from(data, at)
        offset = offset >> 4 << 2
        at += offset
        if offset < 20 or at > end:
            raise MalformedError(f"a TCP header of {offset} bytes cannot be")
        return Packet(*head, sport, dport, end - at, data[at:end], flags, seq)
    if proto == UDP:
        sport, dport, length = _UDP.unpack_from(data, at)
        if length < 8 and length:
            raise MalformedError(f"a UDP length of {length} cannot be")
        if length:
            end = min(end, at + length)
        at += 8
        return Packet(*head, sport, dport, max(end - at, 0), data[at:end])
    if proto in (ICMP, ICMP6):
        kind, code = data[at], data[at + 1]
        question = _QUESTION_OF[proto].get(kind)
        size = max(end - at - 8, 0)
        if question is None:
            return Packet(*head, kind, code, size, b"")
        return Packet(*head, code, question, size, b"", 1)
    return Packet(*head, NO_PORT, NO_PORT, max(end - at, 0), b"")
