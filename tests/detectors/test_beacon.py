from __future__ import annotations

from itertools import accumulate, pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import beacon
from sakimori.detectors._periods import confirm, fold
from sakimori.detectors.beacon import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Row = dict[str, Any]
HOST, PEER, PORT = "10.0.0.5", "203.0.113.9", 4444
NOTHING_LEFT_OUT = Config(min_score=0.0)


def jittered(period_s: float, share: float, count: int, seed: int = 1) -> list[float]:
    """Gaps of a timer that is off by up to `share` of its period."""
    rnd = Random(seed)
    return [period_s * (1 + rnd.uniform(-share, share)) for _ in range(count)]


def at_random(mean_s: float, count: int, seed: int) -> list[float]:
    rnd = Random(seed)
    return [rnd.expovariate(1 / mean_s) for _ in range(count)]


def places(found: Iterable[Row]) -> list[tuple[str, str, str, int]]:
    return [(f["unit"], f["host"], f["peer"], f["peer_port"]) for f in found]


@pytest.mark.parametrize(
    ("gaps_s", "period_s", "least"),
    [
        pytest.param([60.0] * 40, 60, 0.8, id="metronome"),
        pytest.param([60.0, 60.000001] * 20, 60, 0.8, id="microsecond-jitter"),
        pytest.param(jittered(60, 0.1, 100), 60, 0.7, id="jitter-of-10-percent"),
        pytest.param(jittered(60, 0.3, 100), 60, 0.6, id="jitter-of-30-percent"),
        pytest.param(jittered(60, 0.5, 100), 60, 0.5, id="jitter-of-50-percent"),
        pytest.param([300.0] * 90 + [57_000.0] + [300.0] * 90, 300, 0.8, id="off-overnight"),
        pytest.param([300.0] * 90 + [259_200.0] + [300.0] * 90, 300, 0.8, id="off-for-a-weekend"),
        pytest.param(jittered(900, 0.2, 32) * 5, 900, 0.6, id="a-working-week"),
        pytest.param([60.0] * 180, 60, 0.8, id="infected-for-three-hours"),
        pytest.param([14_400.0] * 12, 14_400, 0.5, id="every-four-hours"),
        pytest.param([0.05, 0.2, 59.75] * 40, 60, 0.7, id="bursts-of-three"),
        pytest.param([2.0] * 400, 2, 0.8, id="every-two-seconds"),
    ],
)
def test_steady_calls_are_found(
    hunt: Any, calls: Any, gaps_s: list[float], period_s: float, least: float
) -> None:
    (finding,) = hunt(beacon, conn=calls(HOST, PEER, PORT, gaps_s))
    assert places([finding]) == [("address", HOST, PEER, PORT)]
    assert finding["score"] > least
    assert finding["period_s"] == pytest.approx(period_s, rel=0.1)


@pytest.mark.parametrize(
    ("gaps_s", "columns"),
    [
        pytest.param([14_400.0] * 4, {}, id="fewer-than-min-calls"),
        pytest.param([0.02] * 500, {}, id="one-burst"),
        pytest.param([100_000.0] * 30, {}, id="longer-than-the-longest-gap"),
        pytest.param([0.0] * 50, {}, id="all-at-one-time"),
        pytest.param([1.0, 10.0, 100.0, 1000.0] * 20, {}, id="every-length-of-gap"),
        pytest.param([60.0] * 40, {"proto": "icmp"}, id="icmp"),
        pytest.param([60.0] * 40, {"proto": None}, id="protocol-not-known"),
        pytest.param([60.0] * 40, {"dst_ip": "10.0.0.9"}, id="to-the-inside"),
        pytest.param([60.0] * 40, {"dst_ip": "224.0.0.251"}, id="to-multicast"),
        pytest.param([60.0] * 40, {"src_ip": "198.51.100.1"}, id="from-the-outside"),
    ],
)
def test_other_calls_are_not(
    hunt: Any, row: Any, calls: Any, gaps_s: list[float], columns: Row
) -> None:
    kept = ("ts", "uid", "src_ip", "dst_ip", "dst_port")
    made = calls(HOST, PEER, PORT, gaps_s)
    rows = [row("conn", **{**{name: r[name] for name in kept}, **columns}) for r in made]
    assert hunt(beacon, conn=rows) == []


