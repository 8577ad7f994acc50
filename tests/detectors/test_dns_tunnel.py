from __future__ import annotations

import string
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import dns_tunnel
from sakimori.detectors.dns_tunnel import Config

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]
HOST, PEER, DOMAIN = "10.0.0.5", "203.0.113.53", "tunnel.example"
BASE32 = string.ascii_lowercase + "234567"
HEX = "0123456789abcdef"


def coded(count: int, length: int, alphabet: str = BASE32, seed: int = 1) -> list[str]:
    rnd = Random(seed)
    return ["".join(rnd.choices(alphabet, k=length)) for _ in range(count)]


@pytest.fixture(scope="session")
def ask(row: Any) -> Any:
    """`ask(stems, domain, gap_s=...)`: a question for each name, through the inside resolver."""

    def make(
        stems: Sequence[str], domain: str = DOMAIN, gap_s: float = 1.0, **more: Any
    ) -> list[Row]:
        columns = {"src_ip": HOST, "answers": None, **more}
        return [
            row("dns", n * gap_s, query=f"{stem}.{domain}", **columns)
            for n, stem in enumerate(stems)
        ]

    return make


@pytest.fixture(scope="session")
def visit(row: Any) -> Any:
    """`visit("198.51.100.1", ...)`: the host goes to these addresses."""

    def make(*places: str, **more: Any) -> list[Row]:
        return [row("conn", 1.0, **{"src_ip": HOST, "dst_ip": p, **more}) for p in places]

    return make


def test_a_tunnel_of_long_texts_is_as_plain_as_it_gets(hunt: Any, ask: Any) -> None:
    rows = ask(coded(200, 50), qtype="TXT", answers=["x" * 90])
    (finding,) = hunt(dns_tunnel, dns=rows)
    assert (finding["host"], finding["peer"], finding["via"]) == (HOST, DOMAIN, "names")
    assert (finding["peer_port"], finding["proto"]) == (None, None)
    assert finding["score"] == pytest.approx(1.0)
    assert (finding["names"], finding["count"]) == (200, 200)
    assert finding["letters"] == finding["per_hour"] == 200 * (50 + 90)
    assert (finding["coded"], finding["texts"], finding["fresh"]) == (1.0, 1.0, 1.0)
    assert len(finding["examples"]) == 5
    assert len(finding["evidence"]) == 20


@pytest.mark.parametrize(
    "qtype", ["NULL", "TXT", "CNAME", "MX", "KEY", "TYPE65399", "query-65399", "65399"]
)
def test_types_that_carry_texts_count(hunt: Any, ask: Any, qtype: str) -> None:
    (finding,) = hunt(dns_tunnel, dns=ask(coded(200, 50), qtype=qtype))
    assert finding["texts"] == 1.0


@pytest.fixture(scope="session")
def answered(row: Any) -> Row:
    """A question of somebody else with its answer: the sensor logs answers."""
    return dict(
        row("dns", 0.0, src_ip="10.0.0.99", query="www.other.test", answers=["203.0.113.80"])
    )


@pytest.mark.parametrize("qtype", ["A", "AAAA", "SRV", "HTTPS", None])
def test_other_types_count_by_their_names(hunt: Any, ask: Any, answered: Row, qtype: str) -> None:
    questions = ask(coded(300, 40), qtype=qtype)
    assert hunt(dns_tunnel, dns=questions) == [], "whether they led somewhere is not logged"
    (finding,) = hunt(dns_tunnel, dns=[*questions, answered])
    assert finding["texts"] == 0.0
    assert finding["score"] == pytest.approx(0.8)  # where no traffic is seen but DNS


def test_a_slow_tunnel_is_found_by_its_day(hunt: Any, ask: Any, answered: Row) -> None:
    names = coded(8 * 60 * 2, 24, HEX)
    (finding,) = hunt(dns_tunnel, dns=[*ask(names, gap_s=30.0), answered])
    assert 0.4 < finding["score"] < 0.8


def test_texts_of_a_program_in_numbered_names_are_carried_too(hunt: Any, ask: Any) -> None:
    names = [f"part{n}" for n in range(100)]
    (finding,) = hunt(dns_tunnel, dns=ask(names, qtype="TXT", answers=["y" * 200]))
    assert finding["score"] > 0.9
    # As addresses are asked for, nothing is carried in them.
    assert hunt(dns_tunnel, dns=ask([f"customer-shop{'abc'[n % 3]}" for n in range(99)])) == []


