"""Floods: a host that pours packets, connection attempts or requests over one target.

Per host, target and protocol (HTTP: per name in the Host header), in its worst minute; a flow that
lasts longer counts with its share of packets per minute:

    tcp     attempts that carried nothing (no answer, or at most 4 packets out and 3 back), on the
            same ports again and again: one try of many ports is a scan; or packets of flows to
            which nothing came back
    udp     packets, while next to nothing comes back: an upload is acknowledged, a call has two sides
    icmp    packets, answered or not: no monitor pings a thousand times a minute
    http    requests for one path of one name, small answers, outside only
    reflect packets to an outside address out of an inside service that amplifies (DNS, NTP, SSDP,
            memcached, CLDAP, ...), at least `min_gain` times as many bytes as it was asked with

    score   0.3 at the least rate to 1 at the full one (a stretch of the logarithm), x share of the
            attempts or packets that carried nothing; x 0.5 for reflect, where the host is an open
            service that is abused, not a bot; x 0.5 for UDP ports of senders that expect no answer

Directions: outbound, internal (higher bars: log and video streams flow one way inside), reflected,
and inbound (`host` is then the outside sender, and is not judged).

Also finds: load tests, and programs gone wild that try a dead server hundreds of times a second.
Misses: floods with forged sources (they look like strangers' traffic), slow-rate attacks such as
slowloris, HTTP floods inside TLS, floods of questions by way of the own resolver, one-way flow
data, in which nothing ever comes back.
Source: methods of Mirai, Antonakakis et al. 2017 (usenix.org, Understanding the Mirai Botnet,
section 5); amplification factors, Rossow 2014, doi:10.14722/ndss.2014.23233.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import (
    as_findings,
    outbound,
    ramp,
    sample,
    was_unanswered,
)

NAME = "flood"
TECHNIQUE = "T1498"  # Network Denial of Service; HTTP: T1499 Endpoint Denial of Service
KIND = "flood"
DOES = "floods"
WEIGHT = 6.0  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "duration", "src_bytes",
             "dst_bytes", "src_pkts", "dst_pkts", "state", "src_inside", "dst_inside"),
    "http": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "host", "uri", "resp_bytes",
             "src_inside", "dst_inside"),
}  # fmt: skip
NEEDS = (("conn.dst_pkts",), ("conn.state",), ("conn.src_bytes", "conn.dst_bytes"), ("http.uri",))
DETAILS = {
    "direction": "string",  # outbound, internal, reflected or inbound
    "method": "string",  # tcp, udp, icmp, http or reflect
    "per_minute": "int64",  # attempts, packets or requests in the worst minute
    "minutes": "int64",  # in which the rate reached the least one
    "packets": "int64",  # sent, over these minutes; null for http
    "ports": "int64",  # of the target, in the worst minute
    "back": "float64",  # packets back for each one sent (by bytes where packets are not told)
    "gain": "int64",  # bytes out for each byte in; reflect
}
SAYS = (
    "sent {peer} {per_minute} packets or attempts in its worst minute ({method}, {direction}),"
    " and next to nothing came back"
)
SAYS_IF = {
    "method=icmp": "sent {peer} {per_minute} pings in its worst minute ({direction})",
    "method=http": "asked {peer} for the same thing {per_minute} times in its worst minute",
    "method=reflect": (
        "answered {peer} with {per_minute} packets in its worst minute, {gain} times the bytes it"
        " was asked with"
    ),
}
INNOCENT = (
    "Load tests, one-way streams (video, logs) and programs that try a dead server without a"
    " pause look alike. Ask who runs such a thing on this host."
)
INNOCENT_IF = {
    "method=reflect": (
        "The host may not be infected: an open DNS, time or similar service answers questions"
        " with a forged sender, and so floods somebody who never asked."
    ),
}
ASIDE = (
    "Only the rate speaks against a test, a stream or a broken program: {per_minute} in the worst"
    " minute. Minutes with such a rate: {minutes}."
)
ASIDE_IF = {
    "method=icmp": (
        "Monitoring pings about once a second; this host sent {per_minute} in its worst minute. A"
        " load test is not told apart."
    ),
    "method=http": (
        "A browser fetches a page with all its parts, and this host asked for one path"
        " {per_minute} times a minute. A load test is not told apart."
    ),
    "method=reflect": (
        "It was not: an abused service answers just like this, and for that reason the finding"
        " counts only half."
    ),
}
NEXT = (
    "Limit this host's traffic to {peer} at the border now, then examine the host: an order to"
    " flood comes from a controller it called shortly before."
)
NEXT_IF = {
    "method=reflect": (
        "Close the service on {host} to the outside, or limit how often it answers one address."
    ),
}

# Ports of senders that expect no answer: syslog, NetFlow, IPFIX, sFlow, StatsD, RTP, traps.
ONE_WAY = (162, 514, 1514, 2055, 4739, 5004, 5005, 6343, 8125, 9995, 9996, 12201)
# Services that answer a forged question with much more.
AMPLIFIERS = (17, 19, 53, 69, 111, 123, 137, 161, 389, 520, 1900, 3702, 5353, 10001, 11211, 27015)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as a flood, per minute. Raises ValueError for limits that could match nothing."""

    min_attempts: int = 600  # a program that tries a dead server ten times a second
    full_attempts: int = 10_000
    min_packets: int = 12_000  # a video call sends up to 15,000 a minute, but gets an answer
    full_packets: int = 200_000
    min_pings: int = 1_200  # a monitor with twenty pings a second is rare
    full_pings: int = 20_000
    min_requests: int = 900
    full_requests: int = 10_000
    min_gain: float = 5.0
    inside_factor: float = 5.0  # internal traffic: bars are that much higher
    min_score: float = 0.25

    def __post_init__(self) -> None:
        pairs = (
            (self.min_attempts, self.full_attempts),
            (self.min_packets, self.full_packets),
            (self.min_pings, self.full_pings),
            (self.min_requests, self.full_requests),
        )
        for least, full in pairs:
            if not 0 < least < full:
                raise ValueError(f"need 0 < {least} < {full}")
        if self.min_gain <= 1 or not 0 <= self.min_score <= 1:
            raise ValueError(f"need {self.min_gain=} > 1 and 0 <= {self.min_score=} <= 1")