@pytest.mark.parametrize("count", [6, 12, 40, 200])
def test_calls_at_random_are_hardly_ever_found(hunt: Any, calls: Any, count: int) -> None:
    hosts = 150
    rows = [
        call
        for n in range(hosts)
        for call in calls(f"10.1.0.{n}", f"203.0.{n}.9", PORT, at_random(60, count, n * 997))
    ]
    assert len(hunt(beacon, conn=rows)) <= hosts * 0.03


def test_the_same_hosts_on_a_timer_are_all_found(hunt: Any, calls: Any) -> None:
    rows = [
        call
        for n in range(50)
        for call in calls(f"10.1.0.{n}", f"203.0.{n}.9", PORT, jittered(60, 0.3, 40, n))
    ]
    assert {f["host"] for f in hunt(beacon, conn=rows)} == {f"10.1.0.{n}" for n in range(50)}


def test_more_jitter_scores_less(hunt: Any, calls: Any) -> None:
    shares = [0.0, 0.2, 0.4, 0.6, 0.9]
    rows = [
        call
        for n, share in enumerate(shares)
        for call in calls(f"10.0.0.{n}", f"203.0.{n}.9", PORT, jittered(60, share, 300))
    ]
    found = hunt(beacon, NOTHING_LEFT_OUT, conn=rows)
    assert [f["host"] for f in found] == [f"10.0.0.{n}" for n in range(len(shares))]
    assert [f["jitter"] for f in found] == sorted(f["jitter"] for f in found)


def test_more_calls_make_surer(hunt: Any, calls: Any) -> None:
    rows = [
        call
        for count in (6, 12, 50, 200)
        for call in calls(f"10.0.0.{count}", f"203.0.{count}.9", PORT, [60.0] * count)
    ]
    found = hunt(beacon, conn=rows)
    assert [f["host"] for f in found] == ["10.0.0.200", "10.0.0.50", "10.0.0.12", "10.0.0.6"]


@pytest.mark.parametrize(
    ("columns", "unanswered"),
    [
        pytest.param({"state": "S0", "dst_pkts": 0}, 1.0, id="no-answer"),
        pytest.param({"state": "REJ", "dst_pkts": 1}, 1.0, id="refused"),
        pytest.param({"state": None, "dst_pkts": 0}, 1.0, id="by-packets-only"),
        pytest.param({"state": "SF", "dst_pkts": 9}, 0.0, id="answered"),
        pytest.param({"state": None, "dst_pkts": None}, None, id="cannot-tell"),
    ],
)
def test_unanswered_calls_count_as_calls(
    hunt: Any, calls: Any, columns: Row, unanswered: float | None
) -> None:
    (finding,) = hunt(beacon, conn=calls(HOST, PEER, PORT, [60.0] * 40, **columns))
    (answered,) = hunt(beacon, conn=calls(HOST, PEER, PORT, [60.0] * 40))
    assert finding["unanswered"] == unanswered
    assert finding["score"] == answered["score"]


def tries(row: Any, waits_s: Iterable[float], port: int | None) -> list[Row]:
    """Forty unanswered calls and the next tries of each; the source port changes per call."""
    return [
        row("conn", n * 60.0 + wait, src_ip=HOST, dst_ip=PEER, dst_port=PORT, state="S0", dst_pkts=0,
               src_port=None if port is None else port + n)
        for n in range(40)
        for wait in (0.0, *waits_s)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("waits_s", "port"),
    [
        pytest.param((1, 3, 7), 50_000, id="same-port"),
        pytest.param((1, 3, 7), None, id="doubling-waits-only"),
        pytest.param((3, 9, 21), 50_000, id="older-stack"),
        pytest.param((4, 9), 50_000, id="same-port-whatever-the-waits"),
    ],
)
def test_tries_of_an_unanswered_call_are_one_call(
    hunt: Any, row: Any, waits_s: tuple[float, ...], port: int | None
) -> None:
    (finding,) = hunt(beacon, conn=tries(row, waits_s, port))
    assert finding["count"] == 40
    assert finding["period_s"] == pytest.approx(60)
    assert finding["unanswered"] == 1.0
    assert sorted(finding["evidence"]) == sorted(f"{HOST}@{n * 60:.3f}" for n in range(20))


