from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import odd_tls
from sakimori.detectors.odd_tls import Config

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, Any]
HOST, PEER = "10.0.0.5", "203.0.113.9"
START_US = 1_750_000_000_000_000  # when the rows of the tests begin
DAY_US = 86_400 * 1_000_000
NAME = "shop.example"
HASH = "ab" * 32
NAMELESS = "t12i130500_a_b"  # a JA4 of a hello without a server name
RAT = {
    "subject": "CN=Some Server",
    "issuer": "CN=Some Server",
    "not_before": START_US - 300 * DAY_US,
    "not_after": START_US + 3_650 * DAY_US,
    "cert_hashes": [HASH],
    "ja4": NAMELESS,
}
PUBLIC = {
    "subject": f"CN={NAME}",
    "issuer": "CN=Authority 7,O=Trusted Services,C=US",
    "not_before": START_US - 30 * DAY_US,
    "not_after": START_US + 60 * DAY_US,
    "cert_hashes": [HASH, "cd" * 32],
}
EASY = Config(min_score=0.01)


@pytest.fixture(scope="session")
def shake(row: Any) -> Any:
    """`shake(at, dst_port=4041, ...)`: one handshake of HOST with PEER, done."""

    def make(at: float = 0.0, **columns: Any) -> Row:
        given = {"src_ip": HOST, "dst_ip": PEER, "version": "TLSv12", "established": True}
        made: Row = row("tls", at, **{**given, **columns})
        return made

    return make


def reasons(found: Iterable[Row]) -> list[list[str]]:
    return [sorted(f["reasons"]) for f in found]


