from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import intelligence
from sakimori.detectors.intelligence import Config

Row = dict[str, Any]
HOST, PEER = "10.0.0.5", "203.0.113.9"
MD5, SHA1, SHA256 = "0" * 31 + "a", "0" * 39 + "b", "0" * 63 + "c"
DAY = 86_400.0
START_US = 1_750_000_000_000_000


def at(seconds: float) -> int:
    return START_US + round(seconds * 1e6)


def lists(kind: str, value: str, **columns: Any) -> Row:
    given = {"source": "list-a", "confidence": 0.8, "sinkhole": False, **columns}
    return {"kind": kind, "value": value, **given}


@pytest.fixture(scope="session")
def day(row: Any) -> dict[str, list[Row]]:
    """One row of each table, all of one host."""
    place = {"src_ip": HOST, "dst_ip": PEER}
    return {
        "conn": [row("conn", 0, **place), row("conn", 60, **place)],
        "dns": [row("dns", 0, src_ip=HOST, query="www.evil.example")],
        "tls": [
            row("tls", 0, **place, server_name="api.bad.example", ja3="a" * 32, ja4="t13d_x_y",
                cert_hashes=["f" * 40, SHA1])
        ],
        "http": [row("http", 0, **place, host="drop.example", uri="/a.exe?x=1")],
        "files": [row("files", 0, src_ip=PEER, dst_ip=HOST, md5=MD5, sha1=SHA1, sha256=SHA256)],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "peer", "port"),
    [
        ("address", PEER, PEER, 443),
        ("cidr", "203.0.113.0/24", PEER, 443),
        ("cidr", "203.0.113.9/32", PEER, 443),
        ("cidr", "192.0.0.0/4", PEER, 443),
        ("cidr", "0.0.0.0/0", PEER, 443),
        ("name", "www.evil.example", "www.evil.example", None),
        ("name", "evil.example", "www.evil.example", None),
        ("name", "bad.example", "api.bad.example", 443),
        ("name", "drop.example", "drop.example", 80),
        ("url", "http://drop.example/a.exe?x=1", "drop.example", 80),
        ("md5", MD5, PEER, None),
        ("sha256", SHA256, PEER, None),
        ("sha1", "f" * 40, PEER, 443),
        ("ja3", "a" * 32, PEER, 443),
        ("ja4", "t13d_x_y", PEER, 443),
    ],
)
def test_what_is_listed_is_met(
    hunt: Any, day: dict[str, list[Row]], kind: str, value: str, peer: str, port: int | None
) -> None:
    (finding,) = hunt(intelligence, indicator=[lists(kind, value, family="qakbot")], **day)
    assert (finding["host"], finding["peer"], finding["peer_port"]) == (HOST, peer, port)
    assert (finding["kind"], finding["indicator"]) == (kind, value)
    assert (finding["sources"], finding["family"]) == ("list-a", "qakbot")
    assert finding["score"] == 0.8


def test_a_file_and_a_certificate_of_one_hash_are_two_findings(
    hunt: Any, day: dict[str, list[Row]]
) -> None:
    found = hunt(intelligence, indicator=[lists("sha1", SHA1)], **day)
    assert {f["peer_port"] for f in found} == {None, 443}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param("address", "203.0.113.90", id="longer-address"),
        pytest.param("address", "03.0.113.9", id="shorter-address"),
        pytest.param("cidr", "203.0.112.0/24", id="net-beside"),
        pytest.param("cidr", "203.0.113.8/32", id="net-of-the-one-before"),
        pytest.param("cidr", "2001:db8::/32", id="net-of-ipv6"),
        pytest.param("name", "vil.example", id="same-letters-at-the-end"),
        pytest.param("name", "a.www.evil.example", id="name-above"),
        pytest.param("name", "ww.evil.example", id="other-label"),
        pytest.param("name", "evil.example.com", id="longer-name"),
        pytest.param("url", "http://drop.example/a.exe", id="url-without-the-query"),
        pytest.param("url", "http://drop.example", id="url-above"),
        pytest.param("md5", "0" * 32, id="other-hash"),
        pytest.param("mail", "a@evil.example", id="mail"),
        pytest.param("no-such-kind", PEER, id="kind-not-known"),
    ],
)
def test_what_only_looks_alike_is_not(
    hunt: Any, day: dict[str, list[Row]], kind: str, value: str
) -> None:
    assert hunt(intelligence, indicator=[lists(kind, value)], **day) == []


