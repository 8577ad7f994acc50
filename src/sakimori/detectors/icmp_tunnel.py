"""ICMP tunnels: data carried in pings.

A ping is answered with what it sent, and a program that pings sends one size. Per host and outside
peer, over echo requests and echo replies in either direction:

    uneven    how much the mean size of what came differs from the mean size of what went, stretched
              from 5 % to 30 %: an operating system's answer is its question's copy, and a tunnel's
              other end has its own things to say. Means, so lost answers do not matter
    varied    share of the packets in connections whose bytes are no multiple of their packets (so
              they held packets of several sizes), or that have another size than the host's most
              common one for the peer; stretched from 0.2 to 0.8
    volume    stretch of ln bytes, both ways, from `min_bytes` (0.3) to `full_bytes` (1)
    score     volume x (0.75 x the greater of uneven and varied + 0.25 x the smaller) x rarity

Pings of one size that come back whole score 0, however many. Who pings from outside is answered by
the operating system, so there only uneven counts: an answer that is no copy.

Also finds: path tests that sweep sizes for minutes; servers that cut the answers to large pings.
Misses: tunnels that pad to one size both ways, commands in a few single pings (Pingback wakes up on
one), other ICMP types, flow data that does not tell ICMP types.
Source: RFC 792 (the data received in the echo message must be returned in the echo reply message);
documentation of ptunnel, Hans and icmptunnel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, ramp, rarity, sample

NAME = "icmp_tunnel"
TECHNIQUE = "T1095"  # Non-Application Layer Protocol; also T1572
KIND = "tunnel"
DOES = ""
WEIGHT = 6.0  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "src_port", "dst_ip", "proto", "src_bytes", "dst_bytes",
             "src_pkts", "dst_pkts", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("conn.proto", "conn.src_port", "conn.src_bytes", "conn.src_pkts"),)
DETAILS = {
    "asks": "string",  # host or peer: who sends the echo requests
    "packets": "int64",  # both ways
    "bytes": "int64",  # both ways
    "mean_out": "float64",  # bytes of a packet the host sent
    "mean_in": "float64",  # bytes of a packet that came
    "uneven": "float64",  # 0..1: difference of the two, as a share of the greater
    "varied": "float64",  # 0..1: share of packets of other sizes
    "per_minute": "float64",  # packets a minute between the first and the last connection
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = "exchanged {packets} pings with {peer} whose sizes vary or whose answers are no copies"
SAYS_IF = {
    "asks=peer": (
        "was pinged by {peer} and sent answers that are no copies ({packets} packets both ways)"
    ),
}
INNOCENT = (
    "Tests of a path's packet size send pings of many sizes, for a minute or so; some servers cut"
    " the answer to a large ping short. Hosts here that use this peer: {hosts}."
)
ASIDE = (
    "A test of a path takes some dozens of pings, and here {packets} packets carried {bytes}"
    " bytes; {varied_pct} of them differ from the commonest size, and where it can be told, the"
    " two directions differ by {uneven_pct} in mean size."
)
ASIDE_IF = {
    "asks=peer": (
        "An operating system answers a ping with a copy of it; here the mean sizes of questions"
        " and answers differ by {uneven_pct}, over {packets} packets."
    ),
}
NEXT = "Look at the content of the pings to {peer}; if nobody tests that path, block ICMP to it."

ICMP = ("icmp", "icmp6", "ipv6-icmp", "icmpv6")
REQUESTS, ECHO = (8, 128), (8, 0, 128, 129)  # types of ICMP and ICMPv6: requests, and with replies


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as a tunnel. Raises ValueError for limits that could match nothing."""

    min_packets: int = 30  # both ways; a person's ping and a path test are shorter
    # Ten minutes of ordinary pings (84 bytes a second, both ways) move 100 kB; those score 0 anyway.
    min_bytes: int = 5_000
    full_bytes: int = 200_000
    min_score: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.min_bytes < self.full_bytes or self.min_packets < 2:
            raise ValueError(f"need 0 < min_bytes < full_bytes and {self.min_packets=} > 1")


