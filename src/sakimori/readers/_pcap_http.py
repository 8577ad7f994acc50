"""HTTP/1 requests with their answers. Source: RFC 9112."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from sakimori.readers._pcap_bytes import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.readers._pcap_rows import Reporter, Row
    from sakimori.readers._pcap_stream import Analyser

REQUEST = re.compile(rb"([A-Z_-]{3,24}) ([^ \r\n]{1,32768}+)[^\r\n]* HTTP/1\.[0-9]\r?\n")
RESPONSE = re.compile(rb"HTTP/1\.[0-9] ([1-5][0-9]{2})[ \r\n]")
_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]{0,256}\r?\n")
_PORT = re.compile(r":[0-9]{1,5}$")
_MOST_HEADER, _MOST_OPEN = 32_768, 64
_UNTIL_CLOSE = -1
_NO_BODY = frozenset((b"204", b"304"))

Headers = dict[bytes, bytes]


class Body:
    """Counts a body without keeping it. `size` is what was seen of it."""

    __slots__ = ("_chunked", "_left", "_trailer", "done", "size")

    def __init__(self, left: int, *, chunked: bool = False) -> None:
        """`left`: bytes to come; -1 until the connection closes. Chunked: the lengths tell."""
        self._left = 0 if chunked else left
        self._chunked = chunked
        self._trailer = False
        self.size = 0
        self.done = not chunked and not left

    def take(self, held: bytes, at: int) -> int:
        """Return how many bytes from `at` belong to the body; 0: more is needed to tell."""
        if self._left:
            return self._skip(len(held) - at)
        return self._next_chunk(held, at)

    def gap(self, size: int) -> bool:
        """Whether a gap of `size` bytes lies inside the body."""
        inside = self._left == _UNTIL_CLOSE or self._left >= size
        if inside:
            self._skip(size)
        return inside

    def _skip(self, there: int) -> int:
        count = there if self._left == _UNTIL_CLOSE else min(there, self._left)
        self.size += count
        if self._left > 0:
            self._left -= count
            self.done = not self._left and not self._chunked
        return count

    def _next_chunk(self, held: bytes, at: int) -> int:
        if self._trailer:
            return self._trailer_line(held, at)
        begin = at
        while held[begin : begin + 1] in (b"\r", b"\n") and begin - at < 2:
            begin += 1  # the end of the chunk before
        size = _CHUNK.match(held, begin)
        if size:
            self._left = int(size[1], 16)
            self._trailer = not self._left
            return size.end() - at
        if len(held) - begin > 300:
            self.done = True  # no chunk: what follows is looked at afresh
        return 0

    def _trailer_line(self, held: bytes, at: int) -> int:
        end = held.find(b"\n", at) + 1
        endless = not end and len(held) - at > 4096
        self.done = endless or held[at:end] in (b"\n", b"\r\n")
        return max(end - at, 0)


class Http:
    """Reads one conversation; writes a row when a request's answer has ended."""

    def __init__(self, reporter: Reporter, follow: Callable[[], Analyser]) -> None:
        """`follow` makes the analyser for what goes through a CONNECT tunnel."""
        self._reporter = reporter
        self._follow = follow
        self._waiting: deque[tuple[int, Row, Body]] = deque()  # asked, not answered
        self._answering: tuple[int, Row, Body | None] | None = None
        self._bodies: list[Body | None] = [None, None]  # being skipped: called side's, caller's
        self._next: Analyser | None = None

    def data(self, forward: bool, held: bytes, time: int) -> int:
        """Read headers and step over bodies."""
        at = 0
        while at < len(held) and not self._next:
            step = self._step(forward, held, at, time)
            if step < 0:
                return -1
            if not step and not self._finish(forward):
                break
            at += step
            self._finish(forward)
        return at

    def gap(self, forward: bool, size: int) -> bool:
        """Go on: inside a body a gap is counted, elsewhere the next header is looked for."""
        body = self._bodies[forward]
        if body and not body.gap(size):
            body.done = True
        self._finish(forward)
        return True

    def end(self) -> None:
        """Write the answer under way and the requests without one."""
        self._answered()
        while self._waiting:
            self._unanswered()

    def successor(self) -> Analyser | None:
        """Return who reads the tunnel, once it is open."""
        return self._next

    def _step(self, forward: bool, held: bytes, at: int, time: int) -> int:
        body = self._bodies[forward]
        if body:
            return body.take(held, at)
        start = (REQUEST if forward else RESPONSE).match(held, at)
        if not start:
            return _resync(held, at, forward)
        end = _END.search(held, at)
        if not end:
            return len(held) - at if len(held) - at > _MOST_HEADER else 0
        headers = _headers(held[start.end() : end.start()])
        if forward:
            self._request(start, headers, time)
        elif not self._response(start[1], headers, time):
            return -1
        return end.end() - at

    def _request(self, start: re.Match[bytes], headers: Headers, time: int) -> None:
        host = text_of(headers.get(b"host", b"")).lower().rstrip(".")
        row: Row = {
            "method": text_of(start[1]),
            "host": _PORT.sub("", host) or None,
            "uri": text_of(start[2]),
            "referrer": _text(headers, b"referer"),
            "user_agent": _text(headers, b"user-agent"),
        }
        body = _body(headers, until_close=False)
        self._bodies[True] = body
        self._waiting.append((time, row, body))
        if len(self._waiting) > _MOST_OPEN:
            self._unanswered()

    def _response(self, status: bytes, headers: Headers, time: int) -> bool:
        """Take an answer; False when another protocol begins after it."""
        if status[:1] == b"1" and status != b"101":
            return True  # the real answer follows
        self._answered()
        asked, row, sent = self._waiting.popleft() if self._waiting else (time, {}, Body(0))
        mime = _text(headers, b"content-type")
        row |= {
            "status": int(status),
            "req_bytes": sent.size if "method" in row else None,
            "mime": mime.partition(";")[0].strip().lower() or None if mime else None,
        }
        tunnel = row.get("method") == "CONNECT" and status[:1] == b"2"
        empty = tunnel or status in _NO_BODY or row.get("method") == "HEAD"
        body = Body(0) if empty else _body(headers, until_close=True)
        self._bodies[False] = body
        self._answering = (asked, row, body)
        if tunnel:
            self._answered()
            self._next = self._follow()
        return status != b"101"

    def _finish(self, forward: bool) -> bool:
        """Leave a body that has ended; True when there was one."""
        body = self._bodies[forward]
        if not body or not body.done:
            return False
        self._bodies[forward] = None
        if not forward:
            self._answered()
        return True

    def _answered(self) -> None:
        if self._answering:
            asked, row, body = self._answering
            self._answering = None
            row["resp_bytes"] = body.size if body else None
            self._reporter.row("http", asked, row)

    def _unanswered(self) -> None:
        asked, row, body = self._waiting.popleft()
        self._reporter.row("http", asked, {**row, "req_bytes": body.size})


def _resync(held: bytes, at: int, forward: bool) -> int:
    """Skip what is no start of a message; 0 when the rest of a start line may still come."""
    if forward:
        begun = b"\n" not in held[at:] and held[at : at + 3].isupper()
        return 0 if begun and len(held) - at < _MOST_HEADER else len(held) - at
    piece = held[at : at + 13]
    return 0 if len(piece) < 13 and b"HTTP/1."[: len(piece)] == piece[:7] else len(held) - at


def _headers(block: bytes) -> Headers:
    """Return the first value of each header, by lower-case name."""
    found: Headers = {}
    for line in block.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def _body(headers: Headers, *, until_close: bool) -> Body:
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        return Body(0, chunked=True)
    length = headers.get(b"content-length", b"")
    if _LENGTH.fullmatch(length):
        return Body(int(length))
    return Body(_UNTIL_CLOSE if until_close else 0)


def _text(headers: Headers, name: bytes) -> str | None:
    value = headers.get(name)
    return text_of(value) if value else None
