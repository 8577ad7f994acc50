"""Orders: hosts that begin the same act within seconds of each other, having just heard one remote.

An act begins when, after `quiet_s` without it, at least so many items of it come in `burst_s`:

    scans     addresses on one TCP port that never answered this host (`min_scans`)
    spams     mail servers outside, on ports 25, 465, 587 (`min_spams`)
    floods    connections to one outside address, quiet for `unused_s` (`min_floods`); or one
              connection of thousands of packets that hardly anything came back to
    asks      names that do not exist (`min_asks`)
    fetches   a download of `min_fetch_bytes` from an address that no DNS answer named

For each beginning the other hosts that begin the same (same port, same victim) within 5, 30, 120
or 300 s are counted against the number to expect from their own beginnings over all the time and
in the hour around. With n counted and E expected, by Chernoff's bound of the Poisson tail:

    surprise  n ln(n / E) - n + E, less ln(windows x beginnings tried), in nats

Then whom did they hear in the `lookback_s` before? A remote answered, or held a connection open. Of
the remotes that few hosts here use it is the one with the highest sum of

    heard     n x KL(k / n || share of all hosts that use it): k of the n heard it. Less ln(remotes
              that two of the group heard)
    prompt    ln of how much shorter the time between hearing and acting is than chance would have
              it, over all that heard; a connection held open says nothing here

The nats of all orders (of one ten minutes the strongest) and the best naming are summed.

    score     stretch of the sum from `min_nats` (0.3) to `full_nats` (1), x rarity of the remote

One finding per host and remote; count is the orders obeyed. `ordered_at` is when the first host
heard it, or if they held the line, when the first one acted.

Also finds: consoles that tell a few hosts at a time to scan, and start-up lists of infected hosts.
Misses: orders to act in a single connection (a move to a new controller), to act
minutes apart, or to go on with what is being done; scans of targets that were scanned before,
or by UDP; controllers that most hosts here use, or that were heard before the data begin.
Source: response crowds of BotSniffer, Gu, Zhang, Lee 2008 (NDSS); the planes of talk and of acts of
BotMiner, Gu, Perdisci, Zhang, Lee 2008 (USENIX Security). Own rates, looking back and promptness
are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import (
    as_findings,
    asked,
    outbound,
    ramp,
    rarity,
    resolved,
    was_unanswered,
    web,
)
from sakimori.tables import EVIDENCE_LIMIT

NAME = "synchrony"
TECHNIQUE = "T1071"  # Application Layer Protocol: how the order came
KIND = "synchrony"
DOES = ""
WEIGHT = 6.0  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "state", "duration",
             "src_pkts", "dst_pkts", "dst_bytes", "src_inside", "dst_inside"),
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "rcode", "answers", "src_inside",
            "dst_inside"),
    "tls": ("ts", "uid", "src_ip", "dst_port", "server_name", "src_inside", "dst_inside"),
    "http": ("ts", "uid", "src_ip", "dst_port", "host", "method", "uri", "src_inside",
             "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("conn.dst_ip",),)
DETAILS = {
    "act": "string",  # scans, spams, floods, asks or fetches: of the order with the most surprise
    "target": "string",  # what all of them acted on: a port as 23/tcp, or the address
    "ordered_at": "timestamp('UTC', 6)",  # when it was first heard, else first obeyed
    "acted_at": "timestamp('UTC', 6)",  # when the first host began
    "group": "int64",  # hosts that began together
    "group_hosts": "array<string>",  # their addresses, at most 50
    "window_s": "float64",  # they began within this time
    "expected": "float64",  # others that would begin in the window by their own rates
    "surprise": "float64",  # nats of the beginnings together, corrected
    "lead_s": "float64",  # between hearing and acting, median; 0 where the line was held
    "heard": "float64",  # share of the group that heard the remote
    "nats": "float64",  # all orders and the naming of the remote
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = (
    "acted together with other hosts, each time just after hearing from {peer} (orders: {count});"
    " in the clearest case {group} hosts began within {window} ({act}: {target}), of which"
    " {heard_pct} had heard from it"
)
INNOCENT = (
    "A management console that tells its hosts to scan or to test something looks the same. Ask"
    " who runs {peer} (hosts here that use it: {hosts}), and whether something was planned for"
    " those times."
)
ASIDE = (
    "{group} hosts began the same within {window}, far more than by their own habits, and"
    " {heard_pct} of them had just heard from {peer}. A management console is known to those who"
    " run the network; that it is none, they must say."
)
NEXT = (
    "Treat all hosts of the group as one botnet: block {peer} at the border, then watch which"
    " hosts go on calling it."
)

WINDOWS = (5, 30, 120, 300)  # s: obeyed at once, with a delay, at the next poll
NEARBY_S = 1800  # how far around a beginning the rate of the hour is taken
MAIL_PORTS = (25, 465, 587)
START = ("act", "target", "host", "ts")
ORDER = ("act", "target", "acted_at", "window_s", "expected", "surprise")
EACH = EVIDENCE_LIMIT // 2  # uids of what was heard, and of what was done


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as an order. Raises ValueError for limits that could match nothing."""

    burst_s: int = 60
    quiet_s: int = 300  # between two acts of one kind
    unused_s: int = 3600  # a victim is not a server in use: an outage makes all its clients retry
    min_scans: int = 15
    min_spams: int = 5
    min_floods: int = 150
    min_asks: int = 30
    min_fetch_bytes: int = 10_000
    max_fetches: int = 20  # by one host from one address
    min_flood_pkts: int = 3000  # of one connection that floods
    lookback_s: int = 600
    max_share: float = 0.4  # of the hosts may use a remote; more is what everybody uses
    min_surprise: float = 2.0  # nats, of a group that is looked at
    min_nats: float = 8.0
    full_nats: float = 20.0
    max_orders: int = 200  # of the most surprising; bounds the work on a network of scanners

    def __post_init__(self) -> None:
        if not 0 < self.burst_s <= self.quiet_s <= self.unused_s:
            raise ValueError(f"need 0 < {self.burst_s=} <= {self.quiet_s=} <= {self.unused_s=}")
        if not 0 < self.min_nats < self.full_nats:
            raise ValueError(f"need 0 < {self.min_nats=} < {self.full_nats=}")
        if not 0 < self.max_share <= 1 or self.lookback_s <= 0:
            raise ValueError(f"need 0 < {self.max_share=} <= 1 and 0 < {self.lookback_s=}")


