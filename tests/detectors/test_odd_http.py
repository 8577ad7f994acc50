from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import odd_http
from sakimori.detectors.odd_http import Config

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, Any]
HOST, PEER = "10.0.0.5", "203.0.113.9"
BROWSER = "Mozilla/5.0 (X11) Browser/120.0"
EASY = Config(min_score=0.01)
POST = {"method": "POST", "req_bytes": 300}


@pytest.fixture(scope="session")
def ask(row: Any) -> Any:
    """`ask(20, uri=...)`: that many requests of a browser's kind to one peer."""

    def make(times: int = 1, begin: float = 0.0, **columns: Any) -> list[Row]:
        given = {"src_ip": HOST, "dst_ip": PEER, "host": "c2.test", "user_agent": BROWSER}
        return [row("http", begin + 7.0 * n, **{**given, **columns}) for n in range(times)]

    return make


@pytest.fixture(scope="session")
def browsing(ask: Any) -> list[Row]:
    """Pages of five sites, so that the host has habits."""
    return [
        r
        for n in range(5)
        for r in ask(3, begin=1000.0 + n, host=f"s{n}.example", dst_ip=f"198.51.100.{n}",
                     uri=f"/p{n}", referrer=f"http://s{n}.example/")
    ]  # fmt: skip


def reasons(found: Iterable[Row]) -> list[list[str]]:
    return [sorted(f["reasons"]) for f in found]


def test_posts_to_an_address_on_an_odd_port_are_plain(
    hunt: Any, ask: Any, browsing: list[Row]
) -> None:
    rows = ask(30, host=PEER, dst_port=8082, uri="/a/b.php", user_agent="Agent/7", **POST)
    Random(1).shuffle(rows)
    (finding,) = hunt(odd_http, http=rows + browsing)
    assert (finding["host"], finding["peer"], finding["peer_port"]) == (HOST, PEER, 8082)
    assert (finding["count"], finding["score"], finding["style"]) == (30, 1.0, "posts")
    assert reasons([finding]) == [
        ["address_as_host", "odd_port", "posts", "rare_agent", "repeated", "script"]
    ]
    assert (finding["posted"], finding["agent"], finding["path"]) == (1.0, "Agent/7", "/a/b.php")
    assert finding["evidence"] == [f"{HOST}@{7.0 * n:.3f}" for n in range(20)]


@pytest.mark.parametrize(
    ("times", "columns", "expected"),
    [
        pytest.param(9, {}, [], id="nothing"),
        pytest.param(10, {}, ["repeated"], id="one-path-again-and-again"),
        pytest.param(10, {"referrer": "http://c2.test/"}, [], id="from-a-page"),
        pytest.param(3, POST, ["posts"], id="posts"),
        pytest.param(2, POST, [], id="two-posts"),
        pytest.param(3, {**POST, "referrer": "http://c2.test/"}, [], id="a-form"),
        pytest.param(3, {"uri": "/gate.php"}, ["script"], id="script"),
        pytest.param(3, {"uri": "/gate.php?id=7"}, ["script"], id="script-with-a-query"),
        pytest.param(2, {"uri": "/gate.php"}, [], id="script-twice"),
        pytest.param(3, {"uri": "/gate.phpx"}, [], id="no-script"),
        pytest.param(1, {"host": PEER}, ["address_as_host"], id="bare-address"),
        pytest.param(1, {"host": None}, [], id="host-not-logged"),
        pytest.param(1, {"dst_port": 7080}, ["odd_port"], id="odd-port"),
        pytest.param(1, {"dst_port": 443}, ["odd_port"], id="plain-on-443"),
        pytest.param(1, {"dst_port": 8080}, [], id="web-port"),
        pytest.param(1, {"req_bytes": 6}, ["body_on_get"], id="body-on-get"),
        pytest.param(1, {"user_agent": None}, ["no_agent"], id="no-agent"),
        pytest.param(1, {"user_agent": "Odd/1.0"}, ["rare_agent"], id="rare-agent"),
        pytest.param(1, {"method": None}, [], id="no-request"),
        pytest.param(3, {"method": "CONNECT"}, [], id="tunnel"),
        pytest.param(1, {"dst_ip": "10.0.0.7", "host": "10.0.0.7"}, [], id="inside"),
    ],
)
def test_each_reason_by_itself(
    hunt: Any, ask: Any, browsing: list[Row], times: int, columns: Row, expected: list[str]
) -> None:
    found = hunt(odd_http, EASY, http=ask(times, **columns) + browsing)
    assert reasons(found) == ([expected] if expected else [])
    if expected:
        assert found[0]["score"] < Config().min_score


@pytest.mark.parametrize(("peers", "rare"), [(1, True), (2, True), (Config().few_peers + 1, False)])
def test_an_agent_for_few_is_rare_at_a_host_that_shows_another_to_many(
    hunt: Any, ask: Any, peers: int, rare: bool
) -> None:
    usual = [r for n in range(40) for r in ask(1, host=f"site{n}.example")]
    odd = [
        r for n in range(peers)
        for r in ask(12, host=f"c{n}.test", uri="/g.php", user_agent="Odd/1.0", **POST)
    ]  # fmt: skip
    found = hunt(odd_http, EASY, http=usual + odd)
    assert {("rare_agent" in f["reasons"]) for f in found if f["peer"].startswith("c")} == {rare}


def test_a_tool_shown_to_several_peers_is_one_reason(
    hunt: Any, ask: Any, browsing: list[Row]
) -> None:
    rows = ask(1, user_agent="curl/8.0") + ask(1, begin=50, host="d2.test", user_agent="curl/8.0")
    assert reasons(hunt(odd_http, EASY, http=rows + browsing)) == [["tool_agent"]] * 2


