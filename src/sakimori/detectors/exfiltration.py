"""Theft of data: a host sends much to a peer that others do not use, and gets little back.

Three shapes, over answered TCP connections per host and outside peer (all its ports together). Each
is multiplied by the rarity of the peer in this network.

    bulk      stretch of ln bytes sent on the busiest day, from `min_bulk` (0.3) to `full_bulk` (1)
              x stretch of sent / received from 3 to 20 x prior of the channel
              prior: an uncommon port whose address no name here led to 1, an uncommon port 0.7, a
              common port of an unnamed address 0.6, else 0.25; at least half of `unusual`
              unusual: robust z-score of ln bytes against the host's own days, or against the
              other hosts' greatest uploads if that is smaller, stretched from 3 to 6; null for a
              host with fewer than `min_days` days of uploads
              x 0.3 when the host sent as much there on two other days (a backup has its hours), and
              x 0.3 when it sends to more than `many_peers` peers on uncommon ports (peer-to-peer)
    web       plain HTTP to a bare address: bodies of at least `min_web` bytes sent, three times
              what came back: 0.5 to 0.9 by ln bytes
    report    within `after_s` of asking a public service what its own address is, the host puts
              something on an FTP server (0.9), hands in mail (0.85), or sends `min_report` bytes,
              five times what it gets, to an uncommon port (0.8)

Also finds: uploads by people, new backups, cameras and remote desktops watched from outside.
Misses: theft through services that everybody here uses, slow theft below `min_bulk` a day, uploads
over QUIC or UDP, and anything to a common port of a named peer where nothing can be compared.
Source: what stealers do after MITRE ATT&CK T1041, T1048.003 and T1016.001; modified z-score after
Iglewicz and Hoaglin 1993.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, outbound, ramp, rarity, resolved, sample, web

NAME = "exfiltration"
TECHNIQUE = "T1041"  # Exfiltration Over C2 Channel; also T1048.003
KIND = "theft"
DOES = "steals"
WEIGHT = 4.8  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "src_bytes", "dst_bytes",
             "src_pkts", "dst_pkts", "src_inside", "dst_inside"),
    "dns": ("ts", "src_ip", "query", "answers", "src_inside"),
    "tls": ("ts", "src_ip", "dst_ip", "server_name", "src_inside"),
    "http": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "method", "uri", "host", "req_bytes",
             "resp_bytes", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("conn.src_bytes", "conn.dst_bytes"), ("http.req_bytes",))
DETAILS = {
    "shape": "string",  # bulk, web, or report-ftp, report-mail, report-other
    "sent": "int64",  # bytes, in all
    "received": "int64",  # bytes, in all
    "busiest": "int64",  # bytes sent on the busiest day
    "days": "int64",  # days with a like amount
    "named": "boolean",  # a name here led to the address; null where few names are seen
    "common_port": "boolean",
    "unusual": "float64",  # 0..1; null: no days to compare with
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = "sent {sent} bytes to {peer} port {peer_port} and received {received}"
SAYS_IF = {
    "shape=web": "posted {sent} bytes over plain HTTP to the bare address {peer}",
    "shape=report-ftp": "asked for its public address and then put files on the FTP server {peer}",
    "shape=report-mail": (
        "asked for its public address and then handed mail in at {peer} port {peer_port}"
    ),
    "shape=report-other": (
        "asked for its public address and then sent {sent} bytes to {peer} port {peer_port}"
    ),
}
INNOCENT = (
    "Backups, photo uploads, remote desktops and cameras also send far more than they receive."
    " Ask the owner what was sent to {peer}; hosts here that use it: {hosts}."
)
ASIDE = (
    "A backup or a camera sends on many days; days on which this host sent a like amount: {days}."
    " A first backup is not told apart."
)
ASIDE_IF = {
    "shape=web": (
        "Backup and photo services have a name and encrypt; these {sent} bytes went unencrypted"
        " to an address without a name."
    ),
    "shape=report-ftp": (
        "A backup has no use for the host's public address; thieves name their victim by it, and"
        " here it was asked for shortly before."
    ),
    "shape=report-mail": (
        "A mail program has no use for the host's public address; thieves name their victim by"
        " it, and here it was asked for shortly before."
    ),
    "shape=report-other": (
        "A backup has no use for the host's public address; thieves name their victim by it, and"
        " here it was asked for shortly before {sent} bytes were sent."
    ),
}
NEXT = (
    "Find the program that sent the data to {peer} and what it read before; treat passwords"
    " stored on the host as known to others."
)

# Ports on which desktops and servers send to named services every day.
COMMON = (80, 443, 8080, 8443, 22, 25, 465, 587, 993, 995, 143, 110, 53, 853, 21, 20, 873, 990, 989,
          1935, 1936, 5222, 5223, 5228, 3478, 3389, 5938, 6568, 7070, 5061, 8883, 9418, 3128,
          2222, 139, 445, 2049, 3306, 5432, 1194, 563, 119)  # fmt: skip
FTP, MAIL = 21, (25, 26, 465, 587, 2525)
# Services that tell a caller its public address; stealers name their victim by it.
OWN_ADDRESS = (
    "api.ipify.org", "api4.ipify.org", "api64.ipify.org", "ip-api.com", "pro.ip-api.com",
    "checkip.dyndns.org", "checkip.dyndns.com", "checkip.amazonaws.com", "icanhazip.com",
    "ipv4.icanhazip.com", "ifconfig.me", "ifconfig.co", "ifconfig.io", "ipinfo.io", "ipecho.net",
    "ident.me", "v4.ident.me", "myexternalip.com", "wtfismyip.com", "ipwho.is", "ipwhois.app",
    "freegeoip.app", "reallyfreegeoip.org", "freegeoip.net", "geoplugin.net", "www.geoplugin.net",
    "api.ip.sb", "ip.sb", "ipapi.co", "api.myip.com", "api.my-ip.io", "bot.whatismyipaddress.com",
    "whatismyip.akamai.com", "ip4.seeip.org", "api.ipstack.com", "get.geojs.io", "api.db-ip.com",
    "showip.net", "www.showmyipaddress.com", "myip.dnsomatic.com", "curlmyip.com", "2ip.ru",
    "l2.io", "eth0.me", "api.2ip.ua", "trackip.net", "ip.anysrc.net",
)  # fmt: skip
PAIR = ("host", "peer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as theft. Raises ValueError for limits that could match nothing."""

    # A day's greatest upload in the desktop captures to a peer on an uncommon port: 0.3 MB.
    min_bulk: int = 5_000_000
    full_bulk: int = 50_000_000
    min_web: int = 100_000
    full_web: int = 2_000_000
    min_report: int = 50_000
    after_s: float = 600.0
    many_peers: int = 4
    min_days: int = 4
    min_hosts: int = 8
    most_per_packet: int = 66_000  # bytes; more is a sensor's mistake with sequence numbers
    min_score: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.min_bulk < self.full_bulk or not 0 < self.min_web < self.full_web:
            raise ValueError("need 0 < min_bulk < full_bulk and 0 < min_web < full_web")
        if self.after_s <= 0 or self.min_report <= 0:
            raise ValueError(f"need {self.after_s=} > 0 and {self.min_report=} > 0")