def detect(
    conn: ibis.Table,
    dns: ibis.Table,
    tls: ibis.Table,
    http: ibis.Table,
    prevalence: ibis.Table,
    config: Config,
) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    members, obeyed = _together(conn, dns, tls, http, prevalence, config)
    hits = _summed(obeyed, members, config)
    return as_findings(_with_evidence(hits, conn, dns), DETAILS)


def orders(
    conn: ibis.Table,
    dns: ibis.Table,
    tls: ibis.Table,
    http: ibis.Table,
    prevalence: ibis.Table,
    config: Config,
) -> ibis.Table:
    """Return every order one by one: a row per order (number) and host that heard and obeyed it."""
    return _together(conn, dns, tls, http, prevalence, config)[1]


def _together(
    conn: ibis.Table,
    dns: ibis.Table,
    tls: ibis.Table,
    http: ibis.Table,
    prevalence: ibis.Table,
    config: Config,
) -> tuple[ibis.Table, ibis.Table]:
    """Return who began together, and of them those that had heard the remote."""
    rare = _rare(prevalence, config)
    starts = _starts(_items(conn, dns, rare, config), config)
    members = _groups(starts, _span(conn), config)
    talk = ibis.union(_talk(conn), _named(outbound(tls), "server_name"), _named(web(http), "host"))
    return members, _obeyed(members, _heard(talk, members, rare, config))


