"""Beacons: a host that calls one peer at steady intervals, as an implant on a timer does.

A peer is an outside address, a name (TLS server name or HTTP host), a name only asked for (DNS
question), or a /24 and port of which the host uses several addresses. The network stack's next tries
of an unanswered call (same source port, or waits that double) are no calls of their own. Per host
and peer, with d the gaps of at least `min_gap_s` between its calls and m their median:

    active    share of gaps of at most 3 m: a longer silence is a pause or a host that is off
    regular   1 - (q3 - q1) / (q3 + q1) of the active gaps; a metronome 1, random calls about 0.4.
              Jitter by design is no innocence: from 0.85 (30 %) on it counts as a metronome
    cadence   share of active gaps between m / 2 and 3 m / 2; jitter of 50 % still gives 1, random
              calls about 0.4. Where m is a few seconds, shorter gaps count as off the beat
    tight     share of active gaps within 20 % of m
    covered   active gaps' sum as a share of the time from first to last call, hours left out in
              which the host talked to nobody
    score     geometric mean of regular and cadence (each stretched from random = 0 to perfect
              = 1), x active, x n / (n + 2 + 10 (1 - tight)) for n active gaps: the tighter, the fewer
              will do, x 0.4 (covered 0) to 1 (covered half), x how uncommon the peer is in this
              network, x a prior for ports of services that run on timers

The same is worked out for bursts instead of calls, with stricter stretches, for implants that call
quickly and then sleep; the better of the two counts, and `bursts` says which. Uncommon is rarity,
and at most 1 - sqrt(share of hosts), of the address, the name, or the /24 and port, whichever is
more common. A port on which many hosts call many places on timers, and little else, is taken for a
service and weighed down, whatever its number.

Unanswered calls count as calls: a controller that was taken down is still called.

`confirmed` says how clearly periodogram and autocorrelation show the period (_periods.py): 1 for a
metronome, near 1 for 50 calls with a jitter of 20 %, 0 for calls at random, but also for a jitter of
50 %, which keeps the cadence and no phase. It is told and does not weigh: vendors' timers show theirs
as clearly as implants, 0.5 to 1 at most of the findings about clean hosts.

A pair of at least 30 calls that is not steady may hide a timer: `basis` is then folding, the period
that at which most calls lie over each other, and the score

    hidden    0.65 x stretch of locked (_periods.py) from 0.2 to 0.8, x covered, uncommon and ports as
              above. Of timers of 1 and 5 minutes made up among six times as many calls of
              browsing it finds half to eight in ten, the period within 10 %; none in browsing
              alone. Among twice as many the pauses between bursts are still steady, and the gaps tell

A net is not looked at so: two timers of two of its addresses are no hidden one.

Also finds: update checks, monitoring and push services that few hosts of this network use.
Misses: jitter far above half the period, fewer than `min_calls` calls, channels held open, a timer
with jitter hidden among many other calls to the same peer. In a network of a few hosts prevalence says little.
Source: gap quartiles after Bonett 2006, doi:10.1016/j.csda.2005.05.007; active gaps, waking hours
and rarity are this project's answer to what breaks RITA's score (github.com/activecm/rita,
analysis/beacons.go).
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
    resolved,
    sample,
    was_unanswered,
    web,
)
from sakimori.detectors._periods import LEAST_HIDDEN, confirmed, folded

NAME = "beacon"
TECHNIQUE = "T1071"  # Application Layer Protocol
KIND = "control"
DOES = ""
WEIGHT = 3.6  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "src_port", "dst_ip", "dst_port", "proto", "state", "dst_pkts",
             "src_inside", "dst_inside"),
    "tls": ("ts", "uid", "src_ip", "dst_port", "server_name", "src_inside", "dst_inside"),
    "http": ("ts", "uid", "src_ip", "dst_port", "host", "method", "uri", "src_inside",
             "dst_inside"),
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "answers", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("conn.dst_ip",), ("tls.server_name",), ("http.host",), ("dns.query",))
# Of the engine's own making, with the type they take.
FUNCTIONS = {confirmed: "array<float64>", folded: "array<float64>"}
DETAILS = {
    "unit": "string",  # address, net, name or question
    "basis": "string",  # gaps, or folding for a timer hidden among other calls
    "period_s": "float64",  # median active gap, seconds
    "jitter": "float64",  # half the quartile range of active gaps, as a share of the period
    "regular": "float64",  # 0..1
    "cadence": "float64",  # 0..1
    "active": "float64",  # share of gaps that are no silence
    "covered": "float64",  # share of the host's waking hours, first to last call, on the beat
    "confirmed": "float64",  # 0..1 by periodogram and autocorrelation; null for too few calls
    "bursts": "boolean",  # the steady gaps are those between bursts of calls
    "named": "boolean",  # any question was answered with this address; null where nothing tells
    "unanswered": "float64",  # share of calls and tries; null where the source cannot tell
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = "called {peer} port {peer_port} {count} times, about every {period}"
SAYS_IF = {
    "basis=folding": "called {peer} port {peer_port} {count} times, some of them every {period}",
    "unit=question": "asked for the name {peer} {count} times, about every {period}",
    "unit=net": (
        "called addresses of the network {peer} on port {peer_port} {count} times in all, about"
        " every {period}"
    ),
}
INNOCENT = (
    "Updates, time service, monitoring and push messages also call on a timer. Those are usually"
    " shared by many hosts; hosts here that use this peer: {hosts}."
)
ASIDE = (
    "A service that runs on a timer is usually shared; hosts here that use this peer: {hosts}."
    " The beat was kept for {covered_pct} of the time between the first and the last call in"
    " which {host} was awake. An updater that few hosts have could do so, too."
)
NEXT = (
    "Find the program that makes the call (on the host: the process that owns connections to"
    " {peer}), and ask whether anyone knows the peer."
)
NEXT_IF = {
    "unit=question": (
        "Find the program that asks for {peer}, and ask whether anyone knows the name."
    ),
}

KEY = ("unit", "host", "peer", "peer_port", "proto")
PAIR = ("src_ip", "dst_ip", "dst_port", "proto")
# Unit and protocol of calls by TLS server name, HTTP host and DNS question.
NAMES = (("name", "tcp"), ("name", "tcp"), ("question", "udp"))
TIMED = (
    "number",
    "bursts",
    "gaps",
    "beats",
    "spent",
    "cadence",
    "tight",
    "regular",
    "period_s",
    "jitter",
)
WEIGHED = ("hosts", "all_hosts", "rarity", "weight")
# Ports whose services run on timers by design; evidence, not exemption.
TIMER_PORTS = {123: 0.1, 53: 0.15, 853: 0.3, 5228: 0.4, 5223: 0.4, 3478: 0.4, 67: 0.1, 547: 0.1}
# A timer hidden among other calls scores this at most.
HIDDEN = 0.65
EPOCH = ibis.timestamp("1970-01-01T00:00:00")
# Names that only say who is near, asked again and again by design.
NEARBY = (".arpa", ".local")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as a beacon. Raises ValueError for limits that could match nothing."""

    min_calls: int = 6
    max_calls: int = 100_000  # per peer; more is a flood or a proxy, not a timer
    min_gap_s: float = 1.0  # shorter gaps are one burst
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
    flows = outbound(conn).filter(_.proto.isin(WITH_PORTS))
    pairs = flows.group_by(PAIR).agg(calls=_.count(), first=_.ts.min(), last=_.ts.max())
    pairs = pairs.mutate(net=network_of(_.dst_ip))
    names = _by_name(tls, http, dns)
    peers = _worth_sorting(_often(pairs, names), pairs, prevalence, config)
    calls = ibis.union(
        _flow_calls(flows, pairs, peers),
        *(
            _name_calls(table, unit, peers)
            for table, (unit, _proto) in zip(names, NAMES, strict=True)
        ),
    )
    answers = calls.group_by("number").agg(unanswered=_.unanswered.cast("float64").mean())
    gaps = _gaps(calls, config)
    shapes = _shapes(gaps, config)
    timed = shapes.inner_join(peers, "number").inner_join(answers, "number")
    scored = _score(_awake(_steady_or_many(timed, config), conn))
    scored = _maybe_hidden(scored, config)
    hits = _without_services(scored, pairs).filter(
        _["count"] >= config.min_calls, _.score >= config.min_score
    )
    # Joined last: lists of times are long to carry along.
    times = gaps.group_by("number").agg(times=_since(_.at, EPOCH).collect())
    hits = _periodic(hits.inner_join(times, "number")).filter(_.score >= config.min_score)
    only_asked = hits.unit == "question"
    hits = hits.mutate(
        peer_port=only_asked.ifelse(ibis.null("int32"), hits.peer_port),
        proto=only_asked.ifelse(ibis.null("string"), hits.proto),
    )
    return as_findings(_named(hits, dns), DETAILS)