def detect(
    conn: ibis.Table,
    dns: ibis.Table,
    tls: ibis.Table,
    http: ibis.Table,
    prevalence: ibis.Table,
    config: Config,
) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    flows = _flows(conn, config)
    sent = _worth_a_look(_pairs(flows), _named(dns, tls, http), config)
    lookups = _lookups(dns, tls, http)
    shapes = ibis.union(
        _bulk(sent, flows, config),
        _report(flows, sent, lookups, config),
        _web(http, config),
    )
    best = _weighed(shapes, prevalence)
    place = ibis.row_number().over(
        ibis.window(group_by=PAIR, order_by=[_.score.desc(), _.shape, _.sent.desc()])
    )
    kept = best.mutate(place=place).filter(_.place == 0, _.score >= config.min_score)
    return as_findings(kept.inner_join(_proof(conn, http, kept), list(PAIR)), DETAILS)


def _flows(conn: ibis.Table, config: Config) -> ibis.Table:
    """Return answered TCP connections that carried data out."""
    told = outbound(conn).filter(_.proto == "tcp", _.src_bytes > 0)
    answered = (_.dst_bytes > 0) | (_.dst_pkts > 0)
    sane = (_.src_bytes <= config.most_per_packet * _.src_pkts).fill_null(True)
    return told.filter(answered, sane).select(
        "ts", "uid", "src_bytes", "dst_port", host="src_ip", peer="dst_ip",
        dst_bytes=_.dst_bytes.fill_null(0),
    )  # fmt: skip