def test_a_name_that_ends_with_the_same_letters_is_another_name(hunt: Any, row: Any) -> None:
    asked = [row("dns", 0, src_ip=HOST, query=q) for q in ("evilexample.com", "a.example.com")]
    (finding,) = hunt(intelligence, dns=asked, indicator=[lists("name", "example.com")])
    assert finding["peer"] == "a.example.com"


@pytest.mark.parametrize(("port", "matches"), [(443, 1), (80, 0), (None, 1)])
def test_a_port_restricts(
    hunt: Any, day: dict[str, list[Row]], port: int | None, matches: int
) -> None:
    found = hunt(intelligence, indicator=[lists("address", PEER, port=port)], **day)
    assert len(found) == matches


def test_what_had_expired_when_the_traffic_flowed_does_not_match(
    hunt: Any, calls: Any, row: Any
) -> None:
    calls_of_three_days = calls(HOST, PEER, 443, [DAY, DAY])
    listed = [lists("address", PEER, expires=at(1.5 * DAY))]
    (finding,) = hunt(intelligence, conn=calls_of_three_days, indicator=listed)
    assert finding["count"] == 2
    assert (finding["last_seen"] - finding["first_seen"]).total_seconds() == DAY
    gone = [lists("address", PEER, expires=at(0))]
    assert hunt(intelligence, conn=calls_of_three_days, indicator=gone) == []


def test_one_source_that_never_expires_keeps_an_indicator_alive(
    hunt: Any, day: dict[str, list[Row]]
) -> None:
    listed = [
        lists("address", PEER, expires=at(-DAY)),
        lists("address", PEER, source="list-b", expires=None),
    ]
    (finding,) = hunt(intelligence, indicator=listed, **day)
    assert finding["expires"] is None


def test_sources_that_agree_are_one_finding(hunt: Any, day: dict[str, list[Row]]) -> None:
    listed = [
        lists("address", PEER, source="list-c", confidence=0.4, first_seen=at(-DAY)),
        lists("address", PEER, source="list-a", confidence=0.9, first_seen=at(-2 * DAY)),
        lists("address", PEER, source="list-b", confidence=0.6, family="qakbot"),
    ]
    (finding,) = hunt(intelligence, indicator=listed, **day)
    assert finding["sources"] == "list-a, list-b, list-c"
    assert (finding["score"], finding["family"], finding["count"]) == (0.9, "qakbot", 2)
    assert finding["listed"].timestamp() == (START_US / 1e6) - 2 * DAY


def test_a_call_listed_with_and_without_its_port_counts_once(
    hunt: Any, day: dict[str, list[Row]]
) -> None:
    listed = [
        lists("address", PEER, source="list-a"),
        lists("address", PEER, source="list-a", port=443),
        lists("address", PEER, source="list-b", port=443),
        lists("address", PEER, source="list-c", port=80),
    ]
    (finding,) = hunt(intelligence, indicator=listed, **day)
    assert finding["count"] == 2
    assert finding["sources"] == "list-a, list-b"
    assert len(finding["evidence"]) == 2


@pytest.mark.parametrize("flags", [(True, False), (False, True), (True, None)])
def test_one_source_that_says_sinkhole_is_enough(
    hunt: Any, day: dict[str, list[Row]], flags: tuple[bool | None, ...]
) -> None:
    listed = [
        lists("address", PEER, source=f"list-{n}", sinkhole=flag) for n, flag in enumerate(flags)
    ]
    (finding,) = hunt(intelligence, indicator=listed, **day)
    assert finding["sinkhole"] is True


