"""The closed set: every byte that a sinkhole can send is made here, from its settings alone.

DNS: a header, the question as it was asked, and records of the settings. HTTP: one of a few fixed
messages. A port that only listens sends nothing. Nothing that a caller writes comes back but its own
question and message id, so no caller, and no operator by mistake, can make it speak a bot's
protocol.
Sources: RFC 1035 (messages), RFC 2308 (no data), RFC 6891 (EDNS), RFC 8482 (ANY), RFC 9110.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sakimori.takedown.sinkhole.config import Identity

A, NS, SOA, AAAA, OPT, ANY = 1, 2, 6, 28, 41, 255
_IXFR, _AXFR = 251, 252
_META = range(249, 256)  # TKEY, TSIG, IXFR, AXFR, MAILB, MAILA, ANY
IN = 1
NOERROR, FORMERR, NOTIMP, REFUSED = 0, 1, 4, 5
_AA, _TC = 0x0400, 0x0200
# OPT: root, type 41, 1232 bytes, no flags, empty. 1232: DNS Flag Day 2020.
_OUR_OPT = b"\0" + struct.pack("!HHIH", OPT, 1232, 0, 0)
_AT_QUESTION = b"\xc0\x0c"  # a pointer to the name in the question


@dataclass(frozen=True, slots=True)
class Variant:
    """One reply: its name in the log, and its bytes after the id, without and with RD."""

    name: str
    bodies: tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """What may be said to one question: best first, the last never longer than the question."""

    edns: tuple[Variant, ...]  # to one that came with an OPT record
    plain: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question: its bytes, the lower-case labels of its name, type and class."""

    wire: bytes
    labels: tuple[bytes, ...]
    kind: int
    family: int


class DnsReplies:
    """The answers of one sinkhole."""

    def __init__(self, identity: Identity) -> None:
        """Build the records once."""
        self._ttl = identity.ttl
        self._v4 = identity.ipv4.packed if identity.ipv4 else b""
        self._v6 = identity.ipv6.packed if identity.ipv6 else b""
        self._zones = {tuple(zone.encode().split(b".")) for zone in identity.zones}
        self._mailbox = _mailbox(identity.contact)
        self.malformed = _bare("dns-formerr", FORMERR)
        self.not_implemented = _bare("dns-notimp", NOTIMP, opcode=True)

    def zone_of(self, labels: tuple[bytes, ...]) -> int:
        """Return at which label of a name one of our zones begins; -1: it is none of ours."""
        for at in range(len(labels)):
            if labels[at:] in self._zones:
                return at
        return -1

    def answer(self, question: Question) -> Answer:
        """Return all that may be said to a question."""
        at = self.zone_of(question.labels)
        if at < 0 or question.family != IN or question.kind in _META:
            refused = (_variant("dns-refused", question, REFUSED),)
            return Answer(refused, refused)
        truncated = _variant("dns-truncated", question, _AA | _TC)
        record = self._record(question.kind, at)
        if record:
            return _sized("dns-answer", question, (1, 0), record, truncated)
        empty = _variant("dns-nodata", question, _AA)
        soa = self._soa(_pointer(question, at))
        return _sized("dns-nodata", question, (0, 1), soa, empty)

    def _record(self, kind: int, at: int) -> bytes:
        """Return the record that answers, or b"" when there is none of this type."""
        if kind == A and self._v4:
            return self._of(A, self._v4)
        if kind == AAAA and self._v6:
            return self._of(AAAA, self._v6)
        if at:  # SOA and NS are the zone's own
            return b""
        if kind == NS:
            return self._of(NS, b"\2ns" + _AT_QUESTION)
        return self._soa(_AT_QUESTION) if kind == SOA else b""

    def _of(self, kind: int, data: bytes) -> bytes:
        return _AT_QUESTION + struct.pack("!HHIH", kind, IN, self._ttl, len(data)) + data

    def _soa(self, zone: bytes) -> bytes:
        numbers = struct.pack("!IIIII", 1, 86_400, 7_200, 604_800, self._ttl)
        data = b"\2ns" + zone + (self._mailbox or b"\5abuse" + zone) + numbers
        return zone + struct.pack("!HHIH", SOA, IN, self._ttl, len(data)) + data


