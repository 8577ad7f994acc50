from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sakimori.detectors import scan
from sakimori.detectors.scan import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = dict[str, Any]
HOST = "10.0.0.5"
DEAD = {"state": "S0", "dst_pkts": 0}
ALIVE = {"state": "SF", "dst_pkts": 5}
EASY = Config(min_targets=2, full_targets=500, min_failed=0.0)


@pytest.fixture(scope="session")
def sweep(row: Any) -> Any:
    """`sweep(range(60), port=23, dead=...)`: one try of each address of 203.0.113.0/24 and on."""

    def make(targets: Iterable[int], port: int = 23, gap_s: float = 1.0, **more: Any) -> list[Row]:
        columns = {"src_ip": HOST, "net": "203.0", **DEAD, **more}
        net = columns.pop("net")
        return [
            row("conn", n * gap_s, dst_ip=f"{net}.{n // 250}.{n % 250}", dst_port=port, **columns)
            for n in targets
        ]

    return make


@pytest.fixture(scope="session")
def probe(row: Any) -> Any:
    """`probe(range(60))`: one try of each of these ports of one address."""

    def make(ports: Iterable[int], peer: str = "203.0.113.9", **more: Any) -> list[Row]:
        columns = {"src_ip": HOST, **DEAD, **more}
        return [row("conn", float(n), dst_ip=peer, dst_port=n, **columns) for n in ports]

    return make


def walk(failed: Sequence[bool]) -> float:
    """The highest point of the walk above its lowest so far, written plainly."""
    height = lowest = highest = 0.0
    for one in failed:
        height += math.log(4) if one else -math.log(4)
        lowest = min(lowest, height)
        highest = max(highest, height - lowest)
    return highest


def kinds(found: Iterable[Row]) -> list[tuple[str, str, str]]:
    return [(f["host"], f["shape"], f["direction"]) for f in found]


def test_a_sweep_of_addresses_is_horizontal(hunt: Any, sweep: Any) -> None:
    (finding,) = hunt(scan, conn=sweep(range(60)))
    assert kinds([finding]) == [(HOST, "horizontal", "outbound")]
    assert (finding["peer"], finding["peer_port"], finding["proto"]) == (None, 23, "tcp")
    assert finding["widest"] == "23/tcp"
    assert (finding["targets"], finding["count"], finding["scans"]) == (60, 60, 1)
    assert finding["failed"] == 1.0
    assert finding["per_minute"] == pytest.approx(60, rel=0.05)


def test_a_sweep_of_ports_is_vertical(hunt: Any, probe: Any) -> None:
    (finding,) = hunt(scan, conn=probe(range(1, 61)))
    assert kinds([finding]) == [(HOST, "vertical", "outbound")]
    assert (finding["peer"], finding["peer_port"]) == ("203.0.113.9", None)
    assert finding["widest"] == "203.0.113.9"


@pytest.mark.parametrize(
    ("host", "net", "direction"),
    [
        pytest.param(HOST, "203.0", "outbound", id="outbound"),
        pytest.param(HOST, "10.20", "internal", id="internal"),
        pytest.param("198.51.100.1", "10.20", "inbound", id="inbound"),
    ],
)
def test_directions_are_told_apart(
    hunt: Any, sweep: Any, host: str, net: str, direction: str
) -> None:
    found = hunt(scan, conn=sweep(range(60), src_ip=host, net=net))
    assert kinds(found) == [(host, "horizontal", direction)]


def test_one_host_scanning_inside_and_outside_has_a_finding_for_each(hunt: Any, sweep: Any) -> None:
    found = hunt(scan, conn=sweep(range(60)) + sweep(range(40), net="10.20"))
    assert sorted(kinds(found)) == [
        (HOST, "horizontal", "internal"),
        (HOST, "horizontal", "outbound"),
    ]


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(ALIVE, id="they-answer"),
        pytest.param({"state": None, "dst_pkts": None}, id="no-state-and-no-packets"),
        pytest.param({"state": None, "dst_pkts": 5}, id="packets-came-back"),
        pytest.param({"proto": "udp"}, id="udp-without-answers-from-a-few"),
        pytest.param({"proto": "icmp"}, id="icmp"),
        pytest.param({"proto": None}, id="protocol-not-known"),
        pytest.param({"dst_port": None}, id="port-not-known"),
        pytest.param({"src_ip": "198.51.100.1"}, id="between-strangers"),
        pytest.param({"net": "224.0"}, id="multicast"),
    ],
)
def test_other_traffic_is_no_scan(hunt: Any, row: Any, sweep: Any, columns: Row) -> None:
    rows = sweep(range(60), **{k: v for k, v in columns.items() if k != "dst_port"})
    if "dst_port" in columns:
        rows = [{**r, "dst_port": None} for r in rows]
    assert hunt(scan, conn=rows) == []


