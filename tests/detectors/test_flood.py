from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import flood
from sakimori.detectors.flood import Config

Row = dict[str, Any]
HOST, TARGET = "10.0.0.5", "203.0.113.9"
SYN = {"state": "S0", "src_pkts": 1, "dst_pkts": 0, "src_bytes": 0, "dst_bytes": 0}
DATAGRAM = {
    "proto": "udp", "state": "S0", "src_pkts": 1, "dst_pkts": 0, "src_bytes": 1000, "dst_bytes": 0,
}  # fmt: skip


@pytest.fixture(scope="session")
def poured(row: Any) -> Any:
    """`poured(2000, dst_port=80, **SYN)`: so many flows from HOST to TARGET in a minute."""

    def make(flows: int, seconds: float = 19.0, begin: float = 0.0, **more: Any) -> list[Row]:
        columns = {"src_ip": HOST, "dst_ip": TARGET, "dst_port": 80, "duration": 0.0, **more}
        return [
            row("conn", begin + n * seconds / flows, uid=f"U{begin}-{n}", **columns)
            for n in range(flows)
        ]

    return make


def one(row: Any, **more: Any) -> list[Row]:
    columns = {"src_ip": HOST, "dst_ip": TARGET, "dst_port": 80, "duration": 30.0, **more}
    return [row("conn", 0.0, **columns)]


def test_many_empty_attempts_are_a_flood(hunt: Any, poured: Any) -> None:
    (found,) = hunt(flood, conn=poured(5000, **SYN))
    assert (found["host"], found["peer"], found["peer_port"], found["proto"]) == (
        HOST, TARGET, 80, "tcp",
    )  # fmt: skip
    assert (found["method"], found["direction"], found["per_minute"]) == ("tcp", "outbound", 5000)
    assert (found["count"], found["minutes"], found["ports"]) == (5000, 1, 1)
    assert 0.6 < found["score"] < 1
    assert len(found["evidence"]) == 1


@pytest.mark.parametrize(
    ("rate", "score"),
    [
        pytest.param(599, None, id="less-than-the-least"),
        pytest.param(600, 0.3, id="least"),
        pytest.param(10_000, 1.0, id="full"),
    ],
)
def test_the_rate_of_attempts_makes_the_score(
    hunt: Any, poured: Any, rate: int, score: float | None
) -> None:
    found = hunt(flood, conn=poured(rate, **SYN))
    assert [f["score"] for f in found] == ([] if score is None else [pytest.approx(score)])


def test_the_worst_minute_counts_and_minutes_are_one_finding(hunt: Any, poured: Any) -> None:
    rows = poured(1000, **SYN) + poured(3000, begin=60.0, **SYN) + poured(100, begin=120.0, **SYN)
    (found,) = hunt(flood, conn=rows)
    assert (found["per_minute"], found["minutes"], found["count"]) == (3000, 2, 4000)
    assert len(found["evidence"]) == 2


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(SYN | {"src_pkts": 40_000}, id="tcp"),
        pytest.param(DATAGRAM | {"src_pkts": 40_000}, id="udp"),
        pytest.param(DATAGRAM | {"proto": "icmp", "src_pkts": 40_000}, id="icmp"),
        pytest.param(
            DATAGRAM | {"src_pkts": None, "dst_pkts": None, "src_bytes": 60_000_000},
            id="bytes-in-place-of-packets",
        ),
    ],
)
def test_one_flow_of_many_packets_is_a_flood(hunt: Any, row: Any, columns: Row) -> None:
    (found,) = hunt(flood, conn=one(row, **columns))
    assert found["method"] == columns["proto"] if "proto" in columns else "tcp"
    assert found["per_minute"] == 40_000
    assert found["score"] > 0.5