def test_a_label_that_all_names_share_belongs_to_the_domain(hunt: Any, ask: Any) -> None:
    (finding,) = hunt(dns_tunnel, dns=ask(coded(200, 50), f"t.{DOMAIN}", qtype="TXT"))
    assert finding["peer"] == f"t.{DOMAIN}"
    mixed = ask(coded(200, 50), f"t.{DOMAIN}", qtype="TXT") + ask(coded(9, 50), qtype="TXT")
    (finding,) = hunt(dns_tunnel, dns=mixed)
    assert finding["peer"] == DOMAIN


def test_a_country_s_second_level_is_no_domain(hunt: Any, ask: Any) -> None:
    (finding,) = hunt(dns_tunnel, dns=ask(coded(200, 50), "example.co.jp", qtype="TXT"))
    assert finding["peer"] == "example.co.jp"
    spread = [r for n in range(200) for r in ask(coded(1, 50, seed=n), f"shop{n}.co.jp")]
    assert hunt(dns_tunnel, dns=spread) == []


def block_list(count: int) -> list[str]:
    rnd = Random(3)
    return [".".join(str(rnd.randrange(256)) for _ in range(4)) for _ in range(count)]


HASHES = coded(400, 40, HEX)
WORDS = ["www", "mail", "blog", "news", "static", "images", "login", "search", "video", "shop",
         "forum", "weather", "music", "travel", "support", "account", "download", "market",
         "school", "garden", "history", "picture", "morning", "holiday"]  # fmt: skip


@pytest.mark.parametrize(
    ("stems", "more"),
    [
        pytest.param(block_list(400), {"domain": "list.example"}, id="block-list"),
        pytest.param(HASHES, {"domain": "gti.mcafee.com"}, id="known-reputation-service"),
        pytest.param(HASHES, {"answers": ["127.0.0.2"]}, id="reputation-answers"),
        pytest.param([f"{h}._domainkey" for h in HASHES], {"qtype": "TXT"}, id="dkim"),
        pytest.param(["_dmarc", "_spf", "s1"], {"qtype": "TXT"}, id="mail-policy"),
        pytest.param(HASHES, {"domain": "printer.local"}, id="local-names"),
        pytest.param(HASHES, {"domain": "8.b.d.ip6.arpa"}, id="reverse"),
        pytest.param(HASHES, {"dst_ip": "224.0.0.251"}, id="mdns"),
        pytest.param(HASHES, {"qtype": "PTR"}, id="pointers"),
        pytest.param(HASHES, {"src_ip": "198.51.100.9"}, id="a-stranger"),
        pytest.param(WORDS, {}, id="words"),
        pytest.param([f"{a}-{b}" for a in WORDS for b in WORDS], {}, id="blogs"),
        pytest.param(coded(40, 12), {}, id="content-network"),
        pytest.param(coded(10, 60), {"qtype": "TXT"}, id="a-few-names"),
        pytest.param(coded(60, 30) * 40, {}, id="the-same-again"),
    ],
)
def test_look_ups_are_no_tunnel(hunt: Any, ask: Any, stems: list[str], more: Row) -> None:
    assert hunt(dns_tunnel, dns=ask(stems, **more)) == []


def test_odd_names_that_lead_somewhere_are_no_tunnel(hunt: Any, ask: Any, visit: Any) -> None:
    names = coded(300, 32, HEX)
    rows = [
        {**r, "answers": ["edge.example", f"198.51.100.{n % 100 + 1}"]}
        for n, r in enumerate(ask(names))
    ]
    (unused,) = hunt(dns_tunnel, dns=rows, conn=visit("192.0.2.1"))
    assert (unused["used"], unused["score"]) == (0.0, pytest.approx(0.7 + 0.3 * 20 / 28))
    (unknown,) = hunt(dns_tunnel, dns=rows)
    assert unknown["used"] is None
    assert unknown["score"] < unused["score"]
    visits = visit(*[f"198.51.100.{n}" for n in range(1, 60)])
    assert hunt(dns_tunnel, dns=rows, conn=visits) == []
    # A tunnel that answers with a resolver's address is not used by asking that resolver.
    own = [{**r, "answers": ["198.51.100.53"]} for r in rows]
    asking = visit("198.51.100.53", dst_port=53) + visit("192.0.2.1")
    assert len(hunt(dns_tunnel, dns=own, conn=asking)) == 1


def test_a_domain_of_many_hosts_is_common(hunt: Any, ask: Any, visit: Any) -> None:
    rows = [
        r
        for n in range(20)
        for r in ask(coded(60, 40, HEX, seed=n), qtype="TXT", src_ip=f"10.0.1.{n}",
                     dst_ip="203.0.113.7")
    ]  # fmt: skip
    everyone = [r for n in range(20) for r in visit("192.0.2.1", src_ip=f"10.0.1.{n}")]
    assert hunt(dns_tunnel, dns=rows, conn=everyone) == []
    alone = hunt(dns_tunnel, dns=rows[:60], conn=everyone)
    assert {f["peer"] for f in alone} == {DOMAIN, "203.0.113.7"}