def test_reports_of_little_confidence_are_not_used(hunt: Any, day: dict[str, list[Row]]) -> None:
    listed = [lists("address", PEER, confidence=Config().min_confidence - 0.01)]
    assert hunt(intelligence, indicator=listed, **day) == []
    unrated = [lists("address", PEER, confidence=None)]
    assert hunt(intelligence, indicator=unrated, **day) == []


def test_without_indicators_there_is_nothing_to_meet(hunt: Any, day: dict[str, list[Row]]) -> None:
    assert hunt(intelligence, **day) == []


def test_a_listed_address_that_knocks_says_nothing_about_the_host(hunt: Any, calls: Any) -> None:
    knocks = calls(PEER, HOST, 22, [1.0] * 20)
    assert hunt(intelligence, conn=knocks, indicator=[lists("address", PEER)]) == []


def test_the_inside_side_of_a_file_is_the_host(hunt: Any, row: Any) -> None:
    sent = row("files", 0, src_ip=HOST, dst_ip=PEER, sha256=SHA256)
    passing = row("files", 0, src_ip="198.51.100.1", dst_ip=PEER, sha256=SHA256)
    (finding,) = hunt(intelligence, files=[sent, passing], indicator=[lists("sha256", SHA256)])
    assert (finding["host"], finding["peer"]) == (HOST, PEER)


def test_a_single_ipv6_address_matches(hunt: Any, row: Any) -> None:
    call = row("conn", 0, src_ip=HOST, dst_ip="2001:db8::9")
    (finding,) = hunt(intelligence, conn=[call], indicator=[lists("address", "2001:db8::9")])
    assert finding["peer"] == "2001:db8::9"


def test_one_finding_for_a_host_and_peer_however_many_calls(hunt: Any, calls: Any) -> None:
    rows = calls(HOST, PEER, 443, [1.0] * 100) + calls("10.0.0.6", PEER, 443, [1.0])
    found = hunt(intelligence, conn=rows, indicator=[lists("cidr", "203.0.113.0/24")])
    assert sorted((f["host"], f["count"]) for f in found) == [(HOST, 101), ("10.0.0.6", 2)]
    assert max(len(f["evidence"]) for f in found) == 20


NAME = st.lists(st.sampled_from(["a", "b", "ab", "example", "com"]), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None)
@given(asked=st.lists(NAME.map(".".join), min_size=1, max_size=15), listed=NAME.map(".".join))
def test_names_match_themselves_and_those_below_them(
    hunt: Any, row: Any, asked: list[str], listed: str
) -> None:
    rows = [row("dns", n, src_ip=HOST, query=name) for n, name in enumerate(asked)]
    found = hunt(intelligence, dns=rows, indicator=[lists("name", listed)])
    assert {f["peer"] for f in found} == {q for q in asked if f".{q}".endswith(f".{listed}")}
    assert sum(f["count"] for f in found) == sum(f".{q}".endswith(f".{listed}") for q in asked)


@settings(max_examples=15, deadline=None)
@given(number=st.integers(0, 2**32 - 1), bits=st.integers(0, 32), seed=st.integers(0, 2**32))
def test_nets_hold_what_arithmetic_says(
    hunt: Any, row: Any, number: int, bits: int, seed: int
) -> None:
    def text(n: int) -> str:
        return ".".join(str(n >> shift & 255) for shift in (24, 16, 8, 0))

    low = number >> (32 - bits) << (32 - bits)
    high = low + 2 ** (32 - bits) - 1
    near = [low, high, low - 1, high + 1, number, Random(seed).randrange(2**32)]
    peers = {n for n in near if 0 <= n < 2**32}
    rows = [row("conn", 0, src_ip=HOST, dst_ip=text(n), dst_inside=False) for n in peers]
    found = hunt(intelligence, conn=rows, indicator=[lists("cidr", f"{text(low)}/{bits}")])
    assert {f["peer"] for f in found} == {text(n) for n in peers if low <= n <= high}


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_a_confidence_outside_0_to_1_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(min_confidence=bad)
