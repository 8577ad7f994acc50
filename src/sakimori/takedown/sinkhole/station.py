"""What all ports of a sinkhole share: settings, limits, log, key; and the one way out for replies.

Replies to TCP callers wait in `Outbox` until the lines that tell of them are written; over UDP
`udp` does the same for each batch.
"""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Any, Protocol

from sakimori.takedown.sinkhole.dns import Resolver
from sakimori.takedown.sinkhole.limits import Buckets, Connections, Excess, network_of, source_of
from sakimori.takedown.sinkhole.replies import http_replies

if TYPE_CHECKING:
    import asyncio

    from sakimori.takedown.sinkhole.capture import Captures
    from sakimori.takedown.sinkhole.config import Settings
    from sakimori.takedown.sinkhole.log import Journal


class Channel(Protocol):
    """Where a reply goes: a TCP connection, or TLS on one."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Close when they are sent."""

    def abort(self) -> None:
        """Close at once."""


class Outbox:
    """Lines and replies that belong together, written once per turn of the event loop."""

    def __init__(self, journal: Journal, loop: asyncio.AbstractEventLoop) -> None:
        """Begin empty."""
        self._journal, self._loop = journal, loop
        self._waiting: list[tuple[float, dict[str, Any], Channel | None, bytes, bool]] = []
        self.answered = 0

    def put(
        self,
        now: float,
        fields: dict[str, Any],
        channel: Channel | None = None,
        reply: bytes = b"",
        close: bool = False,
    ) -> None:
        """Log a hit, then send its reply and, if asked, close."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append((now, fields, channel, reply, close))

    def flush(self) -> None:
        """Write the lines; send when they are written, hang up when they cannot be."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        lines = [self._journal.line(now, fields) for now, fields, _, _, _ in waiting]
        written = self._journal.commit(b"".join(lines), len(lines))
        for _, _, channel, reply, close in waiting:
            if channel is None:
                continue
            if not written:
                channel.abort()
                continue
            if reply:
                channel.write(reply)
                self.answered += 1
            if close:
                channel.close()


class Station:
    """Everything that the ports share."""

    def __init__(
        self,
        settings: Settings,
        key: bytes,
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
        captures: Captures | None = None,
    ) -> None:
        """Make limits and replies from the settings; `key` is that of all hashes."""
        limits = settings.limits
        self.settings, self.limits, self.journal, self.loop = settings, limits, journal, loop
        self.captures, self._key = captures, key
        self.outbox = Outbox(journal, loop)
        self.http = http_replies(settings.sinkhole)
        self._label = next(
            (int(r[6:]) for r in settings.privacy.bot_id if r.startswith("label:")), 0
        )
        self.resolver = Resolver(settings.sinkhole, self.mark_of_name)
        self.dns_rate = Buckets(limits.dns_per_second, limits.dns_burst)
        self._connect_rate = Buckets(limits.connects_per_second, limits.connects_burst)
        self.connections = Connections(limits.connections, limits.connections_per_source)
        self.excess = Excess()
        self._truncates = settings.privacy.truncate
        self.calls: set[Any] = set()  # open connections, to be ended when it stops
        self.is_ending = False

    def caller(self, address: str) -> str:
        """Return the address as it is logged."""
        return network_of(address) if self._truncates else address

    @property
    def truncated(self) -> bool | None:
        """What the log says of addresses that were cut."""
        return True if self._truncates else None

    def admit(self, address: str) -> bool:
        """Whether one more connection of this address may be held; if so it must `leave`."""
        source = source_of(address)
        return self._connect_rate.take(source, time.monotonic()) and self.connections.enter(source)

    def hash(self, kind: str, value: bytes) -> str:
        """Return 32 hex digits that only the holder of the key can compare: HMAC-SHA-256, cut."""
        return hmac.digest(self._key, kind.encode() + b"\0" + value, "sha256").hex()[:32]

    def mark_of_name(self, name: str) -> str | None:
        """Return the hash of the label of a name that the settings call the bot's, or None."""
        labels = name.split(".")
        if not 0 < self._label < len(labels):
            return None
        return self.hash("bot", labels[self._label - 1].encode())

    def log_excess(self) -> None:
        """Write what was over the limits since the last time: a row per source with its count."""
        now = time.time()
        for caller, address, port, proto, service, count in self.excess.take():
            self.outbox.put(
                now,
                {
                    "src_ip": self.caller(caller) if caller else None, "dst_ip": address,
                    "dst_port": port, "proto": proto, "service": service,
                    "established": proto == "tcp" and service != "https",
                    "outcome": "limited", "count": count, "truncated": self.truncated,
                },
            )  # fmt: skip
