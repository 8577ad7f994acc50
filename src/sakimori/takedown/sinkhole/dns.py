"""DNS over UDP and TCP: the least of a name server that a sinkhole needs.

A message is looked at only as far as its one question. The answers to a question are built once and
kept; a second one costs a look-up, an id and a line.
Sources: RFC 1035, RFC 7766 (TCP), RFC 6891 (EDNS), RFC 9619 (one question).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from sakimori.takedown.sinkhole.replies import Answer, DnsReplies, Question, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sakimori.takedown.sinkhole.config import Identity

_KEPT = 20_000  # questions whose answers are kept; random names must not fill the memory
_LONGEST_NAME = 255
_TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV",
    35: "NAPTR", 41: "OPT", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 52: "TLSA", 64: "SVCB",
    65: "HTTPS", 99: "SPF", 251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA",
}  # fmt: skip
_ODD = re.compile(rb"[^!-~]|[.\\\"();@$]")
_ONE_QUESTION = b"\0\1\0\0\0\0\0"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a question: what to answer, and its part of the log's line."""

    answer: Answer
    text: str  # its part of the log's line: `"name":"a.example","qtype":"A"`; "": malformed
    fields: Mapping[str, Any]  # the same as values


class Resolver:
    """Says what is to be sent for a message; it sends nothing itself."""

    def __init__(self, identity: Identity, mark: Callable[[str], str | None] | None = None) -> None:
        """Know the names it holds; `mark` gives the keyed hash of a bot's identifier in a name."""
        self._replies = DnsReplies(identity)
        self._mark = mark or (lambda _name: None)
        self._known: dict[bytes, Asked] = {}
        malformed = self._replies.malformed
        self._malformed = Asked(Answer(malformed, malformed), "", {})

    def read(self, data: bytes) -> tuple[Asked, bool] | None:
        """Return what a message asks and whether it has an OPT record; None: it gets no reply.

        Answers to answers would make two servers talk for ever, so what is marked as one is left.
        """
        if len(data) < 12 or data[2] & 0x80:
            return None
        if data[2] & 0x78:
            refusal = (self._replies.not_implemented[data[2] >> 3 & 15],)
            return Asked(Answer(refusal, refusal), "", {}), False
        end = data.find(b"\0", 12) + 5
        wire = data[12:end]
        asked = self._known.get(wire)
        if asked is None:
            question = parse_question(data)
            if question is None:
                return self._malformed, False
            wire = question.wire
            end = 12 + len(wire)
            asked = self._known.get(wire) or self._learn(question)
        edns = _edns(data, end)
        if edns is None:
            return self._malformed, False
        return asked, edns

    def over_udp(self, asked: Asked, edns: bool, data: bytes) -> tuple[Variant, bytes]:
        """Return the best reply that is at most half as long again as the question."""
        most = len(data) * 3 // 2 - 2
        rd = data[2] & 1
        variants = asked.answer.edns if edns else asked.answer.plain
        for variant in variants:
            body = variant.bodies[rd]
            if len(body) <= most:
                return variant, data[:2] + body
        variant = variants[-1]
        return variant, data[:2] + variant.bodies[rd]

    def over_tcp(self, asked: Asked, edns: bool, data: bytes) -> tuple[Variant, bytes]:
        """Return the whole reply with its length before it."""
        variant = (asked.answer.edns if edns else asked.answer.plain)[0]
        body = data[:2] + variant.bodies[data[2] & 1]
        return variant, struct.pack("!H", len(body)) + body

    def truncated(self, asked: Asked, data: bytes) -> tuple[Variant, bytes]:
        """Return the shortest reply: for a name of ours, "ask again over TCP"."""
        variant = asked.answer.plain[-1]
        return variant, data[:2] + variant.bodies[data[2] & 1]

    def _learn(self, question: Question) -> Asked:
        if len(self._known) >= _KEPT:
            self._known.clear()
        name, kind = text_of(question.labels), type_of(question.kind)
        told = {"name": name, "qtype": kind, "bot_id": self._mark(name)}
        told = {key: value for key, value in told.items() if value}
        asked = Asked(self._replies.answer(question), orjson.dumps(told)[1:-1].decode(), told)
        self._known[question.wire] = asked
        return asked


def parse_question(data: bytes) -> Question | None:
    """Return the question of a message with exactly one and nothing answered, else None.

    Names with compression pointers, labels over 63 or names over 255 bytes are none.
    """
    if data[4:11] != _ONE_QUESTION:
        return None
    labels, at, size = [], 12, len(data)
    while True:
        length = data[at] if at < size else 64
        if length > 63 or at + length - 12 >= _LONGEST_NAME:
            return None
        at += 1
        if not length:
            break
        labels.append(data[at : at + length].lower())
        at += length
    if at + 4 > size:
        return None
    kind, family = struct.unpack_from("!HH", data, at)
    return Question(data[12 : at + 4], tuple(labels), kind, family)


def _edns(data: bytes, end: int) -> bool | None:
    """Return whether an OPT record of version 0, and nothing else, follows; None: something else."""
    if data[4:11] != _ONE_QUESTION:
        return None
    rest = len(data) - end
    if data[11] == 0:
        return False if rest == 0 else None
    if data[11] != 1 or rest < 11 or data[end : end + 3] != b"\0\0\x29" or data[end + 6]:
        return None
    return True if data[end + 9] << 8 | data[end + 10] == rest - 11 else None


def text_of(labels: tuple[bytes, ...]) -> str:
    r"""Return a name as text: odd bytes as `\DDD`, a dot within a label as `\.` (RFC 1035)."""
    return ".".join(_ODD.sub(_escaped, label).decode("ascii") for label in labels)


def _escaped(match: re.Match[bytes]) -> bytes:
    char = match[0]
    return b"\\" + char if b"!" <= char <= b"~" else b"\\%03d" % char[0]


def type_of(kind: int) -> str:
    """Return a record type's name, or TYPE and its number (RFC 3597)."""
    return _TYPES.get(kind) or f"TYPE{kind}"
