"""Beacons: a host that calls one peer at steady intervals, as an implant on a timer does.

A peer is an outside address, a name (TLS server name or HTTP host), a name only asked for (DNS
question), or a /24 and port of which the host uses several addresses. Per host and peer, with d the gaps of at least
`min_gap_s` between its calls and m their median:

    active    gaps of at most 3 m: a longer silence is a host that is off, and does not count
    regular   1 - (q3 - q1) / (q3 + q1) of the active gaps; a metronome 1, random calls about 0.4
    cadence   share of active gaps between m / 2 and 3 m / 2; jitter of 50 % still gives 1,
              random calls about 0.4
    score     mean of the two (each stretched from random = 0 to perfect = 1), x share of active
              gaps, x n / (n + 6) for n gaps, x rarity of the peer in this network, x a prior for
              ports of well-known timers

Unanswered calls count as calls: a controller that was taken down is still called.

Also finds: update checks, monitoring and push services that few hosts of this network use.
Misses: jitter far above half the period, fewer than `min_calls` calls, channels held open. Timers
that everybody here has (NTP, the antivirus cloud) are weighed down by their prevalence; in a
network of a few hosts prevalence says little.
Source: gap quartiles after Bonett 2006, doi:10.1016/j.csda.2005.05.007; active gaps and rarity are
this project's answer to what breaks RITA's score (github.com/activecm/rita, analysis/beacons.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import (
    WITH_PORTS,
    as_findings,
    asked,
    network_of,
    outbound,
    ramp,
    rarity,
    sample,
    was_unanswered,
    web,
)

NAME = "beacon"
TECHNIQUE = "T1071"  # Application Layer Protocol
KIND = "control"
DOES = ""
WEIGHT = 3.6  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "state", "dst_pkts",
             "src_inside", "dst_inside"),
    "tls": ("ts", "uid", "src_ip", "dst_port", "server_name", "src_inside", "dst_inside"),
    "http": ("ts", "uid", "src_ip", "dst_port", "host", "method", "uri", "src_inside",
             "dst_inside"),
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("conn.dst_ip",), ("tls.server_name",), ("http.host",), ("dns.query",))
DETAILS = {
    "unit": "string",  # address, net, name or question
    "period_s": "float64",  # median active gap, seconds
    "jitter": "float64",  # half the quartile range of active gaps, as a share of the period
    "regular": "float64",  # 0..1
    "cadence": "float64",  # 0..1
    "active": "float64",  # share of gaps while the host was on
    "unanswered": "float64",  # share of calls; null where the source cannot tell
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = "called {peer} port {peer_port} {count} times, about every {period}"
SAYS_IF = {"unit=question": "asked for the name {peer} {count} times, about every {period}"}
INNOCENT = (
    "Updates, time service, monitoring and push messages also call on a timer. Those are usually"
    " shared by many hosts here; this peer is used by {hosts}."
)
NEXT = (
    "Find the program that makes the call (on the host: the process that owns connections to"
    " {peer}), and ask whether anyone knows the peer."
)

KEY = ("unit", "host", "peer", "peer_port", "proto")
WEIGHED = ("hosts", "rarity", "weight")
# Ports whose services run on timers by design; evidence, not exemption.
TIMER_PORTS = {123: 0.1, 53: 0.15, 853: 0.3, 5228: 0.4, 5223: 0.4, 3478: 0.4, 67: 0.1, 547: 0.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as a beacon. Raises ValueError for limits that could match nothing."""

    min_calls: int = 6
    max_calls: int = 100_000  # per peer; more is a flood or a proxy, not a timer
    min_gap_s: float = 1.0  # shorter gaps are one burst, or retries of one call
    max_gap_s: float = 86_400.0
    min_score: float = 0.35

    def __post_init__(self) -> None:
        if not 0 < self.min_gap_s < self.max_gap_s:
            raise ValueError(f"need 0 < {self.min_gap_s=} < {self.max_gap_s=}")
        if self.min_calls < 4 or not 0 <= self.min_score <= 1:
            raise ValueError(f"need {self.min_calls=} >= 4 and 0 <= {self.min_score=} <= 1")


def detect(
    conn: ibis.Table,
    tls: ibis.Table,
    http: ibis.Table,
    dns: ibis.Table,
    prevalence: ibis.Table,
    config: Config,
) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    calls = ibis.union(_by_address(conn), _by_net(conn, config), _by_name(tls, http, dns))
    peers = _worth_sorting(calls, prevalence, config)
    few = calls.inner_join(peers, list(KEY)).select(
        "number", "ts", "uid", "unanswered", *KEY, *WEIGHED
    )
    timed = _timing(_gaps(few, config), config)
    shape = (ramp(timed.regular, 0.45, 0.95) + ramp(timed.cadence, 0.45, 0.95)) / 2
    scored = timed.mutate(
        score=shape * timed.active * (timed.beats / (timed.beats + 6)) * timed.weight
    )
    hits = scored.filter(_["count"] >= config.min_calls, _.score >= config.min_score)
    only_asked = hits.unit == "question"
    hits = hits.mutate(
        peer_port=only_asked.ifelse(ibis.null("int32"), hits.peer_port),
        proto=only_asked.ifelse(ibis.null("string"), hits.proto),
    )
    return as_findings(hits, DETAILS)


def _by_address(conn: ibis.Table) -> ibis.Table:
    return _flows("address", outbound(conn).filter(_.proto.isin(WITH_PORTS)), "dst_ip")


