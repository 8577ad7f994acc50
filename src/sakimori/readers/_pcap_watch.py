"""Chooses who reads a flow's payloads, by what the first ones say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.readers import _pcap_service
from sakimori.readers._packets import TCP, UDP
from sakimori.readers._pcap_dns import Datagrams, OverTcp
from sakimori.readers._pcap_http import Http
from sakimori.readers._pcap_irc import Irc
from sakimori.readers._pcap_rows import Reporter
from sakimori.readers._pcap_smtp import Smtp
from sakimori.readers._pcap_stream import Conversation, Pool
from sakimori.readers._pcap_tls import Tls

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.readers._flowtable import Flow, Watch
    from sakimori.readers._packets import Packet
    from sakimori.readers._pcap_rows import Sink
    from sakimori.readers._pcap_stream import Analyser

_DATAGRAMS = 4  # looked at before a UDP flow is left alone


class Watchers:
    """Makes the watch of a flow. One for a file: it holds the bound on memory."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pool = Pool()

    def __call__(self, flow: Flow, packet: Packet) -> Watch | None:
        """Return who reads this flow, or None for protocols without payloads to read."""
        reporter = Reporter(self._sink, flow.ends)
        if packet.proto == UDP:
            return _Datagrams(flow, reporter)
        if packet.proto != TCP:
            return None
        starts = (flow.called.start, flow.caller.start)
        return Conversation(_Sniffer(flow, reporter), starts, self._pool)


class _Datagrams:
    """Looks at the first datagrams of a flow; reads on when they are DNS."""

    def __init__(self, flow: Flow, reporter: Reporter) -> None:
        self._flow = flow
        self._reporter = reporter
        self._dns: Datagrams | None = None
        self._left = _DATAGRAMS

    def add(self, forward: bool, packet: Packet) -> bool:
        """Take a datagram. False when the flow is known, or not worth more looks."""
        if self._dns:
            return self._dns.add(forward, packet)
        if not packet.payload:
            return True
        self._left -= 1
        self._flow.service = _pcap_service.of_datagram(packet)
        if self._flow.service == "dns":
            self._dns = Datagrams(self._reporter)
            return self._dns.add(forward, packet)
        return not self._flow.service and self._left > 0

    def end(self) -> None:
        """Write what is open."""
        if self._dns:
            self._dns.end()


class _Sniffer:
    """Holds the first bytes of both sides until they tell the protocol."""

    def __init__(self, flow: Flow, reporter: Reporter) -> None:
        self._flow = flow
        self._reporter = reporter
        self._first = [b"", b""]  # of the called side, of the caller
        self._next: Analyser | None = None

    def data(self, forward: bool, held: bytes, time: int) -> int:
        """Look at what there is; 0 while undecided, -1 when it is nothing we read."""
        del time
        self._first[forward] = held
        ends = self._flow.ends
        ports = (ends["src_port"], ends["dst_port"])
        service = _pcap_service.of_stream(self._first[0], self._first[1], ports)
        if service:
            self._flow.service = self._flow.service or service
            make = _READERS.get(service)
            if make is None:
                return -1
            self._next = make(self._reporter, self._again)
            return 0
        return -1 if len(held) > _pcap_service.ENOUGH_BYTES else 0

    def gap(self, forward: bool, size: int) -> bool:
        """Begin afresh after the gap."""
        del size
        self._first[forward] = b""
        return True

    def end(self) -> None:
        """Nothing was read."""

    def successor(self) -> Analyser | None:
        """Return who reads this protocol."""
        return self._next

    def _again(self) -> Analyser:
        return _Sniffer(self._flow, self._reporter)


_READERS: dict[str, Callable[[Reporter, Callable[[], Analyser]], Analyser]] = {
    "http": Http,
    "smtp": Smtp,
    "ssl": lambda reporter, _: Tls(reporter),
    "dns": lambda reporter, _: OverTcp(reporter),
    "irc": lambda reporter, _: Irc(reporter),
}