def _by_name(tls: ibis.Table, http: ibis.Table, dns: ibis.Table) -> tuple[ibis.Table, ...]:
    """Return calls by name: TLS server names, HTTP hosts, DNS questions."""
    return (
        _names(outbound(tls), "server_name", _.dst_port),
        _names(web(http), "host", _.dst_port),
        _names(asked(dns), "query", ibis.literal(53, "int32")),
    )


def _names(table: ibis.Table, column: str, port: Any) -> ibis.Table:
    is_name = table[column].notnull() & table[column].contains(".")
    return table.filter(is_name).select("ts", "uid", host="src_ip", peer=column, peer_port=port)


def _often(pairs: ibis.Table, names: tuple[ibis.Table, ...]) -> ibis.Table:
    """Return every peer of every host with its number of calls, and the first and last."""
    address = pairs.select(
        "calls", "first", "last",
        unit=ibis.literal("address"), host="src_ip", peer="dst_ip", peer_port="dst_port",
        proto="proto",
    )  # fmt: skip
    # Several addresses of one /24, each called again: a sweep is no beacon.
    spread = (
        pairs.filter(_.net.notnull())
        .group_by(host="src_ip", peer="net", peer_port="dst_port", proto="proto")
        .agg(calls=_.calls.sum(), first=_["first"].min(), last=_["last"].max(), addresses=_.count())
        .filter(_.addresses > 1, _.calls >= 2 * _.addresses)
        .mutate(unit=ibis.literal("net"))
    )
    # A name may be called by TLS and by HTTP on one port.
    named = ibis.union(*(_named_pairs(*given) for given in zip(names, NAMES, strict=True)))
    named = named.group_by(KEY).agg(
        calls=_.calls.sum(), first=_["first"].min(), last=_["last"].max()
    )
    named = named.filter(*(~_.peer.endswith(end) for end in NEARBY))
    columns = (*KEY, "calls", "first", "last")
    return ibis.union(*(table.select(*columns) for table in (address, spread, named)))


