"""Each botnet shows the behaviour it is named for, and the everyday shows what looks like it."""

from __future__ import annotations

import statistics
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.simulate import Plan, behaviours, botnets
from sakimori.simulate.botnets import irc_scanner, p2p_clickfraud
from sakimori.simulate.plan import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.simulate import Order


@pytest.mark.parametrize("package", [behaviours, botnets], ids=["behaviours", "botnets"])
def test_every_file_is_listed(package: Any) -> None:
    files = {p.stem for p in Path(package.__file__).parent.glob("*.py")}
    listed = {module.__name__.rpartition(".")[2] for module in package.BUILTIN}
    assert {f for f in files if not f.startswith("_")} - {"resolver"} == listed


def test_botnets_have_names_of_their_own() -> None:
    names = [botnet.NAME for botnet in botnets.BUILTIN]
    assert len(set(names)) == len(names)


def gaps(times: list[float]) -> list[float]:
    return [b - a for a, b in pairwise(times)]


@pytest.mark.parametrize(("period", "jitter"), [(60.0, 0.2), (300.0, 0.0)], ids=["60s", "even"])
def test_beacons_keep_their_period(
    make_day: Callable[[Plan], Any], period: float, jitter: float
) -> None:
    made = make_day(
        Plan(
            hosts=20,
            botnets={"beacon": 1},
            beacon_period=period,
            beacon_jitter=jitter,
            patch_weekday=-1,
        )
    )
    (host,), controllers = made.hosts_of("beacon"), made.truth.controllers
    calls = [float(r["ts"]) for r in made.rows("conn", host) if r["id.resp_h"] in controllers]
    between = [gap for gap in gaps(calls) if gap < 2 * period]  # longer: asleep
    assert len(between) > 40
    assert statistics.median(between) == pytest.approx(period, rel=0.05)
    assert min(between) >= period * (1 - jitter) - 0.001
    assert max(between) <= period * (1 + jitter) + 0.001
    names = {r["server_name"] for r in made.rows("ssl", host) if r["id.resp_h"] in controllers}
    assert len(names) == 1


def test_bankers_post_to_their_gate_and_fetch_a_configuration(day: Any) -> None:
    over_tls = 0
    for host in day.hosts_of("banker"):
        mine = [r for r in day.rows("http", host) if r["host"] in day.truth.controllers]
        assert any(r["uri"].endswith("cfg.bin") for r in mine)
        assert {r["referrer"] for r in mine} == {"-"}
        posts = [float(r["ts"]) for r in mine if r["method"] == "POST"]
        safe = [r for r in day.rows("ssl", host) if r["server_name"] in day.truth.controllers]
        assert all(r["subject"] == r["issuer"] for r in safe)
        reports = posts or [float(r["ts"]) for r in safe]
        over_tls += bool(safe)
        assert len(reports) >= 6
        assert 800 < statistics.median(gaps(reports)) < 1600
    assert over_tls == 1


def test_spammers_try_many_mail_servers_and_are_mostly_refused(day: Any) -> None:
    for host in day.hosts_of("spam"):
        tried = [r for r in day.rows("conn", host) if r["id.resp_p"] == "25"]
        assert len({r["id.resp_h"] for r in tried}) > 300
        assert sum(r["conn_state"] == "S0" for r in tried) > 0.1 * len(tried)
        assert sum(r["qtype_name"] == "MX" for r in day.rows("dns", host)) > 300
        replies = Counter(r["last_reply"][0] for r in day.rows("smtp", host))
        assert replies["5"] > replies["2"] > 0


def test_peers_are_many_far_apart_mostly_silent_and_never_asked_for(day: Any) -> None:
    answered = {answer for row in day.logs["dns"] for answer in row["answers"].split(",")}
    for host in day.hosts_of("p2p-clickfraud"):
        calls = [r for r in day.rows("conn", host) if r["id.resp_p"] == str(p2p_clickfraud.PORT)]
        peers = {r["id.resp_h"] for r in calls}
        assert len(peers) > 400
        assert len({peer.rsplit(".", 2)[0] for peer in peers}) > 300
        assert peers.isdisjoint(answered)
        assert sum(r["conn_state"] == "SF" for r in calls) < 0.3 * len(calls)
        assert len({r["resp_bytes"] for r in calls}) <= 3
        assert sum("/click" in r["uri"] for r in day.rows("http", host)) > 50


def test_scanners_begin_within_seconds_of_each_other(day: Any) -> None:
    begun = {}
    for host in day.hosts_of("irc-scanner"):
        scan = [r for r in day.rows("conn", host) if r["id.resp_p"] == "23"]
        if scan:
            begun[host] = float(scan[0]["ts"])
            assert len({r["id.resp_h"] for r in scan}) > 2000
            assert sum(r["conn_state"] == "S0" for r in scan) > 0.8 * len(scan)
    assert len(begun) >= 2
    assert max(begun.values()) - min(begun.values()) < irc_scanner.OBEY_WITHIN + 2