def _sized(
    name: str, question: Question, counts: tuple[int, int], record: bytes, short: Variant
) -> Answer:
    full = _variant(name, question, _AA, counts, record)
    with_opt = _variant(name, question, _AA, counts, record, opt=True)
    return Answer((with_opt, full, short), (full, short))


def _variant(  # noqa: PLR0913, PLR0917 - the parts of a DNS message
    name: str,
    question: Question,
    flags: int,
    counts: tuple[int, int] = (0, 0),
    record: bytes = b"",
    opt: bool = False,
) -> Variant:
    rest = question.wire + record + (_OUR_OPT if opt else b"")
    tail = struct.pack("!HHHH", 1, *counts, int(opt)) + rest
    asked = 0x0100
    return Variant(
        name,
        (
            struct.pack("!H", 0x8000 | flags) + tail,
            struct.pack("!H", 0x8000 | flags | asked) + tail,
        ),
    )


def _bare(name: str, code: int, *, opcode: bool = False) -> tuple[Variant, ...]:
    """Return a reply of a header alone, for each opcode where that is echoed."""
    codes = range(16) if opcode else range(1)
    return tuple(
        Variant(name, (_header(op << 11 | code), _header(op << 11 | 0x0100 | code))) for op in codes
    )


def _header(flags: int) -> bytes:
    return struct.pack("!HHHHH", 0x8000 | flags, 0, 0, 0, 0)


def _pointer(question: Question, at: int) -> bytes:
    """Return a pointer to the label of the question where the zone begins."""
    offset = 12 + sum(len(label) + 1 for label in question.labels[:at])
    return struct.pack("!H", 0xC000 | offset)


def _mailbox(contact: str) -> bytes:
    """Return a mailbox as the name in a SOA record."""
    if not contact:
        return b""
    local, _, domain = contact.partition("@")
    labels = [local.encode(), *domain.encode().split(b".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sinkhole</title></head><body>
<h1>This is a sinkhole</h1>
<p>The name you asked for was used by malicious software. It now leads here, so that infected
computers can be found and their owners told. Nothing is served here.</p>
<p>Operated by {operator}. Contact: {contact}.</p>
<p lang="ja">この名前はマルウェアに使われていたため、感染端末を見つけて所有者に知らせる目的で、このサーバーに
向けられています。ここでは何も提供していません。</p>
</body></html>
"""


def http_replies(identity: Identity) -> Mapping[str, tuple[bytes, bytes]]:
    """Return the HTTP messages by name, each to keep the connection and to close it.

    They carry no Date header: a fixed message can be compared byte by byte.
    """
    page = _PAGE.format(
        operator=escape(identity.operator or "its operator"),
        contact=escape(identity.contact or "see the address's WHOIS record"),
    ).encode()
    return {
        "http-page": _both("200 OK", page),
        "http-page-head": _both("200 OK", page, head=True),
        "http-404": _both("404 Not Found", page),
        "http-404-head": _both("404 Not Found", page, head=True),
        "http-204": _both("204 No Content", b""),
        "http-400": _both("400 Bad Request", b"sinkhole\n"),
    }


def _both(status: str, body: bytes, *, head: bool = False) -> tuple[bytes, bytes]:
    """Return a message that keeps the connection, and one that closes it."""
    kind = "text/html; charset=utf-8" if body.startswith(b"<") else "text/plain"
    lines = [f"HTTP/1.1 {status}", "Server: sinkhole", "X-Sinkhole: yes"]
    if not status.startswith("204"):
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += ["Cache-Control: no-store", "X-Robots-Tag: noindex"]
    kept = "\r\n".join([*lines, "", ""]).encode()
    closed = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
    sent = b"" if head else body
    return kept + sent, closed + sent