def _pairs(flows: ibis.Table) -> ibis.Table:
    """Return what each host sent to each peer: in all, and through which port most."""
    ports = flows.group_by(*PAIR, "dst_port").agg(
        sent=_.src_bytes.sum(), received=_.dst_bytes.sum(), calls=_.count()
    )
    return ports.group_by(PAIR).agg(
        sent=_.sent.sum(),
        received=_.received.sum(),
        calls=_.calls.sum(),
        most=_.sent.max(),
        # Of the ports with the most bytes the lowest, so that the answer is always the same.
        peer_port=_.dst_port.argmax(_.sent * 65_536 - _.dst_port),
        ftp=(_.dst_port == FTP).any(),
        put=((_.dst_port != FTP) & (_.received == 0)).any(),
        mail=_.dst_port.isin(MAIL).any(),
    )


def _worth_a_look(pairs: ibis.Table, names: ibis.Table, config: Config) -> ibis.Table:
    """Add whether the port is common, a name led there, and how many peers look alike."""
    seen = pairs.mutate(common_port=_.peer_port.isin(COMMON))
    names = names.select(peer="address", led=ibis.literal(True))
    marked = seen.left_join(names, "peer").drop("peer_right")
    # Where names led to few of a host's peers, its questions are not seen.
    hosts = marked.group_by("host").agg(
        led_share=_.led.fill_null(False).cast("float64").mean(),
        crowd=(~_.common_port & (_.sent > _.received) & (_.sent >= config.min_report)).sum(),
    )
    known = marked.inner_join(hosts, "host")
    sees_names = _.led_share >= 0.3
    return known.mutate(
        named=_.led.fill_null(False) | sees_names.ifelse(False, ibis.null("boolean"))
    ).drop("led", "led_share")


def _named(dns: ibis.Table, tls: ibis.Table, http: ibis.Table) -> ibis.Table:
    """Return the addresses that a name led to: answered to a question, or named by the caller."""
    callers = ibis.union(
        tls.filter(_.server_name.contains(".")).select(address="dst_ip"),
        http.filter(_.host.contains("."), _.host != _.dst_ip).select(address="dst_ip"),
    )
    return resolved(dns).union(callers, distinct=True)


def _bulk(sent: ibis.Table, flows: ibis.Table, config: Config) -> ibis.Table:
    one_sided = sent.filter(_.sent >= config.min_bulk, _.sent >= 3 * _.received)
    days = (
        flows.group_by(*PAIR, day=_.ts.truncate("D"))
        .agg(amount=_.src_bytes.sum(), back=_.dst_bytes.sum())
        .filter(_.amount > 3 * _.back)
    )
    busiest = days.group_by(PAIR).agg(busiest=_.amount.max())
    like = days.inner_join(busiest, list(PAIR)).filter(_.amount >= _.busiest / 4)
    like = like.group_by(*PAIR, "busiest").agg(days=_.count())
    table = one_sided.inner_join(like, list(PAIR))
    table = _unusual(table, days, config)
    size = 0.3 + 0.7 * ramp(
        _.busiest.cast("float64").ln(), math.log(config.min_bulk), math.log(config.full_bulk)
    )
    ratio = ramp((_.sent / ibis.greatest(_.received, 1)).ln(), math.log(3), math.log(20))
    unnamed = (~_.named).fill_null(False)
    prior = ibis.cases(
        (~_.common_port & unnamed, 1.0), (~_.common_port, 0.7), (unnamed, 0.6), else_=0.25
    )
    prior = ibis.greatest(prior, 0.5 * _.unusual.fill_null(0.0))
    routine = (_.days >= 3).ifelse(0.3, 1.0) * (_.crowd > config.many_peers).ifelse(0.3, 1.0)
    return _shape(
        table.filter(_.busiest >= config.min_bulk).mutate(
            base=size * ratio * prior * routine, shape=ibis.literal("bulk")
        )
    )


