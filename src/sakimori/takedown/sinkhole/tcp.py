"""TCP connections: who may hold one, for how long; ports that only listen; DNS over TCP."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from sakimori.takedown.sinkhole.limits import source_of

if TYPE_CHECKING:
    from sakimori.takedown.sinkhole.station import Station

_LONGEST_QUESTION = 4_096


class Call(asyncio.Protocol):
    """A connection with a deadline. Each gives at least one row, also when nothing was said."""

    service = "tcp"

    def __init__(self, station: Station) -> None:
        """Know what is shared."""
        self.station = station
        self.transport: Any = None  # asyncio's or uvloop's; None: not admitted, or gone
        self.received = 0  # bytes since the last row
        self.rows = 0
        self.is_over = False  # it is to be closed: what still comes is not read
        self._address = ""
        self._timer: asyncio.TimerHandle | None = None
        self.ends: dict[str, Any] = {}

    def connection_made(self, transport: Any) -> None:
        """Admit the caller or hang up."""
        peer = transport.get_extra_info("peername")
        here = transport.get_extra_info("sockname")
        if not peer or not here:  # gone already
            transport.abort()
            return
        if not self.station.admit(peer[0]):
            self.station.excess.add(peer[0], (here[0], here[1]), "tcp", self.service)
            transport.abort()
            return
        self.transport, self._address = transport, peer[0]
        self.station.calls.add(self)
        self.ends = {
            "src_ip": self.station.caller(peer[0]), "src_port": peer[1], "dst_ip": here[0],
            "dst_port": here[1], "proto": "tcp", "service": self.service, "established": True,
            "truncated": self.station.truncated,
        }  # fmt: skip
        self.rearm()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Leave a row for what was not told of yet."""
        if self._timer:
            self._timer.cancel()
        if self.transport is None:
            return
        self.transport = None
        self.station.connections.leave(source_of(self._address))
        self.station.calls.discard(self)
        self.over("closed")

    def rearm(self) -> None:
        """Give the caller its time anew: for a next request, never for a next byte."""
        if self._timer:
            self._timer.cancel()
        self._timer = self.station.loop.call_later(self.station.limits.seconds, self._expire)

    def _expire(self) -> None:
        self.over("timeout")
        self.hang_up()

    def hang_up(self) -> None:
        """Close at once, whatever was not sent."""
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether it said something whole, and nothing since."""
        return self.rows > 0 and not self.received

    def say_goodbye(self) -> None:
        """Close when all is sent."""
        if self.transport is not None:
            self.transport.close()

    def over(self, outcome: str) -> None:
        """Leave a row for a request that did not come to its end, or a connection without any."""
        if self.received or not self.rows:
            self.log({"outcome": outcome})

    def log(
        self,
        fields: dict[str, Any],
        channel: Any = None,
        reply: bytes = b"",
        close: bool = False,
    ) -> None:
        """Leave a row with these fields; the reply, if any, goes out when it is written."""
        told = self.ends | {"bytes": self.received} | fields
        self.received = 0
        self.rows += 1
        self.is_over = self.is_over or close
        self.station.outbox.put(time.time(), told, channel, reply, close)


class Listener(Call):
    """A port that only listens: it reads a little, says nothing, and closes."""

    def __init__(self, station: Station) -> None:
        """Begin with nothing read."""
        super().__init__(station)
        self._first = b""

    def data_received(self, data: bytes) -> None:
        """Read up to the limit."""
        most = self.station.limits.tcp_bytes
        self._first += data[: most - len(self._first)]
        self.received = len(self._first)
        if self.received >= most:
            self.over("unanswered")
            self.hang_up()

    def eof_received(self) -> bool:
        """Close when the caller has said all."""
        self.over("unanswered")
        return False

    def over(self, outcome: str) -> None:
        """Leave the one row: a hash of the first bytes, not the bytes."""
        if not self.rows:
            said = self.station.hash("tcp", self._first) if self._first else None
            self.log({"outcome": "unanswered" if self._first else outcome, "path_hash": said})
        self._first = b""
        self.received = 0


class DnsCall(Call):
    """DNS over TCP: messages with their length before them."""

    service = "dns"

    def __init__(self, station: Station) -> None:
        """Begin with nothing read."""
        super().__init__(station)
        self._held = bytearray()

    def data_received(self, data: bytes) -> None:
        """Answer every whole message."""
        if self.is_over:
            return
        self._held += data
        while self.transport is not None and len(self._held) >= 2:
            length = self._held[0] << 8 | self._held[1]
            if not 12 <= length <= _LONGEST_QUESTION:
                self._refuse()
                return
            if len(self._held) < length + 2:
                break
            message = bytes(self._held[2 : length + 2])
            del self._held[: length + 2]
            if not self._answer(message):
                return
        self.received = len(self._held)

    def _answer(self, message: bytes) -> bool:
        """Answer one message; False: nothing more is read."""
        read = self.station.resolver.read(message)
        if read is None:
            self._refuse()
            return False
        asked, edns = read
        variant, reply = self.station.resolver.over_tcp(asked, edns, message)
        fields = {**asked.fields, "reply": variant.name}
        if not asked.text:
            fields["outcome"] = "malformed"
        last = not asked.text or self.rows + 1 >= self.station.limits.requests
        self.received = len(message)
        self.log(fields, self.transport, reply, close=last)
        self.rearm()
        return not last

    def _refuse(self) -> None:
        self.received = len(self._held)
        self._held.clear()
        self.log({"outcome": "malformed"}, self.transport, close=True)