def _named_pairs(table: ibis.Table, told: tuple[str, str]) -> ibis.Table:
    unit, proto = told
    pairs = table.group_by("host", "peer", "peer_port")
    pairs = pairs.agg(calls=_.count(), first=_.ts.min(), last=_.ts.max())
    # Most names are asked for once: they must not be hashed again.
    return pairs.filter(_.calls > 1).mutate(unit=ibis.literal(unit), proto=ibis.literal(proto))


def _worth_sorting(
    often: ibis.Table, pairs: ibis.Table, prevalence: ibis.Table, config: Config
) -> ibis.Table:
    """Return the peers that could reach `min_score` at all, numbered, with what weighs on them.

    Narrow first: sorting calls is what costs, and most peers are common, rare callers or timers.
    """
    seconds = often["last"].delta(often["first"], unit="second")
    often = often.filter(
        often.calls.between(config.min_calls, config.max_calls),
        seconds >= (config.min_calls - 1) * config.min_gap_s,
    )
    often = often.mutate(
        kind=(_.unit == "question").ifelse("name", _.unit),
        net=(_.unit == "net").ifelse(_.peer, network_of(_.peer)),
    )
    known = prevalence.select("kind", "peer", "hosts", "all_hosts")
    # An address of a pool or a CDN is as common as its /24 on that port.
    shared = pairs.filter(_.net.notnull()).group_by("net", "dst_port", "proto")
    shared = shared.agg(net_hosts=_.src_ip.nunique()).rename(peer_port="dst_port")
    table = often.left_join(known, ["kind", "peer"]).drop("kind_right", "peer_right")
    table = table.left_join(shared, ["net", "peer_port", "proto"])
    hosts, all_hosts = table.hosts.fill_null(1), table.all_hosts.fill_null(1)
    users = ibis.greatest(hosts, table.net_hosts.fill_null(1))
    # The port of a DNS question says nothing about the timer behind the name.
    by_port = table.peer_port.cases(*TIMER_PORTS.items(), else_=1.0)
    prior = (table.unit == "question").ifelse(1.0, by_port)
    weighed = table.select(
        *KEY, "calls", "net", hosts=hosts, all_hosts=all_hosts, rarity=rarity(users, all_hosts),
        weight=_uncommon(users, all_hosts) * prior,
    )  # fmt: skip
    worth = weighed.filter(_.weight * _.calls / (_.calls + 1) >= config.min_score)
    # In order of the key: an engine may work this table out twice, and must number it alike.
    number = ibis.row_number().over(ibis.window(order_by=KEY))
    return worth.select(*KEY, "net", *WEIGHED, number=number)