def _unusual(table: ibis.Table, days: ibis.Table, config: Config) -> ibis.Table:
    """Add how far a day's upload lies outside the host's own days and the other hosts' greatest."""
    tops = days.group_by("host", "day").agg(top=_.amount.max().cast("float64").ln())
    own = _spread(tops, "host", config.min_days)
    others = tops.group_by("host").agg(top=_.top.max()).mutate(all=ibis.literal(1))
    network = _spread(others, "all", config.min_hosts)
    compared = table.left_join(own, "host").drop("host_right").mutate(all=ibis.literal(1))
    amount = _.busiest.cast("float64").ln()
    compared = compared.mutate(own=(amount - _.middle) / _.scale).drop("middle", "scale")
    compared = compared.left_join(network, "all").drop("all_right")
    compared = compared.mutate(others=(amount - _.middle) / _.scale)
    # Without a past the first night's backup of a server would stand out from every desktop.
    z = ibis.least(_.own, ibis.coalesce(_.others, _.own))
    z = _.own.notnull().ifelse(z, ibis.null("float64"))
    return compared.mutate(unusual=ramp(z, 3.0, 6.0))


def _spread(tops: ibis.Table, key: str, least: int) -> ibis.Table:
    """Return the median and the scaled median deviation of the logarithms, of enough of them."""
    middles = tops.group_by(key).agg(middle=_.top.median(), number=_.count())
    apart = tops.inner_join(middles.filter(_.number >= least), key)
    spread = apart.mutate(off=(_.top - _.middle).abs()).group_by(key, "middle")
    # A host that sends the same each day is still free to send twice as much.
    return spread.agg(scale=ibis.greatest(1.4826 * _.off.median(), 0.7))


def _lookups(dns: ibis.Table, tls: ibis.Table, http: ibis.Table) -> ibis.Table:
    """Return when each host asked a public service for its own address."""
    asked = ibis.union(
        dns.filter(_.src_inside, _.query.isin(OWN_ADDRESS)).select(asked="ts", host="src_ip"),
        tls.filter(_.src_inside, _.server_name.isin(OWN_ADDRESS)).select(asked="ts", host="src_ip"),
        http.filter(_.src_inside, _.host.isin(OWN_ADDRESS)).select(asked="ts", host="src_ip"),
    )
    return asked.distinct()


def _report(flows: ibis.Table, sent: ibis.Table, lookups: ibis.Table, config: Config) -> ibis.Table:
    """Return peers that got something soon after a host asked for its own address."""
    other = (
        (_.sent >= config.min_report)
        & (_.sent >= 5 * _.received)
        & ~_.common_port
        & (_.crowd <= config.many_peers)
    )
    # Who hands in mail all day has a mail program, and also gets mail.
    mail = _.mail & (_.sent >= 300) & (_.sent > _.received)
    shape: Any = ibis.cases(
        (_.ftp & _.put, "report-ftp"), (mail, "report-mail"), (other, "report-other"), else_=None
    )
    table = sent.semi_join(lookups, "host").mutate(shape=shape).filter(_.shape.notnull())
    # Narrow first: a host may ask for its address, and call a peer, thousands of times.
    few = flows.semi_join(table, list(PAIR)).select(*PAIR, "ts").inner_join(lookups, "host")
    since = _.ts.delta(_.asked, unit="microsecond") / 1e6
    soon = few.filter(since.between(0.0, config.after_s)).select(*PAIR).distinct()
    table = table.semi_join(soon, list(PAIR))
    base = _.shape.cases(("report-ftp", 0.9), ("report-mail", 0.85), else_=0.8)
    return _shape(
        table.mutate(
            base=base,
            busiest=_.most,
            days=ibis.null("int64"),
            unusual=ibis.null("float64"),
            peer_port=(_.shape == "report-ftp").ifelse(FTP, _.peer_port),
            common_port=_.common_port | (_.shape == "report-ftp"),
        )
    )