def test_a_long_flow_counts_with_its_share_of_a_minute(hunt: Any, row: Any) -> None:
    slow = one(row, **DATAGRAM | {"src_pkts": 40_000, "duration": 3600.0})
    assert hunt(flood, conn=slow) == []


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"src_pkts": 60_000, "dst_pkts": 20_000}, id="upload"),
        pytest.param({"src_pkts": 60_000, "dst_pkts": 3_000, "proto": "udp"}, id="upload-by-quic"),
        pytest.param({"src_pkts": 20_000, "dst_pkts": 60_000}, id="download"),
        pytest.param({"src_pkts": 15_000, "dst_pkts": 12_000, "proto": "udp"}, id="video-call"),
        pytest.param(
            {"src_pkts": 60_000, "dst_pkts": None, "dst_bytes": None, "src_bytes": 9**9,
             "proto": "udp", "state": None},
            id="nothing-known-of-the-way-back",
        ),
        pytest.param(
            {"src_pkts": None, "dst_pkts": None, "src_bytes": 90_000_000, "dst_bytes": 2_000_000,
             "state": None},
            id="upload-in-bytes",
        ),
        pytest.param({"src_pkts": 900, "dst_pkts": 900, "proto": "icmp"}, id="eager-monitor"),
        pytest.param(
            DATAGRAM | {"src_pkts": 40_000, "dst_ip": "10.0.0.9", "dst_port": 514},
            id="log-stream-inside",
        ),
        pytest.param(DATAGRAM | {"src_pkts": 90_000, "dst_ip": "224.0.0.9"}, id="multicast"),
        pytest.param(
            DATAGRAM | {"src_pkts": 90_000, "src_ip": "198.51.100.1"}, id="between-strangers"
        ),
    ],
)  # fmt: skip
def test_other_heavy_flows_are_no_flood(hunt: Any, row: Any, columns: Row) -> None:
    assert hunt(flood, conn=one(row, **{"src_bytes": 1000, "dst_bytes": 1000, **columns})) == []


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"state": "SF", "src_pkts": 9, "dst_pkts": 8}, id="a-busy-proxy"),
        pytest.param({"state": None, "src_pkts": None, "dst_pkts": None}, id="nothing-known"),
        pytest.param(SYN | {"dst_ip": "10.0.0.9"}, id="inside-at-a-low-rate"),
    ],
)
def test_many_connections_alone_are_no_flood(hunt: Any, poured: Any, columns: Row) -> None:
    assert hunt(flood, conn=poured(2500, **columns)) == []


def test_empty_connections_that_were_answered_are_attempts_too(hunt: Any, poured: Any) -> None:
    full = {"state": "RSTO", "src_pkts": 3, "dst_pkts": 2, "src_bytes": 0, "dst_bytes": 0}
    assert len(hunt(flood, conn=poured(2500, **full))) == 1


def test_a_sweep_of_ports_is_no_flood(hunt: Any, poured: Any) -> None:
    rows = poured(2500, **SYN)
    swept = [r | {"dst_port": n + 1} for n, r in enumerate(rows)]
    assert hunt(flood, conn=swept) == []
    again = [r | {"dst_port": n % 10 + 1} for n, r in enumerate(rows)]
    (found,) = hunt(flood, conn=again)
    assert (found["peer_port"], found["ports"]) == (None, 10)


@pytest.mark.parametrize(
    ("src", "dst", "direction", "factor"),
    [
        pytest.param(HOST, TARGET, "outbound", 1, id="outbound"),
        pytest.param(HOST, "10.0.0.9", "internal", 5, id="internal"),
        pytest.param("198.51.100.1", HOST, "inbound", 1, id="inbound"),
    ],
)
def test_directions_are_told_apart(
    hunt: Any, row: Any, src: str, dst: str, direction: str, factor: int
) -> None:
    columns = DATAGRAM | {"src_pkts": 30_000 * factor, "src_ip": src, "dst_ip": dst}
    (found,) = hunt(flood, conn=one(row, **columns))
    assert (found["host"], found["peer"], found["direction"]) == (src, dst, direction)
    (outbound,) = hunt(flood, conn=one(row, **DATAGRAM | {"src_pkts": 30_000}))
    assert found["score"] == pytest.approx(outbound["score"])


