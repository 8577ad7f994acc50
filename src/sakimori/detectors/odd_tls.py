"""Odd handshakes: TLS with a peer that few use, and unlike TLS with servers of the public web.

A peer is a server name, or the address where the client named none. Each reason alone is weak and
worth a few points; together they tell:

    self_signed   0.40  the certificate's subject is its issuer
    lone          0.30  else: one certificate without any that vouches for it (TLS up to 1.2)
    long          0.15  valid for more than `long_days`: no public authority has signed that since 2012
    fresh         0.10  made at most `fresh_days` before the visit, and self_signed or lone
    subject       0.20  empty, a CN that is no domain name and nothing else, or what OpenSSL fills
                        in by itself; 0.10 for a CN that is no domain name, or a mail address
    mismatch      0.10  self_signed or lone, and made for another name than the one asked for
    no_name       0.15  the client named no server; 0.20 for an address given as the name
    odd_port      0.15  no port that TLS is used on
    old_version   0.15  TLS 1.1 or older, of a host that speaks newer to others
    rare_client   0.10  a client fingerprint (JA4, else JA3) that this host, and only it, shows this
                        peer only, while it shows others at least `min_prints` different ones

    score         the sum, at most 1, x rarity of the peer in this network, x a prior for ports
                  where self-made certificates are normal (mail, remote desktop, databases), halved
                  for each of: a chain that looks public, an issuer of the subject's own
                  organisation, an application protocol that is not the web's; x 0.7 for a
                  fingerprint the host shows many peers; at most 0.5 for what looks like Tor

TLS 1.3 hides certificates, and some sensors do not log them: then only the last four can count.

Also finds: self-made servers that somebody runs for himself, appliances reached from outside, Tor.
Misses: controllers behind a content network or with a certificate of a free public authority.
Source: RFC 6066 section 3 (no addresses as server names), RFC 5246 section 7.4.2 (the chain is sent
whole), CA/Browser Forum baseline requirements 6.3.2 (validity), Anderson, Paul, McGrew 2016,
doi:10.1007/s11416-017-0306-6 (certificates of malware); the points are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, network_of, outbound, rarity, sample
from sakimori.tables import EVIDENCE_LIMIT

NAME = "odd_tls"
TECHNIQUE = "T1573.002"  # Encrypted Channel: Asymmetric Cryptography
KIND = "handshake"
DOES = ""
WEIGHT = 6.2  # nats at full score; see docs/reference/scoring.md
READS = {
    "tls": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "version", "server_name", "alpn", "ja3",
            "ja4", "subject", "issuer", "not_before", "not_after", "cert_hashes", "established",
            "src_inside", "dst_inside"),
    "cert": ("uid", "subject", "issuer", "not_before", "not_after", "self_signed"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("tls.dst_ip", "tls.version"),)
REASONS = {  # field to points
    "self_signed": 0.40, "lone": 0.30, "long": 0.15, "fresh": 0.10, "odd_subject": 0.20,
    "plain_subject": 0.10, "mismatch": 0.10, "no_name": 0.15, "address_as_name": 0.20,
    "odd_port": 0.15, "old_version": 0.15, "rare_client": 0.10,
}  # fmt: skip
DETAILS = {
    "reasons": "array<string>",  # those of the list above that hold
    "style": "string",  # self-signed, lone, tor or other: what SAYS depends on
    "subject": "string",  # of the certificate; null where none was seen
    "issuer": "string",
    "version": "string",  # the oldest agreed with this peer
    "print": "string",  # JA4, else JA3, of the client
    "addresses": "array<string>",  # of the peer, at most 20
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = (
    "spoke TLS with {peer} port {peer_port} in a way that is unusual for public servers"
    " (handshakes: {count})"
)
SAYS_IF = {
    "style=self-signed": (
        "spoke TLS with {peer} port {peer_port}, whose certificate is self-signed (handshakes:"
        " {count}; subject: {subject})"
    ),
    "style=lone": (
        "spoke TLS with {peer} port {peer_port}, whose certificate no authority vouches for"
        " (handshakes: {count})"
    ),
    "style=tor": (
        "spoke TLS with {peer} port {peer_port} as a Tor client does (handshakes: {count})"
    ),
}
INNOCENT = (
    "Servers that people set up for themselves, appliances, VPN gateways and remote support tools"
    " also have self-made certificates. Hosts here that use this peer: {hosts}."
)
INNOCENT_IF = {
    "style=tor": (
        "People use Tor on purpose, and some programs bring it along. Ask the owner of the host."
    ),
}
ASIDE = (
    "No single sign sets it aside, but several come together here. Hosts that use the peer:"
    " {hosts}. Somebody's own server is not told apart."
)
ASIDE_IF = {
    "style=tor": (
        "It was not: Tor is Tor, whoever uses it, and for that reason the finding counts half at"
        " most."
    ),
}
NEXT = "Ask who runs {peer}, and find the program on the host that speaks with it."

KEY = ("host", "peer", "peer_port")
TLS_PORTS = (443, 8443, 993, 995, 465, 587, 25, 110, 143, 853, 990, 989, 636, 563, 994, 5061, 5222,
             5223, 5228, 5229, 5230, 5269, 5349, 6697, 8883, 4433, 9443, 10443, 2083, 2087, 2096,
             3389, 1433, 3306, 5432)  # fmt: skip
# Where servers with self-made certificates are normal; evidence, not exemption.
PORT_PRIOR = {25: 0.1, 465: 0.4, 587: 0.3, 110: 0.4, 143: 0.4, 993: 0.5, 995: 0.6, 990: 0.5, 21: 0.5,
              3389: 0.4, 5269: 0.3, 5349: 0.5, 6697: 0.6, 1433: 0.5, 3306: 0.5, 5432: 0.5,
              636: 0.6}  # fmt: skip
RANKS = {"SSL2": 0, "SSL3": 0, "TLS1": 1, "TLS10": 1, "TLS11": 2, "TLS12": 3, "TLS13": 4}
ADDRESS = r"^[0-9.]+$|:"
NAME_PART = r"(?:^|[,/]) *CN=([^,/]*)"
OWNER_PART = r"(?:^|[,/]) *O=([^,/]*)"
DOMAIN = r"^[A-Za-z0-9*_-]+(\.[A-Za-z0-9_-]+)+$"
# What `openssl req` and distributions' scripts write where nobody typed anything.
FILLED_IN = r"Internet Widgits|Some-State|Default Company Ltd|SomeOrganization|=localhost"
TOR = r"^CN=www\.[a-z2-7]{8,20}\.(com|net)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as odd. Raises ValueError for limits that could match nothing."""

    long_days: int = 1_900  # public authorities: five years until 2015, 13 months since 2020
    fresh_days: int = 7
    min_prints: int = 3  # fewer different clients say nothing about a host's habits
    many_peers: int = 5  # a print shown to as many others is the host's usual client
    # Of the reasons alone only self_signed reaches it: other clients refuse such a server.
    min_score: float = 0.36

    def __post_init__(self) -> None:
        if self.long_days < 1 or self.fresh_days < 0 or not 0 < self.min_score <= 1:
            raise ValueError(f"need {self.long_days=} > 0 and 0 < {self.min_score=} <= 1")


