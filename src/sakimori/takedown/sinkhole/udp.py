"""DNS over UDP: datagrams in batches, their lines in one write, then their answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import orjson

from sakimori.takedown.sinkhole.limits import source_of
from sakimori.takedown.sinkhole.log import iso

if TYPE_CHECKING:
    import socket

    from sakimori.takedown.sinkhole.station import Station

_BATCH = 256  # datagrams between two looks at the other ports
_LONGEST = 4_096


class UdpPort:
    """One socket."""

    def __init__(self, station: Station, sock: socket.socket) -> None:
        """Prepare the parts of a line that never change."""
        self._station, self._sock, self._slipped = station, sock, 0
        self.answered = 0
        address, port = sock.getsockname()[:2]
        self._called = (address, port)
        journal = station.journal
        self._start = f'{{"sinkhole":{_json(journal.sensor)},"uid":"{journal.run}-'
        cut = ',"truncated":true' if station.truncated else ""
        self._middle = (
            f',"dst_ip":{_json(address)},"dst_port":{port},"proto":"udp","service":"dns"'
            f',"established":false{cut}'
        )

    def on_readable(self) -> None:
        """Take what has come, at most a batch; log it; answer it."""
        lines: list[str] = []
        replies: list[tuple[bytes, tuple[str, int]]] = []
        receive, take, now = self._sock.recvfrom, self._take, 0.0
        for _ in range(_BATCH):
            try:
                data, peer = receive(_LONGEST)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an ICMP error of an earlier answer
                continue
            now = time.time()
            take(data, peer, now, lines, replies)
        journal = self._station.journal
        if lines:
            written = journal.commit("".join(lines).encode(), len(lines))
        else:
            written = not journal.trouble
        if written:
            self._send(replies)

    def _take(
        self,
        data: bytes,
        peer: tuple[str, int],
        now: float,
        lines: list[str],
        replies: list[tuple[bytes, tuple[str, int]]],
    ) -> None:
        station = self._station
        address = peer[0]
        if not station.dns_rate.take(source_of(address), now):
            station.excess.add(address, self._called, "udp", "dns")
            if slipped := self._slip(data):
                replies.append((slipped, peer))
            return
        read = station.resolver.read(data)
        if read is None:
            lines.append(self._line(peer, now, len(data), ',"outcome":"malformed"'))
            return
        asked, edns = read
        variant, reply = station.resolver.over_udp(asked, edns, data)
        told = f",{asked.text}" if asked.text else ',"outcome":"malformed"'
        lines.append(self._line(peer, now, len(data), f'{told},"reply":"{variant.name}"'))
        replies.append((reply, peer))

    def _line(self, peer: tuple[str, int], now: float, size: int, told: str) -> str:
        station = self._station
        station.journal.number += 1
        return (
            f'{self._start}{station.journal.number}","ts":"{iso(now)}"'
            f',"src_ip":"{station.caller(peer[0])}","src_port":{peer[1]}{self._middle}'
            f',"bytes":{size}{told}}}\n'
        )

    def _slip(self, data: bytes) -> bytes:
        """Return a truncated answer for every so many questions over the limit, else b"".

        A real resolver then asks over TCP, where its address cannot be forged.
        """
        slip = self._station.limits.slip
        self._slipped += 1
        if not slip or self._slipped % slip:
            return b""
        read = self._station.resolver.read(data)
        return self._station.resolver.truncated(read[0], data)[1] if read else b""

    def _send(self, replies: list[tuple[bytes, tuple[str, int]]]) -> None:
        send = self._sock.sendto
        for reply, peer in replies:
            try:
                send(reply, peer)
            except OSError:  # no room in the socket, or no way to that address: UDP may lose it
                continue
            self.answered += 1


def _json(text: str) -> str:
    return orjson.dumps(text).decode()
