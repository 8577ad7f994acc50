from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import p2p
from sakimori.detectors.p2p import Config

Row = dict[str, Any]
HOST = "10.0.0.5"
ALONE = 3.9  # nats that one kind of evidence needs before a host is suspected
SILENT = {"state": "S0", "dst_pkts": 0, "src_bytes": 16, "dst_bytes": 0}
ANSWERED = {"state": "SF", "dst_pkts": 1, "src_bytes": 16, "dst_bytes": 568}


def address(number: int, each_net: int = 1) -> str:
    """The address of stranger `number`; `each_net` of them share a /16."""
    net = number // each_net
    return f"{20 + net // 200}.{net % 200}.7.{number % each_net + 1}"


@pytest.fixture(scope="session")
def swarm(row: Any) -> Any:
    """`swarm(100)`: UDP calls to strangers, all on one remote port from changing local ones."""

    def make(peers: int, each_net: int = 1, answered: int = 0, **more: Any) -> list[Row]:
        return [
            row(
                "conn", float(n), src_ip=HOST, dst_ip=address(n, each_net),
                **{"src_port": 40_000 + n, "dst_port": 16_471, "proto": "udp",
                   **(ANSWERED if n < answered else SILENT), **more},
            )
            for n in range(peers)
        ]  # fmt: skip

    return make


def spread_ports(rows: list[Row], **more: Any) -> list[Row]:
    """The rows with a remote port of its own for each."""
    return [{**r, "dst_port": 10_000 + 7 * n, **more} for n, r in enumerate(rows)]


def test_one_remote_port_at_many_strangers(hunt: Any, swarm: Any) -> None:
    (finding,) = hunt(p2p, conn=swarm(100))
    assert finding["shape"] == "one port there"
    assert (finding["port"], finding["peer_port"], finding["proto"]) == (16_471, 16_471, "udp")
    assert (finding["peers"], finding["nets"], finding["count"]) == (100, 100, 100)
    assert (finding["host"], finding["peer"]) == (HOST, None)
    assert finding["score"] == pytest.approx(1.0)
    assert len(finding["evidence"]) == 20


def test_one_local_port_to_many_strangers(hunt: Any, swarm: Any) -> None:
    (finding,) = hunt(p2p, conn=spread_ports(swarm(100), src_port=5165))
    assert finding["shape"] == "one port here"
    assert (finding["port"], finding["peer_port"], finding["ports"]) == (5165, None, 100)
    assert finding["score"] == pytest.approx(1.0)


def test_a_port_each_over_tcp_says_less(hunt: Any, swarm: Any) -> None:
    (finding,) = hunt(p2p, conn=spread_ports(swarm(100), proto="tcp"))
    assert finding["shape"] == "own port each"
    assert (finding["port"], finding["peer_port"], finding["proto"]) == (None, None, "tcp")
    assert finding["score"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"dst_port": 53}, id="resolver"),
        pytest.param({"dst_port": 123}, id="time-pool"),
        pytest.param({"dst_port": 443}, id="http3"),
        pytest.param({"dst_port": 3478}, id="stun"),
        pytest.param({"dst_port": 27_015}, id="game-servers"),
        pytest.param({"dst_port": 4672}, id="emule"),
        pytest.param({"dst_port": 30_303}, id="coin"),
        pytest.param({"proto": "tcp"}, id="scanner"),
        pytest.param({"proto": "icmp"}, id="ping"),
        pytest.param({"src_ip": "198.51.100.3"}, id="between-strangers"),
        pytest.param({"dst_port": None}, id="port-not-known"),
    ],
)
def test_other_fans_are_not_found(hunt: Any, swarm: Any, columns: Row) -> None:
    assert hunt(p2p, conn=[{**r, **columns, "src_inside": r["src_inside"] and "src_ip" not in columns}
                           for r in swarm(200)]) == []  # fmt: skip


def test_a_resolvers_fixed_local_port_is_not_found(hunt: Any, swarm: Any) -> None:
    assert hunt(p2p, conn=spread_ports(swarm(200), src_port=53)) == []


def test_a_call_with_a_dozen_candidates_is_not_found(hunt: Any, swarm: Any) -> None:
    least = Config().min_peers
    assert hunt(p2p, conn=spread_ports(swarm(least - 1), src_port=50_000)) == []
    assert len(hunt(p2p, conn=spread_ports(swarm(least), src_port=50_000))) == 1


def test_calling_one_peer_again_makes_no_swarm(hunt: Any, swarm: Any) -> None:
    assert hunt(p2p, conn=[{**r, "dst_ip": "20.0.7.1"} for r in swarm(200)]) == []


def test_the_servers_of_some_data_centres_are_not_found(hunt: Any, swarm: Any) -> None:
    assert hunt(p2p, conn=swarm(100, each_net=5)) == []
    (some,) = hunt(p2p, conn=swarm(100, each_net=2))
    assert 0 < some["score"] < 1


