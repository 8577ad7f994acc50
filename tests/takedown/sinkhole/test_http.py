from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from sakimori.takedown.sinkhole.http import Talk, chosen, host_name
from sakimori.takedown.sinkhole.log import Journal
from sakimori.takedown.sinkhole.replies import http_replies
from sakimori.takedown.sinkhole.station import Station

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.takedown.sinkhole.config import Settings


class Said:
    """A connection that remembers what was logged and sent."""

    def __init__(self, station: Station) -> None:
        self.station, self.received, self.ends = station, 0, {"src_ip": "192.0.2.7"}
        self.rows: list[dict[str, Any]] = []
        self.sent = b""
        self.closed = False

    def log(self, fields: dict[str, Any], _channel: Any, reply: bytes, close: bool) -> None:
        self.rows.append({k: v for k, v in fields.items() if v is not None})
        self.sent += reply
        self.closed = self.closed or close

    def rearm(self) -> None:
        pass


@pytest.fixture(scope="module")
def station_of(
    settings: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Station]:
    journal = Journal(tmp_path_factory.mktemp("log"), "s1")
    loop = SimpleNamespace(call_soon=lambda _what: None)
    return lambda captures=None, **sections: Station(
        settings(**sections), b"k" * 32, journal, loop, captures
    )


@pytest.fixture(scope="module")
def heard(station_of: Callable[..., Station]) -> Callable[..., Said]:
    """`heard(bytes, ..., section={...})`: what becomes of bytes that come in these pieces."""

    def hear(*pieces: bytes, **sections: Any) -> Said:
        said = Said(station_of(**sections))
        talk = Talk(said, SimpleNamespace())  # type: ignore[arg-type]
        for piece in pieces:
            talk.feed(piece)
        return said

    return hear


def request(method: str = "GET", path: str = "/", *headers: str, body: str = "") -> bytes:
    extra = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/1.1", "Host: Bad.Example:8080", *headers, *extra, "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("method", "path", "reply"),
    [
        ("GET", "/", "http-page"),
        ("GET", "/?x=1", "http-page"),
        ("GET", "http://bad.example", "http-page"),
        ("GET", "/gate.php", "http-404"),
        ("HEAD", "/", "http-page-head"),
        ("HEAD", "/x", "http-404-head"),
        ("POST", "/gate.php", "http-204"),
        ("OPTIONS", "*", "http-204"),
    ],
)
def test_each_request_has_one_fixed_reply(method: str, path: str, reply: str) -> None:
    assert chosen(method, path.encode()) == reply


def test_a_request_is_logged_without_its_path_and_answered(heard: Callable[..., Said]) -> None:
    said = heard(request("GET", "/gate.php?id=7", "User-Agent: bot/1"))
    [row] = said.rows
    assert row["name"] == "bad.example"
    assert row["method"] == "GET"
    assert row["user_agent"] == "bot/1"
    assert row["reply"] == "http-404"
    assert re.fullmatch("[0-9a-f]{32}", row["path_hash"])
    assert "gate" not in str(row)
    assert said.sent.startswith(b"HTTP/1.1 404 Not Found\r\nServer: sinkhole\r\n")


def test_equal_paths_have_equal_hashes_and_others_have_others(heard: Callable[..., Said]) -> None:
    rows = [heard(request("GET", path)).rows[0]["path_hash"] for path in ("/a", "/a", "/b")]
    assert rows[0] == rows[1] != rows[2]


@pytest.mark.parametrize(
    "secret",
    [
        "Authorization: Basic c2VjcmV0", "Cookie: sid=c2VjcmV0", "Proxy-Authorization: c2VjcmV0",
        "X-Api-Key: c2VjcmV0", "Set-Cookie: c2VjcmV0", "Referer: http://x.example/c2VjcmV0",
    ],
)  # fmt: skip
def test_credentials_are_gone_when_a_request_was_read(
    heard: Callable[..., Said], secret: str
) -> None:
    said = heard(request("GET", "/?password=c2VjcmV0", secret))
    assert "c2VjcmV0" not in str(said.rows)
    assert b"c2VjcmV0" not in said.sent


@pytest.mark.parametrize(
    ("rule", "sent", "found"),
    [
        ("query:id", request("GET", "/a?x=1&id=B7"), "B7"),
        ("path:2", request("GET", "/gate/B7/x"), "B7"),
        ("header:X-Bot", request("GET", "/", "x-bot: B7"), "B7"),
        ("label:1", request("GET", "/"), "bad"),
        ("form:id", request("POST", "/", "Content-Type: application/x-www-form-urlencoded",
                            body="a=b&id=B7"), "B7"),
        ("form:id", request("POST", "/", "Content-Type: text/plain", body="id=B7"), None),
        ("query:id", request("GET", "/a"), None),
        ("path:9", request("GET", "/a/b"), None),
    ],
)  # fmt: skip
def test_a_bots_identifier_is_kept_as_a_keyed_hash_only(
    heard: Callable[..., Said], station_of: Callable[..., Station], rule: str, sent: bytes,
    found: str | None,
) -> None:  # fmt: skip
    [row] = heard(sent, privacy={"bot_id": [rule]}).rows
    expected = station_of().hash("bot", found.encode()) if found else None
    assert row.get("bot_id") == expected
    assert "B7" not in str(row)