@pytest.mark.parametrize("state", ["S0", "REJ", "RSTOS0", "SH", "RSTRH"])
def test_states_without_an_answer_are_failures(hunt: Any, sweep: Any, state: str) -> None:
    (finding,) = hunt(scan, conn=sweep(range(60), state=state, dst_pkts=None))
    assert finding["failed"] == 1.0


def test_packets_stand_in_for_a_state_that_is_not_known(hunt: Any, sweep: Any) -> None:
    (finding,) = hunt(scan, conn=sweep(range(60), state=None, dst_pkts=0))
    assert finding["failed"] == 1.0


def test_fewer_targets_than_the_least_are_no_scan(hunt: Any, sweep: Any) -> None:
    assert hunt(scan, conn=sweep(range(Config().min_targets - 1))) == []
    assert len(hunt(scan, conn=sweep(range(Config().min_targets)))) == 1


def test_targets_whose_fate_is_not_known_do_not_count(hunt: Any, sweep: Any) -> None:
    dead = sweep(range(Config().min_targets - 1))
    unknown = sweep(range(100, 200), state=None, dst_pkts=None)
    assert hunt(scan, conn=dead + unknown) == []
    (finding,) = hunt(scan, conn=sweep(range(50)) + unknown)
    assert (finding["targets"], finding["failed"]) == (50, 1.0)


def test_trying_one_dead_target_for_ever_is_no_scan(hunt: Any, row: Any) -> None:
    rows = [row("conn", float(n), src_ip=HOST, dst_ip="203.0.113.9", **DEAD) for n in range(500)]
    assert hunt(scan, conn=rows) == []


def test_a_target_that_answered_once_did_not_fail(hunt: Any, sweep: Any) -> None:
    again = sweep(range(60), **ALIVE)
    assert hunt(scan, conn=sweep(range(60)) + again) == []


def test_a_client_with_some_dead_peers_is_no_scan(hunt: Any, sweep: Any) -> None:
    rows = sweep(range(200), **ALIVE) + sweep(range(200, 280))
    assert hunt(scan, conn=rows) == []


def test_dead_for_everyone_proves_nothing(hunt: Any, sweep: Any) -> None:
    hosts = [f"10.0.0.{n}" for n in range(1, Config().dead_for + 1)]
    gone = [r for host in hosts for r in sweep(range(60), src_ip=host)]
    assert hunt(scan, conn=gone) == []
    two = [r for host in hosts[:2] for r in sweep(range(60), src_ip=host)]
    assert len(hunt(scan, conn=two)) == 2


def test_dead_for_one_but_alive_for_others_still_counts(hunt: Any, sweep: Any) -> None:
    served = [r for n in range(6, 10) for r in sweep(range(60), src_ip=f"10.0.0.{n}", **ALIVE)]
    found = hunt(scan, conn=sweep(range(60)) + served)
    assert kinds(found) == [(HOST, "horizontal", "outbound")]


def test_many_ports_swept_are_one_finding_named_after_the_widest(hunt: Any, sweep: Any) -> None:
    rows = sweep(range(30), port=23) + sweep(range(90), port=2323) + sweep(range(40), port=80)
    (finding,) = [f for f in hunt(scan, conn=rows) if f["shape"] == "horizontal"]
    assert (finding["peer_port"], finding["scans"], finding["targets"]) == (2323, 3, 160)
    assert set(finding["evidence"]) <= {r["uid"] for r in rows}
    assert len(finding["evidence"]) == 20


def test_many_addresses_probed_are_one_finding_named_after_the_widest(
    hunt: Any, probe: Any
) -> None:
    rows = probe(range(1, 31), "203.0.113.1") + probe(range(1, 91), "203.0.113.2")
    (finding,) = [f for f in hunt(scan, conn=rows) if f["shape"] == "vertical"]
    assert (finding["peer"], finding["scans"], finding["targets"]) == ("203.0.113.2", 2, 120)


def test_of_equally_wide_scans_the_same_one_is_always_named(hunt: Any, sweep: Any) -> None:
    rows = [r for port in range(1, 40) for r in sweep(range(30), port=port)]
    named = set()
    for seed in range(3):
        Random(seed).shuffle(rows)
        named |= {f["peer_port"] for f in hunt(scan, conn=rows) if f["shape"] == "horizontal"}
    assert len(named) == 1


def test_a_sweep_over_udp_is_a_scan_when_wide(hunt: Any, sweep: Any) -> None:
    least = Config().min_udp
    assert hunt(scan, conn=sweep(range(least - 1), port=5060, proto="udp")) == []
    (finding,) = hunt(scan, conn=sweep(range(least), port=5060, proto="udp"))
    assert (finding["proto"], finding["widest"], finding["targets"]) == ("udp", "5060/udp", least)
    assert hunt(scan, conn=sweep(range(200), port=5060, **ALIVE, proto="udp")) == []