def detect(conn: ibis.Table, http: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    found = ibis.union(_scored(_minutes(_flows(conn, config)), config), _requests(http, config))
    return as_findings(_summed(found.filter(_.score > 0), config), DETAILS)


def _flows(conn: ibis.Table, config: Config) -> ibis.Table:
    """Return the flows of pairs that could reach a bar, with packets per minute.

    Narrow first: of most pairs all flows and packets together are too few.
    """
    known = conn.filter(
        _.proto.isin(("tcp", "udp", "icmp")), _.src_inside.notnull(), _.dst_inside.notnull(),
        _.src_inside | _.dst_inside,
    )  # fmt: skip
    # Where packets are not told, bytes say how many full ones they were at least.
    sent = ibis.greatest(ibis.coalesce(known.src_pkts, known.src_bytes // 1500), 1)
    back = ibis.coalesce(known.dst_pkts, known.dst_bytes // 1500).fill_null(0)
    flows = known.mutate(sent=sent, load=ibis.greatest(sent, back))
    key = ("src_ip", "dst_ip", "proto")
    much = flows.group_by(key).agg(load=_.load.sum())
    least = min(config.min_attempts, config.min_pings, config.min_packets)
    much = much.filter(_.load >= least)
    narrowed = flows.semi_join(much, list(key)).select(*flows.columns)
    amplified = (
        (narrowed.proto == "udp") & narrowed.dst_port.isin(AMPLIFIERS)
        & narrowed.dst_inside & ~narrowed.src_inside
    )  # fmt: skip
    by_side = narrowed.dst_inside.ifelse("internal", "outbound")
    minutes = ibis.greatest(narrowed.duration.fill_null(0.0) / 60, 1.0)
    return narrowed.select(
        "ts", "uid", "dst_port", "proto", "sent", "load", "src_bytes", "dst_bytes", "dst_pkts",
        "src_pkts",
        host=amplified.ifelse(narrowed.dst_ip, narrowed.src_ip),
        peer=amplified.ifelse(narrowed.src_ip, narrowed.dst_ip),
        method=amplified.ifelse("reflect", narrowed.proto),
        direction=amplified.ifelse(
            "reflected", narrowed.src_inside.ifelse(by_side, "inbound")
        ),
        minute=narrowed.ts.truncate("minute"),
        rate=narrowed.sent / minutes,
        out_rate=narrowed.load / minutes,
        empty=_carried_nothing(narrowed),
        back=_coming_back(narrowed),
    )  # fmt: skip


def _carried_nothing(flows: ibis.Table) -> Any:
    """Return whether a TCP flow was an attempt and no more; null where the source cannot tell."""
    short = (flows.src_pkts <= 4) & (flows.dst_pkts <= 3)
    silent = (flows.src_bytes == 0) & (flows.dst_bytes == 0)
    return was_unanswered(flows) | short.fill_null(False) | silent.fill_null(False)


def _coming_back(flows: ibis.Table) -> Any:
    """Return packets back for the flow; null where neither they nor silence are told.

    Bytes do not tell: some sensors count payload only, and an upload is answered with bare ACKs.
    """
    silent = was_unanswered(flows) | ((flows.proto != "tcp") & (flows.dst_bytes == 0))
    nothing = silent.fill_null(False).ifelse(0.0, ibis.null("float64"))
    return ibis.coalesce(flows.dst_pkts.cast("float64"), nothing)


def _minutes(flows: ibis.Table) -> ibis.Table:
    """Return the minutes of each host, target and method, with what was sent and came back."""
    key = ("host", "peer", "method", "proto", "direction")
    asked = (flows.src_bytes > 0) & flows.dst_bytes.notnull()
    return flows.group_by((*key, "minute")).agg(
        flows=_.count(),
        ports=_.dst_port.nunique(),
        peer_port=_.dst_port.max(),
        attempts=_.count(where=_.empty),
        told=_.empty.count(),
        # A packet of a flow that got no answer; of flows whose answers are not known nothing.
        packets=_.rate.sum(where=_.back.notnull()).fill_null(0.0),
        sent=_.sent.sum(),
        back=_.back.sum(),
        known=_.sent.sum(where=_.back.notnull()),
        to_sinks=_.sent.sum(where=_.dst_port.isin(ONE_WAY)).fill_null(0),
        load=_.load.sum(),
        answers=_.out_rate.sum(where=asked).fill_null(0.0),
        gain=(_.dst_bytes.sum(where=asked) / _.src_bytes.sum(where=asked)).fill_null(0.0),
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        evidence=_.uid.min(),
    )


def _scored(minutes: ibis.Table, config: Config) -> ibis.Table:
    """Return the minutes with score and rate by what their method counts."""
    factor = (minutes.direction == "internal").ifelse(config.inside_factor, 1.0)
    ratio = minutes.back / ibis.greatest(minutes.known, 1)
    share = minutes.attempts / ibis.greatest(minutes.told, 1)
    # Each port again and again: a try of each of many is a scan of the target.
    again = ramp(minutes.flows / ibis.greatest(minutes.ports, 1), 2, 8)
    tries = (
        _stretch(minutes.attempts / factor, config.min_attempts, config.full_attempts)
        * ramp(share, 0.5, 0.9) * again
    )  # fmt: skip
    one_way = 1 - ramp(ratio, 0.005, 0.05).fill_null(1.0)
    poured = _stretch(minutes.packets / factor, config.min_packets, config.full_packets) * one_way
    sinks = 1 - 0.5 * minutes.to_sinks / minutes.sent
    pings = _stretch(minutes.sent / factor, config.min_pings, config.full_pings)
    # From the rate of attempts on: the questions of one resolver are no more than that.
    answers = 0.5 * _stretch(minutes.answers, config.min_attempts, config.full_packets)
    amplified = (minutes.gain >= config.min_gain).ifelse(answers, 0.0)
    score = minutes.method.cases(
        ("tcp", ibis.greatest(tries, poured)), ("udp", poured * sinks), ("icmp", pings),
        else_=amplified,
    )  # fmt: skip
    rate = minutes.method.cases(
        ("tcp", (tries > poured).ifelse(minutes.attempts.cast("float64"), minutes.packets)),
        ("udp", minutes.packets),
        ("icmp", minutes.sent.cast("float64")),
        else_=minutes.answers,
    )
    reflected = minutes.method == "reflect"
    nothing = ibis.null("float64")
    return _picked(
        minutes.mutate(
            score=score,
            per_minute=rate,
            back=reflected.ifelse(nothing, ratio),
            gain=reflected.ifelse(minutes.gain, nothing),
            packets=reflected.ifelse(minutes.load, minutes.sent),
        )
    )


def _requests(http: ibis.Table, config: Config) -> ibis.Table:
    """Return hosts that ask one outside name for one path over and over."""
    asked = outbound(http).filter(_.uri.notnull()).select(
        "ts", "uid", "dst_port", "resp_bytes", host="src_ip",
        peer=ibis.coalesce(_.host, _.dst_ip), minute=_.ts.truncate("minute"),
        path=_.uri.split("?")[0],
    )  # fmt: skip
    busy = asked.group_by("host", "peer").agg(n=_.count()).filter(_.n >= config.min_requests)
    asked = asked.semi_join(busy, ["host", "peer"]).select(*asked.columns)
    # By path first: the worst path of a minute is what counts, not the sum of a page's parts.
    paths = asked.group_by("host", "peer", "minute", "path").agg(
        per_minute=_.count(),
        answer=_.resp_bytes.mean(),
        peer_port=_.dst_port.max(),
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        evidence=_.uid.min(),
    )
    small = 1 - ramp(paths.answer.fill_null(0.0), 50_000, 500_000)
    score = _stretch(paths.per_minute, config.min_requests, config.full_requests) * small
    return _picked(
        paths.mutate(
            score=score, method=ibis.literal("http"), proto=ibis.literal("tcp"),
            direction=ibis.literal("outbound"), ports=ibis.literal(1),
            packets=ibis.null("int64"), back=ibis.null("float64"), gain=ibis.null("float64"),
        )
    )  # fmt: skip


def _picked(table: ibis.Table) -> ibis.Table:
    """Return the columns that all kinds of floods share, a row a minute."""
    return table.select(
        "host", "peer", "minute", "first_seen", "last_seen", "evidence", "method", "proto",
        "direction",
        **{
            name: table[name].cast(kind)
            for name, kind in {
                "peer_port": "int32", "score": "float64", "per_minute": "float64",
                "ports": "int64", "packets": "int64", "back": "float64", "gain": "float64",
            }.items()
        },
    )  # fmt: skip


def _stretch(rate: Any, least: int, full: int) -> Any:
    """Return 0 below the least rate, 0.3 at it, 1 at the full one, by the logarithm between."""
    safe = ibis.greatest(rate, 1.0)
    share = (safe.ln() - math.log(least)) / (math.log(full) - math.log(least))
    return (rate >= least).ifelse(0.3 + 0.7 * share.clip(0.0, 1.0), 0.0)


def _summed(minutes: ibis.Table, config: Config) -> ibis.Table:
    """Return one finding per host, target and method: its worst minute."""
    key = ("host", "peer", "method", "proto", "direction")
    order = ibis.window(group_by=key, order_by=[minutes.score.desc(), minutes.minute])
    ranked = minutes.mutate(place=ibis.row_number().over(order))
    worst = {
        name: ranked[name].max(where=ranked.place == 0)
        for name in ("peer_port", "per_minute", "ports", "back", "gain")
    }
    summed = ranked.group_by(key).agg(
        score=_.score.max(),
        first_seen=_.first_seen.min(),
        last_seen=_.last_seen.max(),
        minutes=_.count(),
        packets=_.packets.sum(),
        evidence=sample(_.evidence, _.place),
        total=_.per_minute.sum(),
        **worst,
    )
    many = summed.ports > 1
    summed = summed.mutate(
        per_minute=summed.per_minute.round(),
        gain=summed.gain.round(),
        count=summed.total.round().cast("int64"),
        peer_port=(many | (summed.proto == "icmp")).ifelse(ibis.null("int32"), summed.peer_port),
    )
    return summed.filter(_.score >= config.min_score)
