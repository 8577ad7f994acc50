"""Long connections: a channel that one host holds open to one peer for hours.

Per host, peer and port the time covered is the union of its connections' intervals, so that twenty
parallel downloads of ten minutes count as ten minutes, and a connection that the sensor split is
joined again (pieces at most `bridge_s` apart). A connection still open counts as far as it was seen.

    score     stretch of the longest unbroken cover from `min_cover_s` (0.5) to `full_cover_s` (1),
              x rarity of the peer in this network, x a prior for ports where holding on is normal,
              halved where the host holds channels to more than `many_peers` peers, as
              peer-to-peer programs do

Also finds: push services, VPNs, remote desktops, video calls, chat clients.
Misses: channels shorter than `min_cover_s`; connections that the sensor has not logged yet.
Source: the union of intervals instead of RITA's sum; zeek/zeek #1196 on split connections.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
)

NAME = "long_connection"
TECHNIQUE = "T1095"  # Non-Application Layer Protocol; also T1571 on an odd port
KIND = "control"
DOES = ""
WEIGHT = 3.2  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "duration", "src_bytes",
             "dst_bytes", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("conn.duration", "conn.dst_ip"),)
DETAILS = {
    "cover_s": "float64",  # longest unbroken stretch, seconds
    "total_s": "float64",  # all stretches, seconds
    "bytes_per_minute": "float64",  # both ways, over total_s; null where bytes are not known
    "peers": "int64",  # outside peers to which this host holds channels
    "held_port": "boolean",  # on this port holding on is normal
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = "kept a connection to {peer} port {peer_port} open for {cover}"
INNOCENT = (
    "Push messages, remote desktops, VPNs and calls also stay open for hours. This peer is used by"
    " {hosts} here."
)
NEXT = "Find the program that holds the connection to {peer}, and what it is for."

KEY = ("host", "peer", "peer_port", "proto")
HELD_PORTS = {443: 0.6, 993: 0.3, 5223: 0.3, 5228: 0.2, 5222: 0.4, 22: 0.5, 3478: 0.3, 1194: 0.4,
              51820: 0.4, 4500: 0.4, 123: 0.1, 53: 0.1, 853: 0.3, 8883: 0.5}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as long. Raises ValueError for limits that could match nothing."""

    min_cover_s: float = 900.0
    full_cover_s: float = 7_200.0
    bridge_s: float = 15.0  # a sensor splits a connection, it does not pause it
    min_piece_s: float = 20.0  # shorter connections are not looked at
    max_piece_s: float = 31_622_400.0  # a year; a longer one is a broken record
    min_score: float = 0.15
    many_peers: int = 6

    def __post_init__(self) -> None:
        if not 0 < self.min_cover_s < self.full_cover_s:
            raise ValueError(f"need 0 < {self.min_cover_s=} < {self.full_cover_s=}")


def detect(conn: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    pieces = (
        outbound(conn)
        .filter(
            _.proto.isin(WITH_PORTS), _.duration.between(config.min_piece_s, config.max_piece_s)
        )
        .select(
            host="src_ip",
            peer="dst_ip",
            peer_port="dst_port",
            proto="proto",
            ts="ts",
            uid="uid",
            begin=_.ts.epoch_seconds().cast("float64"),
            end=_.ts.epoch_seconds() + _.duration,
            bytes=_.src_bytes + _.dst_bytes,
        )
    )
    enough = pieces.group_by(KEY).having(_.end.max() - _.begin.min() >= config.min_cover_s).agg()
    stretches = _stretches(pieces.semi_join(enough, list(KEY)), config)
    held = (
        stretches.group_by(KEY)
        .agg(
            first_seen=_.first_seen.min(),
            last_seen=_.last_seen.max(),
            count=_.pieces.sum(),
            cover_s=_.length.max(),
            total_s=_.length.sum(),
            bytes=_.bytes.sum(),
            evidence=_.evidence.first(order_by=_.length.desc()),
        )
        .filter(_.cover_s >= config.min_cover_s)
    )
    return as_findings(_weigh(held, prevalence, config), DETAILS)


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
    ranked = numbered.mutate(
        rank=ibis.row_number().over(ibis.window(group_by=(*KEY, "stretch"), order_by="begin"))
    )
    return ranked.group_by(*KEY, "stretch").agg(
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        pieces=_.count(),
        length=_.end.max() - _.begin.min(),
        bytes=_.bytes.sum(),
        evidence=sample(_.uid, _.rank),
    )


def _weigh(held: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    known = prevalence.filter(_.kind == "address").select("peer", "hosts", "all_hosts")
    nets = prevalence.filter(_.kind == "net").select(net="peer", net_hosts="hosts")
    table = held.left_join(known, "peer").drop("peer_right")
    table = table.mutate(net=network_of(table.peer)).left_join(nets, "net")
    hosts = table.hosts.fill_null(1)
    rare = rarity(ibis.greatest(hosts, table.net_hosts.fill_null(1)), table.all_hosts.fill_null(1))
    prior = table.peer_port.cases(*HELD_PORTS.items(), else_=1.0)
    length = 0.5 + 0.5 * ramp(
        table.cover_s.ln(), math.log(config.min_cover_s), math.log(config.full_cover_s)
    )
    peers = table.peer.nunique().over(group_by="host")
    table = table.mutate(peers=peers)
    crowd = (table.peers > config.many_peers).ifelse(0.5, 1.0)
    scored = table.mutate(
        hosts=hosts,
        rarity=rare,
        held_port=table.peer_port.isin(tuple(HELD_PORTS)),
        bytes_per_minute=table.bytes / (table.total_s / 60),
        score=length * rare * prior * crowd,
    )
    return scored.filter(_.score >= config.min_score)