def test_no_agent_says_nothing_where_none_is_logged(hunt: Any, ask: Any) -> None:
    assert hunt(odd_http, EASY, http=ask(2, user_agent=None)) == []


def test_one_script_asked_of_many_domains_is_a_list_of_gates(hunt: Any, ask: Any) -> None:
    def gates(count: int, **columns: Any) -> list[Row]:
        names = [f"name{n}.test" for n in range(count)]
        return [r for name in names for r in ask(1, host=name, **{"uri": "/in.php", **columns})]

    least = Config().many_names
    assert hunt(odd_http, EASY, http=gates(least - 1)) == []
    (few,) = hunt(odd_http, http=gates(least))
    assert (few["peer"], few["names"], few["style"]) == (PEER, least, "gates")
    assert (few["path"], few["score"]) == ("/in.php", pytest.approx(0.65))
    (many,) = hunt(odd_http, http=gates(Config().full_names))
    assert many["score"] == pytest.approx(1.0)  # it is repeated, too
    assert hunt(odd_http, EASY, http=gates(least, uri="/index.html")) == []
    assert hunt(odd_http, EASY, http=gates(least, uri="/")) == []
    checks = gates(least, uri="/q", **POST, mime="application/ocsp-response")
    assert hunt(odd_http, EASY, http=checks) == []


def test_names_of_one_domain_are_no_list_of_gates(hunt: Any, ask: Any) -> None:
    rows = [r for n in range(9) for r in ask(1, host=f"n{n}.shop.test", uri="/in.php")]
    assert hunt(odd_http, EASY, http=rows) == []
    other = [r for n in range(9) for r in ask(1, host=f"n.shop{n}.co.uk", uri="/in.php")]
    assert len(hunt(odd_http, http=other)) == 1


def test_a_maker_with_many_names_in_use_weighs_less(
    hunt: Any, ask: Any, row: Any, browsing: list[Row]
) -> None:
    posts = ask(30, host="i4.c.av.example", user_agent=None, uri="/cloud", **POST)
    names = [row("dns", 1.0 + n, src_ip=HOST, query=f"u{n}.av.example") for n in range(3)]
    (finding,) = hunt(odd_http, http=posts + browsing)
    assert finding["score"] == pytest.approx(0.4)
    assert hunt(odd_http, http=posts + browsing, dns=names) == []


def test_a_peer_of_everybody_is_no_finding(hunt: Any, ask: Any) -> None:
    def calls(hosts: int) -> list[Row]:
        return [
            r
            for n in range(hosts)
            for r in ask(12, src_ip=f"10.0.1.{n}", host=PEER, dst_port=8082, **POST)
        ]

    (finding,) = hunt(odd_http, http=calls(1))
    assert (finding["hosts"], finding["rarity"]) == (1, 1.0)
    assert hunt(odd_http, http=calls(30)) == []


def test_requests_through_an_inside_proxy_are_told_by_name(hunt: Any, ask: Any) -> None:
    through = {"dst_ip": "10.0.0.99", "dst_port": 3128, "uri": "http://c2.test/x.php", **POST}
    (finding,) = hunt(odd_http, http=ask(12, **through))
    assert (finding["peer"], finding["path"]) == ("c2.test", "/x.php")
    assert not finding["addresses"]


@pytest.mark.parametrize("table", ["http", "tls", "dns"])
def test_asking_for_the_own_address_is_a_finding_of_its_own(
    hunt: Any, row: Any, table: str
) -> None:
    column = {"http": "host", "tls": "server_name", "dns": "query"}[table]
    given = {"src_ip": HOST} if table == "dns" else {"src_ip": HOST, "dst_ip": PEER}
    rows = [row(table, n, **given, **{column: "api.ipify.org"}) for n in range(2)]
    (finding,) = hunt(odd_http, **{table: rows})
    assert (finding["host"], finding["peer"], finding["style"]) == (HOST, None, "own-address")
    assert finding["service"] == "api.ipify.org"
    assert (finding["score"], finding["count"], finding["proto"]) == (0.4, 2, None)


def test_who_asks_for_the_own_address_is_looked_at_more_closely(
    hunt: Any, ask: Any, row: Any
) -> None:
    posts = ask(12, uri="/gate.php", **POST)
    lookup = [row("dns", 1.0, src_ip=HOST, query="icanhazip.com")]
    (without,) = hunt(odd_http, http=posts)
    found = {f["peer"]: f for f in hunt(odd_http, http=posts, dns=lookup)}
    assert found["c2.test"]["score"] == pytest.approx(without["score"] + 0.1)
    assert set(found) == {"c2.test", None}
    assert found["c2.test"]["addresses"] == [PEER]


@settings(max_examples=12, deadline=None)
@given(st.sets(st.sampled_from(["host", "port", "body", "many"])), st.randoms())
def test_more_reasons_never_weigh_less(hunt: Any, ask: Any, extra: set[str], rnd: Random) -> None:
    columns: Row = {}
    columns |= {"host": PEER} if "host" in extra else {}
    columns |= {"dst_port": 7080} if "port" in extra else {}
    columns |= POST if "body" in extra else {}
    rows = ask(12 if "many" in extra else 4, **columns)
    rnd.shuffle(rows)
    expected = (
        0.2 * ("host" in extra) + 0.2 * ("port" in extra)
        + 0.25 * ("body" in extra) + 0.05 * ("many" in extra)
    )  # fmt: skip
    found = hunt(odd_http, EASY, http=rows)
    assert sum(f["score"] for f in found) == pytest.approx(expected)


@pytest.mark.parametrize(
    "bad", [{"min_posts": 0}, {"min_score": 0.0}, {"full_names": 6}, {"min_score": 0.9}], ids=str
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