@pytest.mark.parametrize("columns", [{"state": "S0", "dst_pkts": 0}, {}], ids=["dead", "alive"])
def test_a_timer_of_two_seconds_is_no_row_of_tries(hunt: Any, calls: Any, columns: Row) -> None:
    (finding,) = hunt(beacon, conn=calls(HOST, PEER, PORT, [2.0] * 100, **columns))
    assert (finding["count"], finding["period_s"]) == (101, 2.0)


def test_answered_calls_are_bursts_and_never_tries(hunt: Any, row: Any, calls: Any) -> None:
    (burst,) = hunt(beacon, conn=calls(HOST, PEER, PORT, [1.0, 2.0, 4.0, 53.0] * 40))
    (again,) = hunt(beacon, conn=tries(row, (1, 3, 7), 50_000))
    assert (burst["bursts"], again["bursts"]) == (True, False)
    assert burst["score"] < again["score"]


def test_an_implant_that_calls_quickly_and_then_sleeps(hunt: Any, calls: Any) -> None:
    gaps = [5.0, 5.0, 5.0, 3585.0] * 20
    (finding,) = hunt(beacon, conn=calls(HOST, PEER, PORT, gaps))
    assert finding["bursts"]
    assert finding["period_s"] == pytest.approx(3600)
    assert finding["count"] == 21
    (plain,) = hunt(beacon, conn=calls(HOST, PEER, PORT, [60.0] * 40))
    assert not plain["bursts"]


def test_bursts_of_calls_at_random_are_hardly_ever_found(hunt: Any, calls: Any) -> None:
    def gaps(seed: int) -> list[float]:
        rnd = Random(seed)
        return [g for _ in range(30) for g in (2.0, 1.5, 3.0, rnd.expovariate(1 / 900))]

    rows = [c for n in range(60) for c in calls(f"10.1.0.{n}", f"203.0.{n}.9", PORT, gaps(n))]
    assert len(hunt(beacon, conn=rows)) <= 2


def test_a_burst_of_page_loads_is_no_timer_of_a_second(hunt: Any, calls: Any) -> None:
    rnd = Random(7)
    gaps = [rnd.expovariate(1 / 0.8) for _ in range(300)]
    assert hunt(beacon, conn=calls(HOST, PEER, PORT, gaps)) == []


def test_waking_hours_off_the_beat_weigh_less_than_hours_off(hunt: Any, calls: Any) -> None:
    on = [60.0] * 20
    rows = calls(HOST, PEER, PORT, [*on, 14 * 3600.0, *on])
    (asleep,) = hunt(beacon, conn=rows)
    other = calls(HOST, "198.51.100.1", 443, at_random(900, 60, 3))
    (awake,) = [f for f in hunt(beacon, conn=rows + other) if f["peer"] == PEER]
    assert asleep["covered"] > 3 * awake["covered"]
    assert asleep["score"] > awake["score"]
    assert asleep["active"] == awake["active"]


def test_fewer_calls_will_do_when_they_are_tight(hunt: Any, calls: Any) -> None:
    def score(share: float) -> float:
        (finding,) = hunt(
            beacon, NOTHING_LEFT_OUT, conn=calls(HOST, PEER, PORT, jittered(14_400, share, 6))
        )
        return float(finding["score"])

    assert score(0.05) > 0.6 > score(0.5)


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        pytest.param([PEER], True, id="named"),
        pytest.param(["198.51.100.7"], False, id="never-named"),
        pytest.param(None, None, id="answers-not-logged"),
        pytest.param([], None, id="no-answer-at-all"),
    ],
)
def test_whether_a_name_led_to_the_address(
    hunt: Any, row: Any, calls: Any, answers: list[str] | None, named: bool | None
) -> None:
    asked = [row("dns", src_ip=HOST, query="c2.example.net", answers=answers)]
    (finding,) = hunt(beacon, conn=calls(HOST, PEER, PORT, [60.0] * 40), dns=asked)
    assert finding["named"] is named