def _by_net(conn: ibis.Table, config: Config) -> ibis.Table:
    """Return calls per /24 and port where the host used several of its addresses."""
    ported = outbound(conn).filter(_.proto.isin(WITH_PORTS))
    calls = ported.mutate(net=network_of(_.dst_ip)).filter(_.net.notnull())
    key = ("src_ip", "net", "dst_port", "proto")
    spread = calls.group_by(key).agg(calls=_.count(), addresses=_.dst_ip.nunique())
    spread = spread.filter(
        _.calls.between(config.min_calls, config.max_calls),
        _.addresses > 1,
        _.calls >= 2 * _.addresses,  # each address again: a sweep is no beacon
    )
    return _flows("net", calls.semi_join(spread, list(key)), "net")


def _flows(unit: str, conn: ibis.Table, peer: str) -> ibis.Table:
    """Return connections as calls to the peer in the column `peer`."""
    return conn.select(
        unit=ibis.literal(unit),
        host="src_ip",
        peer=peer,
        peer_port="dst_port",
        proto="proto",
        ts="ts",
        uid="uid",
        unanswered=was_unanswered(_),
    )


def _by_name(tls: ibis.Table, http: ibis.Table, dns: ibis.Table) -> ibis.Table:
    tcp, udp = ibis.literal("tcp"), ibis.literal("udp")
    calls = ibis.union(
        _named("name", outbound(tls), "server_name", _.dst_port, tcp),
        _named("name", web(http), "host", _.dst_port, tcp),
        _named("question", asked(dns), "query", ibis.literal(53, "int32"), udp),
    )
    return calls.filter(_.peer.contains("."), ~_.peer.endswith(".arpa"))


def _named(unit: str, table: ibis.Table, column: str, port: Any, proto: Any) -> ibis.Table:
    return table.filter(table[column].notnull()).select(
        unit=ibis.literal(unit),
        host="src_ip",
        peer=column,
        peer_port=port,
        proto=proto,
        ts="ts",
        uid="uid",
        unanswered=ibis.null("boolean"),
    )


def _worth_sorting(calls: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return the peers that could reach `min_score` at all, numbered, with what weighs on them.

    Narrow first: sorting calls is what costs, and most peers are common, rare callers or timers.
    """
    often = calls.group_by(KEY).agg(calls=_.count(), first=_.ts.min(), last=_.ts.max())
    seconds = often.last.delta(often.first, unit="second")
    often = often.filter(
        often.calls.between(config.min_calls, config.max_calls),
        seconds >= (config.min_calls - 1) * config.min_gap_s,
    )
    known = prevalence.select("kind", "peer", "hosts", "all_hosts")
    # An address of a pool or a CDN is as common as its /24.
    nets = known.filter(known.kind == "net").select(net="peer", net_hosts="hosts")
    often = often.mutate(kind=(_.unit == "question").ifelse("name", _.unit))
    table = often.left_join(known, ["kind", "peer"]).drop("kind_right", "peer_right")
    table = table.mutate(net=network_of(table.peer)).left_join(nets, "net")
    hosts = table.hosts.fill_null(1)
    rare = rarity(ibis.greatest(hosts, table.net_hosts.fill_null(1)), table.all_hosts.fill_null(1))
    # The port of a DNS question says nothing about the timer behind the name.
    by_port = table.peer_port.cases(*TIMER_PORTS.items(), else_=1.0)
    prior = (table.unit == "question").ifelse(1.0, by_port)
    weighed = table.mutate(hosts=hosts, rarity=rare, weight=rare * prior)
    worth = weighed.filter(_.weight * _.calls / (_.calls + 6) >= config.min_score)
    # In order of the key: an engine may work this table out twice, and must number it alike.
    number = ibis.row_number().over(ibis.window(order_by=KEY))
    return worth.select(*KEY, *WEIGHED, number=number)


def _gaps(calls: ibis.Table, config: Config) -> ibis.Table:
    """Return each call with the gap before it in seconds; null when it is no gap to count."""
    window = ibis.window(group_by="number", order_by="ts")
    measured = calls.mutate(
        gap=(_.ts.delta(_.ts.lag().over(window), unit="microsecond") / 1e6),
        rank=ibis.row_number().over(window),
    )
    usable = measured.gap.between(config.min_gap_s, config.max_gap_s)
    gaps = measured.mutate(gap=usable.ifelse(measured.gap, ibis.null("float64")))
    middles = gaps.group_by("number").agg(middle=_.gap.median())
    return gaps.inner_join(middles, "number")


def _timing(gaps: ibis.Table, config: Config) -> ibis.Table:
    """Return one row per peer with the shape of its active gaps."""
    is_active = gaps.gap <= 3 * gaps.middle
    on_beat = gaps.gap.between(0.5 * gaps.middle, 1.5 * gaps.middle)
    timed = gaps.group_by("number").agg(
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        gaps=_.gap.count(),
        beats=gaps.gap.count(where=is_active),
        cadence=gaps.gap.count(where=on_beat) / gaps.gap.count(where=is_active),
        q1=gaps.gap.quantile(0.25, where=is_active),
        period_s=gaps.gap.quantile(0.5, where=is_active),
        q3=gaps.gap.quantile(0.75, where=is_active),
        unanswered=_.unanswered.cast("float64").mean(),
        evidence=sample(_.uid, _.rank),
        **{name: gaps[name].arbitrary() for name in (*KEY, *WEIGHED)},  # one value per number
    )
    return timed.filter(_.beats >= config.min_calls - 1).mutate(
        count=_.gaps + 1,
        active=_.beats / _.gaps,
        regular=1 - (_.q3 - _.q1) / (_.q3 + _.q1),
        jitter=(_.q3 - _.q1) / 2 / _.period_s,
    )