def _uncommon(users: Any, all_hosts: Any) -> Any:
    """Return the rarity, sharper in a network large enough to tell: 3 % of its hosts give 0.83."""
    share = (users - 1) / ibis.greatest(all_hosts - 1, 100)
    return ibis.least(rarity(users, all_hosts), 1 - share.sqrt())


def _flow_calls(flows: ibis.Table, pairs: ibis.Table, peers: ibis.Table) -> ibis.Table:
    """Return connections to the peers, numbered; one of an address may be one of a net, too."""
    flows = flows.select(*PAIR, "ts", "uid", source="src_port", unanswered=was_unanswered(_))
    to = peers.filter(peers.unit == "address")
    direct = to.select("number", src_ip="host", dst_ip="peer", dst_port="peer_port", proto="proto")
    to = peers.filter(peers.unit == "net")
    nets = to.select("number", src_ip="host", net="peer", dst_port="peer_port", proto="proto")
    within = pairs.inner_join(nets, ["src_ip", "net", "dst_port", "proto"])
    members = ibis.union(direct.select(*PAIR, "number"), within.select(*PAIR, "number"))
    return flows.inner_join(members, list(PAIR)).select(
        "number", "ts", "uid", "source", "unanswered"
    )


def _name_calls(names: ibis.Table, unit: str, peers: ibis.Table) -> ibis.Table:
    numbers = peers.filter(peers.unit == unit).select("host", "peer", "peer_port", "number")
    return names.inner_join(numbers, ["host", "peer", "peer_port"]).select(
        "number", "ts", "uid", source=ibis.null("int32"), unanswered=ibis.null("boolean")
    )


def _gaps(calls: ibis.Table, config: Config) -> ibis.Table:
    """Return each call with the gap before it in seconds; null when it is no gap to count."""
    window = ibis.window(group_by="number", order_by=("ts", "uid"))
    # Differences of times with a zone cost twenty times those of times without.
    calls = calls.mutate(at=calls.ts.cast("timestamp"))
    around = calls.mutate(
        gap=_since(_.at, _.at.lag().over(window)),
        gap_before=_since(_.at.lag().over(window), _.at.lag(2).over(window)),
        gap_after=_since(_.at.lead().over(window), _.at),
        same=_.source == _.source.lag().over(window),
        failed=_.unanswered.lag().over(window),
    )
    tries = around.filter(~_is_retry(around).fill_null(False))
    gap = _since(_.at, _.at.lag().over(window))
    measured = tries.select(
        "number", "ts", "at", "uid", gap=gap, rank=ibis.row_number().over(window)
    )
    usable = measured.gap.between(config.min_gap_s, config.max_gap_s)
    gaps = measured.mutate(
        gap=usable.ifelse(measured.gap, ibis.null("float64")),
        short=measured.gap < config.min_gap_s,
    )
    spans = gaps.group_by("number").agg(
        q1=_.gap.quantile(0.25), middle=_.gap.median(), q3=_.gap.quantile(0.75)
    )
    # Where gaps come in two sizes, a pause is longer than the geometric mean of the two.
    two = spans.q3 > 6 * spans.q1
    spans = spans.select(
        "number", "middle", pause=two.ifelse((spans.q1 * spans.q3).sqrt(), 3 * spans.middle)
    )
    return gaps.inner_join(spans, "number")


def _since(later: Any, earlier: Any) -> Any:
    return later.delta(earlier, unit="microsecond") / 1e6


def _is_retry(calls: ibis.Table) -> Any:
    """Return whether a call is the network stack's next try of an unanswered one.

    Tries double their wait (1, 2, 4, 8 s) and keep their source port.
    """
    doubling = (calls.gap <= 8.5) & (
        calls.gap.between(1.8 * calls.gap_before, 2.2 * calls.gap_before)
        | calls.gap_after.between(1.8 * calls.gap, 2.2 * calls.gap)
    )
    return calls.failed & ((calls.same & (calls.gap <= 65)) | doubling)