@pytest.mark.parametrize(("answer", "named"), [(PEER, True), ("198.51.100.7", None)])
def test_answers_to_another_host_can_name_but_not_unname(
    hunt: Any, row: Any, calls: Any, answer: str, named: bool | None
) -> None:
    asked = [row("dns", src_ip="10.0.0.6", query="c2.example.net", answers=[answer])]
    (finding,) = hunt(beacon, conn=calls(HOST, PEER, PORT, [60.0] * 40), dns=asked)
    assert finding["named"] is named


def test_one_finding_however_often_the_address_was_answered(
    hunt: Any, row: Any, calls: Any
) -> None:
    asked = [row("dns", n, src_ip=HOST, query=f"{n}.example.net", answers=[PEER]) for n in range(5)]
    assert len(hunt(beacon, conn=calls(HOST, PEER, PORT, [60.0] * 40), dns=asked)) == 1


def relays(calls: Any, hosts: int, port: int, places: int) -> list[Row]:
    """Many hosts, each with one of `places` peers of its own /24, on one port and a timer."""
    return [
        call
        for n in range(hosts)
        for call in calls(f"10.3.0.{n}", f"203.{n % places}.113.9", port, [60.0] * 40)
    ]


def test_a_port_of_timers_to_many_places_is_a_service(hunt: Any, calls: Any) -> None:
    assert hunt(beacon, conn=relays(calls, 40, 4460, 40)) == []


def test_a_port_that_few_hosts_use_is_none(hunt: Any, calls: Any) -> None:
    others = [
        c
        for n in range(150)
        for c in calls(f"10.4.0.{n}", f"198.51.{n}.9", 443, at_random(60, 3, n))
    ]
    found = hunt(beacon, conn=relays(calls, 10, 4460, 10) + others)
    assert {f["host"] for f in found} == {f"10.3.0.{n}" for n in range(10)}


def test_a_port_with_much_other_traffic_is_none(hunt: Any, calls: Any) -> None:
    web = [
        c
        for n in range(40)
        for m in range(6)
        for c in calls(f"10.3.0.{n}", f"198.{n}.{m}.9", 443, at_random(60, 3, n))
    ]
    assert len(hunt(beacon, conn=relays(calls, 40, 443, 40) + web)) == 40


def test_another_port_of_a_busy_net_is_not_common(hunt: Any, calls: Any) -> None:
    web = [c for n in range(20) for c in calls(f"10.0.1.{n}", f"203.0.113.{n + 20}", 443, [9999.0])]
    (finding,) = hunt(beacon, conn=web + calls(HOST, PEER, PORT, [60.0] * 40))
    assert finding["rarity"] == 1.0


def test_a_name_called_over_tls_and_http_is_one_peer(hunt: Any, row: Any) -> None:
    name, to = "c2.example.net", {"src_ip": HOST, "dst_ip": PEER, "dst_port": 8080}
    found = hunt(
        beacon,
        tls=[row("tls", n * 120.0, server_name=name, **to) for n in range(20)],
        http=[row("http", n * 120.0 + 60, host=name, **to) for n in range(20)],
    )
    assert [(f["peer"], f["count"], f["period_s"]) for f in found] == [(name, 40, 60.0)]


def test_retries_and_parallel_calls_are_one_call(hunt: Any, calls: Any) -> None:
    (finding,) = hunt(beacon, conn=calls(HOST, PEER, PORT, [0.0, 0.3, 59.7] * 30))
    assert finding["count"] == 31
    assert finding["active"] == 1.0


def test_the_hours_off_are_no_gap_of_the_timer(hunt: Any, calls: Any) -> None:
    on = [300.0] * 60
    (finding,) = hunt(beacon, conn=calls(HOST, PEER, PORT, [*on, 40_000.0, *on]))
    assert finding["active"] == pytest.approx(120 / 121)
    assert finding["regular"] == finding["cadence"] == 1.0


def test_a_name_whose_addresses_change_is_one_peer(hunt: Any, row: Any) -> None:
    seen = [
        row("tls", n * 60.0, src_ip=HOST, dst_ip=f"203.0.{n}.7", server_name="c2.example.net")
        for n in range(40)
    ]
    (finding,) = hunt(beacon, tls=seen)
    assert places([finding]) == [("name", HOST, "c2.example.net", 443)]


