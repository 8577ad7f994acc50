from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sakimori.detectors import long_connection
from sakimori.detectors._ports import HELD
from sakimori.detectors.long_connection import BY_NAME, NOT_KNOWN, UDP_PRIOR, Config

if TYPE_CHECKING:
    from collections.abc import Iterable

Row = dict[str, Any]
HOST, PEER, PORT = "10.0.0.5", "203.0.113.9", 4444
HOUR = 3600.0
EVERYTHING = Config(min_score=0.0)
ALONE = 3.9  # nats that one kind of evidence needs before a host is suspected
QUIET = {"src_bytes": 5000, "dst_bytes": 4000}


@pytest.fixture(scope="session")
def held(row: Any) -> Any:
    """`held((begin, length), ...)`: connections of the host to the peer, in seconds."""

    def make(*intervals: tuple[float, float | None], **columns: Any) -> list[Row]:
        place = {"src_ip": HOST, "dst_ip": PEER, "dst_port": PORT,
                 "src_bytes": 900, "dst_bytes": 900, **columns}  # fmt: skip
        return [
            row("conn", begin, duration=length, uid=f"{place['src_ip']}/{n}@{begin}", **place)
            for n, (begin, length) in enumerate(intervals)
        ]

    return make


def stretches(intervals: Iterable[tuple[float, float]], bridge: float) -> list[float]:
    """The lengths of what the intervals cover, written plainly."""
    joined: list[list[float]] = []
    for begin, length in sorted(intervals):
        if joined and begin <= joined[-1][1] + bridge:
            joined[-1][1] = max(joined[-1][1], begin + length)
        else:
            joined.append([begin, begin + length])
    return [end - begin for begin, end in joined]


@pytest.mark.parametrize(
    ("intervals", "cover_s", "total_s"),
    [
        pytest.param([(0, 4 * HOUR)], 4 * HOUR, 4 * HOUR, id="one"),
        pytest.param([(0, HOUR)] * 20, HOUR, HOUR, id="twenty-in-parallel-are-one"),
        pytest.param([(0, HOUR), (1800, HOUR)], 1.5 * HOUR, 1.5 * HOUR, id="overlapping"),
        pytest.param([(0, HOUR), (600, 60)], HOUR, HOUR, id="one-within-another"),
        pytest.param([(0, HOUR), (600, 60), (3500, HOUR)], 7100, 7100, id="over-a-short-one"),
        pytest.param([(0, HOUR), (3610, HOUR)], 7210, 7210, id="split-by-the-sensor"),
        pytest.param([(n * 310, 300) for n in range(12)], 3710, 3710, id="split-many-times"),
        pytest.param([(0, HOUR), (3700, HOUR)], HOUR, 2 * HOUR, id="opened-again-later"),
        pytest.param([(0, 1800), (5000, HOUR)], HOUR, 5400, id="the-longest-counts"),
    ],
)
def test_the_time_covered_is_the_union(
    hunt: Any, held: Any, intervals: list[tuple[float, float]], cover_s: float, total_s: float
) -> None:
    (finding,) = hunt(long_connection, conn=held(*intervals))
    assert (finding["cover_s"], finding["total_s"]) == (cover_s, total_s)
    assert finding["count"] == len(intervals)


@pytest.mark.parametrize(
    ("intervals", "columns"),
    [
        pytest.param([(0, 600)], {}, id="ten-minutes"),
        pytest.param([(0, 600)] * 20, {}, id="twenty-parallel-downloads"),
        pytest.param([(n * 1300, 600) for n in range(20)], {}, id="one-after-the-other"),
        pytest.param([(n * 15, 10) for n in range(1000)], {}, id="many-short-ones"),
        pytest.param([(0, None)] * 5, {}, id="length-not-known"),
        pytest.param([(0, math.nan)] * 5, {}, id="length-not-a-number"),
        pytest.param([(0, math.inf)], {}, id="length-without-end"),
        pytest.param([(HOUR, -4 * HOUR)], {}, id="length-below-zero"),
        pytest.param([(0, 4 * HOUR)], {"proto": "icmp"}, id="icmp"),
        pytest.param([(0, 4 * HOUR)], {"dst_ip": "10.0.0.9"}, id="inside"),
        pytest.param([(0, 4 * HOUR)], {"dst_ip": "224.0.0.251"}, id="multicast"),
        pytest.param([(0, 4 * HOUR)], {"src_ip": "198.51.100.1"}, id="from-outside"),
    ],
)
def test_other_connections_are_not_found(
    hunt: Any, held: Any, intervals: list[tuple[float, float | None]], columns: Row
) -> None:
    assert hunt(long_connection, conn=held(*intervals, **columns)) == []


