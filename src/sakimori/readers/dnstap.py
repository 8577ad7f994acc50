"""dnstap files (Frame Streams), as BIND, Unbound, Knot or fstrm_capture write them.

Read are questions of clients and what they were answered (AUTH and CLIENT queries and responses);
what a resolver asked others is left out. A question and its answer are two frames and become one row;
a question whose answer is not among the next 50 000 is a row of its own. With the identity
`sinkhole`, as `sakimori sinkhole config` sets it, rows are hits of a sinkhole, otherwise of `dns`.
Source: dnstap.info, dnstap.proto; farsightsec.github.io/fstrm, control.h; BIND 9.18.49 run.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sakimori.readers._contract import Options, Reject, Rows, conform
from sakimori.readers._pcap_bytes import MalformedError
from sakimori.readers._pcap_dns import parse
from sakimori.readers._querylog import SIGN, TABLES, as_dns, as_sinkhole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.readers._source import Source

NAME = "dnstap"
TITLE = "dnstap (Frame Streams)"
WRITES = TABLES
GROWS = False  # a question and its answer may lie on both sides of the place where it was cut

_CONTENT = b"protobuf:dnstap.Dnstap"
_START = 2  # the control frame that begins a file
_LONGEST = 1 << 20  # bytes of a frame; a DNS message has at most 64 KiB
_HELD, _BATCH = 50_000, 20_000
_SHOWN = 48
_QUERIES, _RESPONSES = (1, 5), (2, 6)  # AUTH and CLIENT
# UDP, TCP, DoT, DoH, DNSCrypt over UDP and TCP, DoQ
_PROTOCOLS = {1: "udp", 2: "tcp", 3: "tcp", 4: "tcp", 5: "udp", 6: "tcp", 7: "udp"}
_MESSAGE = 14


@dataclass(slots=True)
class _Hit:
    """One question, with its answer where that is known."""

    number: int
    ours: bool
    ts: int
    proto: str | None
    src: str
    sport: int | None
    dst: str | None
    dport: int | None
    name: str
    qtype: str | None
    rcode: str | None = None
    reply: str | None = None
    answers: tuple[str, ...] = ()
    ttls: tuple[float, ...] = ()
    size: int | None = None


def recognises(source: Source) -> bool:
    """Whether the content begins with a control frame START of dnstap's kind."""
    head = source.head
    if len(head) < 12 or head[:4] != bytes(4):
        return False
    length, kind = struct.unpack("!II", head[4:12])
    return kind == _START and _CONTENT in head[12 : 8 + min(length, 512)]


def read(source: Source, options: Options) -> Iterator[Rows | Reject]:  # noqa: ARG001 - all readers take it
    """Read a file. A frame that is no dnstap is a reject; its number stands for the line."""
    open_: dict[tuple[Any, ...], _Hit] = {}
    ready: list[_Hit] = []
    for number, frame in frames(source.chunks()):
        if isinstance(frame, str):
            yield Reject(number, frame)
            continue
        try:
            found = _hit(number, frame)
        except (MalformedError, ValueError, OverflowError) as error:
            yield Reject(number, str(error), frame[:_SHOWN].hex())
            continue
        if found is None:
            continue
        key, is_answer, hit = found
        if is_answer:
            asked = open_.pop(key, None)
            ready.append(_joined(asked, hit) if asked else hit)
        else:
            ready += [open_.pop(key)] if key in open_ else []  # asked again before an answer
            open_[key] = hit
            if len(open_) > _HELD:
                ready.append(open_.pop(next(iter(open_))))
        if len(ready) >= _BATCH:
            yield from _rows(ready, source.name)
            ready = []
    yield from _rows([*ready, *open_.values()], source.name)


def frames(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes | str]]:
    """Give each data frame with its number from 1, or, where the stream breaks off, why.

    Control frames (an empty length, then their own) are skipped.
    """
    held, number = bytearray(), 0
    for chunk in chunks:
        held += chunk
        at = 0
        while True:
            size, skip = _next(held, at)
            if size < 0:
                break
            if size > _LONGEST:
                yield number + 1, f"a frame of {size} bytes: the stream is damaged from here on"
                return
            if len(held) < at + skip + size:
                break
            if skip == 4:
                number += 1
                yield number, bytes(held[at + 4 : at + 4 + size])
            at += skip + size
        del held[:at]
    if held:
        yield number + 1, "the last frame is cut short"


def _next(held: bytearray, at: int) -> tuple[int, int]:
    """Return the next frame's size and how many bytes stand before it; -1: not there yet."""
    if len(held) < at + 4:
        return -1, 0
    size = int.from_bytes(held[at : at + 4], "big")
    if size:
        return size, 4
    if len(held) < at + 8:
        return -1, 0
    return int.from_bytes(held[at + 4 : at + 8], "big"), 8