def test_names_come_from_tls_http_and_questions(hunt: Any, row: Any) -> None:
    times = [n * 60.0 for n in range(40)]
    peer = {"dst_ip": PEER}
    found = hunt(
        beacon,
        tls=[row("tls", t, src_ip=HOST, **peer, server_name="a.example.net") for t in times],
        http=[row("http", t, src_ip=HOST, **peer, host="b.example.net") for t in times],
        dns=[row("dns", t, src_ip=HOST, query="c.example.net") for t in times],
    )
    assert sorted(places(found)) == [
        ("name", HOST, "a.example.net", 443),
        ("name", HOST, "b.example.net", 80),
        ("question", HOST, "c.example.net", None),
    ]


@pytest.mark.parametrize("name", ["printer", "9.113.0.203.in-addr.arpa", "_cast._tcp.local"])
def test_bare_and_reverse_names_are_no_peers(hunt: Any, row: Any, name: str) -> None:
    asked = [row("dns", n * 60.0, src_ip=HOST, query=name) for n in range(40)]
    assert hunt(beacon, dns=asked) == []


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"method": "CONNECT", "uri": "c2.example.net:443"}, id="tunnel"),
        pytest.param({"method": "GET", "uri": "http://c2.example.net/a"}, id="absolute"),
    ],
)
def test_calls_through_an_inside_proxy_are_seen_by_name(hunt: Any, row: Any, columns: Row) -> None:
    asked = [
        row("http", n * 60.0, src_ip=HOST, dst_ip="10.0.0.80", dst_port=3128,
            host="c2.example.net", **columns)
        for n in range(40)
    ]  # fmt: skip
    assert places(hunt(beacon, http=asked)) == [("name", HOST, "c2.example.net", 3128)]


def test_an_inside_web_server_is_no_peer(hunt: Any, row: Any) -> None:
    asked = [
        row("http", n * 60.0, src_ip=HOST, dst_ip="10.0.0.80", host="intra.example.net")
        for n in range(40)
    ]
    assert hunt(beacon, http=asked) == []


def test_a_controller_that_moves_within_its_net_is_one_peer(hunt: Any, row: Any) -> None:
    moving = [
        row("conn", n * 60.0, src_ip=HOST, dst_ip=f"203.0.113.{n % 20}", dst_port=PORT)
        for n in range(60)
    ]
    assert ("net", HOST, "203.0.113.0/24", PORT) in places(hunt(beacon, conn=moving))


def test_one_address_of_a_net_is_not_also_a_net(hunt: Any, calls: Any) -> None:
    found = hunt(beacon, conn=calls(HOST, PEER, PORT, [60.0] * 40))
    assert [f["unit"] for f in found] == ["address"]


def test_two_ports_of_a_net_are_two_peers(hunt: Any, calls: Any) -> None:
    rows = calls(HOST, PEER, 4444, [60.0] * 40) + calls(HOST, "203.0.113.10", 5555, [45.0] * 40)
    assert sorted(places(hunt(beacon, conn=rows))) == [
        ("address", HOST, "203.0.113.10", 5555),
        ("address", HOST, PEER, 4444),
    ]


def test_what_more_hosts_call_scores_less(hunt: Any, calls: Any) -> None:
    everyone = [f"10.0.0.{n}" for n in range(1, 21)]
    background = [
        c for n, h in enumerate(everyone) for c in calls(h, f"198.{n}.0.1", 443, [9999.0])
    ]

    def score(callers: int) -> float:
        rows = [c for h in everyone[:callers] for c in calls(h, PEER, PORT, [60.0] * 40)]
        found = hunt(beacon, NOTHING_LEFT_OUT, conn=background + rows)
        return max((f["score"] for f in found if f["peer"] == PEER), default=0.0)

    scores = [score(callers) for callers in (1, 5, 10, 20)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)
    assert scores[-1] == 0.0


def test_an_address_is_as_common_as_its_net(hunt: Any, calls: Any) -> None:
    rows = [c for n in range(20) for c in calls(f"10.0.0.{n}", f"203.0.113.{n}", PORT, [60.0] * 40)]
    assert hunt(beacon, conn=rows) == []