def test_a_server_made_by_hand_on_an_odd_port_is_as_plain_as_it_gets(hunt: Any, shake: Any) -> None:
    rows = [shake(n, dst_port=4041, **RAT) for n in range(30)]
    Random(3).shuffle(rows)
    (finding,) = hunt(odd_tls, tls=rows)
    assert (finding["host"], finding["peer"], finding["peer_port"]) == (HOST, PEER, 4041)
    assert (finding["count"], finding["score"], finding["style"]) == (30, 1.0, "self-signed")
    assert reasons([finding]) == [["long", "no_name", "odd_port", "odd_subject", "self_signed"]]
    assert finding["subject"] == "CN=Some Server"
    assert len(finding["evidence"]) == 20
    assert finding["evidence"] == [f"{HOST}@{n:.3f}" for n in range(20)]
    assert finding["last_seen"] > finding["first_seen"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param({"ja4": NAMELESS}, ["no_name"], id="no-name"),
        pytest.param({"ja4": "t12d130500_a_b"}, [], id="name-not-logged"),
        pytest.param({}, [], id="names-not-logged-at-all"),
        pytest.param({"server_name": NAME}, [], id="nothing"),
        pytest.param({"server_name": PEER}, ["address_as_name"], id="address-as-name"),
        pytest.param({"established": False, "ja4": NAMELESS}, [], id="not-done"),
        pytest.param({"established": None, "ja4": NAMELESS}, ["no_name"], id="done-not-logged"),
        pytest.param({"version": None, "established": None}, [], id="nothing-known"),
        pytest.param({"server_name": NAME, "dst_port": 2917}, ["odd_port"], id="odd-port"),
        pytest.param({"server_name": NAME, **PUBLIC}, [], id="public"),
        pytest.param(
            {"server_name": NAME, "cert_hashes": [HASH]}, ["lone"], id="chain-of-one"
        ),
        pytest.param({"server_name": NAME, "cert_hashes": ["ab" * 20]}, [], id="leaf-only-sensor"),
        pytest.param(
            {"server_name": NAME, "subject": f"CN={NAME}", "issuer": f"CN={NAME}",
             "cert_hashes": [HASH]}, ["self_signed"], id="self-signed",
        ),
        pytest.param(
            {"server_name": NAME, "subject": "CN=other.example", "issuer": "CN=other.example"},
            ["mismatch", "self_signed"], id="made-for-another",
        ),
        pytest.param(
            {"server_name": f"www.{NAME}", "subject": f"CN=*.{NAME}", "issuer": f"CN=*.{NAME}"},
            ["self_signed"], id="wildcard",
        ),
        pytest.param(
            {"server_name": NAME, **PUBLIC, "subject": "CN=other.example"}, [], id="other-of-many"
        ),
        pytest.param(
            {"server_name": NAME, **PUBLIC, "subject": ""}, ["odd_subject"], id="empty-subject"
        ),
        pytest.param(
            {"server_name": NAME, **PUBLIC, "subject": "CN=server,O=Firm"}, ["plain_subject"],
            id="no-domain-but-an-owner",
        ),
        pytest.param(
            {"server_name": NAME, **PUBLIC, "subject": "emailAddress=a@b.test,CN=b.test,O=B"},
            ["plain_subject"], id="mail-address",
        ),
        pytest.param(
            {"server_name": NAME, **PUBLIC,
             "subject": "CN=b.test,O=Internet Widgits Pty Ltd,ST=Some-State,C=AU"},
            ["odd_subject"], id="filled-in-by-the-tool",
        ),
        pytest.param(
            {"server_name": NAME, **PUBLIC, "subject": "C=US, O=Firm, CN=server"},
            ["plain_subject"], id="written-with-spaces",
        ),
        pytest.param(
            {"server_name": NAME, **PUBLIC, "not_after": START_US + 2_000 * DAY_US}, ["long"],
            id="long",
        ),
        pytest.param(
            {"server_name": NAME, **PUBLIC, "not_before": START_US - DAY_US}, [],
            id="fresh-but-public",
        ),
        pytest.param(
            {"server_name": NAME, "cert_hashes": [HASH], "not_before": START_US - DAY_US},
            ["fresh", "lone"], id="fresh",
        ),
        pytest.param(
            {"server_name": NAME, "cert_hashes": [HASH], "not_before": START_US - 8 * DAY_US},
            ["lone"], id="not-fresh",
        ),
        pytest.param(
            {"server_name": NAME, "cert_hashes": [HASH], "not_before": START_US + DAY_US},
            ["lone"], id="made-in-the-future",
        ),
    ],
)  # fmt: skip
def test_each_reason_by_itself(hunt: Any, shake: Any, columns: Row, expected: list[str]) -> None:
    found = hunt(odd_tls, EASY, tls=[shake(**columns)])
    assert reasons(found) == ([expected] if expected else [])
    if len(expected) == 1 and expected != ["self_signed"]:
        assert found[0]["score"] < Config().min_score


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"version": "DTLSv12", "dst_port": 19305}, id="calls"),
        pytest.param({"dst_ip": "10.0.0.9"}, id="inside"),
        pytest.param({"src_ip": "198.51.100.7"}, id="from-outside"),
        pytest.param({"dst_port": 25}, id="between-mail-servers"),
        pytest.param({"dst_port": 3389, "subject": "CN=PC7", "issuer": "CN=PC7"}, id="desktop"),
        pytest.param({"alpn": "sync/1.0", "dst_port": 443}, id="another-protocol"),
        pytest.param(
            {"dst_port": 80, "subject": "CN=Relay,O=Firm,C=DE", "issuer": "CN=Root,O=Firm,C=DE",
             "cert_hashes": [HASH, "cd" * 32]}, id="maker-with-an-authority-of-his-own",
        ),
        pytest.param(
            {"subject": "CN=www.abcdefghij.net", "issuer": "CN=www.klmnopqrst.com",
             "not_after": START_US + 90 * DAY_US, "server_name": "www.uvwxyzabcd.com"}, id="tor",
        ),
    ],
)  # fmt: skip
def test_what_is_made_by_hand_for_good_reason_is_no_finding(
    hunt: Any, shake: Any, columns: Row
) -> None:
    plain = {"dst_port": 4041, **RAT}
    assert hunt(odd_tls, tls=[shake(**plain)])[0]["score"] == 1.0
    found = hunt(odd_tls, tls=[shake(**{**plain, **columns})])
    assert [f for f in found if f["score"] > 0.6] == []


def test_a_host_that_speaks_an_old_version_to_one_peer_only(hunt: Any, shake: Any) -> None:
    old = [shake(version="TLSv10", dst_port=4041, ja4=NAMELESS)]
    new = [shake(1.0, dst_ip="203.0.113.77", server_name=NAME, version="TLS 1.3")]
    assert reasons(hunt(odd_tls, EASY, tls=old)) == [["no_name", "odd_port"]]
    found = hunt(odd_tls, EASY, tls=old + new)
    assert reasons(found) == [["no_name", "odd_port", "old_version"]]


