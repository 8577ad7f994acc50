"""Peer-to-peer bots: a host that sends small messages to many strangers nobody named to it.

Per host one of three shapes, the strongest counts; outbound, ports of services and games that
speak with many strangers by design left out (_ports.py):

    one port there   UDP to many peers, always the same remote port (ZeroAccess)
    one port here    UDP to many peers from one local port (Sality, Storm, Gameover Zeus, Hajime)
    own port each    TCP to many peers, nearly each on a port of its own (Conficker, Gameover Zeus)

    score     size (`min_peers` 0.5, `full_peers` 1, logarithmic) x spread (peers per /16: few
              peers in each 1, all in some data centres 0) x share of peers not found in any DNS
              answer x share of calls that sent little, x 0.7 to 1 for the share of calls without
              an answer (10 % to 50 %; 0.85 where the source cannot tell), x 0.6 for TCP

    x 0.65    where at least 2 % of the peers are on BitTorrent's default ports: its DHT, which
              Hajime and Mozi use as well
    x 0.4     where the host shares files: three peers or more that moved over 100 kB on such
              ports, or a connection that the sensor knows as BitTorrent

Also finds: idle BitTorrent clients, other peer-to-peer programs (overlays, coins, messengers) on
ports of their own, UDP scanners.
Misses: peer-to-peer over the ports of the web (Waledac, Kelihos); a bot with fewer than `min_peers`
peers; bots on hosts that share files.
Source: the signs are those of PeerShark (doi:10.1186/s13635-014-0015-3) and of published
descriptions of ZeroAccess, Sality and Storm; the score is this project's own.
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
    resolved,
    sample,
    was_unanswered,
)
from sakimori.detectors._ports import MANY_STRANGERS, TORRENT, within

NAME = "p2p"
TECHNIQUE = "T1095"  # Non-Application Layer Protocol
KIND = "peers"
DOES = ""
WEIGHT = 5.5  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "src_port", "dst_ip", "dst_port", "proto", "service", "state",
             "src_bytes", "dst_bytes", "dst_pkts", "src_inside", "dst_inside"),
    "dns": ("answers",),
}  # fmt: skip
NEEDS = (("conn.dst_ip", "conn.dst_port"),)
DETAILS = {
    "shape": "string",  # one port there, one port here, own port each
    "port": "int32",  # that port; null for "own port each"
    "peers": "int64",  # outside peers
    "nets": "int64",  # /16 networks (IPv6: /32) of the peers
    "ports": "int64",  # remote ports
    "unanswered": "float64",  # share of calls; null where the source cannot tell
    "small": "float64",  # share of calls that sent at most `small_bytes`
    "unnamed": "float64",  # share of peers in no DNS answer; 1 where none were logged
    "torrent": "float64",  # share of peers on default ports of BitTorrent programs
    "sharing": "boolean",  # the host moves files with strangers
}
SAYS = (
    "sent small UDP messages to {peers} strangers in {nets} networks, all from one port of its own"
)
SAYS_IF = {
    "shape=one port there": (
        "sent small UDP messages to {peers} strangers in {nets} networks, all on their port"
        " {peer_port}"
    ),
    "shape=own port each": (
        "called {peers} strangers in {nets} networks over TCP, nearly each on a port of its own"
    ),
}
INNOCENT = (
    "File sharing, coin and messenger programs that work without a server look alike. Ask whether"
    " such a program is wanted on {host}."
)
ASIDE = (
    "File sharing would show in the default ports of BitTorrent, on which {torrent_pct} of the"
    " {peers} peers are, or in large transfers, and then counts for less. Coin and messenger"
    " programs are not told apart."
)
NEXT = (
    "Find the program on {host} that talks to these strangers; if nobody knows it, take the host"
    " off the network."
)

KEY = ("host", "shape", "port")
PREFIX = r"^([0-9]+\.[0-9]+\.|[0-9a-f]*:[0-9a-f]*:)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as peer-to-peer. Raises ValueError for limits that could match nothing."""

    min_peers: int = 20  # calls and games: up to a dozen candidates from one port
    full_peers: int = 80
    own_ports: float = 0.6  # remote ports per peer, for TCP
    small_bytes: int = 1_000  # sent in one call, headers included
    unanswered: tuple[float, float] = (0.1, 0.5)
    torrent_share: float = 0.02  # measured on DHT traffic: 3-8 % on default ports
    shared_bytes: int = 100_000  # with one peer
    sharers: int = 3
    min_score: float = 0.1

    def __post_init__(self) -> None:
        if not 1 < self.min_peers < self.full_peers:
            raise ValueError(f"need 1 < {self.min_peers=} < {self.full_peers=}")