def test_senders_that_expect_no_answer_weigh_half(hunt: Any, row: Any) -> None:
    columns = DATAGRAM | {"src_pkts": 100_000}
    (random,) = hunt(flood, conn=one(row, **columns))
    (stream,) = hunt(flood, conn=one(row, **columns, dst_port=514))
    assert stream["score"] == pytest.approx(random["score"] / 2)


@pytest.mark.parametrize(
    ("gain", "found"),
    [pytest.param(20, True, id="amplified"), pytest.param(3, False, id="plain-answers")],
)
def test_a_service_that_amplifies_is_reflecting(
    hunt: Any, poured: Any, gain: int, found: bool
) -> None:
    asked = {"proto": "udp", "src_ip": "198.51.100.1", "dst_ip": HOST, "dst_port": 11211,
             "state": "SF", "src_pkts": 10, "dst_pkts": 300, "src_bytes": 1000,
             "dst_bytes": 1000 * gain}  # fmt: skip
    hits = hunt(flood, conn=poured(500, **asked))
    assert [f["host"] for f in hits if f["direction"] == "reflected"] == [HOST] * found
    assert all((f["method"], f["peer"], f["gain"]) == ("reflect", "198.51.100.1", gain)
               and f["score"] <= 0.5 for f in hits)  # fmt: skip


@pytest.fixture(scope="session")
def requests(row: Any) -> Any:
    """`requests(3000, uri=..., resp_bytes=...)`: requests of HOST within a minute."""

    def make(n: int, **more: Any) -> list[Row]:
        columns = {"src_ip": HOST, "dst_ip": TARGET, "host": "shop.example", "resp_bytes": 300,
                   **more}  # fmt: skip
        uri = columns.pop("uri", "/?q={n}")
        return [
            row("http", i * 19 / n, uid=f"H{i}", uri=uri.format(n=i), **columns) for i in range(n)
        ]

    return make


def test_the_same_request_over_and_over_is_a_flood(hunt: Any, requests: Any) -> None:
    (found,) = hunt(flood, http=requests(3000))
    assert (found["peer"], found["peer_port"], found["method"]) == ("shop.example", 80, "http")
    assert (found["per_minute"], found["packets"]) == (3000, None)


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"uri": "/page/{n}"}, id="a-mirror-of-a-site"),
        pytest.param({"resp_bytes": 900_000}, id="a-download-in-parts"),
        pytest.param({"uri": None}, id="not-known-what"),
        pytest.param({"dst_ip": "10.0.0.9"}, id="inside"),
    ],
)
def test_other_requests_are_no_flood(hunt: Any, requests: Any, columns: Row) -> None:
    rows = requests(3000, **{k: v for k, v in columns.items() if v is not None})
    if None in columns.values():
        rows = [r | columns for r in rows]
    assert hunt(flood, http=rows) == []


@settings(max_examples=12, deadline=None)
@given(sent=st.integers(1, 10**7), back=st.integers(0, 10**6), seed=st.integers(0, 9))
def test_more_back_never_scores_more(hunt: Any, row: Any, sent: int, back: int, seed: int) -> None:
    flow = {**DATAGRAM, "src_pkts": sent}
    silent = one(row, **flow) + one(row, **flow, uid="B", dst_port=81)
    answered = [r | {"dst_ip": "203.0.113.10", "dst_pkts": back} for r in silent]
    rows = silent + answered
    Random(seed).shuffle(rows)
    scores = {f["peer"]: f["score"] for f in hunt(flood, conn=rows)}
    assert 0 <= scores.get("203.0.113.10", 0.0) <= scores.get(TARGET, 0.0) <= 1


@pytest.mark.parametrize(
    "bad", [{"min_attempts": 10_000}, {"min_gain": 1.0}, {"min_score": 1.5}], ids=str
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
