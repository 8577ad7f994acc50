"""DNS messages in UDP and TCP, mDNS and LLMNR: questions paired with their answers.

Sources: RFC 1035, RFC 6762, RFC 4795. Names and types as text come from dnspython.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import dns.exception
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from sakimori.readers._pcap_bytes import MalformedError, text_of

if TYPE_CHECKING:
    from sakimori.readers._packets import Packet
    from sakimori.readers._pcap_rows import Reporter, Row

PORTS = frozenset((53, 5353, 5355))

_HEADER = struct.Struct("!6H")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_ANSWER, _QUERY_OPCODE = 0x8000, 0
_A, _NULL, _TXT, _AAAA, _OPT = 1, 10, 16, 28, 41
# Types whose data is a name, and how many bytes before it are left out:
# NS, CNAME, PTR, MX, SRV, DNAME.
_NAME_AT = {2: 0, 5: 0, 12: 0, 15: 2, 33: 6, 39: 0}
_MOST_QUESTIONS, _MOST_ANSWERS = 32, 128
_MOST_OPEN = 256  # questions of one flow without their answer yet
_JUMPS, _LABELS = 16, 127


@dataclass(frozen=True, slots=True)
class Message:
    """One DNS message; names are lower case without the final dot."""

    ident: int
    answer: bool
    rcode: str
    questions: tuple[tuple[str, str], ...]  # name, type
    answers: tuple[str, ...] = ()
    ttls: tuple[float, ...] = ()


@dataclass(slots=True)
class _Found:
    texts: list[str] = field(default_factory=list)
    ttls: list[float] = field(default_factory=list)


def parse(wire: bytes) -> Message:
    """Read a message. Answers after a damaged or cut one are left out.

    Raises MalformedError when the header or a question is not DNS.
    """
    try:
        ident, flags, asked, answered, _, _ = _HEADER.unpack_from(wire)
        if flags >> 11 & 15 != _QUERY_OPCODE or flags & 0x40 or asked > _MOST_QUESTIONS:
            raise MalformedError("not an ordinary DNS message")
        at = 12
        questions = []
        for _ in range(asked):
            name, at = _name(wire, at)
            kind, _ = _QUESTION.unpack_from(wire, at)
            at += 4
            questions.append((name, _type_name(kind)))
    except (struct.error, IndexError) as error:
        raise MalformedError("the DNS message is cut short") from error
    found = _answers(wire, at, min(answered, _MOST_ANSWERS))
    return Message(
        ident,
        bool(flags & _ANSWER),
        _rcode_name(flags & 15),
        tuple(questions),
        tuple(found.texts),
        tuple(found.ttls),
    )


def is_query(wire: bytes) -> bool:
    """Whether a payload on any port is certainly a DNS question: every byte is accounted for."""
    if len(wire) < 17 or wire[4:10] != b"\x00\x01\x00\x00\x00\x00" or wire[2] & 0xF8:
        return False
    try:
        name, at = _name(wire, 12)
        kind, of_class = _QUESTION.unpack_from(wire, at)
    except (MalformedError, struct.error, IndexError):
        return False
    end = at + 4
    extra = wire[10] << 8 | wire[11]
    known = not _type_name(kind).startswith("TYPE") and of_class == 1
    opt = extra == 1 and wire[end : end + 3] == b"\x00\x00\x29"
    return known and bool(name) and (opt or (not extra and end == len(wire)))


def _answers(wire: bytes, at: int, count: int) -> _Found:
    found = _Found()
    try:
        for _ in range(count):
            _, at = _name(wire, at)
            kind, of_class, ttl, size = _RECORD.unpack_from(wire, at)
            at += 10
            if at + size > len(wire):
                break
            if kind != _OPT:
                found.texts.append(_data_text(wire, at, size, (kind, of_class)))
                found.ttls.append(float(ttl))
            at += size
    except (MalformedError, struct.error, IndexError):
        pass  # the good ones before it are kept
    return found


def _data_text(wire: bytes, at: int, size: int, kind: tuple[int, int]) -> str:
    if kind[0] == _A and size == 4:
        return socket.inet_ntop(socket.AF_INET, wire[at : at + 4])
    if kind[0] == _AAAA and size == 16:
        return socket.inet_ntop(socket.AF_INET6, wire[at : at + 16])
    if kind[0] in _NAME_AT:
        return _name(wire, at + _NAME_AT[kind[0]])[0]
    if kind[0] == _TXT:
        return _strings(wire[at : at + size])
    if kind[0] == _NULL:  # tunnels send nothing else
        return f"\\# {size} {wire[at : at + size].hex()}"
    try:
        of_class = dns.rdataclass.RdataClass.make(kind[1] & 0x7FFF)
        of_type = dns.rdatatype.RdataType.make(kind[0])
        return dns.rdata.from_wire(of_class, of_type, wire, at, size).to_text()
    except (dns.exception.DNSException, ValueError, IndexError, struct.error) as error:
        raise MalformedError("an answer's data cannot be read") from error


def _strings(data: bytes) -> str:
    """Return the strings of a TXT record, joined as their reader joins them."""
    parts = []
    at = 0
    while at < len(data):
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return text_of(b"".join(parts))


def _name(wire: bytes, at: int) -> tuple[str, int]:
    r"""Return a name and the place after it. Bytes that are not ASCII become `\xNN`."""
    labels: list[bytes] = []
    after = jumps = 0
    while length := wire[at]:
        if length >= 0xC0:
            after = after or at + 2
            at = (length & 0x3F) << 8 | wire[at + 1]
            jumps += 1
        elif length > 63 or at + length >= len(wire):
            raise MalformedError("a DNS label cannot be")
        else:
            labels.append(wire[at + 1 : at + 1 + length])
            at += 1 + length
        if jumps > _JUMPS or len(labels) > _LABELS:
            raise MalformedError("a DNS name has no end")
    name = b".".join(labels).decode("ascii", "backslashreplace").lower()
    return name, after or at + 1


@lru_cache(maxsize=1024)
def _type_name(kind: int) -> str:
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(kind))


@lru_cache(maxsize=16)
def _rcode_name(code: int) -> str:
    return dns.rcode.to_text(dns.rcode.Rcode.make(code))


class Dialogue:
    """Pairs the questions and answers of one flow; writes a row for each question."""

    def __init__(self, reporter: Reporter, proto: str) -> None:
        self._reporter = reporter
        self._proto = proto
        self._open: dict[tuple[int, str, str], int] = {}  # question -> when it was asked
        self._last: tuple[int, str, str] | None = None  # answered last

    def take(self, message: Message, time: int) -> None:
        """Take a message seen at `time` (µs)."""
        if message.answer:
            self._answered(message, time)
            return
        for name, kind in message.questions:
            key = (message.ident, name, kind)
            self._give_up(key)  # asked again: the first time went unanswered
            self._open[key] = time
            if len(self._open) > _MOST_OPEN:
                self._give_up(next(iter(self._open)))

    def end(self) -> None:
        """Write the questions that nobody answered."""
        for key in list(self._open):
            self._give_up(key)

    def _answered(self, message: Message, time: int) -> None:
        if not message.questions:
            return  # an announcement; or an answer that repeats no question: it names nothing
        name, kind = message.questions[0]
        key = (message.ident, name, kind)
        asked = self._open.pop(key, None)
        if asked is None and key == self._last:
            return  # the same answer again
        self._last = key
        row: Row = {
            "rcode": message.rcode,
            "answers": list(message.answers) or None,
            "ttls": list(message.ttls) or None,
            "rtt": None if asked is None else (time - asked) / 1_000_000,
        }
        self._row(key, time if asked is None else asked, row)

    def _give_up(self, key: tuple[int, str, str]) -> None:
        asked = self._open.pop(key, None)
        if asked is not None:
            self._row(key, asked, {})

    def _row(self, key: tuple[int, str, str], time: int, answer: Row) -> None:
        _, name, kind = key
        columns = {"proto": self._proto, "query": name, "qtype": kind, **answer}
        self._reporter.row("dns", time, columns)


class Datagrams:
    """Reads a UDP flow that speaks DNS."""

    def __init__(self, reporter: Reporter) -> None:
        self._dialogue = Dialogue(reporter, "udp")

    def add(self, forward: bool, packet: Packet) -> bool:
        """Read one datagram; one that is no DNS is left alone."""
        del forward  # the message itself says what it is
        try:
            self._dialogue.take(parse(packet.payload), packet.time)
        except MalformedError:
            return True
        return True

    def end(self) -> None:
        """Write what is open."""
        self._dialogue.end()


class OverTcp:
    """Reads a TCP conversation of DNS: each message has its length before it."""

    def __init__(self, reporter: Reporter) -> None:
        self._dialogue = Dialogue(reporter, "tcp")

    def data(self, forward: bool, held: bytes, time: int) -> int:
        """Read the whole messages in `held`."""
        del forward
        at = 0
        while at + 2 <= len(held):
            size = held[at] << 8 | held[at + 1]
            if at + 2 + size > len(held):
                break
            try:
                self._dialogue.take(parse(held[at + 2 : at + 2 + size]), time)
            except MalformedError:
                return -1
            at += 2 + size
        return at

    def gap(self, forward: bool, size: int) -> bool:
        """Give up: where the next message begins is not known any more."""
        del forward, size
        return False

    def end(self) -> None:
        """Write what is open."""
        self._dialogue.end()

    def successor(self) -> None:
        """Nobody follows."""
