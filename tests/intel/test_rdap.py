from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sakimori.config import Rdap
from sakimori.errors import ConfigError, StateError
from sakimori.intel._rdap_cache import Cache
from sakimori.intel.contacts import Contact
from sakimori.intel.rdap import (
    SLOW,
    Client,
    Pace,
    Query,
    contact_of,
    http_client,
    query_of,
    range_of,
    server_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_772_000_000.0
DAY = 86_400.0


def card(*mails: str) -> list[Any]:
    lines = [["version", {}, "text", "4.0"], ["fn", {}, "text", "Abuse"]]
    return ["vcard", [*lines, *(["email", {"pref": "1"}, "text", mail] for mail in mails)]]


NETWORK = {
    "objectClassName": "ip network", "name": "EXAMPLE-NET", "country": "jp",
    "startAddress": "192.0.2.0", "endAddress": "192.0.2.255",
    "entities": [
        {"roles": ["registrant"], "vcardArray": card("owner@isp.example"),
         "entities": [{"roles": ["technical", "abuse"], "vcardArray": card("Abuse@isp.example")}]},
    ],
}  # fmt: skip


class Registry(ThreadingHTTPServer):
    """A registry on loopback: bootstrap files and answers by path, and what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def say(self, path: str, *answers: Any) -> None:
        """Answer in this order, the last for ever: an object, a status, or the whole triple."""
        self.answers[path] = [as_triple(answer) for answer in answers]


def as_triple(answer: Any) -> tuple[int, dict[str, str], bytes]:
    if isinstance(answer, int):
        return answer, {}, b""
    return answer if isinstance(answer, tuple) else (200, {}, json.dumps(answer).encode())


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.path)
        answers = server.answers.get(self.path) or [(404, {}, b"")]
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        if status == 0:  # hang up
            self.connection.close()
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    server = Registry()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"{server.url}/rdap/"
    server.say("/ipv4.json", {"services": [[["192.0.0.0/8"], [url]]]})
    server.say("/asn.json", {"services": [[["64496-64511"], [url]]]})
    server.say("/dns.json", {"services": [[["example"], [url]]]})
    server.say("/rdap/ip/192.0.2.7", NETWORK)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def client(registry: Registry, waited: list[float], tmp_path: Path) -> Iterator[Client]:
    settings = Rdap(bootstrap=registry.url, per_minute=6000, timeout=5.0)
    pace = Pace(lambda _: 6000, sleep=waited.append)
    with Cache(tmp_path / "contacts.sqlite") as cache, http_client(settings) as http:
        yield Client(settings, cache, http, pace)


def test_an_address_gives_the_abuse_mailbox_of_its_network(client: Client) -> None:
    found = client.lookup("192.0.2.7", NOW)
    assert (found.contact.mail, found.contact.name, found.contact.country) == (
        "abuse@isp.example", "EXAMPLE-NET", "JP",
    )  # fmt: skip
    assert (found.first, found.last) == ("192.0.2.0", "192.0.2.255")


def test_neighbours_and_later_questions_come_from_the_cache(
    client: Client, registry: Registry
) -> None:
    client.lookup("192.0.2.7", NOW)
    found = client.lookup("192.0.2.99", NOW + 3 * DAY)
    assert (found.contact.mail, found.age_days) == ("abuse@isp.example", 3.0)
    assert registry.asked == ["/ipv4.json", "/rdap/ip/192.0.2.7"]
    client.lookup("192.0.2.7", NOW + 31 * DAY)
    assert registry.asked[2:] == ["/ipv4.json", "/rdap/ip/192.0.2.7"]


def test_as_numbers_and_names_are_asked_where_they_are_registered(
    client: Client, registry: Registry
) -> None:
    abuse = [{"roles": ["abuse"], "vcardArray": card("a@as.example")}]
    registry.say(
        "/rdap/autnum/64500", {"startAutnum": 64500, "endAutnum": 64502, "entities": abuse}
    )
    registry.say("/rdap/domain/isp.example", {"ldhName": "isp.example", "entities": abuse})
    assert client.lookup("AS64500", NOW).contact.mail == "a@as.example"
    assert client.lookup("as64502", NOW).contact.mail == "a@as.example"
    assert client.lookup("ISP.example.", NOW).contact.name == "isp.example"


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ((404,), "knows nothing of it"),
        ((500, 500, 500), "status 500"),
        ((0, 0, 0), "cannot be reached"),
        (((200, {}, b"<html>"),), "something else than JSON"),
        (((200, {}, b"[1]"),), "no object"),
        (({"name": "X", "entities": []},), "no abuse contact"),
        (({"entities": [{"roles": ["abuse"], "vcardArray": card("nobody")}]},), "no usable mail"),
        (((200, {}, b"[" + b"1," * 2_200_000 + b"1]"),), "too large"),
    ],
)
def test_what_goes_wrong_is_said_and_nothing_is_raised(
    client: Client, registry: Registry, answers: tuple[Any, ...], why: str
) -> None:
    registry.say("/rdap/ip/192.0.2.7", *answers)
    found = client.lookup("192.0.2.7", NOW)
    assert found.contact.mail == ""
    assert why in found.contact.why


def test_too_many_requests_wait_as_asked_and_try_again(
    client: Client, registry: Registry, waited: list[float]
) -> None:
    registry.say("/rdap/ip/192.0.2.7", (429, {"Retry-After": "3"}, b""), (429, {}, b""), NETWORK)
    assert client.lookup("192.0.2.7", NOW).contact.mail == "abuse@isp.example"
    assert waited == [3.0, 2.0]


def test_who_asks_for_a_long_wait_is_left_alone_in_this_run(
    client: Client, registry: Registry, waited: list[float]
) -> None:
    registry.say("/rdap/ip/192.0.2.7", (429, {"Retry-After": "3600"}, b""))
    for ip in ("192.0.2.7", "192.0.2.7", "192.168.0.1"):
        assert "too many requests" in client.lookup(ip, NOW).contact.why
    assert registry.asked.count("/rdap/ip/192.0.2.7") == 1
    assert waited == []


def test_a_server_that_cannot_be_reached_is_asked_once_a_run(tmp_path: Path) -> None:
    slept: list[float] = []
    settings = Rdap(bootstrap="http://127.0.0.1:9", tries=2)
    pace = Pace(lambda _: 600, sleep=slept.append)
    with Cache(None) as cache, http_client(settings) as http:
        client = Client(settings, cache, http, pace)
        for _ in range(3):
            assert "cannot be reached" in client.lookup("192.0.2.1", NOW).contact.why
    assert slept == [1.0]


def test_a_broken_cache_says_that_it_can_be_deleted(tmp_path: Path) -> None:
    path = tmp_path / "contacts.sqlite"
    path.write_bytes(b"no database at all, but long enough to look at" * 10)
    with pytest.raises(StateError, match="cache of contacts") as told:
        Cache(path)
    assert "deleted" in told.value.hint


@pytest.mark.parametrize("allowed", [1, 5, 10, 60])
def test_no_minute_has_more_questions_than_allowed(allowed: int) -> None:
    clock, asked = [0.0], []

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    pace = Pace(lambda _: allowed, clock=lambda: clock[0], sleep=sleep)
    for _ in range(5 * allowed):
        pace.wait("slow.example")
        asked.append(clock[0])
    assert max(sum(at <= t < at + 60 for t in asked) for at in asked) <= allowed
    assert clock[0] < 60 * 12
    before = clock[0]
    pace.wait("other.example")
    assert clock[0] == before


def test_lacnic_is_asked_ten_times_a_minute_unless_the_settings_say_otherwise() -> None:
    assert SLOW["rdap.lacnic.net"] == 10
    with Cache(None) as cache, http_client(Rdap()) as http:
        assert Client(Rdap(), cache, http)._per_minute("rdap.lacnic.net") == 10
        other = Rdap(servers={"rdap.lacnic.net": 5})
        assert Client(other, cache, http)._per_minute("rdap.lacnic.net") == 5
        assert Client(other, cache, http)._per_minute("rdap.example") == other.per_minute


SERVICES: list[Any] = [
    [["192.0.0.0/8", "198.51.0.0/16"], ["http://wide.example/", "https://wide.example/"]],
    [["192.0.2.0/24"], ["https://narrow.example/"]],
    [["64496-64511", "65550"], ["https://as.example/"]],
    [["example", "co.example"], ["https://names.example/"]],
    "broken", [["x"]], [["192.0.2.0/99"], ["https://x.example/"]],
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", "https://narrow.example/"),
        ("192.1.2.1", "https://wide.example/"),
        ("203.0.113.1", ""),
        ("2001:db8::1", ""),
        ("AS64500", "https://as.example/"),
        ("AS65550", "https://as.example/"),
        ("AS65551", ""),
        ("www.isp.example", "https://names.example/"),
        ("isp.notexample", ""),
    ],
)
def test_the_server_is_the_closest_that_the_bootstrap_names(text: str, server: str) -> None:
    assert server_for(query_of(text), SERVICES) == server


@pytest.mark.parametrize("text", ["", "nothing here", "AS", "x", "../../etc/passwd", "a/b.example"])
def test_what_is_no_address_number_or_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no address, AS number or name"):
        query_of(text)


def test_a_registry_s_own_mailbox_comes_last() -> None:
    own = {"roles": ["abuse"], "vcardArray": card("search@ripe.net")}
    provider = {"roles": ["abuse"], "vcardArray": card("not a mail", "abuse@isp.example")}
    assert contact_of({"entities": [own, provider]}, "x").mail == "abuse@isp.example"
    assert contact_of({"entities": [own]}, "x").mail == "search@ripe.net"


@pytest.mark.parametrize(
    "answer",
    [
        {"startAddress": "10.0.0.0", "endAddress": "10.0.0.255"},
        {"startAddress": "192.0.0.0", "endAddress": "::"},
        {"startAddress": "x"},
        {},
    ],
)
def test_a_range_that_does_not_hold_what_was_asked_is_not_believed(answer: dict[str, str]) -> None:
    assert range_of(answer, Query("ip", "192.0.2.1")) == ("192.0.2.1", "192.0.2.1")


SCALAR = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
CARD = SCALAR | st.lists(
    SCALAR | st.lists(SCALAR | st.lists(SCALAR, max_size=5), max_size=3), max_size=3
)
ROLES = SCALAR | st.lists(SCALAR | st.just("abuse"), max_size=2)
ENTITY: st.SearchStrategy[Any] = SCALAR | st.fixed_dictionaries(
    {"roles": ROLES, "vcardArray": CARD}, optional={"entities": SCALAR | st.lists(SCALAR)}
)


@given(
    st.fixed_dictionaries(
        {"entities": SCALAR | ENTITY | st.lists(ENTITY, max_size=3)},
        optional={"name": SCALAR | CARD, "country": SCALAR | CARD},
    )
)
def test_any_answer_can_be_read(answer: dict[str, Any]) -> None:
    found = contact_of(answer, "x")
    assert bool(found.mail) != bool(found.why)


def test_versions_4_and_6_are_kept_apart(tmp_path: Path) -> None:
    with Cache(None) as cache:
        cache.put("ip", ("1.0.0.0", "223.255.255.255"), Contact(mail="four@x.example"), NOW)
        cache.put("ip", ("192.0.2.0", "192.0.2.255"), Contact(mail="near@x.example"), NOW)
        assert cache.get("ip", "c000:201::1", 0) is None
        near, far = cache.get("ip", "192.0.2.1", 0), cache.get("ip", "192.0.3.1", 0)
        assert near
        assert far
        assert (near[0].mail, far[0].mail) == ("near@x.example", "four@x.example")