def _rare(prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return the addresses and names that at least two hosts here use, but not most."""
    network = ibis.greatest(prevalence.all_hosts, 10)
    rare = prevalence.filter(
        prevalence.hosts.between(2, network * config.max_share), prevalence.kind != "net"
    )
    return rare.select("kind", "peer", "hosts", "all_hosts")


# What begins


def _items(conn: ibis.Table, dns: ibis.Table, rare: ibis.Table, config: Config) -> ibis.Table:
    """Return what the acts consist of: act, target, host, ts, items (how many a row is)."""
    known = conn.filter(_.src_inside, _.dst_inside.notnull())
    tcp = known.filter(_.proto == "tcp")
    few = rare.filter(_.kind == "address").select(dst_ip="peer")
    out = outbound(conn).filter(_.proto.isin(("tcp", "udp"))).semi_join(few, ["dst_ip"])
    return ibis.union(
        _scans(tcp, config),
        _spams(tcp),
        _floods(out, config),
        _asks(dns, config),
        _fetches(out, dns, config),
    )


def _scans(tcp: ibis.Table, config: Config) -> ibis.Table:
    """Return first contacts with addresses that never answered on this port."""
    pair = ("src_ip", "dst_ip", "dst_port")
    failed = was_unanswered(tcp).fill_null(False)
    dead = tcp.filter(failed).group_by(pair).agg(ts=_.ts.min())
    many = dead.group_by("src_ip", "dst_port").agg(targets=_.count())
    many = many.filter(_.targets >= config.min_scans)
    together = many.group_by("dst_port").agg(hosts=_.count()).filter(_.hosts >= 2)
    many = many.semi_join(together, ["dst_port"])
    dead = dead.semi_join(many, ["src_ip", "dst_port"])
    alive = tcp.filter(~failed).semi_join(many, ["src_ip", "dst_port"])
    target = _.dst_port.cast("string").concat("/tcp")
    return _as_items("scans", target, dead.anti_join(alive, list(pair)))


def _spams(tcp: ibis.Table) -> ibis.Table:
    mail = tcp.filter(~_.dst_inside, _.dst_port.isin(MAIL_PORTS))
    first = mail.group_by("src_ip", "dst_ip").agg(ts=_.ts.min())
    return _as_items("spams", ibis.literal("mail"), first)


def _floods(out: ibis.Table, config: Config) -> ibis.Table:
    """Return all connections to the addresses that could be victims.

    Resolvers and proxies outside are called as often, but by everybody, and a server in steady use
    has many connections, but not in one minute.
    """
    worth = _is_flood(out, config).fill_null(False).ifelse(config.min_floods, 1)
    rows = out.mutate(items=worth)
    pair = ("src_ip", "dst_ip")
    minutes = rows.group_by(*pair, minute=_minute(_.ts)).agg(items=_["items"].sum())
    dense = minutes.filter(_["items"] * 2 >= config.min_floods)
    together = dense.group_by("dst_ip").agg(hosts=_.src_ip.nunique()).filter(_.hosts >= 2)
    return _as_items("floods", _.dst_ip, rows.semi_join(together, ["dst_ip"]))


def _is_flood(conn: Any, config: Config) -> Any:
    """Return whether one connection floods: many packets a second, hardly anything back."""
    much = (conn.src_pkts >= config.min_flood_pkts) & (conn.dst_pkts * 50 <= conn.src_pkts)
    return much & (conn.src_pkts >= 100 * conn.duration)


def _asks(dns: ibis.Table, config: Config) -> ibis.Table:
    missing = asked(dns).filter(_.rcode == "NXDOMAIN", _.query.notnull())
    names = missing.group_by("src_ip", "query").agg(ts=_.ts.min())
    many = names.group_by("src_ip").agg(names=_.count()).filter(_.names >= config.min_asks)
    return _as_items("asks", ibis.literal("names"), names.semi_join(many, ["src_ip"]))


def _fetches(out: ibis.Table, dns: ibis.Table, config: Config) -> ibis.Table:
    """Return downloads from addresses that nobody was told of by DNS, where answers are logged."""
    told = resolved(dns)
    logged = told.agg(names=_.count()).filter(_.names > 0)
    much = out.filter(_.proto == "tcp", _.dst_bytes >= config.min_fetch_bytes)
    # A server in use all day is not where an order sends bots.
    pairs = much.group_by("src_ip", "dst_ip").agg(calls=_.count())
    pairs = pairs.filter(_.calls <= config.max_fetches)
    bare = pairs.anti_join(told, pairs.dst_ip == told.address).cross_join(logged)
    together = bare.group_by("dst_ip").agg(hosts=_.count()).filter(_.hosts >= 2)
    bare = bare.semi_join(together, ["dst_ip"])
    return _as_items("fetches", _.dst_ip, much.semi_join(bare, ["src_ip", "dst_ip"]))


def _minute(ts: Any) -> Any:
    return (ts.epoch_seconds() / 60).floor().cast("int64")


def _as_items(act: str, target: Any, table: ibis.Table) -> ibis.Table:
    if "items" not in table.columns:
        table = table.mutate(items=ibis.literal(1))
    return table.select(
        act=ibis.literal(act),
        target=target,
        host="src_ip",
        ts="ts",
        items=_["items"].cast("int64"),
    )


def _starts(items: ibis.Table, config: Config) -> ibis.Table:
    """Return when each host began an act: the first item of a burst after a silence."""
    key = ("act", "target", "host")
    seconds = items.mutate(second=_.ts.epoch_seconds()).group_by(*key, "second").agg(
        items=_["items"].sum(), ts=_.ts.min()
    )  # fmt: skip
    # Any burst has half of its items in one minute by the clock.
    by_minute = ibis.window(group_by=(*key, _minute(seconds.ts)))
    seconds = seconds.mutate(in_minute=_["items"].sum().over(by_minute))
    seconds = seconds.mutate(most=_.in_minute.max().over(ibis.window(group_by=key)))
    seconds = seconds.filter(_.most * 2 >= _needed(_.act, config))

    def within(before: int, after: int) -> Any:
        window = ibis.range_window(
            preceding=before, following=after, group_by=key, order_by="second"
        )
        return _["items"].sum().over(window)

    summed = seconds.mutate(
        coming=within(0, config.burst_s - 1),
        quiet=within(config.quiet_s, 0) - _["items"],
        unused=within(config.unused_s, 0) - _["items"],
    )
    summed = summed.mutate(need=_needed(_.act, config))
    silent = (_.act == "floods").ifelse(_.unused, _.quiet)
    # A stray item or two is no act, and does not end the silence.
    begun = summed.mutate(silent=silent).filter(_.coming >= _.need, _.silent * 5 <= _.need)
    last = _.second.lag().over(ibis.window(group_by=key, order_by="second"))
    first = begun.mutate(last=last).filter(_.last.isnull() | (_.second - _.last > config.burst_s))
    return first.select(*START)


def _needed(act: Any, config: Config) -> Any:
    """Return how many items in `burst_s` make the act."""
    need = {
        "scans": config.min_scans,
        "spams": config.min_spams,
        "asks": config.min_asks,
        "fetches": 1,
    }
    return act.cases(*need.items(), else_=config.min_floods)


# Who began together


def _span(conn: ibis.Table) -> ibis.Table:
    """Return the seconds the data cover, at least ten minutes, as one row (column span)."""
    ends = conn.agg(first=_.ts.min(), last=_.ts.max())
    span = ibis.greatest(ends.last.delta(ends.first, unit="second"), 600)
    return ends.select(span=span.cast("float64"))


def _groups(starts: ibis.Table, span: ibis.Table, config: Config) -> ibis.Table:
    """Return one row per order and host that began in it, with what is known of the order."""
    key = ("act", "target")
    mine = starts.group_by(*key, "host").agg(own=_.count())
    of_key = starts.group_by(key).agg(all_starts=_.count())
    of_act = starts.group_by("act").agg(tried=_.count())
    near = _near(starts)
    told = (
        near.inner_join(mine, [*key, "host"])
        .inner_join(of_key, list(key))
        .inner_join(of_act, "act")
        .cross_join(span)
    )
    windows = ibis.array([ibis.literal(w, "float64") for w in WINDOWS]).unnest()
    told = told.mutate(others=_.all_starts - _.own, window_s=windows)
    usual = told.others * told.window_s / told.span
    now = told.around * told.window_s / (2.0 * NEARBY_S)
    told = told.mutate(
        expected=ibis.greatest(usual, now, 1e-9),
        seen=told.window_s.cases(*((float(w), told[f"in_{w}"]) for w in WINDOWS)),
    )
    tries = (told.tried * len(WINDOWS)).ln()
    told = told.mutate(surprise=_poisson(told.seen, told.expected) - tries)
    told = told.filter(_.surprise >= config.min_surprise)
    best = _best_of_each(told)
    order = [_.surprise.desc(), _.ts, _.act, _.target]
    numbered = best.mutate(number=ibis.row_number().over(ibis.window(order_by=order)))
    numbered = numbered.filter(_.number < config.max_orders)
    orders = numbered.select(
        "number", "act", "target", "window_s", "expected", "surprise", acted_at="ts"
    )
    return _members(starts, orders)


def _near(starts: ibis.Table) -> ibis.Table:
    """Return each beginning with the other hosts that began the same soon after, or around it."""
    other = starts.select("act", "target", other="host", other_ts="ts")
    pairs = starts.inner_join(other, ["act", "target"]).filter(_.host != _.other)
    pairs = pairs.mutate(after=_.other_ts.delta(_.ts, unit="microsecond") / 1e6)
    pairs = pairs.filter(_.after.abs() <= NEARBY_S)
    inside = {f"in_{w}": pairs.other.nunique(where=pairs.after.between(0, w)) for w in WINDOWS}
    return pairs.group_by("act", "target", "host", "ts").agg(
        around=pairs.after.count(where=pairs.after.abs() > WINDOWS[-1]), **inside
    )


def _poisson(count: Any, expected: Any) -> Any:
    """Return -ln of Chernoff's bound on a Poisson count being this high; 0 if it is not high."""
    seen = ibis.greatest(count.cast("float64"), expected)
    return seen * (seen / expected).ln() - seen + expected


def _best_of_each(told: ibis.Table) -> ibis.Table:
    """Return of beginnings that follow each other closely the one with the most surprise."""
    key = ("act", "target")
    order = ("ts", "host", "window_s")
    so_far = ibis.window(group_by=key, order_by=order, preceding=None, following=0)
    last = _.ts.lag().over(ibis.window(group_by=key, order_by=order))
    told = told.mutate(last=last)
    gap = told.ts.delta(told["last"], unit="second")
    fresh = (told["last"].isnull() | (gap > WINDOWS[-1])).cast("int64")
    told = told.mutate(fresh=fresh).mutate(session=_.fresh.sum().over(so_far))
    best = [_.surprise.desc(), _.window_s, _.ts, _.host]
    place = ibis.row_number().over(ibis.window(group_by=(*key, "session"), order_by=best))
    return told.mutate(place=place).filter(_.place == 0)


def _members(starts: ibis.Table, orders: ibis.Table) -> ibis.Table:
    joined = orders.inner_join(starts, ["act", "target"])
    after = joined.ts.delta(joined.acted_at, unit="microsecond") / 1e6
    members = joined.filter(after.between(0, joined.window_s))
    first = members.group_by("number", "host").agg(
        begun=_.ts.min(),
        **{c: members[c].arbitrary() for c in ORDER},  # one value per number
    )
    group = _.host.count().over(ibis.window(group_by="number"))
    return first.mutate(group=group)


# Whom they had heard


def _talk(conn: ibis.Table) -> ibis.Table:
    """Return what was heard from outside addresses: who, whom, from when to when."""
    answered = outbound(conn).filter(~was_unanswered(_).fill_null(False))
    return answered.select(
        "ts", "uid", "proto", host="src_ip", kind=ibis.literal("address"), peer="dst_ip",
        peer_port="dst_port", seconds=_.duration.fill_null(0.0),
    )  # fmt: skip


def _named(table: ibis.Table, column: str) -> ibis.Table:
    return table.filter(table[column].notnull()).select(
        "ts", "uid", proto=ibis.literal("tcp"), host="src_ip", kind=ibis.literal("name"),
        peer=column, peer_port="dst_port", seconds=ibis.literal(0.0),
    )  # fmt: skip


def _heard(talk: ibis.Table, members: ibis.Table, rare: ibis.Table, config: Config) -> ibis.Table:
    """Return one row per order, host and rare remote that the host heard just before it began."""
    long = config.lookback_s
    acting = members.select("number", "host", "act", "target", "begun").mutate(
        second=_.begun.epoch_seconds()
    )
    at = (acting.second / long).floor().cast("int64")
    # A connection is looked up by the slot in which it ended; the long ones have a slot of their own.
    slots = ibis.array([ibis.literal(-1, "int64"), at - 1, at, at + 1]).unnest()
    acting = acting.mutate(slot=slots)
    ended = ((_.ts.epoch_seconds() + _.seconds) / long).floor().cast("int64")
    slotted = talk.inner_join(rare, ["kind", "peer"]).mutate(
        slot=(_.seconds > long).ifelse(ibis.literal(-1, "int64"), ended)
    )
    near = slotted.inner_join(acting, ["host", "slot"])
    near = near.mutate(ago=_.begun.delta(_.ts, unit="microsecond") / 1e6)
    near = near.filter(
        _.ago > 0, _.ago - _.seconds <= long, ~_.act.isin(("floods", "fetches")) | (_.peer != _.target),
        (_.act != "spams") | ~_.peer_port.isin(MAIL_PORTS),
    )  # fmt: skip
    near = near.mutate(lead=_.ago - _.seconds)
    over = near["lead"] >= 0
    heard = near.group_by("number", "host", "kind", "peer", "hosts", "all_hosts").agg(
        held=(~over).any(),
        calls=over.sum(),
        lead=near["lead"].min(where=over),
        heard_at=near.ts.max(),
        heard_uid=near.uid.argmax(near.ts),
        peer_port=near.peer_port.min(),
        proto=near.proto.min(),
    )
    chance = ibis.least(ibis.greatest(heard.lead, 1.0) * heard.calls / long, 1.0)
    return heard.mutate(chance=heard.calls.nullif(0).isnull().ifelse(1.0, chance))


def _obeyed(members: ibis.Table, heard: ibis.Table) -> ibis.Table:
    """Return one row per order and host that heard the one remote the order is put down to."""
    remote = ("kind", "peer")
    orders = members.group_by("number").agg(
        group=_.count(), surprise=_.surprise.max(), acted_at=_.acted_at.min()
    )
    told = heard.group_by("number", *remote, "hosts", "all_hosts").agg(
        hearers=_.count(),
        prompt=(-_.chance.ln() - 1).sum(),
        lead_s=_.lead.fill_null(0.0).median(),
        first_heard=_.heard_at.min(where=~_.held),
    )
    told = told.inner_join(orders, "number").filter(_.hearers >= 2, _.hearers * 2 >= _.group)
    told = told.mutate(tried=_.count().over(ibis.window(group_by="number")))
    usual = (told.hosts + 0.5) / (ibis.greatest(told.all_hosts, 10) + 1.0)
    told = told.mutate(heard=_.hearers / _.group)
    bound = told.group * _divergence(told.heard, usual) - told.tried.ln()
    told = told.mutate(naming=bound + ibis.greatest(told.prompt, 0.0)).filter(_.naming > 0)
    # The remote that explains most orders; of its address and its name the address.
    whole = (_.surprise + _.naming).sum().over(ibis.window(group_by=remote))
    ranked = told.mutate(whole=whole)
    order = [_.whole.desc(), _.kind, _.peer]
    place = ibis.row_number().over(ibis.window(group_by="number", order_by=order))
    named = ranked.mutate(place=place).filter(_.place == 0)
    named = named.select("number", *remote, "heard", "naming", "lead_s", "first_heard")
    hearers = heard.inner_join(named, ["number", *remote])
    return hearers.inner_join(members, ["number", "host"])


def _divergence(seen: Any, usual: Any) -> Any:
    """Return Kullback and Leibler's divergence of two chances; 0 if `seen` is not the higher."""
    higher = ibis.greatest(seen, usual)
    rest = (1 - higher).nullif(0.0)
    missed = (rest * (rest / (1 - usual)).ln()).fill_null(0.0)
    return higher * (higher / usual).ln() + missed


def _summed(obeyed: ibis.Table, members: ibis.Table, config: Config) -> ibis.Table:
    """Return one finding per host and remote; what is told is told of its strongest order."""
    key = ("host", "kind", "peer")
    slot = (_.acted_at.epoch_seconds() / 600).floor().cast("int64")
    table = obeyed.mutate(slot=slot, strength=_.surprise + _.naming)
    best = [_.strength.desc(), _.number]
    in_slot = ibis.window(group_by=(*key, "slot"), order_by=best)
    in_all = ibis.window(group_by=key, order_by=best)
    table = table.mutate(
        again=ibis.row_number().over(in_slot), place=ibis.row_number().over(in_all)
    )
    table = table.mutate(counted=_.again == 0, strongest=_.place == 0)
    told = ("number", "act", "target", "acted_at", "group", "window_s", "expected", "surprise",
            "heard", "lead_s")  # fmt: skip
    first_heard = ibis.coalesce(table.first_heard, table.acted_at)
    summed = table.mutate(ordered=ibis.least(first_heard, table.acted_at)).group_by(key).agg(
        first_seen=ibis.least(_.heard_at, _.begun).min(),
        last_seen=_.begun.max(),
        count=_.counted.sum(),
        nats=_.surprise.sum(where=_.counted) + _.naming.max(),
        peer_port=_.peer_port.min(),
        proto=_.proto.min(),
        hosts=_.hosts.max(),
        all_hosts=_.all_hosts.max(),
        heard_uids=_.heard_uid.collect(where=_.place < EACH, order_by=_.place),
begun_at=_.begun.collect(where=_.place < EACH, order_by=_.place),
        ordered_at=_.ordered.max(where=_.strongest),
        **{name: table[name].max(where=table.strongest) for name in told},
    )  # fmt: skip
    rank = ibis.row_number().over(ibis.window(group_by="number", order_by="host"))
    ranked = members.select("number", "host").mutate(rank=rank)
    names = ranked.group_by("number").agg(
        group_hosts=_.host.collect(where=_.rank < 50, order_by=_.rank)
    )
    hits = summed.filter(_.nats >= config.min_nats).inner_join(names, "number")
    rare = rarity(hits.hosts, hits.all_hosts)
    return hits.mutate(
        rarity=rare,
        score=(0.3 + 0.7 * ramp(hits.nats, config.min_nats, config.full_nats)) * rare,
    )


def _with_evidence(hits: ibis.Table, conn: ibis.Table, dns: ibis.Table) -> ibis.Table:
    """Add the uids of what was heard and of the rows each act began with."""
    key = ["host", "kind", "peer"]
    begun = hits.select(*key, ts=hits.begun_at.unnest())
    rows = ibis.union(
        conn.select("ts", "uid", host="src_ip"), dns.select("ts", "uid", host="src_ip")
    ).inner_join(begun, ["host", "ts"])
    first = rows.group_by(*key, "ts").agg(uid=_.uid.min())
    uids = first.group_by(key).agg(begun_uids=_.uid.collect(order_by=_.ts))
    table = hits.left_join(uids, key)
    return table.mutate(evidence=table.heard_uids.concat(table.begun_uids).unique())
