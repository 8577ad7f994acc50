"""Long connections: a channel that one host holds open to one peer, as remote access tools do.

Per host, peer and port the time covered is the union of its connections' intervals, so that twenty
parallel downloads of ten minutes count as ten minutes, and a connection that the sensor split, or
that was opened again at once, is joined (pieces at most `bridge_s` apart). A connection still open
counts as far as it was seen. Connections that nobody answered hold nothing.

    length    the longest unbroken cover; or all covers together where they fill at least half of
              the time from the first to the last, as a channel that is opened again whenever it
              breaks. 0.6 at `min_cover_s`, 1 from `full_cover_s` on (logarithmic)
    short     from `short_cover_s` on, 0.5 to 0.6, when everything else fits: TCP, a port that is
              not listed in _ports.py, bytes in both directions but few, at least half of the time
              that the host was seen, and the host spoke with `short_others` others too: a capture
              of one program alone is as long as its connection
    score     the better of both, x rarity of the peer in this network, x a prior for ports where
              holding on is normal (_ports.py), x 0.56 for UDP, x 0.3 to 1 for few bytes downloaded
              per minute (60 kB/min 1, 3 MB/min 0.3, not known 0.65), x 0.68 when the peer was found
              by name, x 0.85 when the sensor cannot tell that (1: not by name though this host's
              other peers were, or by a name of a dynamic DNS service), halved where the host holds
              channels to more than `many_peers` peers of that kind of port (on listed ports
              long ones), as peer-to-peer programs do

Also finds: push services, VPNs, remote desktops, video calls, chat clients, games, gadgets.
Misses: channels shorter than `short_cover_s`; connections that the sensor has not logged yet; few
short ones on ports of other programs; controllers that move from address to address.
Source: the union of intervals instead of RITA's sum; zeek/zeek #1196 on split connections.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import (
    WITH_PORTS,
    as_findings,
    network_of,
    outbound,
    ramp,
    rarity,
    sample,
    was_unanswered,
)
from sakimori.detectors._ports import held_prior

NAME = "long_connection"
TECHNIQUE = "T1095"  # Non-Application Layer Protocol; also T1571 on an odd port
KIND = "control"
DOES = ""
WEIGHT = 5.7  # nats at full score: hours on an unlisted TCP port, at a peer without a name
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "duration", "src_bytes",
             "dst_bytes", "dst_pkts", "state", "src_inside", "dst_inside"),
    "dns": ("query", "answers"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("conn.duration", "conn.dst_ip"),)
DETAILS = {
    "cover_s": "float64",  # longest unbroken stretch, seconds
    "total_s": "float64",  # all stretches, seconds
    "share": "float64",  # of the time the host was seen, the longest stretch
    "bytes_per_minute": "float64",  # both ways, over total_s; null where bytes are not known
    "down_per_minute": "float64",  # from the peer alone
    "peers": "int64",  # outside peers to which this host holds channels, on ports of that kind
    "held_port": "boolean",  # on this port holding on is normal
    "found_by": "string",  # name, dynamic-name, address; null where the sensor cannot tell
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = "kept a connection to {peer} port {peer_port} open for {cover}"
SAYS_IF = {
    "found_by=address": (
        "kept a connection to {peer} port {peer_port} open for {cover}, without asking for its name"
    ),
    "found_by=dynamic-name": (
        "kept a connection to {peer} port {peer_port} open for {cover}, found by a name of a"
        " dynamic DNS service"
    ),
}
INNOCENT = (
    "Push messages, remote desktops, VPNs, games and gadgets also hold connections open. Hosts"
    " here that use this peer: {hosts}."
)
ASIDE = (
    "Nothing here tells what the connection carries. What counts is that it was open for"
    " {share_pct} of the time that {host} was seen, and how many hosts here use the peer"
    " ({hosts})."
)
ASIDE_IF = {
    "found_by=address": (
        "Push services, games and gadgets find their servers by name, and so did {host} with at"
        " least half of its peers; this one it called without a name."
    ),
    "found_by=dynamic-name": (
        "Services of companies have names of their own; the name of this peer is one that anybody"
        " gets for a home connection in a minute. Somebody's own server at home is not told"
        " apart."
    ),
}
NEXT = "Find the program that holds the connection to {peer}, and what it is for."

KEY = ("host", "peer", "peer_port", "proto")
LOUD = 0.3  # weight of a channel that downloads without a pause
UDP_PRIOR = 0.56  # calls and games keep UDP channels on any port
BY_NAME, NOT_KNOWN = 0.68, 0.85  # weight of a peer found by name, and where that is not known
# Names that anybody gets for a home address in a minute, without an account that is checked.
DYNAMIC = (
    "duckdns.org", "ddns.net", "no-ip.org", "no-ip.biz", "no-ip.info", "hopto.org", "zapto.org",
    "sytes.net", "myftp.org", "myftp.biz", "myvnc.com", "redirectme.net", "serveftp.com",
    "servehttp.com", "servegame.com", "serveblog.net", "servebeer.com", "servequake.com",
    "servecounterstrike.com", "serveminecraft.net", "bounceme.net", "gotdns.ch", "ddnsking.com",
    "3utilities.com", "webhop.me", "onthewifi.com", "viewdns.net", "access.ly", "con-ip.com",
    "dynu.net", "ddnsfree.com", "ddnsgeek.com", "kozow.com", "loseyourip.com", "ooguy.com",
    "theworkpc.com", "casacam.net", "accesscam.org", "camdvr.org", "freeddns.org", "mywire.org",
    "webredirect.org", "giize.com", "gleeze.com", "changeip.com", "mooo.com", "chickenkiller.com",
    "ignorelist.com", "strangled.net", "twilightparadox.com", "jumpingcrab.com", "crabdance.com",
    "dyndns.org", "dyndns-ip.com", "homeip.net", "selfip.com", "3322.org", "f3322.net", "f3322.org",
    "8866.org", "ngrok.io", "ngrok-free.app", "portmap.io", "portmap.host", "ply.gg", "playit.gg",
    "dynuddns.net", "dynuddns.com", "linkpc.net", "publicvm.com", "ydns.eu", "nsupdate.info",
    "dnsdojo.com", "myddns.me", "myddns.rocks", "dns.army", "dns.navy", "v6.rocks",
)  # fmt: skip
SUFFIX = r"([^.]+\.[^.]+)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as long. Raises ValueError for limits that could match nothing."""

    short_cover_s: float = 120.0  # shorter ones are common: idle web connections live a minute
    min_cover_s: float = 900.0
    full_cover_s: float = 7_200.0
    short_share: float = 0.5  # of the time the host was seen
    short_others: int = 3  # others it spoke with, whoever
    short_per_minute: float = 30_000.0  # bytes both ways; keepalives of known RATs: 1-5 kB
    bridge_s: float = 15.0  # a sensor splits a connection, it does not pause it
    min_piece_s: float = 20.0  # shorter connections are not looked at
    max_piece_s: float = 31_622_400.0  # a year; a longer one is a broken record
    min_score: float = 0.12
    many_peers: int = 6

    def __post_init__(self) -> None:
        if not 0 < self.short_cover_s < self.min_cover_s < self.full_cover_s:
            raise ValueError(
                f"need 0 < {self.short_cover_s=} < {self.min_cover_s=} < {self.full_cover_s=}"
            )