def fields(data: bytes) -> dict[int, int | bytes]:
    """Return a protobuf message's fields by number; of a repeated one the last.

    Raises MalformedError. Source: protobuf.dev, "Encoding".
    """
    found: dict[int, int | bytes] = {}
    at, size = 0, len(data)
    while at < size:
        tag, at = _varint(data, at)
        kind, number = tag & 7, tag >> 3
        if kind == 0:
            found[number], at = _varint(data, at)
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise MalformedError(f"protobuf wire type {kind}")
        if at + length > size:
            raise MalformedError("a protobuf field is cut short")
        part = data[at : at + length]
        found[number] = part if kind == 2 else int.from_bytes(part, "little")
        at += length
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise MalformedError("a protobuf number is cut short")


def _hit(number: int, frame: bytes) -> tuple[tuple[Any, ...], bool, _Hit] | None:
    """Return a frame's key, whether it is an answer, and its row; None: nothing a client asked."""
    outer = fields(frame)
    inner = outer.get(_MESSAGE)
    if not isinstance(inner, bytes):
        raise MalformedError("a dnstap frame without a message")
    said = fields(inner)
    kind = said.get(1)
    if kind not in (*_QUERIES, *_RESPONSES):
        return None
    is_answer = kind in _RESPONSES
    wire = said.get(14 if is_answer else 10)
    seconds, nanos = (said.get(12), said.get(13)) if is_answer else (said.get(8), said.get(9))
    source = _address(said.get(4))
    if not isinstance(wire, bytes) or not isinstance(seconds, int) or source is None:
        raise MalformedError("a dnstap message without time, address or DNS message")
    if not 0 <= seconds < 253_402_300_800:
        raise MalformedError("the time lies beyond the year 9999")
    message = parse(wire)
    name, qtype = message.questions[0] if message.questions else ("", None)
    hit = _Hit(
        number, outer.get(1) == SIGN.encode(), seconds * 1_000_000 + _whole(nanos) // 1_000,
        _PROTOCOLS.get(_whole(said.get(3))), source, _port(said.get(6)), _address(said.get(5)),
        _port(said.get(7)), name, qtype, size=None if is_answer else len(wire),
    )  # fmt: skip
    if is_answer:
        hit.rcode, hit.answers, hit.ttls = message.rcode, message.answers, message.ttls
        hit.reply = _reply(wire, message.rcode)
    return (source, hit.sport, hit.proto, message.ident, name, qtype), is_answer, hit


def _joined(asked: _Hit, answer: _Hit) -> _Hit:
    """Return a question with what it was answered."""
    asked.rcode, asked.reply = answer.rcode, answer.reply
    asked.answers, asked.ttls = answer.answers, answer.ttls
    asked.number = min(asked.number, answer.number)
    return asked


def _reply(wire: bytes, rcode: str) -> str:
    """Return the word of the sinkhole's closed set for a message."""
    if rcode != "NOERROR":
        return f"dns-{rcode.lower()}"
    if wire[2] & 2:
        return "dns-truncated"
    return "dns-answer" if wire[6:8] != b"\0\0" else "dns-nodata"


def _address(data: Any) -> str | None:
    family = {4: socket.AF_INET, 16: socket.AF_INET6}.get(
        len(data) if isinstance(data, bytes) else 0
    )
    return socket.inet_ntop(family, data) if family else None


def _port(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= 65_535 else None


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _rows(hits: list[_Hit], source: str) -> Iterator[Rows]:
    for table, part in (
        ("sinkhole", [h for h in hits if h.ours]),
        ("dns", [h for h in hits if not h.ours]),
    ):
        if part:
            columns = _columns(part, source)
            made = as_sinkhole(columns, len(part)) if table == "sinkhole" else as_dns(columns)
            if table == "sinkhole":
                told = [h.reply for h in part]
                made["reply"] = pa.array(told, pa.string())
                made["outcome"] = pa.array(["answered" if r else "unanswered" for r in told])
            yield Rows(table, conform(table, made, len(part)))


def _columns(hits: list[_Hit], source: str) -> dict[str, Any]:
    text, number = pa.string(), pa.int64()
    return {
        "ts": pa.array([h.ts for h in hits], number).cast(pa.timestamp("us", "UTC")),
        "uid": pa.array([f"{source}:{h.number}" for h in hits], text),
        "src_ip": pa.array([h.src for h in hits], text),
        "src_port": pa.array([h.sport for h in hits], number),
        "dst_ip": pa.array([h.dst for h in hits], text),
        "dst_port": pa.array([h.dport for h in hits], number),
        "proto": pa.array([h.proto for h in hits], text),
        "name": pa.array([h.name or None for h in hits], text),
        "qtype": pa.array([h.qtype for h in hits], text),
        "rcode": pa.array([h.rcode for h in hits], text),
        "answers": pa.array([list(h.answers) or None for h in hits], pa.list_(text)),
        "ttls": pa.array([list(h.ttls) or None for h in hits], pa.list_(pa.float64())),
        "bytes": pa.array([h.size for h in hits], number),
    }