def test_a_length_that_is_not_known_takes_nothing_from_one_that_is(hunt: Any, held: Any) -> None:
    known = [(0, 2 * HOUR)]
    (alone,) = hunt(long_connection, conn=held(*known))
    unknown = [(60, None), (4000, math.nan), (4100, math.inf)]
    assert hunt(long_connection, conn=held(*known, *unknown)) == [alone]


def test_longer_scores_more_up_to_the_full_length(hunt: Any, held: Any) -> None:
    hours = [0.3, 0.5, 1, 2, 12]
    rows = [
        r
        for n, h in enumerate(hours)
        for r in held((0, h * HOUR), src_ip=f"10.0.0.{n}", dst_ip=f"203.0.{n}.9")
    ]
    scores = [f["score"] for f in sorted(hunt(long_connection, conn=rows), key=lambda f: f["host"])]
    assert scores == sorted(scores)
    assert len(set(scores[:4])) == 4
    assert scores[3] == scores[4] == pytest.approx(NOT_KNOWN)


@pytest.mark.parametrize(("port", "prior"), [(first, prior) for first, _, prior in HELD])
def test_ports_where_holding_on_is_normal_weigh_less(
    hunt: Any, held: Any, port: int, prior: float
) -> None:
    rows = held((0, 3 * HOUR)) + held((0, 3 * HOUR), src_ip="10.0.0.6", dst_port=port)
    found = {f["peer_port"]: f for f in hunt(long_connection, EVERYTHING, conn=rows)}
    assert found[port]["held_port"]
    assert not found[PORT]["held_port"]
    assert found[port]["score"] == pytest.approx(found[PORT]["score"] * prior)


def test_a_host_that_holds_many_peers_is_halved(hunt: Any, held: Any) -> None:
    def score(peers: int) -> float:
        rows = [r for n in range(peers) for r in held((0, 3 * HOUR), dst_ip=f"203.0.{n}.9")]
        found = hunt(long_connection, EVERYTHING, conn=rows)
        assert {f["peers"] for f in found} == {peers}
        return float(found[0]["score"])

    few, many = score(Config().many_peers), score(Config().many_peers + 1)
    assert many == pytest.approx(few / 2)


def test_a_peer_that_all_hosts_use_is_not_found(hunt: Any, held: Any) -> None:
    rows = [r for n in range(20) for r in held((0, 3 * HOUR), src_ip=f"10.0.0.{n}")]
    assert hunt(long_connection, conn=rows) == []


def test_an_address_of_a_common_net_is_common(hunt: Any, held: Any) -> None:
    rows = [
        r
        for n in range(20)
        for r in held((0, 3 * HOUR), src_ip=f"10.0.0.{n}", dst_ip=f"203.0.113.{n}")
    ]
    assert hunt(long_connection, conn=rows) == []


def test_bytes_are_given_for_each_minute(hunt: Any, held: Any) -> None:
    (finding,) = hunt(long_connection, conn=held((0, 2 * HOUR), src_bytes=60_000, dst_bytes=60_000))
    assert finding["bytes_per_minute"] == pytest.approx(1000)


def test_bytes_that_are_not_known_stay_unknown(hunt: Any, held: Any) -> None:
    rows = held((0, 2 * HOUR), src_bytes=60_000, dst_bytes=None)
    (finding,) = hunt(long_connection, conn=rows)
    assert finding["bytes_per_minute"] is None
    assert finding["score"] == pytest.approx(NOT_KNOWN * 0.65)


def test_the_rows_behind_it_are_of_the_longest_stretch(hunt: Any, held: Any) -> None:
    rows = held((0, 1000), (5000, 2 * HOUR), (5100, HOUR))
    (finding,) = hunt(long_connection, conn=rows)
    assert sorted(finding["evidence"]) == sorted(r["uid"] for r in rows[1:])


