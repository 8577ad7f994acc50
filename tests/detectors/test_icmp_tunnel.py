from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import icmp_tunnel
from sakimori.detectors.icmp_tunnel import Config

Row = dict[str, Any]
HOST, PEER = "10.0.0.5", "203.0.113.9"


@pytest.fixture(scope="session")
def pings(row: Any) -> Any:
    """`pings((out, back), ...)`: a connection of ten echo requests for each pair of sizes."""

    def make(*sizes: tuple[int, int], **more: Any) -> list[Row]:
        columns = {"src_ip": HOST, "dst_ip": PEER, "src_port": 8, "dst_port": 0, "proto": "icmp",
                   "state": "OTH", "src_pkts": 10, "dst_pkts": 10, **more}  # fmt: skip
        return [
            row("conn", n * 60.0, **{"src_bytes": 10 * out, "dst_bytes": 10 * back, **columns})
            for n, (out, back) in enumerate(sizes)
        ]

    return make


def tunnelled(count: int = 40, seed: int = 1) -> list[tuple[int, int]]:
    rnd = Random(seed)
    return [(rnd.randrange(30, 200), rnd.randrange(300, 1400)) for _ in range(count)]


def test_pings_whose_answers_are_no_copies_are_a_tunnel(hunt: Any, pings: Any) -> None:
    (finding,) = hunt(icmp_tunnel, conn=pings(*tunnelled()))
    assert (finding["host"], finding["peer"], finding["peer_port"]) == (HOST, PEER, None)
    assert finding["score"] > 0.9
    assert finding["asks"] == "host"
    assert finding["packets"] == 800
    assert finding["mean_in"] > 3 * finding["mean_out"]
    assert (finding["count"], len(finding["evidence"])) == (40, 20)


def test_sizes_that_vary_alone_are_enough(hunt: Any, pings: Any) -> None:
    sizes = [(out, out) for out, _back in tunnelled(80)]
    (finding,) = hunt(icmp_tunnel, conn=pings(*sizes))
    assert finding["uneven"] == 0.0
    assert 0.5 < finding["score"] < 0.8


def test_answers_of_another_size_alone_are_enough(hunt: Any, pings: Any) -> None:
    (finding,) = hunt(icmp_tunnel, conn=pings(*[(64, 512)] * 60))
    assert finding["varied"] == 0.0
    assert 0.5 < finding["score"] < 0.8


def test_one_long_connection_shows_by_bytes_that_are_no_multiple(hunt: Any, pings: Any) -> None:
    one = {"src_pkts": 3000, "src_bytes": 3000 * 300 + 7, "dst_pkts": 3000, "dst_bytes": 900_007}
    (finding,) = hunt(icmp_tunnel, conn=pings((0, 0), **one))
    assert finding["varied"] == 1.0


@pytest.mark.parametrize("size", [0, 32, 56, 1400])
def test_a_monitor_that_pings_all_day_is_no_tunnel(hunt: Any, pings: Any, size: int) -> None:
    lost = pings((size, size), dst_pkts=4, dst_bytes=4 * size)
    assert hunt(icmp_tunnel, conn=pings(*[(size, size)] * 400) + lost) == []


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"src_port": 3, "dst_port": 3}, id="unreachable"),
        pytest.param({"src_port": 11}, id="time-exceeded"),
        pytest.param({"src_port": None}, id="type-not-known"),
        pytest.param({"proto": "udp"}, id="udp"),
        pytest.param({"dst_ip": "10.0.0.9"}, id="inside"),
        pytest.param({"src_ip": "198.51.100.1"}, id="between-strangers"),
        pytest.param({"dst_ip": "224.0.0.1"}, id="multicast"),
        pytest.param({"src_bytes": None}, id="bytes-not-known"),
        pytest.param({"src_pkts": None}, id="packets-not-known"),
    ],
)
def test_other_traffic_is_no_tunnel(hunt: Any, pings: Any, columns: Row) -> None:
    rows = [{**r, **columns} for r in pings(*tunnelled())]
    for r in rows:
        r["src_inside"] = str(r["src_ip"]).startswith("10.")
        r["dst_inside"] = (
            None if str(r["dst_ip"]).startswith("224.") else str(r["dst_ip"]).startswith("10.")
        )
    assert hunt(icmp_tunnel, conn=rows) == []


def test_ipv6_is_read_too(hunt: Any, pings: Any) -> None:
    assert len(hunt(icmp_tunnel, conn=pings(*tunnelled(), src_port=128))) == 1


def test_a_path_test_of_a_few_sizes_is_no_tunnel(hunt: Any, pings: Any) -> None:
    sweep = pings((1472, 1472), (1400, 1400), (1300, 1300), src_pkts=4, dst_pkts=4)
    assert hunt(icmp_tunnel, conn=sweep) == []


def test_a_host_pinged_from_outside_answers_with_copies(hunt: Any, pings: Any) -> None:
    of_peer = {"src_ip": PEER, "dst_ip": HOST}
    assert hunt(icmp_tunnel, conn=pings(*[(o, o) for o, _b in tunnelled()], **of_peer)) == []
    (finding,) = hunt(icmp_tunnel, conn=pings(*tunnelled(), **of_peer))
    assert (finding["host"], finding["peer"], finding["asks"]) == (HOST, PEER, "peer")


def test_one_way_flows_of_both_directions_are_one_talk(hunt: Any, pings: Any) -> None:
    back = {"src_ip": PEER, "dst_ip": HOST, "src_port": 0}
    none = {"dst_pkts": None, "dst_bytes": None}
    same = [(out, 0) for out in [56] * 200]
    rows = pings(*same, **none) + pings(*same, **back, **none)
    assert hunt(icmp_tunnel, conn=rows) == []
    there = [(o, 0) for o, _b in tunnelled()]
    here = [(b, 0) for _o, b in tunnelled()]
    (finding,) = hunt(icmp_tunnel, conn=pings(*there, **none) + pings(*here, **back, **none))
    assert finding["mean_in"] > 3 * finding["mean_out"]
    assert finding["asks"] == "host"


def test_few_answers_say_nothing_about_their_mean(hunt: Any, pings: Any) -> None:
    rows = pings(*[(100, 0)] * 20, dst_pkts=0) + pings((100, 1000), dst_pkts=1, dst_bytes=1000)
    assert hunt(icmp_tunnel, conn=rows) == []


def test_a_peer_of_many_hosts_is_common(hunt: Any, pings: Any) -> None:
    rows = [
        r
        for n in range(20)
        for r in pings(*[(64, 512)] * 60, src_ip=f"10.0.1.{n}")
    ]  # fmt: skip
    assert hunt(icmp_tunnel, conn=rows) == []


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 60))
def test_the_score_is_a_share_and_does_not_depend_on_order(
    hunt: Any, pings: Any, seed: int, count: int
) -> None:
    rows = pings(*tunnelled(count, seed))
    first = hunt(icmp_tunnel, conn=rows)
    Random(seed).shuffle(rows)
    again = hunt(icmp_tunnel, conn=rows)
    assert [f["score"] for f in first] == pytest.approx([f["score"] for f in again])
    assert [f["evidence"] for f in first] == [f["evidence"] for f in again]
    assert all(Config().min_score <= f["score"] <= 1 for f in first)


@pytest.mark.parametrize("bad", [{"min_packets": 1}, {"min_bytes": 300_000}], ids=str)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