def test_in_a_network_of_a_few_hosts_nothing_is_called_common(hunt: Any, calls: Any) -> None:
    rows = [c for n in range(3) for c in calls(f"10.0.0.{n}", PEER, PORT, [60.0] * 40)]
    found = hunt(beacon, conn=rows)
    assert len(found) == 3
    assert min(f["rarity"] for f in found) > 0.7


@pytest.mark.parametrize("port", [123, 53, 5228])
def test_ports_of_timers_weigh_less(hunt: Any, calls: Any, port: int) -> None:
    config = NOTHING_LEFT_OUT
    (timer,) = hunt(beacon, config, conn=calls(HOST, PEER, port, [60.0] * 40, proto="udp"))
    (other,) = hunt(beacon, config, conn=calls(HOST, PEER, PORT, [60.0] * 40, proto="udp"))
    assert timer["score"] < other["score"] / 2


def test_time_service_is_not_found(hunt: Any, calls: Any) -> None:
    assert hunt(beacon, conn=calls(HOST, PEER, 123, [64.0] * 500, proto="udp")) == []


def test_a_finding_says_when_how_often_and_by_which_rows(hunt: Any, calls: Any) -> None:
    rows = calls(HOST, PEER, PORT, [60.0] * 40)
    (finding,) = hunt(beacon, conn=rows[::-1])
    assert (finding["last_seen"] - finding["first_seen"]).total_seconds() == 2400
    assert finding["count"] == 41
    assert sorted(finding["evidence"]) == sorted(r["uid"] for r in rows[:20])


def test_a_flood_is_no_timer(hunt: Any, calls: Any) -> None:
    config = Config(max_calls=100)
    assert hunt(beacon, config, conn=calls(HOST, PEER, PORT, [2.0] * 101)) == []
    assert len(hunt(beacon, config, conn=calls(HOST, PEER, PORT, [2.0] * 99))) == 1


def test_ipv6_peers_are_found(hunt: Any, row: Any) -> None:
    rows = [
        row("conn", n * 60.0, src_ip="fd00::5", dst_ip="2001:db8::9", src_inside=True,
            dst_inside=False)
        for n in range(40)
    ]  # fmt: skip
    assert places(hunt(beacon, conn=rows)) == [("address", "fd00::5", "2001:db8::9", 443)]


SEEDS = st.integers(0, 2**32)
FEW = settings(max_examples=8, deadline=None)


def two(hunt: Any, one: list[Row], other: list[Row]) -> list[Row]:
    """Return the findings about two hosts, each with its own peer, without who and when."""
    found = hunt(beacon, NOTHING_LEFT_OUT, conn=one + other)
    by_host = {f["host"]: f for f in found}
    assert len(found) == len(by_host) == 2
    without = ("host", "peer", "evidence", "first_seen", "last_seen")
    return [
        {name: value for name, value in by_host[rows[0]["src_ip"]].items() if name not in without}
        for rows in (one, other)
    ]


@FEW
@given(seed=SEEDS, host=st.integers(1, 254))
def test_names_of_hosts_change_nothing(hunt: Any, calls: Any, seed: int, host: int) -> None:
    gaps = jittered(60, 0.4, 50, seed)
    renamed = calls(f"10.7.7.{host}", "198.51.100.9", PORT, gaps)
    one, other = two(hunt, calls(HOST, PEER, PORT, gaps), renamed)
    assert one == other


@FEW
@given(seed=SEEDS)
def test_the_order_of_rows_changes_nothing(hunt: Any, calls: Any, seed: int) -> None:
    gaps = jittered(60, 0.4, 50, seed)
    mixed = calls("10.0.0.6", "198.51.100.9", PORT, gaps)
    Random(seed).shuffle(mixed)
    one, other = two(hunt, calls(HOST, PEER, PORT, gaps), mixed)
    assert one == other


@FEW
@given(seed=SEEDS, factor=st.floats(0.2, 500))
def test_the_pace_changes_nothing(hunt: Any, calls: Any, seed: int, factor: float) -> None:
    gaps = jittered(60, 0.6, 40, seed)
    paced = calls("10.0.0.6", "198.51.100.9", PORT, [g * factor for g in gaps])
    one, other = two(hunt, calls(HOST, PEER, PORT, gaps), paced)
    assert other.pop("period_s") == pytest.approx(one.pop("period_s") * factor, rel=1e-4)
    assert one == pytest.approx(other, abs=1e-4)