def test_scanners_flood_one_address_and_hold_their_channel(day: Any) -> None:
    hosts = day.hosts_of("irc-scanner")
    flood = [r for r in day.rows("conn", *hosts) if r["proto"] == "udp" and r["id.resp_p"] == "80"]
    assert len({r["id.resp_h"] for r in flood}) == 1
    assert len(flood) > 1000
    held = [float(r["duration"]) for r in day.rows("conn", *hosts) if r["service"] == "irc"]
    assert max(held) > 3600
    assert {r["command"] for r in day.logs["irc"]} == {"NICK", "USER", "JOIN"}


def on_port(order: Order) -> Callable[[dict[str, str]], bool]:
    """Return whether a connection is the order's act, as far as one row can tell."""
    proto, port = order.proto, str(order.port)
    if order.act == "asks":
        return lambda r: r["query"].endswith(f".{order.target}")
    return lambda r: (
        r["proto"] == proto
        and r["id.resp_p"] == port
        and order.target in ("", r["id.resp_h"])
        and r["id.resp_h"] != order.controller
    )


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("seed", [1, 4])
def test_bots_act_on_orders_within_seconds_of_each_other(
    make_day: Callable[[Plan], Any], channel: str, seed: int
) -> None:
    bots = {"orders": 5, "irc-scanner": 2}
    made = make_day(
        Plan(hosts=30, seed=seed, botnets=bots, orders_by=channel, orders_a_day=4, obey_within=6.0)
    )
    mine = [order for order in made.truth.orders if order.family == "orders"]
    assert len(mine) == 4
    assert len(made.truth.orders) == 6
    assert [o.at for o in made.truth.orders] == sorted(o.at for o in made.truth.orders)
    for order in made.truth.orders:
        log = "dns" if order.act == "asks" else "conn"
        is_act = on_port(order)
        assert len(order.hosts) >= 1
        assert order.acts == min(order.started)
        assert max(order.started) - order.acts < (90 if order.channel == "poll" else 6)
        for host, heard, began in zip(order.hosts, order.heard, order.started, strict=True):
            assert order.at <= heard < began < order.at + 250
            acts = [float(r["ts"]) for r in made.rows(log, host) if is_act(r)]
            later = [ts for ts in acts if ts >= began - 0.001]
            assert later[0] == pytest.approx(began, abs=0.001)
            assert order.act == "scans" or not [t for t in acts if began - 600 < t < began - 0.001]


@pytest.mark.parametrize("channel", ["poll", "long-poll", "timed"])
def test_a_bot_hears_an_order_before_it_acts(make_day: Callable[[Plan], Any], channel: str) -> None:
    made = make_day(Plan(hosts=24, botnets={"orders": 3}, orders_by=channel))
    for order in made.truth.orders:
        assert order.channel == channel
        for host, moment in zip(order.hosts, order.heard, strict=True):
            calls = [r for r in made.rows("conn", host) if r["id.resp_h"] == order.controller]
            heard = [
                int(r["resp_bytes"])
                for r in calls
                if float(r["ts"]) - 0.01 <= moment <= float(r["ts"]) + float(r["duration"]) + 0.2
            ]
            usual = statistics.median(int(r["resp_bytes"]) for r in calls)
            assert max(heard) > usual + 50, (order, host)