def detect(tls: ibis.Table, cert: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    rows = _handshakes(tls)
    seen = _with_certificates(_shapes(rows), cert)
    marked = _of_hello(_of_certificate(seen, config), config)
    peers = marked.group_by(KEY).agg(
        first_seen=_.first_seen.min(),
        last_seen=_.last_seen.max(),
        count=_.rows.sum(),
        any_address=_.dst_ip.min(),
        addresses=_.dst_ip.collect(distinct=True).sort()[:EVIDENCE_LIMIT],
        subject=_.subject.max(),
        issuer=_.issuer.max(),
        version=_.version.min(),
        print=_.print.max(),
        **{name: _[name].any().fill_null(False) for name in (*REASONS, "tor", "public", "own")},
        other_protocol=_.other_protocol.all().fill_null(False),
        usual=_.usual.all().fill_null(False),
    )
    scored = _scored(_unlike(peers), prevalence, config)
    ranked = rows.semi_join(scored, list(KEY)).mutate(
        rank=ibis.row_number().over(ibis.window(group_by=KEY, order_by=["ts", "uid"]))
    )
    evidence = ranked.group_by(KEY).agg(evidence=sample(_.uid, _.rank))
    return as_findings(
        scored.inner_join(evidence, list(KEY)).mutate(proto=ibis.literal("tcp")), DETAILS
    )


def _handshakes(tls: ibis.Table) -> ibis.Table:
    """Return TLS over TCP to the outside, with the peer and the version as a rank."""
    rows = outbound(tls).filter(_.dst_port.notnull())
    plain = rows.version.upper().replace(" ", "").replace("V", "").replace(".", "")
    is_name = rows.server_name.notnull() & ~rows.server_name.re_search(ADDRESS)
    datagram = plain.startswith("DTLS") | plain.startswith("QUIC")
    named = rows.mutate(
        peer=is_name.ifelse(rows.server_name, rows.dst_ip),
        rank_of=plain.cases(*RANKS.items(), else_=ibis.null("int8")),
        datagram=datagram.fill_null(False),
    )
    return named.filter(~_.datagram).mutate(
        host="src_ip",
        peer_port="dst_port",
        print=ibis.coalesce(_.ja4, _.ja3),
        leaf=_.cert_hashes[0],
        chain=_.cert_hashes.length(),
    )


def _shapes(rows: ibis.Table) -> ibis.Table:
    """Return one row per host, peer and everything alike, with a count: few to look at closely."""
    alike = (*KEY, "dst_ip", "server_name", "version", "rank_of", "alpn", "print", "subject",
             "issuer", "not_before", "not_after", "leaf", "chain", "established")  # fmt: skip
    return rows.group_by(alike).agg(rows=_.count(), first_seen=_.ts.min(), last_seen=_.ts.max())


def _with_certificates(shapes: ibis.Table, cert: ibis.Table) -> ibis.Table:
    """Fill in what only the certificate's own row tells."""
    known = cert.group_by(leaf=_.uid).agg(
        c_subject=_.subject.max(), c_issuer=_.issuer.max(), c_before=_.not_before.max(),
        c_after=_.not_after.max(), c_self=_.self_signed.max(),
    )  # fmt: skip
    both = shapes.left_join(known, "leaf")
    return both.mutate(
        subject=ibis.coalesce(both.subject, both.c_subject),
        issuer=ibis.coalesce(both.issuer, both.c_issuer),
        not_before=ibis.coalesce(both.not_before, both.c_before),
        not_after=ibis.coalesce(both.not_after, both.c_after),
    )


def _of_certificate(seen: ibis.Table, config: Config) -> ibis.Table:
    """Return what the certificate tells; null where it was not seen."""
    subject = seen.subject
    name, owner = subject.re_extract(NAME_PART, 1), subject.re_extract(OWNER_PART, 1)
    no_domain = (name != "") & ~name.re_search(DOMAIN)
    days = seen.not_after.delta(seen.not_before, unit="day")
    age = seen.first_seen.delta(seen.not_before, unit="second") / 86_400
    self_signed = ibis.coalesce(subject == seen.issuer, seen.c_self)
    # A sensor that logs only the leaf (by its SHA-1) does not tell how many there were.
    lone = (seen.chain == 1) & (seen.leaf.length() != 40) & ~self_signed.fill_null(False)
    own_made = self_signed.fill_null(False) | lone.fill_null(False)
    odd = (
        (subject == "")
        | subject.re_search(FILLED_IN)
        | (no_domain & (owner == "") & ~subject.contains("DC="))
    )
    plain = (no_domain | subject.contains("emailAddress=")) & ~odd
    suffix = seen.server_name.re_extract(r"([^.]+\.[^.]+)$", 1)
    tor = subject.re_search(TOR) & seen.issuer.re_search(TOR) & ~self_signed
    return seen.mutate(
        self_signed=self_signed,
        lone=lone,
        long=days > config.long_days,
        fresh=age.between(0, config.fresh_days) & own_made,
        odd_subject=odd,
        plain_subject=plain,
        mismatch=own_made & (seen.peer == seen.server_name) & ~subject.lower().contains(suffix),
        own=~self_signed & (owner != "") & (owner == seen.issuer.re_extract(OWNER_PART, 1)),
        public=(seen.chain > 1) & ~self_signed.fill_null(False) & (days <= config.long_days),
        tor=tor,
    )


def _of_hello(seen: ibis.Table, config: Config) -> ibis.Table:
    """Return what the hellos tell, with the host's other handshakes for comparison."""
    by_print = seen.filter(_.print.notnull()).group_by("host", "print")
    shown = by_print.agg(shown_to=_.peer.nunique())
    everywhere = shown.group_by("print").agg(shown_by=_.count())
    habits = shown.group_by("host").agg(prints=_.count())
    newest = seen.group_by("host").agg(newest=_.rank_of.max())
    logged = seen.agg(some_name=_.server_name.notnull().any())
    table = (
        seen.cross_join(logged)
        .left_join(shown, ["host", "print"])
        .drop("host_right", "print_right")
    )
    table = table.left_join(everywhere, "print").drop("print_right")
    table = table.left_join(habits, "host").drop("host_right")
    table = table.left_join(newest, "host").drop("host_right")
    done = table.established.fill_null(table.version.notnull())
    # A source without a single server name does not log them; a JA4 tells by itself.
    nameless = ibis.coalesce(
        table.print.re_extract(r"^[tq][0-9s][0-9]([di])", 1).nullif("") == "i", table.some_name
    )
    is_address = table.server_name.re_search(ADDRESS)
    return table.mutate(
        no_name=done & table.server_name.isnull() & nameless,
        address_as_name=is_address,
        odd_port=~table.peer_port.isin(TLS_PORTS),
        old_version=(table.rank_of <= 2) & (table.newest >= 3) & done,
        rare_client=(table.shown_to == 1)
        & (table.shown_by == 1)
        & (table.prints > config.min_prints),
        usual=table.shown_to > config.many_peers,
        other_protocol=table.alpn.notnull() & ~table.alpn.isin(("h2", "http/1.1", "http/1.0")),
    )


def _unlike(peers: ibis.Table) -> ibis.Table:
    """Keep one reason of those that say the same."""
    return peers.mutate(
        lone=peers.lone & ~peers.self_signed,
        plain_subject=peers.plain_subject & ~peers.odd_subject,
        no_name=peers.no_name & ~peers.address_as_name,
    )


def _scored(peers: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    points = sum((peers[name].ifelse(worth, 0.0) for name, worth in REASONS.items()), 0.0)
    told = peers.mutate(points=points).filter(_.points >= config.min_score)
    weighed = _weighed(told, prevalence)
    doubts = (
        weighed.public.ifelse(0.5, 1.0)
        * weighed.own.ifelse(0.5, 1.0)
        * weighed.other_protocol.ifelse(0.5, 1.0)
        * weighed.usual.ifelse(0.7, 1.0)
        * weighed.peer_port.cases(*PORT_PRIOR.items(), else_=1.0)
    )
    score = ibis.least(weighed.points, 1.0) * doubts * weighed.rarity
    names = [weighed[name].ifelse(name, ibis.null("string")) for name in REASONS]
    return weighed.mutate(
        score=weighed.tor.ifelse(ibis.least(score, 0.5), score),
        reasons=ibis.array(names).filter(lambda name: name.notnull()),
        style=_style(weighed),
    ).filter(_.score >= config.min_score)


def _style(peers: ibis.Table) -> Any:
    return ibis.cases(
        (peers.tor, "tor"),
        (peers.self_signed, "self-signed"),
        (peers.lone, "lone"),
        else_="other",
    )


def _weighed(peers: ibis.Table, prevalence: ibis.Table) -> ibis.Table:
    """Join how common the peer is here: a name as a name, an address as it or its /24."""
    known = prevalence.select("kind", "peer", "hosts", "all_hosts")
    nets = known.filter(known.kind == "net").select(net="peer", net_hosts="hosts")
    kind = (peers.peer == peers.any_address).ifelse("address", "name")
    table = peers.mutate(kind=kind, net=network_of(peers.peer))
    table = table.left_join(known, ["kind", "peer"]).drop("kind_right", "peer_right")
    table = table.left_join(nets, "net").drop("net_right")
    hosts = table.hosts.fill_null(1)
    by_net = (table.kind == "address").ifelse(table.net_hosts.fill_null(1), 1)
    return table.mutate(
        hosts=hosts,
        rarity=rarity(ibis.greatest(hosts, by_net), table.all_hosts.fill_null(1)),
    )