def test_peers_that_dns_named_count_less(hunt: Any, row: Any, swarm: Any) -> None:
    def score(named: int) -> float:
        names = [
            row("dns", 0.0, src_ip=HOST, query=f"n{n}.example", answers=[address(n)])
            for n in range(named)
        ]
        found = hunt(p2p, conn=swarm(100), dns=names)
        return float(found[0]["score"]) if found else 0.0

    assert score(0) == pytest.approx(1.0)
    assert score(50) == pytest.approx(0.5)
    assert score(100) == 0.0


def test_silence_tells_and_where_it_is_not_known_the_middle_stands(hunt: Any, swarm: Any) -> None:
    def score(rows: list[Row]) -> float:
        (finding,) = hunt(p2p, conn=rows)
        return float(finding["score"])

    assert score(swarm(100, answered=40)) == pytest.approx(1.0)
    assert score(swarm(100, answered=100)) == pytest.approx(0.7)
    assert score(swarm(100, state=None, dst_pkts=None)) == pytest.approx(0.85)


def test_large_messages_are_no_chatter(hunt: Any, swarm: Any) -> None:
    assert hunt(p2p, conn=swarm(100, src_bytes=50_000)) == []
    (unknown,) = hunt(p2p, conn=swarm(100, src_bytes=None))
    assert unknown["score"] == pytest.approx(1.0)
    assert unknown["small"] is None


def test_a_torrent_client_that_idles_is_below_suspicion(hunt: Any, swarm: Any) -> None:
    rows = spread_ports(swarm(300), src_port=51_000)
    rows = [{**r, "dst_port": 6881} if n % 20 == 0 else r for n, r in enumerate(rows)]
    (finding,) = hunt(p2p, conn=rows)
    assert finding["torrent"] == pytest.approx(0.05)
    assert finding["score"] == pytest.approx(0.65)
    assert finding["score"] * p2p.WEIGHT < ALONE


@pytest.mark.parametrize(
    ("sharers", "sharing"), [(Config().sharers, True), (Config().sharers - 1, False)]
)
def test_a_host_that_shares_files_is_told(
    hunt: Any, swarm: Any, sharers: int, sharing: bool
) -> None:
    rows = swarm(100)
    bulk = [{**r, "proto": "tcp", "dst_port": 42_000, "dst_bytes": 200_000} for r in rows[:sharers]]
    (finding,) = hunt(p2p, conn=rows + bulk)
    assert finding["sharing"] == sharing
    assert finding["score"] == pytest.approx(0.4 if sharing else 1.0)


def test_downloads_from_the_web_are_no_sharing(hunt: Any, swarm: Any) -> None:
    rows = swarm(100)
    bulk = [{**r, "proto": "tcp", "dst_port": 443, "dst_bytes": 9_000_000} for r in rows]
    assert not hunt(p2p, conn=rows + bulk)[0]["sharing"]


def test_the_sensors_word_for_bittorrent_is_taken(hunt: Any, swarm: Any) -> None:
    rows = swarm(100)
    rows[50]["service"] = "bittorrent"
    assert hunt(p2p, conn=rows)[0]["sharing"]


def test_one_finding_a_host_the_strongest(hunt: Any, swarm: Any) -> None:
    both = swarm(100) + spread_ports(swarm(40, src_port=5165)) + swarm(60, dst_port=20_001)
    (finding,) = hunt(p2p, conn=both)
    assert (finding["shape"], finding["port"]) == ("one port there", 16_471)


def test_ipv6_peers_are_counted_by_their_networks(hunt: Any, swarm: Any) -> None:
    rows = [
        {**r, "dst_ip": f"2001:{n:x}::1", "dst_inside": False} for n, r in enumerate(swarm(100))
    ]
    (finding,) = hunt(p2p, conn=rows)
    assert finding["nets"] == 100


@settings(max_examples=12, deadline=None)
@given(
    peers=st.integers(20, 150), each_net=st.integers(1, 3), again=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)  # fmt: skip
def test_any_swarm_is_counted_in_any_order(
    hunt: Any, swarm: Any, peers: int, each_net: int, again: int, seed: int
) -> None:
    rows = swarm(peers, each_net=each_net) * again
    Random(seed).shuffle(rows)
    (finding,) = hunt(p2p, Config(min_score=0.0), conn=rows)
    assert (finding["peers"], finding["count"]) == (peers, peers * again)
    assert finding["nets"] == -(-peers // each_net)
    assert 0 <= finding["score"] <= 1


def test_swarms_of_one_size_give_one_answer(hunt: Any, swarm: Any) -> None:
    rows = [r for port in range(20_000, 20_006) for r in swarm(50, dst_port=port)]
    named = set()
    for seed in range(3):
        Random(seed).shuffle(rows)
        named |= {(f["shape"], f["port"], tuple(f["evidence"])) for f in hunt(p2p, conn=rows)}
    assert len(named) == 1


@pytest.mark.parametrize("bad", [{"min_peers": 1}, {"min_peers": 80}], ids=str)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