def test_a_held_channel_is_open_when_orders_come(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(Plan(hosts=24, botnets={"orders": 3}))
    heard = 0
    for order in made.truth.orders:
        for host in order.hosts:
            calls = [r for r in made.rows("conn", host) if r["id.resp_h"] == order.controller]
            assert len(calls) < 20
            heard += any(
                float(r["ts"]) <= order.at <= float(r["ts"]) + float(r["duration"]) for r in calls
            )
    assert heard >= sum(len(order.hosts) for order in made.truth.orders) - 1


def test_a_tunnel_asks_hundreds_of_long_names_an_hour(day: Any) -> None:
    (host,) = day.hosts_of("dns-tunnel")
    asked = [r for r in day.rows("dns", host) if r["qtype_name"] in ("TXT", "NULL")]
    hours = (float(asked[-1]["ts"]) - float(asked[0]["ts"])) / 3600
    assert len(asked) / hours > 200
    assert len({r["query"] for r in asked}) == len(asked)
    assert all(len(r["query"]) > 70 for r in asked)
    assert len({".".join(r["query"].split(".")[-3:]) for r in asked}) == 1


def test_generated_names_do_not_exist_until_one_does(day: Any) -> None:
    hosts = day.hosts_of("dga")
    missing = [r["query"] for r in day.rows("dns", *hosts) if r["rcode_name"] == "NXDOMAIN"]
    assert len(set(missing)) > 80
    home = {r["host"] for r in day.rows("http", *hosts) if r["host"] in day.truth.controllers}
    assert len(home) == 1
    for host in hosts:
        good = [r for r in day.rows("dns", host) if r["query"] in home]
        assert {r["rcode_name"] for r in good} == {"NOERROR"}


def test_bots_sleep_when_their_computer_does(day: Any) -> None:
    begin = day.plan.start.timestamp()
    bots = day.hosts_of("banker") | day.hosts_of("beacon")
    night = [
        r
        for r in day.rows("conn", *bots)
        if float(r["ts"]) < begin + 6 * 3600 and r["id.resp_h"] in day.truth.controllers
    ]
    awake = {r["id.orig_h"] for r in day.logs["conn"] if float(r["ts"]) < begin + 6 * 3600}
    assert {r["id.orig_h"] for r in night} <= awake
    assert bots - awake  # at least one sleeps at night, so the test can fail


@pytest.mark.parametrize(
    "trap",
    [
        pytest.param(lambda r: r["id.resp_p"] == "123", id="clocks"),
        pytest.param(lambda r: r["duration"] != "-" and float(r["duration"]) > 7200, id="long"),
        pytest.param(lambda r: r["conn_state"] == "S0" and r["proto"] == "udp", id="unanswered"),
        pytest.param(
            lambda r: r["orig_bytes"].isdigit() and int(r["orig_bytes"]) > 10**9, id="upload"
        ),
        pytest.param(lambda r: not r["id.orig_h"].startswith("10."), id="from outside"),
    ],
)
def test_a_clean_day_has_what_detectors_trip_over(
    calm: Any, trap: Callable[[dict[str, str]], bool]
) -> None:
    assert sum(map(trap, calm.logs["conn"])) >= 1


def test_a_clean_day_has_names_that_do_not_exist(calm: Any) -> None:
    missing = sum(r["rcode_name"] == "NXDOMAIN" for r in calm.logs["dns"])
    assert 0.005 < missing / len(calm.logs["dns"]) < 0.15


def test_some_clean_programs_call_a_rare_name_evenly(calm: Any) -> None:
    callers: dict[str, set[str]] = {}
    times: dict[tuple[str, str], list[float]] = {}
    for row in calm.logs["ssl"]:
        callers.setdefault(row["server_name"], set()).add(row["id.orig_h"])
        times.setdefault((row["server_name"], row["id.orig_h"]), []).append(float(row["ts"]))
    even = [
        name
        for (name, _), at in times.items()
        if len(callers[name]) <= 2
        and len(at) > 30
        and statistics.median(map(abs, (g - statistics.median(gaps(at)) for g in gaps(at)))) < 10
    ]
    assert len(set(even)) >= 3


def test_the_resolver_asks_within_its_clients_wait(day: Any) -> None:
    resolver = "10.0.0.10"
    asked = {r["query"] for r in day.logs["dns"] if r["id.resp_h"] == resolver}
    own = {r["query"] for r in day.rows("dns", resolver)}
    assert own <= asked
    assert not any(name.endswith("corp.test") for name in own)
    upstream = sum(1 for _ in day.rows("dns", resolver))
    assert 0.1 < upstream / len(day.logs["dns"]) < 0.6


def small(name: str, bots: int = 2, **more: Any) -> Plan:
    return Plan(hosts=40, botnets={name: bots}, patch_weekday=-1, **more)


def to_controllers(made: Any, host: str) -> list[dict[str, str]]:
    return [r for r in made.rows("conn", host) if r["id.resp_h"] in made.truth.controllers]


def test_a_sleeper_has_two_rhythms(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(small("sleeper", bots=6))
    between = [
        gap
        for host in made.hosts_of("sleeper")
        for gap in gaps([float(r["ts"]) for r in to_controllers(made, host)])
    ]
    assert sum(2 < gap < 8 for gap in between) > 100
    assert sum(gap > 3600 for gap in between) >= 2
    assert sum(60 < gap < 600 for gap in between) < 0.02 * len(between)


def test_office_hours_are_kept_even_where_machines_run_all_night(
    make_day: Callable[[Plan], Any],
) -> None:
    made = make_day(small("office-hours", bots=4))
    begin = made.plan.start.timestamp()
    for host in made.hosts_of("office-hours"):
        calls = [float(r["ts"]) - begin for r in to_controllers(made, host)]
        assert len(calls) > 100
        assert 9 * 3600 <= min(calls) <= max(calls) <= 17 * 3600
        assert statistics.pstdev(gap for gap in gaps(calls) if gap < 140) > 20


def test_a_movers_servers_follow_each_other(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(small("mover", bots=3))
    for host in made.hosts_of("mover"):
        answered = [r for r in to_controllers(made, host) if r["conn_state"] != "S0"]
        order = [r["id.resp_h"] for r in answered]
        assert sum(a != b for a, b in pairwise(order)) == len(set(order)) - 1
    assert (
        len({r["id.resp_h"] for h in made.hosts_of("mover") for r in to_controllers(made, h)}) > 1
    )
    gone = [r for h in made.hosts_of("mover") for r in to_controllers(made, h)]
    assert any(r["conn_state"] == "S0" for r in gone)


def test_a_fronted_bots_addresses_are_everybodys(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(small("fronted"))
    (name,) = made.truth.controllers
    bots = made.hosts_of("fronted")
    called = {r["id.resp_h"] for r in made.rows("ssl", *bots) if r["server_name"] == name}
    others = {r["id.resp_h"] for r in made.rows("conn", *made.truth.clean)}
    assert called <= others
    assert {r["id.orig_h"] for r in made.logs["ssl"] if r["server_name"] == name} == bots


def test_a_rat_holds_its_port_and_insists(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(small("rat"))
    for host in made.hosts_of("rat"):
        calls = to_controllers(made, host)
        assert len({r["id.resp_p"] for r in calls}) == 1
        held = [float(r["duration"]) for r in calls if r["service"] == "ssl"]
        assert max(held) > 1200
        vain = [float(r["ts"]) for r in calls if r["conn_state"] in ("S0", "REJ")]
        assert statistics.median(gaps(vain)) == pytest.approx(5, abs=0.5)


def test_stealers_upload_by_ftp_or_by_mail(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(small("stealer"))
    services = Counter(
        r["service"] for host in made.hosts_of("stealer") for r in to_controllers(made, host)
    )
    assert services["ftp"] == services["ftp-data"] > 5
    assert services["smtp"] > 5
    sent = [
        int(r["orig_bytes"])
        for h in made.hosts_of("stealer")
        for r in to_controllers(made, h)
        if r["service"] in ("ftp-data", "smtp")
    ]
    assert max(sent) < 10**6


def test_a_brute_forcer_does_not_get_in(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(small("brute-forcer", bots=1))
    (host,) = made.hosts_of("brute-forcer")
    tried = [r for r in made.rows("ssh", host) if r["client"] == "SSH-2.0-Go"]
    assert len({r["id.resp_h"] for r in tried}) > 100
    assert {r["auth_success"] for r in tried} == {"F"}
    deaf = [r for r in made.rows("conn", host) if r["id.resp_p"] == "22" and r["service"] == "-"]
    assert len(deaf) > 50
    assert any(r["auth_success"] == "T" for r in made.rows("ssh", *made.truth.clean))


def test_a_fluxing_name_is_answered_with_ever_new_addresses(
    make_day: Callable[[Plan], Any],
) -> None:
    made = make_day(small("fast-flux"))
    (name,) = (c for c in made.truth.controllers if c.endswith((".example", ".test")))
    asked = [r for r in made.rows("dns", *made.hosts_of("fast-flux")) if r["query"] == name]
    told = {a for r in asked for a in r["answers"].split(",")}
    assert len(told) > 100
    assert len({a.split(".")[0] + a.split(".")[1] for a in told}) > 80
    assert all(float(r["TTLs"].split(",")[0]) <= 60 for r in asked)


def test_a_tunnel_in_echoes_carries_more_than_pings(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(small("icmp-tunnel"))
    echoes = [r for r in made.logs["conn"] if r["proto"] == "icmp"]
    assert {(r["id.orig_p"], r["id.resp_p"]) for r in echoes} == {("8", "0")}
    bots = made.hosts_of("icmp-tunnel")
    mine = [r for r in echoes if r["id.orig_h"] in bots]
    assert len(mine) >= 4
    assert any(int(r["resp_bytes"]) > 10**6 for r in mine)
    clean = [r for r in echoes if r["id.orig_h"] not in bots]
    assert clean
    assert all(r["orig_bytes"] == r["resp_bytes"] for r in clean)


def test_a_loader_fetches_programs_from_a_bare_address(make_day: Callable[[Plan], Any]) -> None:
    made = make_day(small("loader"))
    programs = [
        r
        for r in made.rows("http", *made.hosts_of("loader"))
        if r["resp_mime_types"] == "application/x-dosexec" and r["host"] == r["id.resp_h"]
    ]
    assert 2 <= len(programs) <= 4
    clean = [
        r
        for r in made.rows("http", *made.truth.clean)
        if r["resp_mime_types"] == "application/x-dosexec"
    ]
    assert clean
    assert not [r for r in clean if r["host"] == r["id.resp_h"]]