def detect(conn: ibis.Table, dns: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    calls = _calls(conn)
    shaped = _shaped(calls)
    wide = shaped.group_by(KEY).agg(peers=_.peer.nunique(), ports=_.peer_port.nunique())
    wide = wide.filter(
        _.peers >= config.min_peers,
        (_.shape != "own port each") | (_.ports >= config.own_ports * _.peers),
    ).select(*KEY)
    peers = _peers(shaped.semi_join(wide, list(KEY)), dns, config)
    summed = _summed(peers, config)
    shared = _sharing(conn, summed, config)
    table = summed.left_join(shared, "host").drop("host_right")
    table = table.mutate(sharing=table.sharing.fill_null(False))
    return as_findings(_strongest(_scored(table, config), config), DETAILS)


def _calls(conn: ibis.Table) -> ibis.Table:
    """Return calls to strangers on ports where that is not the rule."""
    calls = outbound(conn).filter(
        _.proto.isin(("tcp", "udp")), _.dst_port >= 1024, ~within(_.dst_port, MANY_STRANGERS)
    )
    return calls.select(
        "ts",
        "uid",
        "proto",
        "src_port",
        host="src_ip",
        peer="dst_ip",
        peer_port="dst_port",
        sent="src_bytes",
        unanswered=was_unanswered(calls),
    )


def _shaped(calls: ibis.Table) -> ibis.Table:
    """Return each UDP call under its remote and its local port, each TCP call under its host."""
    udp, tcp = calls.filter(_.proto == "udp"), calls.filter(_.proto == "tcp")
    # A local port below 1024, or of a service: a server's answers, or a resolver.
    here = udp.filter(_.src_port >= 1024, ~within(_.src_port, MANY_STRANGERS))
    return ibis.union(
        udp.mutate(shape=ibis.literal("one port there"), port=udp.peer_port),
        here.mutate(shape=ibis.literal("one port here"), port=here.src_port),
        tcp.mutate(shape=ibis.literal("own port each"), port=ibis.literal(-1, "int32")),
    )


def _peers(shaped: ibis.Table, dns: ibis.Table, config: Config) -> ibis.Table:
    """Return one row per peer, with whether DNS named it."""
    of_peer = shaped.group_by(*KEY, "proto", "peer").agg(
        calls=_.count(),
        first=_.ts.min(),
        last=_.ts.max(),
        uid=_.uid.min(),
        peer_port=_.peer_port.min(),
        ports=_.peer_port.nunique(),
        known=_.unanswered.count(),
        unanswered=_.unanswered.cast("int64").sum(),
        sized=_.sent.count(),
        small=(_.sent <= config.small_bytes).cast("int64").sum(),
    )
    named = resolved(dns)
    table = of_peer.left_join(named, of_peer.peer == named.address)
    return table.mutate(
        named=table.address.notnull(),
        net=table.peer.re_extract(PREFIX, 1),
        torrent=within(table.peer_port, TORRENT),
        place=ibis.row_number().over(ibis.window(group_by=KEY, order_by=("first", "peer"))),
    ).drop("address")


def _summed(peers: ibis.Table, config: Config) -> ibis.Table:
    summed = peers.group_by(*KEY, "proto").agg(
        first_seen=_.first.min(),
        last_seen=_.last.max(),
        count=_.calls.sum(),
        peers=_.count(),
        nets=_.net.nunique(),
        ports=_.peer_port.nunique(),
        tells=_.known.sum(),
        failed=_.unanswered.sum(),
        sized=_.sized.sum(),
        small=_.small.sum(),
        unnamed=1 - _.named.cast("float64").mean(),
        torrent=_.torrent.cast("float64").mean(),
        evidence=sample(_.uid, _.place),
    )
    return summed.mutate(
        unanswered=summed.failed / summed.tells.nullif(0),
        small=(summed.small / summed.sized.nullif(0)).cast("float64"),
    ).filter(_.peers >= config.min_peers)


def _sharing(conn: ibis.Table, found: ibis.Table, config: Config) -> ibis.Table:
    """Return per found host whether it moves files with strangers."""
    strangers = outbound(conn).semi_join(found.select(src_ip="host").distinct(), "src_ip")
    odd = (_.dst_port >= 1024) & ~within(_.dst_port, MANY_STRANGERS)
    moved = strangers.group_by(host=_.src_ip, peer=_.dst_ip).agg(
        bytes=(_.src_bytes.fill_null(0) + _.dst_bytes.fill_null(0)).sum(where=odd),
        known=(_.service == "bittorrent").fill_null(False).any(),
    )
    return (
        moved.group_by("host")
        .agg(
            sharing=(_.bytes > config.shared_bytes).fill_null(False).sum().fill_null(0)
            >= config.sharers,
            known=_.known.any(),
        )
        .select("host", sharing=_.sharing | _.known)
    )


def _scored(table: ibis.Table, config: Config) -> ibis.Table:
    size = 0.5 + 0.5 * ramp(
        table.peers.ln(), math.log(config.min_peers), math.log(config.full_peers)
    )
    spread = ramp(table.nets / table.peers, 0.2, 0.6)
    # A host that many strangers do not answer has a stale list of peers.
    silent = (0.7 + 0.3 * ramp(table.unanswered, *config.unanswered)).fill_null(0.85)
    transport = (table.proto == "tcp").ifelse(0.6, 1.0)
    return table.mutate(
        peer=ibis.null("string"),
        peer_port=(table.shape == "one port there").ifelse(table.port, ibis.null("int32")),
        port=(table.port < 0).ifelse(ibis.null("int32"), table.port),
        score=size * spread * silent * transport * table.unnamed * table.small.fill_null(1.0)
        * _innocence(table, config),
    )  # fmt: skip


def _innocence(table: ibis.Table, config: Config) -> Any:
    """Return what file sharing leaves of the score."""
    torrent = (table.torrent >= config.torrent_share).fill_null(False).ifelse(0.65, 1.0)
    return torrent * table.sharing.ifelse(0.4, 1.0)


def _strongest(scored: ibis.Table, config: Config) -> ibis.Table:
    """Keep one finding per host: one behaviour shows in several shapes."""
    order = [_.score.desc(), _.peers.desc(), _.shape, _.port]
    ranked = scored.mutate(
        best=ibis.row_number().over(ibis.window(group_by="host", order_by=order))
    )
    return ranked.filter(_.best == 0, _.score >= config.min_score)
