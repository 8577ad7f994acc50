from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sakimori.detectors import brute_force
from sakimori.detectors.brute_force import Config

Row = dict[str, Any]
HOST, TARGET, OUTSIDE = "10.0.0.5", "203.0.113.9", "198.51.100.7"


@pytest.fixture(scope="session")
def sessions(row: Any) -> Any:
    """`sessions(200, servers=1, port=22)`: sessions of about one size, one after the other."""

    def make(
        n: int, servers: int = 1, port: int = 22, gap_s: float = 2.0, **more: Any
    ) -> list[Row]:
        columns = {"src_ip": HOST, "net": "203.0", "duration": 3.0, "dst_bytes": 1900, **more}
        net, table = columns.pop("net"), columns.pop("table", "conn")
        sizes = columns.pop("sizes", (1400, 1410, 1420))
        return [
            row(table, i * gap_s, uid=f"S{port}-{i}", dst_port=port,
                dst_ip=f"{net}.{i % servers // 250}.{i % servers % 250 + 1}",
                **({"src_bytes": sizes[i % len(sizes)]} if table == "conn" else {}),
                **{k: v for k, v in columns.items() if table == "conn" or k not in
                   ("duration", "dst_bytes")})
            for i in range(n)
        ]  # fmt: skip

    return make


@pytest.fixture(scope="session")
def posts(row: Any) -> Any:
    """`posts(100, sites=1)`: passwords handed to a log-on page."""

    def make(n: int, sites: int = 1, **more: Any) -> list[Row]:
        columns = {"src_ip": HOST, "dst_ip": TARGET, "method": "POST", "uri": "/wp-login.php",
                   "status": 200, **more}  # fmt: skip
        return [
            row("http", i * 3.0, uid=f"P{i}", host=f"blog{i % sites}.example", **columns)
            for i in range(n)
        ]

    return make


def told(found: list[Row]) -> list[tuple[Any, ...]]:
    return [(f["host"], f["service"], f["known"], f["direction"], f["servers"]) for f in found]


def test_sessions_of_one_size_at_one_server_are_guesses(hunt: Any, sessions: Any) -> None:
    (found,) = hunt(brute_force, conn=sessions(400))
    assert told([found]) == [(HOST, "ssh", "alike", "outbound", 1)]
    assert (found["peer"], found["peer_port"], found["tries"]) == ("203.0.0.1", 22, 400)
    assert found["share"] > 0.95
    assert 0.3 < found["score"] < 0.7
    assert len(found["evidence"]) == 20


@pytest.mark.parametrize("port", [22, 2222, 23, 21, 3389, 5900, 587, 3306])
def test_sessions_of_one_size_at_many_servers_are_guesses(
    hunt: Any, sessions: Any, port: int
) -> None:
    found = hunt(brute_force, conn=sessions(80, servers=40, port=port))
    if port == 587:  # mail goes to many servers; see the detector of spam
        assert found == []
    else:
        assert [(f["peer"], f["servers"]) for f in found] == [(None, 40)]


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"gap_s": 60.0}, id="a-monitor-each-minute"),
        pytest.param({"sizes": (900, 4000, 7000)}, id="a-tool-with-work-to-do"),
        pytest.param({"sizes": (60_000,)}, id="copies"),
        pytest.param({"sizes": (25,)}, id="a-look-at-the-banner"),
        pytest.param({"duration": 900.0}, id="work-by-hand"),
        pytest.param({"port": 443}, id="another-port"),
        pytest.param({"port": 3306}, id="a-program-and-its-database"),
        pytest.param({"state": "REJ", "dst_bytes": 0}, id="refused-connections"),
        pytest.param({"dst_bytes": None}, id="answers-not-known"),
        pytest.param({"sizes": (None,)}, id="sizes-not-known"),
        pytest.param({"state": None, "dst_pkts": None}, id="fate-not-known"),
        pytest.param({"proto": "udp"}, id="udp"),
        pytest.param({"src_ip": OUTSIDE}, id="between-strangers"),
    ],
)
def test_other_sessions_are_no_guesses(hunt: Any, sessions: Any, columns: Row) -> None:
    assert hunt(brute_force, conn=sessions(400, **columns)) == []


def test_sessions_that_the_sensor_saw_succeed_are_no_guesses(hunt: Any, sessions: Any) -> None:
    ok = sessions(400, table="ssh", auth_success=True)
    assert hunt(brute_force, conn=sessions(400), ssh=ok) == []
    unknown = sessions(400, table="ssh", auth_success=None)
    assert len(hunt(brute_force, conn=sessions(400), ssh=unknown)) == 1


