"""TCP in order, within bounds: enough to read the start of a conversation and its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sakimori.readers._packets import Packet

_MASK, _HALF = 0xFFFF_FFFF, 0x8000_0000
_HELD_PIECES = 64  # segments that wait for an earlier one
_HELD_BYTES = 65_536
_HAND_OVERS = 4  # STARTTLS, CONNECT: more in one conversation is a game
_REST_BYTES = 66_000  # one DNS message over TCP, or a long header
POOL_BYTES = 64 << 20


class Analyser(Protocol):
    """Reads one protocol from a conversation, piece by piece."""

    def data(self, forward: bool, held: bytes, time: int) -> int:
        """Read what one side has sent; return how many bytes of it are done with.

        `held` begins with what was not done with before. -1: nothing more is wanted.
        """

    def gap(self, forward: bool, size: int) -> bool:
        """Whether to go on although `size` bytes of one side were not captured."""

    def end(self) -> None:
        """Write the rows still open: the conversation is over."""

    def successor(self) -> Analyser | None:
        """Return who reads on from here (TLS after STARTTLS), or None."""


class Pool:
    """Bytes held for all conversations of a file together."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0


class _Way:
    """One direction: the next sequence number, pieces ahead of it, and bytes not yet read."""

    __slots__ = ("ahead", "next", "rest", "waiting")

    def __init__(self, start: int) -> None:
        self.next = start  # -1: not known
        self.rest = b""
        self.ahead: dict[int, tuple[bytes, int]] = {}
        self.waiting = 0  # bytes in `ahead`

    @property
    def held(self) -> int:
        """Bytes that this direction keeps in memory."""
        return len(self.rest) + self.waiting

    def hold(self, seq: int, payload: bytes, size: int) -> None:
        """Keep a piece that came too early; of two at one place the longer."""
        before = self.ahead.get(seq)
        if before is None or before[1] < size:
            self.waiting += len(payload) - (len(before[0]) if before else 0)
            self.ahead[seq] = (payload, size)

    @property
    def crowded(self) -> bool:
        """Whether the missing piece is not worth waiting for."""
        return len(self.ahead) > _HELD_PIECES or self.waiting > _HELD_BYTES

    def pop_nearest(self) -> tuple[int, bytes, int]:
        """Take the waiting piece that comes first: its sequence number, bytes and size."""
        seq = min(self.ahead, key=lambda s: (s - self.next) & _MASK)
        payload, size = self.ahead.pop(seq)
        self.waiting -= len(payload)
        return seq, payload, size

    def distance(self, seq: int) -> int:
        """Return how far `seq` lies ahead; negative for what was seen already."""
        ahead = (seq - self.next) & _MASK
        return ahead - _MASK - 1 if ahead >= _HALF else ahead


class Conversation:
    """Puts both directions of a TCP flow in order and hands them to an analyser."""

    __slots__ = ("_analyser", "_counted", "_handed", "_pool", "_time", "_ways")

    def __init__(self, analyser: Analyser, starts: tuple[int, int], pool: Pool) -> None:
        """`starts`: the first sequence number of the called side and of the caller, or -1."""
        self._analyser: Analyser | None = analyser
        self._ways = (_Way(starts[0]), _Way(starts[1]))
        self._pool = pool
        self._counted = 0  # of our bytes, in the pool
        self._handed = 0
        self._time = 0

    def add(self, forward: bool, packet: Packet) -> bool:
        """Take a segment; `forward` from the caller. False when nothing more is wanted."""
        way = self._ways[forward]
        self._time = packet.time
        seq = (packet.seq + (packet.flags >> 1 & 1)) & _MASK  # a SYN counts as one byte
        if packet.seq < 0:
            return True  # a fragment: the stream has a gap there
        if way.next < 0:
            way.next = seq
        if seq == way.next and not way.ahead:
            self._deliver(forward, packet.payload, packet.size)
        else:
            if way.distance(seq) > 0:
                way.hold(seq, packet.payload, packet.size)
            else:
                self._trimmed(forward, seq, packet.payload, packet.size)
            self._catch_up(forward)
        self._count()
        if self._pool.used > POOL_BYTES:
            self._stop()
        return self._analyser is not None

    def end(self) -> None:
        """Read what still waits, write what is open, free the memory."""
        for forward in (True, False):
            way = self._ways[forward]
            while way.ahead and self._analyser:
                self._nearest(forward)
        self._stop()

    def _stop(self) -> None:
        analyser, self._analyser = self._analyser, None
        if analyser:
            analyser.end()
        for way in self._ways:
            way.rest, way.ahead, way.waiting = b"", {}, 0
        self._count()

    def _count(self) -> None:
        held = self._ways[0].held + self._ways[1].held
        self._pool.used += held - self._counted
        self._counted = held

    def _catch_up(self, forward: bool) -> None:
        """Deliver waiting pieces whose turn has come, or all when too many wait."""
        way = self._ways[forward]
        while way.ahead and self._analyser:
            if not way.crowded and min(map(way.distance, way.ahead)) > 0:
                return
            self._nearest(forward)

    def _nearest(self, forward: bool) -> None:
        seq, payload, size = self._ways[forward].pop_nearest()
        self._trimmed(forward, seq, payload, size)

    def _trimmed(self, forward: bool, seq: int, payload: bytes, size: int) -> None:
        """Deliver a piece without what was delivered before; tell of a gap before it."""
        way = self._ways[forward]
        distance = way.distance(seq)
        if distance > 0:
            self._gap(forward, distance)
        elif distance < 0:
            payload, size = payload[-distance:], size + distance
        if size > 0:
            self._deliver(forward, payload, size)

    def _deliver(self, forward: bool, payload: bytes, size: int) -> None:
        way = self._ways[forward]
        way.next = (way.next + len(payload)) & _MASK
        if self._analyser and payload:
            self._read(forward, way.rest + payload if way.rest else payload)
        if size > len(payload):  # the capture cut the packet
            self._gap(forward, size - len(payload))

    def _gap(self, forward: bool, size: int) -> None:
        way = self._ways[forward]
        way.next = (way.next + size) & _MASK
        way.rest = b""
        if self._analyser and not self._analyser.gap(forward, size):
            self._stop()

    def _read(self, forward: bool, held: bytes) -> None:
        analyser = self._analyser
        if analyser is None:
            return
        way = self._ways[forward]
        way.rest = b""
        done = analyser.data(forward, held, self._time)
        following = analyser.successor()
        if done < 0 or (following is None and len(held) - done > _REST_BYTES):
            self._stop()
            return
        way.rest = held[done:]
        if following:
            self._hand_over(following, forward)

    def _hand_over(self, following: Analyser, last: bool) -> None:
        """Give what both sides sent and was not read to the next analyser, the older side first."""
        self._analyser = following
        self._handed += 1
        if self._handed > _HAND_OVERS:
            self._stop()
        for forward in (not last, last):
            rest = self._ways[forward].rest
            if rest:
                self._read(forward, rest)