def _shapes(gaps: ibis.Table, config: Config) -> ibis.Table:
    """Return per peer the shape of the calls, or of their bursts where those are the steadier."""
    window = ibis.window(group_by="number", order_by=("ts", "uid"))
    starts = gaps.filter(gaps.gap.isnull() & ~gaps.short.fill_null(False) | (gaps.gap > gaps.pause))
    bursts = starts.mutate(gap=_since(_.at, _.at.lag().over(window)))
    usable = bursts.gap.between(config.min_gap_s, config.max_gap_s)
    bursts = bursts.mutate(gap=usable.ifelse(bursts.gap, ibis.null("float64")))
    middles = bursts.group_by("number").agg(middle=_.gap.median())
    bursts = bursts.drop("middle").inner_join(middles, "number")
    each = ibis.union(_timing(gaps, config, bursts=False), _timing(bursts, config, bursts=True))
    # After the union: an engine's text of it stays short, the columns are not written out again.
    each = each.mutate(quality=_quality(each))
    better = ibis.window(group_by="number", order_by=[_.quality.desc(), _.bursts])
    best = each.mutate(place=ibis.row_number().over(better)).filter(_.place == 0)
    totals = gaps.group_by("number").agg(
        first_seen=_.ts.min(), last_seen=_.ts.max(), evidence=sample(_.uid, _.rank)
    )
    return totals.inner_join(best, "number")


def _steady_or_many(timed: ibis.Table, config: Config) -> ibis.Table:
    """Return the steady pairs, and those of so many calls that a timer may be hidden in them."""
    many = (_.gaps + 1 >= LEAST_HIDDEN) & (_.unit != "net")
    many = many & (HIDDEN * _.weight >= config.min_score)
    timed = timed.mutate(many=many, steady=_.quality * _.weight >= config.min_score)
    return timed.filter(_.steady | _.many)


def _maybe_hidden(scored: ibis.Table, config: Config) -> ibis.Table:
    """Give those of many calls that are not steady the score of a hidden timer, to be looked for."""
    weak = scored.many & (scored.score < config.min_score)
    return scored.mutate(
        basis=weak.ifelse("folding", "gaps"),
        score=weak.ifelse(HIDDEN * scored.weight, scored.score),
    )


def _periodic(hits: ibis.Table) -> ibis.Table:
    """Add how sure the period is; for other calls the period that is hidden in them, if any."""
    hits = hits.mutate(beginning=_since(_.first_seen.cast("timestamp"), EPOCH))
    beats = hits.times.map(lambda at: (at - hits.beginning) / hits.period_s)
    steady, no_times = hits.basis == "gaps", ibis.null("array<float64>")
    hits = hits.mutate(
        sure=confirmed(steady.ifelse(beats, no_times)),
        hidden=folded(steady.ifelse(no_times, hits.times)),
    )
    steady = hits.basis == "gaps"
    span = _since(hits.last_seen, hits.first_seen)
    covered = steady.ifelse(hits.covered, ibis.least(hits.hidden[2] / span, 1.0))
    part = ramp(hits.hidden[1], 0.2, 0.8) * ibis.least(0.4 + 1.2 * covered, 1.0)
    known = ~hits.hidden[1].isnan()
    return hits.mutate(
        confirmed=hits.sure.isnan().ifelse(ibis.null("float64"), hits.sure),
        score=hits.score * steady.ifelse(1.0, known.ifelse(part, 0.0)),
        period_s=steady.ifelse(hits.period_s, hits.hidden[0]),
        covered=covered,
        count=steady.ifelse(hits["count"], hits.times.length()),
        bursts=hits.bursts & steady,
        jitter=steady.ifelse(hits.jitter, ibis.null("float64")),
    )


def _timing(gaps: ibis.Table, config: Config, *, bursts: bool) -> ibis.Table:
    """Return one row per peer with the shape of its active gaps."""
    is_active = gaps.gap <= 3 * gaps.middle
    on_beat = gaps.gap.between(0.5 * gaps.middle, 1.5 * gaps.middle)
    close = gaps.gap.between(0.8 * gaps.middle, 1.2 * gaps.middle)
    # A burst's calls are no beats of a timer of a few seconds, they are the noise around it.
    crowd = (gaps.short & (gaps.middle < 5 * config.min_gap_s)).sum()
    timed = gaps.group_by("number").agg(
        gaps=_.gap.count(),
        beats=gaps.gap.count(where=is_active),
        on_beat=gaps.gap.count(where=on_beat),
        close=gaps.gap.count(where=close),
        crowd=crowd,
        spent=gaps.gap.sum(where=is_active),
        q1=gaps.gap.quantile(0.25, where=is_active),
        period_s=gaps.gap.quantile(0.5, where=is_active),
        q3=gaps.gap.quantile(0.75, where=is_active),
    )
    among = timed.beats + timed.crowd.fill_null(0)
    timed = timed.filter(_.beats >= config.min_calls - 1).mutate(
        cadence=timed.on_beat / among,
        tight=timed.close / among,
        regular=1 - (_.q3 - _.q1) / (_.q3 + _.q1),
        jitter=(_.q3 - _.q1) / 2 / _.period_s,
        bursts=ibis.literal(bursts),
    )
    # Pauses are picked for being long: those between bursts must be steadier to mean as much.
    # Of 300 hosts that call at random 40 to 1,000 times, none then reaches min_score.
    low, full, doubt = (0.7, 0.95, 6) if bursts else (0.5, 0.85, 2)
    return timed.select(*TIMED, low=low, full=full, doubt=doubt)