def detect(conn: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    pings = _worth_a_look(_pings(conn), config)
    return as_findings(_scored(_summed(pings), prevalence, config), DETAILS)


def _pings(conn: ibis.Table) -> ibis.Table:
    """Return echo connections between an inside host and an outside peer, seen from the host."""
    echo = conn.filter(_.proto.isin(ICMP), _.src_port.isin(ECHO), _.src_pkts > 0, _.src_bytes > 0)
    ours = echo.filter(_.src_inside, ~_.dst_inside).select(
        "ts", "uid", "proto", host="src_ip", peer="dst_ip", asked=_.src_port.isin(REQUESTS),
        out_bytes="src_bytes", out_pkts="src_pkts",
        in_bytes=_.dst_bytes.fill_null(0), in_pkts=_.dst_pkts.fill_null(0),
    )  # fmt: skip
    theirs = echo.filter(~_.src_inside, _.dst_inside).select(
        "ts", "uid", "proto", host="dst_ip", peer="src_ip", asked=~_.src_port.isin(REQUESTS),
        out_bytes=_.dst_bytes.fill_null(0), out_pkts=_.dst_pkts.fill_null(0),
        in_bytes="src_bytes", in_pkts="src_pkts",
    )  # fmt: skip
    return ours.union(theirs)


def _worth_a_look(pings: ibis.Table, config: Config) -> ibis.Table:
    many = pings.group_by("host", "peer").agg(
        packets=(_.out_pkts + _.in_pkts).sum(), bytes=(_.out_bytes + _.in_bytes).sum()
    )
    many = many.filter(_.packets >= config.min_packets, _.bytes >= config.min_bytes)
    return pings.semi_join(many, ["host", "peer"])


def _summed(pings: ibis.Table) -> ibis.Table:
    """Return one row per host and peer. A size is that of the side that spoke in a connection."""
    pair = ("host", "peer")
    from_host = _.out_bytes >= _.in_bytes
    sized = pings.mutate(
        pkts=from_host.ifelse(_.out_pkts, _.in_pkts),
        total=from_host.ifelse(_.out_bytes, _.in_bytes),
    ).filter(_.pkts > 0)
    sized = sized.mutate(size=(_.total / _.pkts), mixed=(_.total % _.pkts) != 0)
    per_size = sized.group_by(*pair, "size").agg(
        pkts=_.pkts.sum(), mixed_pkts=_.mixed.ifelse(_.pkts, 0).sum()
    )
    sizes = per_size.group_by(pair).agg(
        of_all=_.pkts.sum(), commonest=(_.pkts - _.mixed_pkts).max()
    )
    order = [_.ts, _.uid]
    ranked = pings.mutate(rank=ibis.row_number().over(ibis.window(group_by=pair, order_by=order)))
    summed = ranked.group_by(pair).agg(
        proto=_.proto.min(),
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        count=_.count(),
        asked=_.asked.any(),
        out_bytes=_.out_bytes.sum(),
        out_pkts=_.out_pkts.sum(),
        in_bytes=_.in_bytes.sum(),
        in_pkts=_.in_pkts.sum(),
        evidence=sample(_.uid, _.rank),
    )
    return summed.inner_join(sizes, list(pair))


def _scored(pairs: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    known = prevalence.filter(_.kind == "address").select("peer", "hosts", "all_hosts")
    table = pairs.left_join(known, "peer").drop("peer_right")
    table = table.mutate(
        hosts=_.hosts.fill_null(1),
        rarity=rarity(_.hosts.fill_null(1), _.all_hosts.fill_null(1)),
        packets=_.out_pkts + _.in_pkts,
        bytes=_.out_bytes + _.in_bytes,
        mean_out=_.out_bytes / _.out_pkts.nullif(0),
        mean_in=_.in_bytes / _.in_pkts.nullif(0),
        asks=_.asked.ifelse("host", "peer"),
        varied=1 - _.commonest / _.of_all,
        minutes=_.last_seen.delta(_.first_seen, unit="second") / 60,
    )
    # A few answers say nothing about their mean.
    both = (_.in_pkts >= 10) & (_.out_pkts >= 10)
    differ = (_.mean_out - _.mean_in).abs() / ibis.greatest(_.mean_out, _.mean_in)
    table = table.mutate(uneven=both.ifelse(differ, 0.0).fill_null(0.0))
    uneven = ramp(_.uneven, 0.05, 0.3)
    varied = _.asked.ifelse(ramp(_.varied, 0.2, 0.8), 0.0)
    volume = 0.3 + 0.7 * ramp(
        _.bytes.cast("float64").ln(), math.log(config.min_bytes), math.log(config.full_bytes)
    )
    shape = 0.75 * ibis.greatest(uneven, varied) + 0.25 * ibis.least(uneven, varied)
    return table.mutate(
        score=volume * shape * _.rarity,
        per_minute=_.packets / ibis.greatest(_.minutes, 1.0),
        peer_port=ibis.null("int32"),
    ).filter(_.score >= config.min_score)
