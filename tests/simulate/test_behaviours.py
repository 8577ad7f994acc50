"""The everyday: each behaviour is there to be seen, and looks like what a detector trips over."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sakimori.simulate import Plan, behaviours, simulate
from sakimori.simulate.behaviours import (
    antivirus,
    backup,
    bittorrent,
    calls,
    discovery,
    log_on,
    newsletter,
    noise,
    ntp,
    outage,
    patch_day,
    push,
    telemetry,
    web,
)
from sakimori.simulate.organisation import HOUR
from sakimori.simulate.world import World, build

if TYPE_CHECKING:
    from pathlib import Path

    from sakimori.simulate.events import Events

PLAN = Plan(hosts=60, botnets={})


@pytest.fixture(scope="module")
def world() -> World:
    return build(PLAN, np.random.default_rng(3))


def made(world: World, behaviour: Any) -> Events:
    events: Events = behaviour.events(world, np.random.default_rng(5))
    return events


def column(events: Events, name: str, log: str = "conn") -> list[Any]:
    values: list[Any] = events.logs[log][name].tolist()
    return values


def rows(events: Events, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(column(events, name) for name in names), strict=True))


@pytest.mark.parametrize("behaviour", behaviours.BUILTIN, ids=lambda b: b.NAME)
def test_a_behaviour_is_pure_and_visible(world: World, behaviour: Any) -> None:
    once, twice = made(world, behaviour), made(world, behaviour)
    assert once.count("conn") > 0
    for log, frame in once.logs.items():
        for name, values in frame.items():
            assert str(values.tolist()) == str(twice.logs[log][name].tolist()), (log, name)


def test_behaviours_have_names_of_their_own() -> None:
    names = [behaviour.NAME for behaviour in behaviours.BUILTIN]
    assert len(set(names)) == len(names)


def test_clocks_are_asked_for_at_many_addresses_of_few_names(world: World) -> None:
    events = made(world, ntp)
    asked = [a for a, port in rows(events, "dst", "dport") if port == 123]
    assert len(set(asked)) > 150
    assert len(set(column(events, "query", "dns"))) == 4


def test_whoever_calls_a_pool_was_told_of_the_address(world: World) -> None:
    for behaviour in (ntp, antivirus, push):
        events = made(world, behaviour)
        told = {
            (client, address)
            for client, answers in zip(
                events.logs["conn"]["src"][events.logs["dns"]["of"]].tolist(),
                column(events, "answers", "dns"),
                strict=True,
            )
            for address in answers.split(",")
        }
        called = {(s, d) for s, d, p in rows(events, "src", "dst", "dport") if p != 53}
        assert called <= told


def test_antivirus_asks_few_names_evenly_and_hashes_by_dns(world: World) -> None:
    events = made(world, antivirus)
    assert len(set(column(events, "server_name", "ssl"))) == 2
    assert len({d for d, p in rows(events, "dst", "dport") if p == 443}) > 30
    hashes = [q for q in column(events, "query", "dns") if len(q.split(".")[0]) == 40]
    assert len(set(hashes)) > 100
    codes = Counter(column(events, "rcode_name", "dns"))
    assert codes["NXDOMAIN"] > 0.3 * len(hashes)


def test_push_channels_are_held_on_their_ports(world: World) -> None:
    held: dict[int, float] = defaultdict(float)
    for port, seconds in rows(made(world, push), "dport", "seconds"):
        held[port] = max(held[port], seconds)
    assert all(held[port] > 3600 for port in (5223, 5228, 8883, 443))


def test_a_departments_sensors_update_within_seconds(world: World) -> None:
    events = made(world, telemetry)
    big = sorted(
        (ts, src) for ts, src, got in rows(events, "ts", "src", "received") if got > 14_000_000
    )
    bursts = np.split(big, np.flatnonzero(np.diff([ts for ts, _ in big]) > 600) + 1)
    assert len(bursts) == 2
    assert {len(burst) for burst in bursts} <= {3, 4, 5}
    assert all(float(burst[-1][0]) - float(burst[0][0]) < 10 for burst in bursts)


def test_a_meeting_is_joined_by_many_at_the_same_minute(world: World) -> None:
    events = made(world, calls)
    nine = world.start + calls.MEETINGS[0] * HOUR
    joined = Counter(
        dst
        for ts, dst, proto, got in rows(events, "ts", "dst", "proto", "received")
        if proto == "udp" and got > 10**7 and abs(ts - nine) < 120
    )
    assert sum(joined.values()) >= 3
    assert len({s for s, p in rows(events, "src", "dport") if p == 3478}) > 10


def test_a_torrent_has_dead_peers_odd_ports_and_large_volumes(world: World) -> None:
    events = made(world, bittorrent)
    users = {s for s in column(events, "src") if s.startswith("10.")}
    assert len(users) == 1
    mine = [r for r in rows(events, "src", "dst", "dport", "state", "received") if r[0] in users]
    assert len({dst for _, dst, *_ in mine}) > 800
    assert len({port for _, _, port, *_ in mine}) > 400
    assert 0.3 < sum(state == "S0" for *_, state, _ in mine) / len(mine) < 0.7
    assert max(got for *_, got in mine) > 10**8
    assert any("announce" in uri for uri in column(events, "uri", "http"))


def test_backups_begin_in_the_same_minute(world: World) -> None:
    begun = [
        ts
        for ts, dst, port in rows(made(world, backup), "ts", "dst", "dport")
        if port == 10_051 and dst == world.server("files")
    ]
    assert len(begun) > 5
    assert max(begun) - min(begun) < 60


@pytest.mark.parametrize(("weekday", "is_one"), [(0, True), (1, False), (-1, False)])
def test_a_patch_day_is_within_an_hour_and_restarts(weekday: int, is_one: bool) -> None:
    plan = replace(PLAN, patch_weekday=weekday)
    there = build(plan, np.random.default_rng(3))
    events = patch_day.events(there, np.random.default_rng(5))
    assert bool(events.count("conn")) == is_one
    if is_one:
        fetched = {s for s, got in rows(events, "src", "received") if got > 10**8}
        awake = {h.address for h in there.of("desktop", "laptop") if h.on}
        assert len(fetched) > 0.5 * len(awake)
        times = [ts for ts, got in rows(events, "ts", "received") if got > 10**8]
        assert max(times) - min(times) < 2 * HOUR
    calm = build(replace(plan, patch_weekday=-1), np.random.default_rng(3))
    restarted = [a.on != b.on for a, b in zip(there.hosts, calm.hosts, strict=True)]
    assert any(restarted) == is_one


def test_half_of_the_people_log_on_within_minutes(world: World) -> None:
    events = made(world, log_on)
    first: dict[str, float] = {}
    for ts, src, port in rows(events, "ts", "src", "dport"):
        if port == 88:
            first[src] = min(ts, first.get(src, ts))
    bell = world.start + 8.5 * HOUR
    soon = sum(abs(ts - bell) < 600 for ts in first.values())
    assert 0.4 * len(first) < soon < len(first)
    portals = Counter(column(events, "server_name", "ssl"))
    assert len(portals) == 4
    assert any(q.startswith("_ldap") for q in column(events, "query", "dns"))


def test_an_outage_makes_everybody_try_again(world: World) -> None:
    tries = [
        r for r in rows(made(world, outage), "ts", "src", "dst", "state", "dport") if r[4] > 53
    ]
    assert {state for *_, state, _ in tries} <= {"S0", "REJ"}
    assert len({src for _, src, *_ in tries}) > 10
    assert len({dst for _, _, dst, *_ in tries}) <= 4
    assert max(t for t, *_ in tries) - min(t for t, *_ in tries) <= outage.SECONDS[1]


def test_a_newsletters_page_is_opened_by_many_who_never_did(world: World) -> None:
    events = made(world, newsletter)
    assert len(set(column(events, "server_name", "ssl"))) == 1
    assert len(set(column(events, "src"))) > 5
    first = column(events, "ts", "ssl")
    assert float(np.median(first)) - min(first) < 900


def test_pages_show_advertisements_and_clicks_follow_a_page(world: World) -> None:
    events = made(world, web)
    asked = list(
        zip(
            events.logs["conn"]["src"][events.logs["http"]["of"]].tolist(),
            column(events, "host", "http"),
            column(events, "uri", "http"),
            column(events, "referrer", "http"),
            strict=True,
        )
    )
    seen = {(src, f"http://{host}{uri}") for src, host, uri, _ in asked}
    shown = [(src, referrer) for src, _, uri, referrer in asked if uri.startswith("/show")]
    clicks = [(src, referrer) for src, _, uri, referrer in asked if uri.startswith("/click")]
    assert len(shown) > 50
    assert set(shown) <= seen
    assert set(clicks) <= seen
    assert len(clicks) < 0.05 * len(shown)


def test_a_content_network_shares_addresses_among_names(world: World) -> None:
    edge = world.directory.groups["edge"]
    names = set(world.directory.names[edge].tolist())
    assert len(names) == len(edge)
    assert len({name.split(".", 1)[1] for name in names}) == 1
    assert len(set(world.directory.addresses[edge].ravel().tolist())) < len(names)


def test_a_mail_server_asks_block_lists(day: Any) -> None:
    asked = day.rows("dns", "10.0.0.11")
    listed = [r for r in asked if ".bl." in r["query"]]
    assert sum(r["rcode_name"] == "NXDOMAIN" for r in listed) > 0.5 * len(listed) > 50


def test_discovery_stays_in_the_subnet_and_is_not_answered(world: World) -> None:
    calls = [r for r in rows(made(world, discovery), "dst", "dport", "received") if r[1] != 67]
    assert {port for _, port, _ in calls} == {137, 138, 1900, 5353, 5355}
    assert all(dst.startswith("2") or dst.endswith(".255") for dst, *_ in calls)
    assert max(received for *_, received in calls) <= 0


def test_the_internet_scans_from_outside(world: World) -> None:
    events = made(world, noise)
    assert any(not src.startswith("10.") for src in column(events, "src"))


@pytest.mark.parametrize("days", [1, 2])
def test_a_clean_day_looks_like_one(tmp_path: Path, days: int) -> None:
    """Shares of unanswered calls and missing names as in captures of clean machines."""
    folder = tmp_path / "day"
    truth = simulate(folder, Plan(hosts=24, botnets={}, days=days, seed=days))
    assert truth.orders == ()
    lines = [line.split("\t") for line in (folder / "conn.log").read_text().splitlines()]
    states = Counter(line[11] for line in lines if line[0][0] != "#" and line[2][:3] == "10.")
    assert 0.002 < states["S0"] / sum(states.values()) < 0.3