@FEW
@given(seed=SEEDS, others=st.integers(1, 30))
def test_other_traffic_changes_nothing(hunt: Any, calls: Any, seed: int, others: int) -> None:
    rows = calls(HOST, PEER, PORT, jittered(60, 0.4, 50, seed))
    noise = [
        c
        for n in range(others)
        for c in calls(f"10.9.0.{n}", f"198.51.{n}.1", 443, at_random(30, 20, seed + n))
    ]
    noise += calls(HOST, "198.51.100.1", 443, at_random(30, 40, seed))
    (alone,) = hunt(beacon, NOTHING_LEFT_OUT, conn=rows)
    assert alone in hunt(beacon, NOTHING_LEFT_OUT, conn=rows + noise)


@FEW
@given(gaps=st.lists(st.floats(0, 200_000), max_size=60))
def test_scores_stay_between_0_and_1_whatever_the_calls(
    hunt: Any, calls: Any, gaps: list[float]
) -> None:
    for finding in hunt(beacon, NOTHING_LEFT_OUT, conn=calls(HOST, PEER, PORT, gaps)):
        assert 0 <= finding["score"] <= 1
        assert finding["count"] >= NOTHING_LEFT_OUT.min_calls


def sure(*lists: list[float]) -> list[float]:
    """Return how sure a period of 1 is, of lists of gaps."""
    times = [list(accumulate(gaps, initial=0.0)) for gaps in lists]
    sizes = np.array([len(each) for each in times], dtype=np.int64)
    found: list[float] = confirm(np.array([t for each in times for t in each]), sizes).tolist()
    return found


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [(0.0, 0.99, 1.0), (0.1, 0.99, 1.0), (0.2, 0.8, 1.0), (0.3, 0.1, 0.8), (0.5, 0.0, 0.15)],
)
def test_the_less_jitter_the_surer_a_period(share: float, low: float, high: float) -> None:
    found = sure(*(jittered(1, share, 100, seed) for seed in range(20)))
    assert low <= min(found)
    assert max(found) <= high


@pytest.mark.parametrize("count", [12, 40, 300])
def test_calls_at_random_confirm_nothing(count: int) -> None:
    # A gap's median is taken for the period, as the detector does.
    found = sure(*(at_random(1 / np.log(2), count, seed) for seed in range(100)))
    assert sum(one > 0.3 for one in found) <= 2


def test_few_calls_confirm_nothing_and_say_so() -> None:
    few, enough, none, again = sure([1.0] * 6, [1.0] * 7, [], [1.0] * 40)
    assert np.isnan([few, none]).all()
    assert enough == again == 1.0


def test_silences_and_bursts_leave_a_period_sure() -> None:
    on = [1.0] * 30
    asleep, bursts = sure([*on, 200.3, *on], [0.02, 0.01, 0.97] * 30)
    assert min(asleep, bursts) > 0.95


@FEW
@given(seed=SEEDS, share=st.floats(0, 0.6), shift=st.floats(-1e6, 1e6))
def test_how_sure_depends_on_neither_begin_nor_company(
    seed: int, share: float, shift: float
) -> None:
    times = np.cumsum(jittered(1, share, 60, seed))
    other = np.cumsum(at_random(1, 40, seed))
    (alone,) = confirm(times, np.array([60])).tolist()
    _, later = confirm(np.concatenate([other, times + shift]), np.array([40, 60])).tolist()
    assert later == pytest.approx(alone, abs=1e-3)


def test_a_finding_says_how_sure_its_period_is(hunt: Any, calls: Any) -> None:
    shares = [0.0, 0.2, 0.5]
    rows = [
        call
        for n, share in enumerate(shares)
        for call in calls(f"10.0.0.{n}", f"203.0.{n}.9", PORT, jittered(3600, share, 100))
    ]
    rows += calls("10.0.0.9", "203.0.9.9", PORT, [60.0] * 5)
    found = {f["host"]: f for f in hunt(beacon, conn=rows)}
    assert found["10.0.0.0"]["confirmed"] == pytest.approx(1.0)
    assert found["10.0.0.1"]["confirmed"] > 0.8
    assert found["10.0.0.2"]["confirmed"] < 0.1
    assert found["10.0.0.9"]["confirmed"] is None
    assert {f["basis"] for f in found.values()} == {"gaps"}