def test_refused_ssh_log_ons_are_guesses(hunt: Any, sessions: Any) -> None:
    (found,) = hunt(brute_force, ssh=sessions(300, table="ssh", auth_success=False))
    assert told([found]) == [(HOST, "ssh", "refused", "outbound", 1)]
    assert (found["share"], found["tries"]) == (1.0, 300)


@pytest.mark.parametrize(
    ("n", "score"),
    [
        pytest.param(29, None, id="less-than-the-least"),
        pytest.param(30, 0.3, id="least"),
        pytest.param(1000, 1.0, id="full"),
    ],
)
def test_the_number_of_tries_makes_the_score(
    hunt: Any, sessions: Any, n: int, score: float | None
) -> None:
    rows = sessions(n, table="ssh", auth_success=False, gap_s=1.0)
    found = hunt(brute_force, ssh=rows)
    assert [f["score"] for f in found] == ([] if score is None else [pytest.approx(score)])


def test_someone_who_mistypes_is_no_guesser(hunt: Any, sessions: Any) -> None:
    failed = sessions(30, table="ssh", auth_success=False)
    worked = sessions(40, table="ssh", auth_success=True, gap_s=1.0)
    worked = [r | {"uid": f"ok{n}"} for n, r in enumerate(worked)]
    assert hunt(brute_force, ssh=failed + worked) == []


@pytest.mark.parametrize(
    ("host", "net", "direction"),
    [
        pytest.param(HOST, "203.0", "outbound", id="outbound"),
        pytest.param(HOST, "10.20", "internal", id="internal"),
        pytest.param(OUTSIDE, "10.20", "inbound", id="inbound"),
    ],
)
def test_directions_are_told_apart(
    hunt: Any, sessions: Any, host: str, net: str, direction: str
) -> None:
    found = hunt(brute_force, conn=sessions(1000, servers=1, gap_s=1.0, src_ip=host, net=net))
    assert [(f["host"], f["direction"]) for f in found] == [(host, direction)]
    inside = 0.6 if direction == "internal" else 1.0
    assert found[0]["score"] == pytest.approx(0.7 * inside, rel=0.01)


def test_posts_to_log_on_pages_are_guesses(hunt: Any, posts: Any) -> None:
    (one,) = hunt(brute_force, http=posts(300))
    assert told([one]) == [(HOST, "http", "refused", "outbound", 1)]
    (many,) = hunt(brute_force, http=posts(60, sites=30))
    assert told([many]) == [(HOST, "http", "refused", "outbound", 30)]


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"status": 302}, id="got-in"),
        pytest.param({"status": None}, id="answer-not-known"),
        pytest.param({"uri": "/comment"}, id="no-log-on-page"),
        pytest.param({"uri": None}, id="page-not-known"),
        pytest.param({"method": "GET"}, id="only-looks"),
        pytest.param(
            {"method": "GET", "uri": "/api", "status": 401}, id="a-program-with-an-old-key"
        ),
    ],
)
def test_other_requests_are_no_guesses(hunt: Any, posts: Any, columns: Row) -> None:
    assert hunt(brute_force, http=posts(300, **columns)) == []


def test_services_are_told_apart_and_each_has_one_finding(hunt: Any, sessions: Any) -> None:
    rows = sessions(400) + sessions(400, port=2222) + sessions(400, port=3389)
    Random(1).shuffle(rows)
    found = hunt(brute_force, conn=rows)
    assert sorted(f["service"] for f in found) == ["rdp", "ssh"]


@settings(max_examples=8, deadline=None)
@given(tries=st.integers(100, 1500), spread=st.floats(0.0, 0.9), seed=st.integers(0, 9))
def test_the_more_alike_the_higher_the_score(
    hunt: Any, sessions: Any, tries: int, spread: float, seed: int
) -> None:
    around = (round(2000 * (1 - spread)), 2000, round(2000 * (1 + spread)))
    exact = sessions(tries, gap_s=1.0)
    wide = sessions(tries, gap_s=1.0, sizes=around, src_ip="10.0.0.6")
    rows = exact + wide
    Random(seed).shuffle(rows)
    scores = {f["host"]: f["score"] for f in hunt(brute_force, conn=rows)}
    assert 0 <= scores.get("10.0.0.6", 0.0) <= 0.7
    if spread > 0.3:
        assert "10.0.0.6" not in scores
    assert scores.get(HOST, 0.0) >= scores.get("10.0.0.6", 0.0) - 1e-9


@pytest.mark.parametrize("bad", [{"min_tries": 1000}, {"min_servers": 1}], ids=str)
def test_limits_that_could_match_nothing_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        Config(**bad)
