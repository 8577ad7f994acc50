"""Intelligence match: a host met an address, name, URL, file or fingerprint that others report.

Every table is compared with the indicators the user imported: addresses and networks with `conn`,
names (and any name below them) with DNS questions, TLS server names and HTTP hosts, URLs with HTTP
requests, hashes with files and certificates, JA3/JA4 with TLS handshakes. An indicator that had
expired when the traffic flowed does not match.

    score     the highest confidence among the sources that name the indicator

Also finds: shared hosting, sinkholes (marked: the host is a bot, but the peer is no controller) and
researchers' look-ups. Old addresses change hands; that is what expiry is for.
Misses: what nobody reported; IPv6 networks (single IPv6 addresses match); listed addresses that
only knock from outside, which say nothing about the host.
Source: STIX 2.1, MISP and list imports; see `sakimori intel --help`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, asked, sample

NAME = "intelligence"
TECHNIQUE = "T1071"
KIND = "intelligence"
DOES = ""
WEIGHT = 7.5  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "src_inside", "dst_inside"),
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "src_inside", "dst_inside"),
    "tls": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "server_name", "ja3", "ja4",
            "cert_hashes", "src_inside"),
    "http": ("ts", "uid", "src_ip", "dst_port", "host", "uri", "src_inside"),
    "files": ("ts", "uid", "src_ip", "dst_ip", "md5", "sha1", "sha256", "src_inside",
              "dst_inside"),
    "indicator": ("kind", "value", "port", "source", "family", "label", "confidence", "sinkhole",
                  "first_seen", "expires"),
}  # fmt: skip
NEEDS = (
    ("indicator.value", "conn.dst_ip"),
    ("indicator.value", "dns.query"),
    ("indicator.value", "tls.server_name"),
    ("indicator.value", "http.host"),
    ("indicator.value", "files.sha256"),
    ("indicator.value", "files.sha1"),
    ("indicator.value", "files.md5"),
)
DETAILS = {
    "kind": "string",  # of the indicator: address, cidr, name, url, md5, sha1, sha256, ja3, ja4
    "indicator": "string",  # as imported
    "sources": "string",  # who says so, joined by ", "
    "family": "string",  # malware, where a source names it
    "label": "string",  # the source's own words
    "sinkhole": "boolean",  # known to command nobody any more
    "listed": "timestamp('UTC', 6)",  # first reported
    "expires": "timestamp('UTC', 6)",  # not used on traffic after this; null: never
}
SAYS = "met {indicator}, which is reported by {sources}"
INNOCENT = (
    "Addresses are shared and change hands, and a researcher may look at a bad name on purpose."
    " Check how old the report is and whether the traffic looks like use."
)
INNOCENT_IF = {
    "kind=ja3": (
        "All programs that use TLS in the same way have the same fingerprint, and many of them"
        " are no malware."
    ),
    "kind=ja4": (
        "All programs that use TLS in the same way have the same fingerprint, and many of them"
        " are no malware."
    ),
}
ASIDE = (
    "The report was still valid when the traffic flowed, and the indicator was met this often:"
    " {count}. Whether that was use or only a look, the rows must show."
)
ASIDE_IF = {
    "kind=md5": (
        "A hash belongs to one file or certificate, so nothing shared or handed on can match."
        " Only a look at it on purpose is not told apart."
    ),
    "kind=sha1": (
        "A hash belongs to one file or certificate, so nothing shared or handed on can match."
        " Only a look at it on purpose is not told apart."
    ),
    "kind=sha256": (
        "A hash belongs to one file or certificate, so nothing shared or handed on can match."
        " Only a look at it on purpose is not told apart."
    ),
    "kind=ja3": (
        "It was not: a fingerprint alone does not tell which program it was. Look at the peers"
        " and at the other findings."
    ),
    "kind=ja4": (
        "It was not: a fingerprint alone does not tell which program it was. Look at the peers"
        " and at the other findings."
    ),
}
NEXT = "Look at the rows behind the match: do they show use, or only a look-up?"

KEY = ("kind", "indicator", "host", "peer", "peer_port", "proto")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Which reports to use."""

    min_confidence: float = 0.3  # reports rated lower are not used

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(f"need 0 <= {self.min_confidence=} <= 1")