def detect(conn: ibis.Table, dns: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    stretches = _stretches(_pieces(conn, config), config)
    held = (
        stretches.group_by(KEY)
        .agg(
            first_seen=_.first_seen.min(),
            last_seen=_.last_seen.max(),
            count=_.pieces.sum(),
            cover_s=_.length.max(),
            total_s=_.length.sum(),
            around_s=_.end.max() - _.begin.min(),
            up=_.up.sum(),
            down=_.down.sum(),
            evidence=_.evidence.first(order_by=[_.length.desc(), _.begin]),
        )
        .filter(_.cover_s >= config.short_cover_s)
    )
    # Before the joins, or its long list of ports would be repeated wherever it is used.
    held = held.mutate(port=held_prior(held.peer_port))
    placed = _seen(_common_or_rare(held, prevalence), conn, _names(dns))
    return as_findings(_scored(placed, config), DETAILS)


def _pieces(conn: ibis.Table, config: Config) -> ibis.Table:
    """Return the answered connections outwards that are worth joining, one row each.

    A connection that is still open may be logged again and again as it grows: the same uid and
    begin is one connection.
    """
    calls = outbound(conn).filter(
        _.proto.isin(WITH_PORTS), _.duration.between(config.min_piece_s, config.max_piece_s)
    )
    calls = calls.filter(~was_unanswered(calls).fill_null(False)).select(
        "ts",
        "uid",
        host="src_ip",
        peer="dst_ip",
        peer_port="dst_port",
        proto="proto",
        begin=_.ts.epoch_seconds().cast("float64"),
        end=_.ts.epoch_seconds() + _.duration,
        up="src_bytes",
        down="dst_bytes",
    )
    # What all pieces cover together is at most this; listed ports have no short channels.
    most = (_.end - _.begin + config.bridge_s).sum()
    ported = calls.group_by(KEY).agg(around=_.end.max() - _.begin.min(), most=most)
    short = (ported.proto == "tcp") & (held_prior(ported.peer_port) == 1)
    least = short.ifelse(config.short_cover_s, config.min_cover_s)
    enough = ported.filter(ibis.least(ported.around, ported.most) >= least).select(*KEY)
    few = calls.semi_join(enough, list(KEY))
    return few.group_by(*KEY, "ts", "uid", "begin").agg(
        end=_.end.max(), up=_.up.max(), down=_.down.max()
    )


def _stretches(pieces: ibis.Table, config: Config) -> ibis.Table:
    """Join intervals that overlap or nearly touch: one row per unbroken stretch."""
    before = ibis.window(group_by=KEY, order_by="begin", preceding=(None, 1))
    # Of pieces that begin together the one that starts a stretch comes first.
    so_far = ibis.window(
        group_by=KEY, order_by=["begin", _.starts.desc()], preceding=None, following=0
    )
    marked = pieces.mutate(reached=_.end.max().over(before))
    starts = (marked.reached.isnull() | (marked.begin > marked.reached + config.bridge_s)).cast(
        "int64"
    )
    numbered = marked.mutate(starts=starts).mutate(stretch=_.starts.sum().over(so_far))
    inner = ibis.window(group_by=(*KEY, "stretch"), order_by=("begin", "uid", "end"))
    ranked = numbered.mutate(rank=ibis.row_number().over(inner))
    return ranked.group_by(*KEY, "stretch").agg(
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        pieces=_.count(),
        begin=_.begin.min(),
        end=_.end.max(),
        length=_.end.max() - _.begin.min(),
        up=_.up.sum(),
        down=_.down.sum(),
        evidence=sample(_.uid, _.rank),
    )


def _common_or_rare(held: ibis.Table, prevalence: ibis.Table) -> ibis.Table:
    known = prevalence.filter(_.kind == "address").select("peer", "hosts", "all_hosts")
    nets = prevalence.filter(_.kind == "net").select(net="peer", net_hosts="hosts")
    table = held.left_join(known, "peer").drop("peer_right")
    table = table.mutate(net=network_of(table.peer)).left_join(nets, "net")
    hosts = table.hosts.fill_null(1)
    rare = rarity(ibis.greatest(hosts, table.net_hosts.fill_null(1)), table.all_hosts.fill_null(1))
    return table.mutate(hosts=hosts, rarity=rare).drop("net", "net_right", "net_hosts", "all_hosts")


def _names(dns: ibis.Table) -> ibis.Table:
    """Return the addresses that DNS gave, and whether for names of dynamic DNS services only."""
    answers = dns.filter(dns.answers.length() > 0).select("query", address=dns.answers.unnest())
    names = answers.distinct().mutate(dynamic=_.query.re_extract(SUFFIX, 1).isin(DYNAMIC))
    return names.group_by("address").agg(dynamic=_.dynamic.fill_null(False).all())


def _seen(held: ibis.Table, conn: ibis.Table, names: ibis.Table) -> ibis.Table:
    """Add how long the host was seen, with how many others, and how the peer was found."""
    ours = conn.filter(conn.src_inside).mutate(
        end=conn.ts.epoch_seconds() + conn.duration.fill_null(0.0)
    )
    pairs = ours.group_by(host=_.src_ip, other=_.dst_ip).agg(
        first=_.ts.min().epoch_seconds(), last=_.end.max(), inside=_.dst_inside.any()
    )
    pairs = pairs.left_join(names, pairs.other == names.address)
    seen = pairs.group_by("host").agg(
        seen_s=_.last.max() - _.first.min(),
        others=_.count() - 1,
        outside=(~_.inside).fill_null(False).sum(),
        by_name=(~_.inside & _.address.notnull()).fill_null(False).sum(),
    )
    table = held.left_join(seen, "host").drop("host_right")
    table = table.left_join(names, table.peer == names.address)
    # Where most of a host's peers were found by name, one that was not is telling.
    tells = (table.by_name >= 2) & (table.by_name >= table.outside / 2)
    return table.mutate(
        share=(table.cover_s / ibis.greatest(table.seen_s, table.cover_s)).clip(0.0, 1.0),
        found_by=ibis.cases(
            (table.dynamic, "dynamic-name"),
            (table.dynamic.notnull(), "name"),
            (tells, "address"),
            else_=ibis.null("string"),
        ),
    )


def _scored(held: ibis.Table, config: Config) -> ibis.Table:
    minutes = held.total_s / 60
    table = held.mutate(
        held_port=held.port < 1,
        bytes_per_minute=(held.up + held.down) / minutes,
        down_per_minute=held.down / minutes,
        steady=ibis.greatest(
            held.cover_s, (held.total_s >= held.around_s / 2).ifelse(held.total_s, 0.0)
        ),
    )
    # Only long ones on listed ports: browsers keep dozens of idle connections for some minutes.
    counted = (~table.held_port | (table.steady >= config.min_cover_s)).ifelse(
        table.peer, ibis.null("string")
    )
    table = table.mutate(counted=counted)
    table = table.mutate(peers=table.counted.nunique().over(group_by=("host", "held_port")))
    long = 0.6 + 0.4 * ramp(
        table.steady.ln(), math.log(config.min_cover_s), math.log(config.full_cover_s)
    )
    short = 0.5 + 0.1 * ramp(
        table.cover_s.ln(), math.log(config.short_cover_s), math.log(config.min_cover_s)
    )
    length = ibis.cases(
        (table.steady >= config.min_cover_s, long), (_fits(table, config), short), else_=0.0
    )
    named = table.found_by.cases(
        ("name", BY_NAME), ("dynamic-name", 1.0), ("address", 1.0), else_=NOT_KNOWN
    )
    crowd = (table.peers > config.many_peers).ifelse(0.5, 1.0)
    prior = table.port * (table.proto == "tcp").ifelse(1.0, UDP_PRIOR)
    base = length * table.rarity * prior * crowd
    quiet = _quiet(table)
    # What is not known must not make a finding: at its worst there must be one already.
    worst = table.found_by.isnull().ifelse(BY_NAME, named)
    least = base * worst * quiet.fill_null(LOUD)
    scored = table.mutate(score=base * named * quiet.fill_null((1 + LOUD) / 2), least=least)
    return scored.filter(_.least >= config.min_score)


def _quiet(table: ibis.Table) -> Any:
    """Return 1 for few bytes from the peer each minute, LOUD for a download or a film."""
    rate = (table.down_per_minute + 1).ln()
    return 1 - (1 - LOUD) * ramp(rate, math.log(60_000), math.log(3_000_000))


def _fits(table: ibis.Table, config: Config) -> Any:
    """Return whether all of what makes a short channel telling is known, and so."""
    return (
        (table.proto == "tcp")
        & ~table.held_port
        & (table.up > 0)
        & (table.down > 0)
        & (table.bytes_per_minute <= config.short_per_minute)
        & (table.share >= config.short_share)
        & (table.others >= config.short_others)
    ).fill_null(False)