def test_many_ports_of_one_address_over_udp_are_no_scan(hunt: Any, probe: Any) -> None:
    assert hunt(scan, conn=probe(range(33434, 33634), proto="udp")) == []


def test_a_sweep_over_tcp_says_nothing_about_the_same_port_over_udp(hunt: Any, sweep: Any) -> None:
    alive = sweep(range(100), proto="udp", **ALIVE)
    (finding,) = hunt(scan, conn=sweep(range(100)) + alive)
    assert (finding["proto"], finding["failed"]) == ("tcp", 1.0)


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_program_with_dead_peers_on_many_ports_is_no_scanner(
    hunt: Any, sweep: Any, proto: str
) -> None:
    common = sweep(range(100), port=6881, proto=proto)
    peers = [
        r | {"dst_port": 10_000 + n, "uid": f"P{n}"}
        for n, r in enumerate(sweep(range(1000), net="198.51", proto=proto))
    ]
    assert hunt(scan, conn=common + peers) == []
    (some,) = hunt(scan, conn=common + peers[:200])
    (alone,) = hunt(scan, conn=common)
    assert alone["focus"] == 1.0
    assert some["focus"] == pytest.approx(1 / 3)
    assert some["score"] == pytest.approx(alone["score"] * (1 / 3 - 0.15) / 0.35)


def test_probing_one_address_leaves_a_sweep_in_focus(hunt: Any, sweep: Any, probe: Any) -> None:
    found = hunt(scan, conn=sweep(range(60)) + probe(range(1000, 1500), "198.51.100.9"))
    focus = {f["shape"]: f["focus"] for f in found}
    assert focus == {"horizontal": pytest.approx(60 / 61), "vertical": None}


def test_wider_and_more_dead_score_more(hunt: Any, sweep: Any) -> None:
    def score(dead: int, alive: int) -> float:
        rows = sweep(range(dead)) + sweep(range(dead, dead + alive), **ALIVE)
        (finding,) = hunt(scan, conn=rows)
        return float(finding["score"])

    assert score(30, 0) < score(100, 0) < score(600, 0) == 1.0
    assert score(80, 20) < score(100, 0)


def test_a_slow_scan_is_a_scan(hunt: Any, sweep: Any) -> None:
    (slow,) = hunt(scan, conn=sweep(range(60), gap_s=3600.0))
    (fast,) = hunt(scan, conn=sweep(range(60), gap_s=0.01))
    assert slow["score"] == fast["score"]
    assert slow["per_minute"] < 0.1


@settings(max_examples=25, deadline=None)
@given(failed=st.lists(st.booleans(), min_size=2, max_size=60), seed=st.integers(0, 2**32))
@example(failed=[False] * 30 + [True] * 4, seed=1)
@example(failed=[False] * 30 + [True] * 3, seed=1)
@example(failed=[True, True, False] * 3 + [True], seed=1)
def test_the_walk_is_the_floored_random_walk(
    hunt: Any, sweep: Any, failed: list[bool], seed: int
) -> None:
    rows = [r for n, dead in enumerate(failed) for r in sweep([n], **(DEAD if dead else ALIVE))]
    Random(seed).shuffle(rows)
    found = [f for f in hunt(scan, EASY, conn=rows) if f["shape"] == "horizontal"]
    highest = walk(failed)
    if highest < EASY.walk - 1e-9:
        assert found == []
    else:
        assert [f["walk"] for f in found] == [pytest.approx(highest)]
        assert found[0]["failed"] == pytest.approx(sum(failed) / len(failed))


def test_tries_of_one_moment_give_one_answer_on_every_thread(hunt: Any, sweep: Any) -> None:
    rnd = Random(1)
    fates = [rnd.random() < 0.6 for _ in range(100)]
    rows = [
        r
        for host in range(80)
        for n, dead in enumerate(fates)
        for r in sweep(
            [n], gap_s=0.0, src_ip=f"10.0.0.{host}",
            **(DEAD if dead else ALIVE),
        )
    ]  # fmt: skip
    config = Config(min_targets=2, full_targets=500, min_failed=0.0, dead_for=1000)
    answers = set()
    for _ in range(2):
        rnd.shuffle(rows)
        found = hunt(scan, config, conn=rows)
        assert len(found) in (0, 80)
        answers |= {round(f["walk"], 6) for f in found}
    assert len(answers) == 1


@pytest.mark.parametrize(
    "bad", [{"min_targets": 1}, {"min_targets": 500}, {"min_focus": 0.5}], ids=str
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
