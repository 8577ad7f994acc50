"""The containers: pcap (all four magics) and pcapng, as a stream of frames.

Sources: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng; link types from tcpdump.org.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.readers._pcap_bytes import Faults
    from sakimori.readers._source import Source

Frame = tuple[int, int, bytes]  # µs since 1970, link type, captured bytes

CLASSIC = {  # magic -> byte order, and by what a fraction is divided to give µs
    b"\xd4\xc3\xb2\xa1": ("<", 1),
    b"\xa1\xb2\xc3\xd4": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1000),
}
SECTION = b"\x0a\x0d\x0d\x0a"
ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

_CHUNK = 1 << 20
_LONGEST_PACKET = 1 << 20  # libpcap itself refuses 256 KiB; USB and others go higher
_LONGEST_BLOCK = 1 << 24
_LATEST = 253_402_300_799_999_999  # the year 9999, in µs
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_RESOLUTION, _OFFSET = 9, 14  # options of an interface
_CUT_SHORT = "the last packet is cut short; the packets before it were read"


@dataclass(frozen=True, slots=True)
class Interface:
    """What a pcapng section says of one interface: link type and how its clock counts."""

    link: int
    units: int = 1_000_000  # ticks a second
    offset: int = 0  # seconds added to each time


class Capture:
    """One capture file. `number` is that of the packet given last, from 1."""

    def __init__(self, source: Source, faults: Faults) -> None:
        self._source = source
        self._faults = faults
        self.number = 0
        self._broken = False

    def frames(self) -> Iterator[Frame]:
        """Give the frames in file order, up to where the file breaks off.

        Raises SourceError when the file's own header is not one.
        """
        magic = self._source.head[:4]
        if magic in CLASSIC:
            return self._classic(*CLASSIC[magic])
        if magic == SECTION:
            return self._blocks()
        raise SourceError("not a packet capture", where=self._source.name)

    def _classic(self, order: str, divisor: int) -> Iterator[Frame]:
        if len(self._source.head) < 24:
            raise SourceError("the capture's header is cut short", where=self._source.name)
        link = struct.unpack_from(order + "I", self._source.head, 20)[0] & 0x0FFF_FFFF
        record = struct.Struct(order + "IIII")
        rest, begin = b"", 24
        for chunk in self._source.chunks(_CHUNK):
            data = rest + chunk
            at, end = begin, len(data) - 16
            while at <= end:
                seconds, fraction, size, _ = record.unpack_from(data, at)
                stop = at + 16 + size
                if size > _LONGEST_PACKET or stop > len(data):
                    break
                self.number += 1
                yield seconds * 1_000_000 + fraction // divisor, link, data[at + 16 : stop]
                at = stop
            rest, begin = data[at:], 0
            if self._impossible(record, rest):
                return
        if rest:
            self._source.warnings.append(_CUT_SHORT)

    def _impossible(self, record: struct.Struct, rest: bytes) -> bool:
        """Whether the next record's length cannot be: nothing after it can be found then."""
        if len(rest) < 16:
            return False
        size = record.unpack_from(rest)[2]
        if size <= _LONGEST_PACKET:
            return False
        self._stop(f"a packet of {size} bytes cannot be", rest)
        return True

    def _stop(self, reason: str, data: bytes) -> None:
        self.number += 1
        self._broken = True
        self._faults.add(self.number, f"{reason}; the rest of the file is not read", data)
        self._source.warnings.append(f"packet {self.number}: {reason}; the rest is not read")

    def _blocks(self) -> Iterator[Frame]:
        section = _Section(self)
        rest = b""
        for chunk in self._source.chunks(_CHUNK):
            data = rest + chunk
            at = 0
            while size := self._block_size(data, at, section):
                if at + size > len(data):
                    break
                frame = section.read(data[at : at + size])
                if frame:
                    yield frame
                at += size
            rest = data[at:]
            if self._broken:
                return
        if rest:
            self._source.warnings.append(_CUT_SHORT)

    def _block_size(self, data: bytes, at: int, section: _Section) -> int:
        """Return the length of the block at `at`, 0 when it is not known yet or impossible."""
        if len(data) - at < 12:
            return 0
        if data[at : at + 4] == SECTION:
            section.order = ORDERS.get(data[at + 8 : at + 12], "")
        size = 0
        if section.order:
            size = struct.unpack_from(section.order + "I", data, at + 4)[0]
        if size < 12 or size % 4 or size > _LONGEST_BLOCK:
            self._stop("a block's length or byte order cannot be", data[at : at + 48])
            return 0
        return int(size)

    def bad(self, reason: str, data: bytes) -> None:
        """Count a packet that has no time, interface or body."""
        self.number += 1
        self._faults.add(self.number, reason, data)


class _Section:
    """The state of a pcapng section: byte order and interfaces."""

    def __init__(self, capture: Capture) -> None:
        self.order = ""
        self._capture = capture
        self._interfaces: list[Interface] = []

    def read(self, block: bytes) -> Frame | None:
        """Take a whole block; return its frame when it is a packet."""
        kind = struct.unpack_from(self.order + "I", block)[0]
        if kind == _PACKET:
            return self._packet(block, "IIIII")
        if kind == _OLD_PACKET:
            return self._packet(block, "HxxIIII")
        if kind == _SIMPLE_PACKET:
            self._capture.bad("a simple packet block has no time", block)
        elif kind == _INTERFACE:
            self._interface(block)
        elif block[:4] == SECTION:
            self._interfaces = []
        return None

    def _packet(self, block: bytes, layout: str) -> Frame | None:
        if len(block) < 32:
            self._capture.bad("a packet block is too short", block)
            return None
        number, high, low, size, _ = struct.unpack_from(self.order + layout, block, 8)
        if number >= len(self._interfaces) or 28 + size + 4 > len(block):
            self._capture.bad("a packet block names no interface or is too short", block)
            return None
        interface = self._interfaces[number]
        time = (high << 32 | low) * 1_000_000 // interface.units + interface.offset * 1_000_000
        if not 0 <= time <= _LATEST:
            self._capture.bad("a packet's time cannot be", block)
            return None
        self._capture.number += 1
        return time, interface.link, block[28 : 28 + size]

    def _interface(self, block: bytes) -> None:
        if len(block) < 20:
            return  # packets that name it are counted as bad
        options = self._options(block[16:-4])
        ticks = options.get(_RESOLUTION, b"\x06")[:1] or b"\x06"
        power = ticks[0] & 0x7F
        units = 2**power if ticks[0] & 0x80 else 10**power
        offset = options.get(_OFFSET, b"")
        seconds = struct.unpack(self.order + "q", offset)[0] if len(offset) == 8 else 0
        link = struct.unpack_from(self.order + "H", block, 8)[0]
        self._interfaces.append(Interface(link, units, seconds))

    def _options(self, data: bytes) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        at = 0
        while at + 4 <= len(data):
            code, size = struct.unpack_from(self.order + "HH", data, at)
            if not code:
                break
            found.setdefault(code, data[at + 4 : at + 4 + size])
            at += 4 + (size + 3) // 4 * 4
        return found