def browsing(span_s: float, visits: int, seed: int) -> list[float]:
    """Times of calls of visits, seven each, in a few sittings."""
    rnd = Random(seed)
    sittings = [rnd.uniform(0, span_s) for _ in range(max(visits // 10, 2))]
    begun = [rnd.choice(sittings) + rnd.expovariate(1 / 900) for _ in range(visits)]
    return [at + rnd.expovariate(1 / 6) for at in begun for _ in range(7)]


def at_times(calls: Any, times: Iterable[float], host: str = HOST, peer: str = PEER) -> list[Row]:
    ordered = sorted(times)
    gaps = [later - earlier for earlier, later in pairwise(ordered)]
    made: list[Row] = calls(host, peer, PORT, gaps, begin=ordered[0])
    return made


DAY_S = 8 * 3600.0


@pytest.mark.parametrize("period_s", [60.0, 300.0, 900.0])
def test_half_of_timers_among_many_other_calls_are_found(
    hunt: Any, calls: Any, period_s: float
) -> None:
    span = max(DAY_S, 100 * period_s)
    rows = []
    for n in range(8):
        timer = accumulate(jittered(period_s, 0.03, int(span / period_s), n), initial=17.0)
        others = browsing(span, int(6 * span / period_s / 7), n)
        rows += at_times(calls, [*timer, *others], f"10.1.0.{n}", f"203.0.{n}.9")
    found = [f for f in hunt(beacon, conn=rows) if f["basis"] == "folding"]
    assert len(found) >= 4
    for finding in found:
        assert (finding["bursts"], finding["jitter"], finding["confirmed"]) == (False, None, None)
        assert finding["period_s"] == pytest.approx(period_s, rel=0.1)
        assert 0.35 <= finding["score"] <= 0.65


def test_browsing_hides_no_timer(hunt: Any, calls: Any) -> None:
    rows = [
        call
        for n in range(60)
        for call in at_times(calls, browsing(DAY_S, 10 + 2 * n, n), f"10.1.0.{n}", f"203.0.{n}.9")
    ]
    assert hunt(beacon, conn=rows) == []


def test_few_calls_hide_no_timer() -> None:
    timer = np.arange(29) * 300.0
    assert np.isnan(fold(timer)).all()
    assert fold(np.arange(30) * 300.0)[1] > 0.6


@FEW
@given(seed=SEEDS, shift=st.floats(-1e8, 1e9))
def test_a_hidden_timer_is_the_same_whenever_it_began(seed: int, shift: float) -> None:
    times = np.sort([*accumulate([300.0] * 96), *browsing(DAY_S, 25, seed)])
    period, locked, heard = fold(times)
    assert period == pytest.approx(300, rel=0.05)
    assert fold(times + round(shift)) == pytest.approx((period, locked, heard), rel=0.02)


def test_the_functions_of_the_engine_take_lists_in_any_order_and_none() -> None:
    gaps = at_random(20, 100, 1)
    given_times = [*accumulate([60.0] * 90), *accumulate(gaps)]
    mixed = Random(1).sample(given_times, len(given_times))
    for function in beacon.FUNCTIONS:
        compute = function.__wrapped__
        lists = pa.array([given_times, mixed, None, []], pa.list_(pa.float64()))
        one, other, null, empty = compute(lists).to_pylist()
        np.testing.assert_array_equal(one, other)
        assert np.isnan(null).all()
        assert np.isnan(empty).all()
        assert len(compute(lists[:0])) == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"min_calls": 3},
        {"min_score": 2.0},
        {"min_gap_s": 0.0},
        {"min_gap_s": 60.0, "max_gap_s": 60.0},
    ],
    ids=str,
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    make: Callable[..., Config] = Config
    with pytest.raises(ValueError, match="need"):
        make(**bad)