def test_one_opened_again_whenever_it_breaks_counts_as_long(hunt: Any, held: Any) -> None:
    (dense,) = hunt(long_connection, conn=held(*[(n * 1000.0, 600.0) for n in range(12)]))
    assert dense["cover_s"] == 600
    assert dense["score"] == pytest.approx(NOT_KNOWN)
    assert hunt(long_connection, conn=held(*[(n * 1300.0, 600.0) for n in range(12)])) == []


def test_one_that_is_logged_as_it_grows_is_one(hunt: Any, held: Any) -> None:
    rows = held(*[(0, n * 1000.0) for n in range(1, 8)], src_bytes=7000, dst_bytes=7000)
    (finding,) = hunt(long_connection, conn=[{**r, "uid": "C1"} for r in rows])
    assert (finding["count"], finding["cover_s"], finding["evidence"]) == (1, 7000, ["C1"])
    assert finding["bytes_per_minute"] == pytest.approx(120)


@pytest.mark.parametrize("state", ["S0", "REJ"])
def test_what_nobody_answered_holds_nothing(hunt: Any, held: Any, state: str) -> None:
    assert hunt(long_connection, conn=held((0, 4 * HOUR), state=state)) == []


def test_udp_weighs_less(hunt: Any, held: Any) -> None:
    (finding,) = hunt(long_connection, conn=held((0, 3 * HOUR), proto="udp"))
    assert finding["score"] == pytest.approx(NOT_KNOWN * UDP_PRIOR)


@pytest.mark.parametrize(
    ("down", "factor"), [(1_000, 1.0), (50_000, 1.0), (424_264, 0.65), (9_000_000, 0.3)]
)
def test_downloads_weigh_less(hunt: Any, held: Any, down: int, factor: float) -> None:
    rows = held((0, 2 * HOUR), dst_bytes=120 * down, src_bytes=9)
    (finding,) = hunt(long_connection, conn=rows)
    assert finding["down_per_minute"] == pytest.approx(down)
    assert finding["score"] == pytest.approx(NOT_KNOWN * factor, rel=0.01)


def test_uploads_do_not(hunt: Any, held: Any) -> None:
    rows = held((0, 2 * HOUR), src_bytes=4_000_000_000, dst_bytes=9)
    assert hunt(long_connection, conn=rows)[0]["score"] == pytest.approx(NOT_KNOWN)


@pytest.fixture(scope="session")
def around(row: Any) -> Any:
    """`around(5)`: short calls of the host to others, within its first half minute."""

    def make(others: int) -> list[Row]:
        return [
            row("conn", n * 5.0, src_ip=HOST, dst_ip=f"198.51.100.{n}", duration=0.5)
            for n in range(others)
        ]

    return make


@pytest.fixture(scope="session")
def named(row: Any) -> Any:
    """`named({"a.example": "203.0.113.9"})`: questions of the host with their answers."""

    def make(names: dict[str, str]) -> list[Row]:
        return [
            row("dns", float(n), src_ip=HOST, query=q, answers=[a])
            for n, (q, a) in enumerate(names.items())
        ]

    return make


OTHERS = {f"n{n}.example": f"198.51.100.{n}" for n in range(5)}


@pytest.mark.parametrize(
    ("names", "found_by", "factor"),
    [
        pytest.param({}, None, NOT_KNOWN, id="no-answers-logged"),
        pytest.param({"n0.example": "198.51.100.0"}, None, NOT_KNOWN, id="few-answers-logged"),
        pytest.param(OTHERS, "address", 1.0, id="the-only-one-without-a-name"),
        pytest.param({**OTHERS, "n9.example": PEER}, "name", BY_NAME, id="by-name"),
        pytest.param({"h.duckdns.org": PEER}, "dynamic-name", 1.0, id="by-a-dynamic-name"),
        pytest.param({"duckdns.org.example": PEER}, "name", BY_NAME, id="only-looks-dynamic"),
        pytest.param(
            {"h.duckdns.org": PEER, "n9.example": PEER}, "name", BY_NAME, id="by-both"
        ),
    ],
)  # fmt: skip
def test_how_the_peer_was_found_weighs(
    hunt: Any, held: Any, around: Any, named: Any, names: dict[str, str], found_by: str | None,
    factor: float,
) -> None:  # fmt: skip
    rows = held((10, 3 * HOUR)) + around(5)
    (finding,) = hunt(long_connection, conn=rows, dns=named(names))
    assert finding["found_by"] == found_by
    assert finding["score"] == pytest.approx(factor)