def _quality(timed: ibis.Table) -> Any:
    """Return shape, x how sure so many gaps make it, x the share of active gaps."""
    shape = (
        ramp(timed.regular, timed.low, timed.full) * ramp(timed.cadence, timed.low, 0.95)
    ).sqrt()
    sure = timed.beats / (timed.beats + timed.doubt + 10 * (1 - timed.tight))
    return shape * sure * timed.beats / timed.gaps


def _awake(timed: ibis.Table, conn: ibis.Table) -> ibis.Table:
    """Add `covered`: the share of the time from first to last call that is on the beat.

    Where it is less than half, hours in which the host talked to nobody are no time to cover.
    """
    table = timed.mutate(span=_since(_.last_seen, _.first_seen))
    spans = table.filter(_.spent < 0.5 * _.span).select(
        "number", "host", begin=_.first_seen.truncate("h"), end="last_seen"
    )
    talking = conn.filter(conn.src_inside).select(host="src_ip", ts="ts")
    talking = talking.semi_join(spans, "host")
    hours = talking.select("host", hour=_.ts.truncate("h")).distinct()
    within = hours.inner_join(spans, "host").filter(_.hour >= _.begin, _.hour <= _.end)
    awake = within.group_by("number").agg(hours=_.count())
    table = table.left_join(awake, "number").drop("number_right")
    seconds = ibis.least(table.span, (3600.0 * table.hours).fill_null(table.span))
    return table.mutate(covered=ibis.least(table.spent / seconds, 1.0))


def _score(table: ibis.Table) -> ibis.Table:
    return table.mutate(
        score=table.quality * ibis.least(0.4 + 1.2 * table.covered, 1.0) * table.weight,
        count=_.gaps + 1,
        active=_.beats / _.gaps,
    )


def _without_services(scored: ibis.Table, pairs: ibis.Table) -> ibis.Table:
    """Weigh down ports that many hosts call on a timer at many places, and little else: services.

    Port 443 is none, most of its pairs keep no time; an implant's port has one place, or few hosts.
    """
    used = pairs.group_by(peer_port="dst_port", proto="proto").agg(used=_.count())
    steady = scored.filter(scored.unit == "address", scored.regular >= 0.9, scored.steady)
    ports = steady.group_by("peer_port", "proto").agg(
        callers=_.host.nunique(), nets=_.net.nunique(), steady=_.count()
    )
    ports = ports.inner_join(used, ["peer_port", "proto"])
    ports = ports.select(
        "peer_port",
        "proto",
        "callers",
        service=ramp(_.nets, 3, 10) * ramp(_.steady / _.used, 0.2, 0.5),
    )
    table = scored.left_join(ports, ["peer_port", "proto"]).drop("peer_port_right", "proto_right")
    shared = ramp(table.callers / ibis.greatest(table.all_hosts, 30), 0.1, 0.4)
    lost = (0.9 * shared * table.service).fill_null(0.0)
    lost = table.unit.isin(("address", "net")).ifelse(lost, 0.0)
    return table.mutate(score=table.score * (1 - lost))


def _named(hits: ibis.Table, dns: ibis.Table) -> ibis.Table:
    """Add whether any question here was answered with the address.

    Null where none was and no answer to this very host is logged: it may ask where nobody looks.
    """
    names = resolved(dns)
    told = dns.filter(_.answers.length() > 0).select(told="src_ip").distinct()
    table = hits.left_join(names, hits.peer == names.address)
    table = table.left_join(told, table.host == told.told)
    is_named = table.address.notnull()
    known = (table.unit == "address") & (is_named | table.told.notnull())
    return table.mutate(named=known.ifelse(is_named, ibis.null("boolean")))