def test_a_user_agent_is_left_out_when_asked(heard: Callable[..., Said]) -> None:
    [row] = heard(request("GET", "/", "User-Agent: a"), privacy={"user_agent": False}).rows
    assert "user_agent" not in row


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Bad.Example", "bad.example"), ("bad.example.:80", "bad.example"), ("[2001:db8::1]:80", "2001:db8::1"),
        ("user:pw@bad.example", "bad.example"), ("", ""), ("a" * 999, "a" * 255),
    ],
)  # fmt: skip
def test_a_host_is_a_name(header: str, name: str) -> None:
    assert host_name(header) == name


def test_several_requests_in_one_piece_are_answered_in_order(heard: Callable[..., Said]) -> None:
    said = heard(request("GET", "/a") + request("POST", "/b", body="xy") + request("HEAD", "/"))
    assert [r["reply"] for r in said.rows] == ["http-404", "http-204", "http-page-head"]
    assert not said.closed


def test_a_request_in_single_bytes_is_the_same_request(heard: Callable[..., Said]) -> None:
    whole = request("POST", "/x?id=1", "User-Agent: b", body="hello")
    assert heard(*(bytes([b]) for b in whole)).rows == heard(whole).rows


def test_a_connection_ends_after_so_many_requests(heard: Callable[..., Said]) -> None:
    said = heard(request() * 5, limits={"requests": 3})
    assert len(said.rows) == 3
    assert said.closed
    assert said.sent.count(b"Connection: close") == 1


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GARBAGE\r\n\r\n", id="no HTTP"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(request("GET", "/" + "a" * 9_000), id="a long path"),
        pytest.param(request("GET", "/", "X: " + "a" * 9_000), id="a long header"),
        pytest.param(request("GET", "/", *(f"X{n}: 1" for n in range(99))), id="many headers"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"a" * 9_000, id="a header without end"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 9999\r\n\r\n" + b"a" * 2_000, id="a large body"),
        pytest.param(b"CONNECT bad.example:443 HTTP/1.1\r\nHost: bad.example\r\n\r\n", id="a proxy"),
        pytest.param(b"\x16\x03\x01\x00\x05hello", id="TLS"),
    ],
)  # fmt: skip
def test_what_is_malformed_or_too_much_ends_the_connection(
    heard: Callable[..., Said], sent: bytes
) -> None:
    said = heard(sent, request(), limits={"body_bytes": 1_000})
    assert said.closed
    assert [r["outcome"] for r in said.rows] == ["malformed"]
    assert said.sent.startswith(b"HTTP/1.1 400 ")


def test_the_page_says_who_runs_it_and_cannot_be_made_to_say_more(
    settings: Callable[..., Settings],
) -> None:
    identity = settings(sinkhole={"operator": "<script>alert(1)</script>"}).sinkhole
    page = http_replies(identity)["http-page"][0].decode()
    assert "This is a sinkhole" in page
    assert "abuse@example.net" in page
    assert "<script" not in page
    length = int(re.search(r"Content-Length: (\d+)", page)[1])  # type: ignore[index]
    assert len(page.partition("\r\n\r\n")[2].encode()) == length


PIECES = st.lists(
    st.binary(max_size=60)
    | st.sampled_from(
        [request(), request("POST", "/x", body="a=b"), b"\r\n", b"0\r\n\r\n", b"GET "]
    )
    | st.sampled_from(
        [request("POST", "/", "Transfer-Encoding: chunked"), request("HEAD", "/q?id=1")]
    ),
    max_size=6,
)


@trying(max_examples=50, deadline=None)
@given(PIECES)
@example([b"\xff" * 50])
def test_whatever_is_said_only_fixed_messages_come_back(
    heard: Callable[..., Said], pieces: list[bytes]
) -> None:
    said = heard(*pieces, privacy={"bot_id": ["query:id", "form:id", "path:1"]})
    left = said.sent
    known = [m for both in http_replies(said.station.settings.sinkhole).values() for m in both]
    while left:
        match = next((m for m in sorted(known, key=len, reverse=True) if left.startswith(m)), None)
        assert match, left[:80]
        left = left[len(match) :]
    assert said.sent.count(b"HTTP/1.1 ") == len([r for r in said.rows if "reply" in r])
