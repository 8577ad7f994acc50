"""Careful reading of bytes that strangers wrote: everything ends in MalformedError, never deeper."""

from __future__ import annotations

import struct

from sakimori.readers._contract import Reject

_SHOWN_BYTES = 48


class MalformedError(ValueError):
    """A packet or message does not follow its format; the text says where."""


class Cursor:
    """Reads numbers and length-prefixed parts off the front of some bytes."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes. Raises MalformedError when there are fewer."""
        end = self.at + count
        if end > len(self.data):
            raise MalformedError(f"{count} bytes announced, {len(self.data) - self.at} there")
        part = self.data[self.at : end]
        self.at = end
        return part

    def number(self, width: int) -> int:
        """Return the next big-endian number of `width` bytes."""
        at = self.at
        self.at = end = at + width
        if end > len(self.data):
            raise MalformedError("a number is cut short")
        return int.from_bytes(self.data[at:end], "big")

    def vector(self, width: int) -> bytes:
        """Return the part whose length stands before it in `width` bytes."""
        return self.take(self.number(width))


class Faults:
    """Packets that could not be read: the first ones as rejects, the others counted."""

    def __init__(self, limit: int = 100) -> None:
        self._limit = limit
        self._waiting: list[Reject] = []
        self._last = 0
        self.count = 0

    def add(self, number: int, reason: str, data: bytes) -> None:
        """Note that packet `number` (from 1) is bad. `data` is kept in hex, cut."""
        self.count += 1
        self._last = number
        if self.count <= self._limit:
            self._waiting.append(Reject(number, reason, data[:_SHOWN_BYTES].hex()))

    def take(self) -> list[Reject]:
        """Return the rejects not returned before."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def rest(self) -> list[Reject]:
        """Return one reject that counts those beyond the limit, if there were any."""
        more = self.count - self._limit
        return [Reject(self._last, f"{more} more packets could not be read")] if more > 0 else []


def pairs(data: bytes) -> tuple[int, ...]:
    """Return bytes as big-endian numbers of two bytes; an odd byte at the end is left out."""
    return struct.unpack_from(f"!{len(data) // 2}H", data)


def text_of(data: bytes) -> str:
    """Return hostile bytes as text; what is not UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", errors="replace")