def test_a_named_channel_alone_is_below_suspicion() -> None:
    assert BY_NAME * long_connection.WEIGHT < ALONE


def test_minutes_tell_on_a_host_that_was_not_seen_for_longer(
    hunt: Any, held: Any, around: Any
) -> None:
    (finding,) = hunt(long_connection, conn=held((10, 200), **QUIET) + around(5))
    assert finding["share"] == pytest.approx(200 / 210)
    assert 0.5 < finding["score"] / NOT_KNOWN < 0.6
    assert finding["score"] * long_connection.WEIGHT < ALONE


@pytest.mark.parametrize(
    ("others", "length", "columns"),
    [
        pytest.param(Config().short_others - 1, 200, {}, id="one-program-alone"),
        pytest.param(5, 119, {}, id="not-even-two-minutes"),
        pytest.param(5, 200, {"dst_port": 443}, id="web"),
        pytest.param(5, 200, {"dst_port": 5938}, id="remote-desktop"),
        pytest.param(5, 200, {"proto": "udp"}, id="udp"),
        pytest.param(5, 200, {"dst_bytes": 900_000}, id="download"),
        pytest.param(5, 200, {"src_bytes": 900_000}, id="upload"),
        pytest.param(5, 200, {"dst_bytes": 0}, id="one-way-out"),
        pytest.param(5, 200, {"src_bytes": 0}, id="one-way-in"),
        pytest.param(5, 200, {"dst_bytes": None}, id="bytes-not-known"),
    ],
)
def test_minutes_do_not_tell_otherwise(
    hunt: Any, held: Any, around: Any, others: int, length: float, columns: Row
) -> None:
    rows = held((10, length), **{**QUIET, **columns}) + around(others)
    assert hunt(long_connection, conn=rows) == []


def test_minutes_of_a_long_day_do_not_tell(hunt: Any, row: Any, held: Any, around: Any) -> None:
    late = [row("conn", 900.0, src_ip=HOST, dst_ip="198.51.100.77", duration=1.0)]
    assert hunt(long_connection, conn=held((10, 200), **QUIET) + around(5) + late) == []


# Whole seconds and few of them, so that many connections begin at one time.
INTERVALS = st.lists(
    st.tuples(st.integers(0, 60).map(lambda n: n * 100.0), st.integers(20, 3000).map(float)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(intervals=INTERVALS, seed=st.integers(0, 2**32))
@example(intervals=[(0.0, 1000.0)] * 12 + [(1005.0, 1000.0)] * 12, seed=1)
def test_any_intervals_cover_what_the_plain_union_covers(
    hunt: Any, held: Any, intervals: list[tuple[float, float]], seed: int
) -> None:
    mixed = Random(seed).sample(intervals, len(intervals))
    found = hunt(long_connection, EVERYTHING, conn=held(*mixed))
    lengths = stretches(intervals, EVERYTHING.bridge_s)
    if max(lengths) < EVERYTHING.short_cover_s:
        assert found == []
    else:
        assert [(f["cover_s"], f["total_s"]) for f in found] == [(max(lengths), sum(lengths))]


def test_connections_that_begin_together_are_joined_on_every_thread(hunt: Any, held: Any) -> None:
    pieces = [(0.0, 1000.0)] * 50 + [(1005.0, 1000.0)] * 50
    rows = [r for n in range(400) for r in held(*pieces, src_ip=f"10.0.{n // 200}.{n % 200}")]
    Random(1).shuffle(rows)
    found = hunt(long_connection, EVERYTHING, conn=rows)
    assert [(f["cover_s"], f["total_s"]) for f in found] == [(2005.0, 2005.0)] * 400


@pytest.mark.parametrize(
    "bad", [{"short_cover_s": 0.0}, {"short_cover_s": 900.0}, {"min_cover_s": 7200.0}], ids=str
)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