def _web(http: ibis.Table, config: Config) -> ibis.Table:
    """Return bare outside addresses that plain HTTP requests carried much to."""
    plain = web(http).filter(~_.dst_inside, _.host == _.dst_ip, _.req_bytes > 0)
    summed = plain.group_by(host=_.src_ip, peer=_.dst_ip).agg(
        sent=_.req_bytes.sum(), received=_.resp_bytes.sum().fill_null(0), calls=_.count(),
        peer_port=_.dst_port.min(),
    )  # fmt: skip
    much = summed.filter(_.sent >= config.min_web, _.sent >= 3 * _.received)
    size = ramp(_.sent.cast("float64").ln(), math.log(config.min_web), math.log(config.full_web))
    return _shape(
        much.mutate(
            base=0.5 + 0.4 * size, shape=ibis.literal("web"), busiest=_.sent,
            days=ibis.null("int64"), unusual=ibis.null("float64"), named=ibis.literal(False),
            common_port=_.peer_port.isin(COMMON),
        )
    )  # fmt: skip


def _shape(table: ibis.Table) -> ibis.Table:
    names = ("shape", "sent", "received", "busiest", "days", "named", "common_port", "unusual")
    schema = {"host": "string", "peer": "string", "peer_port": "int32", "base": "float64",
              "calls": "int64", **{name: DETAILS[name] for name in names}}  # fmt: skip
    return table.select(*schema).cast(ibis.schema(schema))


def _weighed(shapes: ibis.Table, prevalence: ibis.Table) -> ibis.Table:
    known = prevalence.filter(_.kind == "address").select("peer", "hosts", "all_hosts")
    table = shapes.left_join(known, "peer").drop("peer_right")
    table = table.mutate(
        hosts=_.hosts.fill_null(1),
        rarity=rarity(_.hosts.fill_null(1), _.all_hosts.fill_null(1)),
    )
    return table.mutate(score=_.base * _.rarity, proto=ibis.literal("tcp"))


def _proof(conn: ibis.Table, http: ibis.Table, found: ibis.Table) -> ibis.Table:
    """Return per host and peer when, how often, and the connections that sent most."""
    calls = ibis.union(
        outbound(conn).filter(_.proto == "tcp", _.src_bytes > 0).select(
            "ts", "uid", "src_bytes", host="src_ip", peer="dst_ip"
        ),
        web(http).filter(_.host == _.dst_ip, _.req_bytes > 0).select(
            "ts", "uid", src_bytes="req_bytes", host="src_ip", peer="dst_ip"
        ),
    )  # fmt: skip
    calls = calls.semi_join(found, list(PAIR))
    # A connection with several requests is one proof.
    calls = calls.group_by(*PAIR, "uid").agg(
        ts=_.ts.min(), last=_.ts.max(), src_bytes=_.src_bytes.max()
    )
    order = [_.src_bytes.desc(), _.ts, _.uid]
    ranked = calls.mutate(rank=ibis.row_number().over(ibis.window(group_by=PAIR, order_by=order)))
    return ranked.group_by(PAIR).agg(
        first_seen=_.ts.min(),
        last_seen=_["last"].max(),
        count=_.count(),
        evidence=sample(_.uid, _.rank),
    )