def test_a_client_seen_nowhere_else_counts_only_among_others(hunt: Any, shake: Any) -> None:
    mine = [shake(dst_port=4041, ja4="t12i_x")]
    assert reasons(hunt(odd_tls, EASY, tls=mine)) == [["no_name", "odd_port"]]
    others = [
        shake(float(n), dst_ip=f"203.0.113.{n}", server_name=f"s{n}.example", ja4=f"other{n}")
        for n in range(20, 24)
    ]
    found = hunt(odd_tls, EASY, tls=mine + others)
    assert reasons(found)[0] == ["no_name", "odd_port", "rare_client"]
    shared = [shake(ja4="t12i_x", src_ip="10.0.0.6", server_name=NAME)]
    assert "rare_client" not in reasons(hunt(odd_tls, EASY, tls=mine + others + shared))[0]


def test_the_usual_client_of_the_host_weighs_less(hunt: Any, shake: Any) -> None:
    odd = [shake(dst_port=4041, **RAT)]
    usual = [
        shake(float(n), dst_ip=f"203.0.113.{n}", server_name=f"s{n}.example", ja4=NAMELESS)
        for n in range(20, 27)
    ]
    (alone,), (among,) = hunt(odd_tls, tls=odd), hunt(odd_tls, tls=odd + usual)
    assert (alone["score"], among["score"]) == (1.0, pytest.approx(0.7))


def test_a_peer_of_everybody_is_no_finding(hunt: Any, row: Any, shake: Any) -> None:
    def calls(hosts: int) -> list[Row]:
        return [row("conn", 0.0, src_ip=f"10.0.1.{n}", dst_ip=PEER) for n in range(hosts)]

    rows = [shake(dst_port=4041, **RAT)]
    assert hunt(odd_tls, tls=rows, conn=calls(40)) == []
    (finding,) = hunt(odd_tls, tls=rows, conn=calls(1))
    assert finding["hosts"] == 1


def test_certificates_of_their_own_log_are_joined(hunt: Any, shake: Any) -> None:
    bare = [shake(dst_port=4041, cert_hashes=["F1"])]
    seen = {"ts": START_US, "uid": "F1", "self_signed": True,
            **{k: v for k, v in RAT.items() if k != "cert_hashes"}}  # fmt: skip
    (without,) = hunt(odd_tls, tls=bare)
    (joined,) = hunt(odd_tls, tls=bare, cert=[seen, {**seen, "ts": START_US + 1}])
    assert (without["style"], joined["style"]) == ("lone", "self-signed")
    assert joined["count"] == 1
    assert joined["score"] == pytest.approx(0.9)  # nobody logs names here


def test_names_and_addresses_are_peers_of_their_own(hunt: Any, shake: Any) -> None:
    rows = [
        shake(dst_port=4041, **RAT),
        shake(1.0, dst_port=4041, server_name="c2.test", **RAT),
        shake(2.0, dst_port=4041, server_name="c2.test", dst_ip="203.0.113.10", **RAT),
        shake(3.0, dst_port=4042, **RAT),
    ]
    found = hunt(odd_tls, tls=rows)
    assert sorted((f["peer"], f["peer_port"], f["count"]) for f in found) == [
        (PEER, 4041, 1), (PEER, 4042, 1), ("c2.test", 4041, 2),
    ]  # fmt: skip
    (named,) = (f for f in found if f["peer"] == "c2.test")
    assert named["addresses"] == sorted([PEER, "203.0.113.10"])


@settings(max_examples=12, deadline=None)
@given(st.sets(st.sampled_from(["long", "subject", "port", "name"])), st.integers(0, 9))
def test_more_reasons_never_weigh_less(hunt: Any, shake: Any, extra: set[str], seed: int) -> None:
    base = {"subject": f"CN={NAME}", "issuer": f"CN={NAME}", "server_name": NAME}
    more: dict[str, Row] = {
        "long": {"not_before": START_US, "not_after": START_US + 4_000 * DAY_US},
        "subject": {"subject": "CN=s", "issuer": "CN=s"},
        "port": {"dst_port": 4041},
        "name": {"server_name": None},
    }
    columns: Row = dict(base)
    for name in sorted(extra):
        columns |= more[name]
    plain, richer = [shake(**base)], [shake(float(n), **columns) for n in range(seed + 1)]
    (weak,), (strong,) = hunt(odd_tls, EASY, tls=plain), hunt(odd_tls, EASY, tls=richer)
    assert strong["score"] >= weak["score"]
    assert strong["count"] == seed + 1


@pytest.mark.parametrize("bad", [{"long_days": 0}, {"min_score": 0.0}, {"fresh_days": -1}], ids=str)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