def test_a_server_of_its_own_is_accused_too(hunt: Any, ask: Any) -> None:
    direct = ask(coded(200, 50), qtype="NULL", dst_ip=PEER)
    by_name, by_server = sorted(hunt(dns_tunnel, dns=direct), key=lambda f: str(f["via"]))
    assert (by_name["via"], by_name["peer"], by_name["addresses"]) == ("names", DOMAIN, [PEER])
    assert (by_server["via"], by_server["peer"], by_server["peer_port"]) == ("server", PEER, 53)
    assert by_server["score"] == by_name["score"]
    assert by_server["count"] == 200


def test_a_server_of_several_bots_is_accused_by_each(hunt: Any, ask: Any) -> None:
    bots = ["10.0.0.5", "10.0.0.6"]
    rows = [r for bot in bots for r in ask(coded(99, 50), qtype="TXT", src_ip=bot, dst_ip=PEER)]
    found = [f for f in hunt(dns_tunnel, dns=rows) if f["via"] == "server"]
    assert [(f["host"], f["peer"], f["hosts"]) for f in found] == [(b, PEER, 2) for b in bots]


def test_a_public_resolver_is_not_accused(hunt: Any, ask: Any) -> None:
    through = ask(coded(200, 50), qtype="NULL", dst_ip=PEER)
    else_too = through + ask(WORDS * 2, "other.example", dst_ip=PEER)
    other_hosts = through + ask(["www"], "other.example", src_ip="10.0.0.9", dst_ip=PEER)
    for rows in (else_too, other_hosts):
        (finding,) = hunt(dns_tunnel, dns=rows)
        assert (finding["via"], finding["addresses"]) == ("names", None)


LARGE = {"src_pkts": 4000, "src_bytes": 3_000_000, "dst_bytes": 3_000_000, "proto": "udp"}


def test_a_vpn_through_port_53_is_reported_at_half(hunt: Any, visit: Any) -> None:
    (finding,) = hunt(dns_tunnel, conn=visit(PEER, dst_port=53, **LARGE))
    assert (finding["via"], finding["peer"], finding["peer_port"]) == ("flows", PEER, 53)
    assert finding["bytes"] == 6_000_000
    assert finding["score"] == pytest.approx(0.55)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"src_pkts": 40_000}, id="a-forwarder-that-keeps-its-port"),
        pytest.param({"src_bytes": 40, "src_pkts": 5}, id="a-zone-transfer"),
        pytest.param({"src_bytes": 3000, "src_pkts": 5, "dst_bytes": 0}, id="little"),
        pytest.param({"dst_port": 443}, id="another-port"),
        pytest.param({"dst_ip": "10.0.0.53"}, id="inside"),
        pytest.param({"src_bytes": None}, id="bytes-not-known"),
        pytest.param({"src_pkts": None, "src_bytes": 90_000}, id="packets-not-known"),
    ],
)
def test_other_flows_are_no_tunnel(hunt: Any, visit: Any, columns: Row) -> None:
    flow = {"dst_port": 53, **LARGE, **columns}
    place = flow.pop("dst_ip", PEER)
    assert hunt(dns_tunnel, conn=visit(place, **flow)) == []


def test_a_server_that_others_use_is_no_tunnel(hunt: Any, visit: Any) -> None:
    rows = visit(PEER, dst_port=53, **LARGE)
    others = visit(PEER, dst_port=53, src_ip="10.0.0.9", src_bytes=60, src_pkts=1, dst_bytes=90)
    assert len(hunt(dns_tunnel, conn=rows)) == 1
    assert hunt(dns_tunnel, conn=rows + others) == []


@settings(max_examples=8, deadline=None)
@given(
    count=st.integers(5, 120), length=st.integers(4, 60), text=st.integers(0, 200),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_the_score_is_a_share_that_does_not_depend_on_order(
    hunt: Any, ask: Any, count: int, length: int, text: int, seed: int
) -> None:
    rows = ask(coded(count, length, seed=seed), qtype="TXT", answers=["z" * text])
    found = hunt(dns_tunnel, dns=rows)
    Random(seed).shuffle(rows)
    again = hunt(dns_tunnel, dns=rows)
    assert found == again
    assert all(Config().min_score <= f["score"] <= 1 for f in found)
    assert all(f["letters"] <= len({r["query"] for r in rows}) * (length + text) for f in found)


@pytest.mark.parametrize(
    "bad", [{"min_letters": 10**6}, {"min_names": 1}, {"min_bytes": 10**9}], ids=str
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
