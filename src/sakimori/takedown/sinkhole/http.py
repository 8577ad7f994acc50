"""HTTP: a request is parsed for what the log keeps; the answer is one of a few fixed messages.

Of the headers only Host, User-Agent, Content-Type and one that the settings name are looked at; the
others (Authorization, Cookie, ...) are dropped as they are read. Path, query and body are hashed or
forgotten.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httptools

from sakimori.takedown.sinkhole.tcp import Call

if TYPE_CHECKING:
    from sakimori.takedown.sinkhole.station import Channel, Station

_LONGEST_NAME, _LONGEST_AGENT = 255, 300
_PORT = re.compile(r":[0-9]{0,5}$")
_READ = (b"host", b"user-agent", b"content-type")
_FORM = "application/x-www-form-urlencoded"


class Request:
    """What is kept of one request while it is read."""

    __slots__ = ("body", "headers", "size", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[bytes, str] = {}
        self.body = b""
        self.size = 0


class Talk:
    """The HTTP side of a connection, plain or within TLS. httptools calls the `on_` methods."""

    def __init__(self, call: Call, channel: Channel) -> None:
        """Wait for a request."""
        self._call, self._channel, self._station = call, channel, call.station
        self._limits = call.station.limits
        self._rules = [r.partition(":")[::2] for r in call.station.settings.privacy.bot_id]
        self._wanted = {*_READ, *(v.lower().encode() for k, v in self._rules if k == "header")}
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._head = self._count = self._requests = 0
        self._in_head = True
        self.is_over = False

    def feed(self, data: bytes) -> None:
        """Read bytes; answer each request that is whole."""
        if self.is_over:
            return
        self._call.received += len(data)
        if self._in_head:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _TooMuchError):
                raise error.__context__ or error from None  # ours, not the caller's
            self._refuse()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse()
        if self._in_head and self._head > self._limits.header_bytes and not self.is_over:
            self._refuse()

    def on_message_begin(self) -> None:
        """Forget the last request."""
        if self._requests:
            self._head = 0
        self._request, self._count, self._in_head = Request(), 0, True

    def on_url(self, url: bytes) -> None:
        """Keep the path until it is hashed."""
        self._request.url += url
        self._spend(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header that the log needs; drop every other."""
        self._count += 1
        self._spend(len(name) + len(value) + 4)
        if self._count > self._limits.headers:
            raise _TooMuchError
        lower = name.lower()
        if lower in self._wanted:
            self._request.headers[lower] = value.decode("utf-8", errors="replace")

    def on_headers_complete(self) -> None:
        """Count on as body."""
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        """Count a body; hold it only while something in it is asked for."""
        request = self._request
        request.size += len(body)
        if request.size > self._limits.body_bytes:
            raise _TooMuchError
        captures = self._station.captures
        if (captures and captures.is_open()) or any(kind == "form" for kind, _ in self._rules):
            request.body += body

    def on_message_complete(self) -> None:
        """Answer."""
        if self.is_over:
            return
        request, method = self._request, self._parser.get_method().decode("ascii", "replace")
        self._requests += 1
        self._in_head = True
        self._head = 0
        keeps = self._parser.should_keep_alive() and self._requests < self._limits.requests
        keeps = keeps and not self._station.is_ending
        if method == "CONNECT":
            self._refuse()
            return
        reply = chosen(method, request.url)
        fields = self._fields(request, method) | {"reply": reply}
        if self._station.captures:
            self._station.captures.keep(
                self._call.ends | fields, request.body, request.headers.get(b"content-type", "")
            )
        self.is_over = not keeps
        self._send(fields, reply, close=not keeps)
        self._call.rearm()

    def _fields(self, request: Request, method: str) -> dict[str, Any]:
        headers = request.headers
        agent = headers.get(b"user-agent", "")[:_LONGEST_AGENT] or None
        name = host_name(headers.get(b"host", ""))
        return {
            "name": name or None,
            "method": method,
            "path_hash": self._station.hash("path", _path(request.url)),
            "user_agent": agent if self._station.settings.privacy.user_agent else None,
            "bot_id": self._bot(request, name),
        }

    def _bot(self, request: Request, name: str) -> str | None:
        """Return the keyed hash of the first identifier that a rule finds."""
        for kind, what in self._rules:
            found = _found(kind, what, request, name)
            if found:
                return self._station.hash("bot", found.encode("utf-8", "surrogatepass"))
        return None

    def _spend(self, size: int) -> None:
        self._request.size += size
        if self._request.size > self._limits.header_bytes:
            raise _TooMuchError

    def _refuse(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._send({"outcome": "malformed", "reply": "http-400"}, "http-400", close=True)

    def _send(self, fields: dict[str, Any], reply: str, *, close: bool) -> None:
        self._call.log(fields, self._channel, self._station.http[reply][close], close)


class HttpCall(Call):
    """HTTP without TLS."""

    service = "http"

    def __init__(self, station: Station) -> None:
        """Begin with nothing read."""
        super().__init__(station)
        self._talk: Talk | None = None

    def data_received(self, data: bytes) -> None:
        """Parse."""
        if self.transport is None:
            return
        if self._talk is None:
            self._talk = Talk(self, self.transport)
        self._talk.feed(data)


class _TooMuchError(Exception):
    """A request is larger than the limits."""


def chosen(method: str, url: bytes) -> str:
    """Return which reply a request gets: the page at "/", 404 below, 204 for what sends data."""
    if method not in ("GET", "HEAD"):
        return "http-204"
    found = "http-page" if _path(url).partition(b"?")[0] == b"/" else "http-404"
    return found if method == "GET" else f"{found}-head"


def _path(url: bytes) -> bytes:
    """Return path and query of a request's target; an absolute one loses scheme and host."""
    scheme, sep, rest = url.partition(b"://")
    if not sep or b"/" in scheme or b"?" in scheme:
        return url
    return b"/" + rest.partition(b"/")[2]


def host_name(header: str) -> str:
    """Return a Host header as a name: lower case, without user, port and final dot; cut."""
    name = _PORT.sub("", header.rpartition("@")[2].strip().lower()).rstrip(".")
    return name.strip("[]")[:_LONGEST_NAME]


def _found(kind: str, what: str, request: Request, name: str) -> str:
    """Return the text that a rule points at, or ""."""
    path, _, query = _path(request.url).decode("latin-1").partition("?")
    if kind == "query":
        return _field(query, what)
    if kind == "form":
        is_form = request.headers.get(b"content-type", "").lower().startswith(_FORM)
        return _field(request.body.decode("latin-1"), what) if is_form else ""
    if kind == "header":
        return request.headers.get(what.lower().encode(), "")
    parts = path.strip("/").split("/") if kind == "path" else name.split(".")
    return parts[int(what) - 1] if int(what) <= len(parts) else ""


def _field(text: str, name: str) -> str:
    try:
        return dict(parse_qsl(text, max_num_fields=100)).get(name, "")
    except ValueError:  # too many fields
        return ""