def detect(  # one argument per table read
    conn: ibis.Table,
    dns: ibis.Table,
    tls: ibis.Table,
    http: ibis.Table,
    files: ibis.Table,
    indicator: ibis.Table,
    config: Config,
) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    trusted = indicator.filter(_.confidence >= config.min_confidence)
    met = ibis.union(
        _addresses(conn, trusted),
        _names(dns, tls, http, trusted),
        _urls(http, trusted),
        _hashes(files, tls, trusted),
        _fingerprints(tls, trusted),
    )
    return as_findings(_summed(met, trusted), DETAILS)


def _summed(met: ibis.Table, indicator: ibis.Table) -> ibis.Table:
    """Return one row per host and indicator, with what the sources say joined."""
    known = _said(met, indicator)
    same = [met.kind == known.kind, met.indicator == known.indicator,
            met.peer_port.identical_to(known.peer_port)]  # fmt: skip
    rows = met.inner_join(known, same).filter(_.expires.isnull() | (_.ts < _.expires))
    said = ("sources", "family", "label", "sinkhole", "score", "listed", "expires")
    rows = rows.select(*KEY, "ts", "uid", *said)
    ranked = rows.mutate(rank=ibis.row_number().over(ibis.window(group_by=KEY, order_by="ts")))
    # The schema of one value per group: they are the same in all its rows.
    return ranked.group_by(KEY).agg(
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        count=_.count(),
        evidence=sample(_.uid, _.rank),
        **{name: ranked[name].max() for name in said if name != "sinkhole"},
        sinkhole=_.sinkhole.any(),
    )


def _said(met: ibis.Table, indicator: ibis.Table) -> ibis.Table:
    """Return what the sources say of each indicator, on each port on which it was met.

    One row each, so that a call that is listed with and without its port counts once.
    """
    uses = met.select("kind", "indicator", "peer_port").distinct()
    listed = uses.inner_join(
        indicator, [uses.kind == indicator.kind, uses.indicator == indicator.value]
    ).filter(_.port.isnull() | (_.port == _.peer_port))
    return listed.group_by("kind", "indicator", "peer_port").agg(
        sources=_.source.collect(distinct=True).sort().join(", "),
        family=_.family.max(),
        label=_.label.max(),
        sinkhole=_.sinkhole.any(),
        score=_.confidence.max(),
        listed=_.first_seen.min(),
        # One source that never expires keeps the indicator alive.
        expires=_.expires.isnull().any().ifelse(ibis.null("timestamp('UTC', 6)"), _.expires.max()),
    )


def _addresses(conn: ibis.Table, indicator: ibis.Table) -> ibis.Table:
    """Return calls of inside hosts to listed addresses and networks."""
    listed = indicator.filter(_.kind.isin(("address", "cidr"))).select("kind", "value").distinct()
    rows = conn.filter(_.src_inside, ~_.dst_inside).select(
        "ts", "uid", "proto", host="src_ip", peer="dst_ip", peer_port="dst_port"
    )
    peers = rows.select("peer").distinct()
    exact = peers.inner_join(listed.filter(_.kind == "address"), [("peer", "value")])
    ranges = listed.filter(_.kind == "cidr", ~_.value.contains(":"))
    ranges = ranges.mutate(
        low=_number(_.value.split("/")[0]), bits=_.value.split("/")[1].cast("int64")
    ).mutate(high=_.low + (2 ** (32 - _.bits)).cast("int64") - 1)
    numbered = peers.filter(_.peer.re_search(r"^[0-9]+(\.[0-9]+){3}$")).mutate(
        number=_number(_.peer)
    )
    within = numbered.inner_join(
        ranges, [numbered.number >= ranges.low, numbered.number <= ranges.high]
    )
    hits = ibis.union(exact.select("peer", "kind", "value"), within.select("peer", "kind", "value"))
    return _met(rows.inner_join(hits, "peer"))


def _number(address: ibis.Value) -> ibis.Value:
    """Return an IPv4 address as a number."""
    part = address.split(".")
    return (
        part[0].cast("int64") * 16_777_216
        + part[1].cast("int64") * 65_536
        + part[2].cast("int64") * 256
        + part[3].cast("int64")
    )


