"""Mail: one message, or a box of them. Parts are decoded by the standard library, fed in small pieces.

uuencoded files in the text of a message are taken out too. Sources: RFC 5322, 2045-2047, 4155.
"""

from __future__ import annotations

import binascii
import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.parser import BytesFeedParser
from typing import TYPE_CHECKING

from sakimori.endpoint.unpack._model import CHUNK, Entry, Layer, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

    from sakimori.endpoint.unpack._source import Pull

_STEP = 4096  # nested parts make each line dearer: look at the clock often
_LINES = 1_000_000  # each is an object in memory until the end; 64 MiB of base64 have 900,000
_BEGIN = re.compile(rb"(?m)^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n")


def read(layer: Layer) -> Iterator[Entry | Problem]:
    """Yield the leaves of a message: texts and attachments, also of messages within."""
    parser, lines = BytesFeedParser(), 0
    while piece := layer.pull.some(_STEP):
        layer.budget.tick()
        lines += max(piece.count(b"\n"), piece.count(b"\r"))
        if lines > _LINES:
            yield Problem(None, f"has more than {_LINES:,} lines; the rest was left out")
            break
        parser.feed(piece)
    number = 0
    for part in parser.close().walk():
        if part.is_multipart():
            continue
        number += 1
        layer.budget.tick()
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        yield Entry(_name(part) or f"part {number}", _pieces(data))
        if part.get_content_maintype() == "text":
            yield from _uuencoded(layer, data)


def read_box(layer: Layer) -> Iterator[Entry]:
    """Yield each message, numbered from 1; what is in it follows, as it is a container itself."""
    number = 0
    while _skip_line(layer.pull):
        number += 1
        message = _until_from(layer.pull)
        yield Entry(f"message {number}", message)
        for _ in message:  # what was left of it
            layer.budget.tick()


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))


def _skip_line(pull: Pull) -> bool:
    """Leave out the line that begins a message; False at the end."""
    while head := pull.exact(1024):
        _, end, rest = head.partition(b"\n")
        if end:
            pull.back(rest)
            return True
    return False


def _until_from(pull: Pull) -> Iterator[bytes]:
    kept = b""
    while piece := pull.some():
        data = kept + piece
        at = data.find(b"\nFrom ")
        if at >= 0:
            pull.back(data[at + 1 :])
            yield data[: at + 1]
            return
        kept = data[-5:]
        yield data[:-5]
    yield kept


def _name(part: Message) -> str:
    try:
        name = part.get_filename() or ""
        return str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return str(part.get_param("name", "", "content-type") or "unnamed")


def _uuencoded(layer: Layer, text: bytes) -> Iterator[Entry]:
    for begin in _BEGIN.finditer(text):
        yield Entry(begin[1].decode("utf-8", "surrogateescape"), _lines(layer, text, begin.end()))


def _lines(layer: Layer, text: bytes, at: int) -> Iterator[bytes]:
    """Decoded line by line until "end" or a line that is none."""
    held, size = list[bytes](), 0
    while at < len(text):
        stop = text.find(b"\n", at, at + 200)
        line = text[at : stop if stop >= 0 else at + 200].strip(b"\r")
        at = stop + 1 if stop >= 0 else len(text)
        if not line or line == b"end" or line.startswith(b"begin "):
            break
        try:
            out = binascii.a2b_uu(line)
        except binascii.Error:  # some encoders pad wrongly
            out = _short(line)
        held.append(out)
        size += len(out)
        if size >= CHUNK:
            layer.budget.tick()
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _short(line: bytes) -> bytes:
    wanted = ((line[0] - 32) & 63) * 4 + 5
    try:
        return binascii.a2b_uu(line[: wanted // 3])
    except binascii.Error:
        return b""