def _names(dns: ibis.Table, tls: ibis.Table, http: ibis.Table, indicator: ibis.Table) -> ibis.Table:
    """Return uses of a listed name or of a name below it."""
    listed = indicator.filter(_.kind == "name").select("kind", "value").distinct()
    tcp = ibis.literal("tcp")
    uses = ibis.union(
        _named(asked(dns), "query", ibis.null("int32"), ibis.null("string")),
        _named(tls, "server_name", _.dst_port, tcp),
        _named(http, "host", _.dst_port, tcp),
    )
    names = uses.select("peer").distinct()
    labels = names.mutate(label=names.peer.split(".")).mutate(size=_.label.length())
    # a.b.c -> a.b.c, b.c, c: every name it lies under
    each = labels.mutate(start=ibis.range(0, labels.size).unnest())
    under = each.select("peer", value=each.label[each.start :].join("."))
    hits = under.inner_join(listed, "value").select("peer", "kind", "value").distinct()
    return _met(uses.inner_join(hits, "peer"))


def _named(table: ibis.Table, column: str, port: Any, proto: Any) -> ibis.Table:
    return table.filter(table.src_inside, table[column].notnull()).select(
        "ts", "uid", proto=proto, host="src_ip", peer=column, peer_port=port
    )


def _urls(http: ibis.Table, indicator: ibis.Table) -> ibis.Table:
    listed = indicator.filter(_.kind == "url").select("kind", "value").distinct()
    asked = http.filter(_.src_inside, _.host.notnull()).select(
        "ts", "uid", "host", "uri", proto=ibis.literal("tcp"), client="src_ip", peer_port="dst_port"
    )
    port = asked.peer_port.cast("string").fill_null("80")
    shown_port = (port == "80").ifelse("", ibis.literal(":").concat(port))
    built = ibis.literal("http://").concat(asked.host, shown_port, asked.uri)
    # Through a proxy the request line holds the whole URL.
    address = asked.uri.startswith("http://").ifelse(asked.uri, built)
    full = asked.mutate(address=address)
    hits = full.inner_join(listed, [("address", "value")])
    return _met(hits.select("ts", "uid", "proto", "peer_port", "kind", "value",
                            host="client", peer="host"))  # fmt: skip


def _hashes(files: ibis.Table, tls: ibis.Table, indicator: ibis.Table) -> ibis.Table:
    """Return listed files sent or received, and listed certificates shown."""
    listed = indicator.filter(_.kind.isin(("md5", "sha1", "sha256"))).select("kind", "value")
    ours = files.filter(files.src_inside | files.dst_inside)
    sent = ours.src_inside.fill_null(False)
    moved = ours.select(
        "ts",
        "uid",
        "md5",
        "sha1",
        "sha256",
        host=sent.ifelse(ours.src_ip, ours.dst_ip),
        peer=sent.ifelse(ours.dst_ip, ours.src_ip),
        peer_port=ibis.null("int32"),
        proto=ibis.null("string"),
    )
    shown = tls.filter(tls.src_inside).select(
        "ts", "uid", host="src_ip", peer="dst_ip", peer_port="dst_port",
        proto=ibis.literal("tcp"), hash=tls.cert_hashes.unnest(),
    )  # fmt: skip
    rows = ibis.union(
        *(
            moved.select("ts", "uid", "host", "peer", "peer_port", "proto", hash=moved[kind])
            for kind in ("md5", "sha1", "sha256")
        ),
        shown.select("ts", "uid", "host", "peer", "peer_port", "proto", "hash"),
    )
    return _met(rows.inner_join(listed.distinct(), [("hash", "value")]))


def _fingerprints(tls: ibis.Table, indicator: ibis.Table) -> ibis.Table:
    shown = [
        tls.filter(tls.src_inside).select(
            "ts", "uid", host="src_ip", peer="dst_ip", peer_port="dst_port",
            proto=ibis.literal("tcp"), kind=ibis.literal(kind), print=tls[kind],
        )
        for kind in ("ja3", "ja4")
    ]  # fmt: skip
    listed = indicator.filter(_.kind.isin(("ja3", "ja4"))).select("kind", "value").distinct()
    both = ibis.union(*shown)
    return _met(both.inner_join(listed, [both.kind == listed.kind, both.print == listed.value]))


def _met(rows: ibis.Table) -> ibis.Table:
    return rows.select(
        "host", "proto", "ts", "uid",
        kind="kind", indicator="value", peer="peer", peer_port=rows.peer_port.cast("int32"),
    ).select("kind", "indicator", "host", "peer", "peer_port", "proto", "ts", "uid")  # fmt: skip
