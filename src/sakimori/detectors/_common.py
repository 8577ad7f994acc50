"""Expressions that several detectors share. No detector, so not in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from sakimori.tables import CORE, EVIDENCE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping

# Zeek's words for a call that was not answered, or refused.
UNANSWERED = ("S0", "REJ", "RSTOS0", "SH", "RSTRH")
# Protocols whose dst_port is a port; for ICMP it is a code.
WITH_PORTS = ("tcp", "udp", "sctp")


def outbound(table: ibis.Table) -> ibis.Table:
    """Return the rows from an inside host to an outside one (multicast and the like left out)."""
    return table.filter(table.src_inside, ~table.dst_inside)


def web(http: ibis.Table) -> ibis.Table:
    """Return the requests of inside hosts to the outside, those through an inside proxy too."""
    by_proxy = (http.method == "CONNECT") | http.uri.startswith("http")
    return http.filter(http.src_inside, ~http.dst_inside | by_proxy.fill_null(False))


def resolvers(dns: ibis.Table, clients: int = 3) -> ibis.Table:
    """Return the inside hosts (column src_ip) that at least `clients` others ask for names."""
    asked = dns.filter(dns.src_inside, dns.dst_inside)
    busy = asked.group_by("dst_ip").having(asked.src_ip.nunique() >= clients).agg()
    return busy.select(src_ip="dst_ip")


def asked(dns: ibis.Table) -> ibis.Table:
    """Return the questions of inside hosts, those of resolvers (their clients' really) left out.

    Where it is not known who was asked, a resolver cannot be told from a client: left out, too.
    """
    return dns.anti_join(resolvers(dns), ["src_ip"]).filter(_.src_inside, _.dst_ip.notnull())


def resolved(dns: ibis.Table) -> ibis.Table:
    """Return the addresses (column address) that any question here was answered with.

    An empty table says that no answers were logged, not that nobody asked.
    """
    answered = dns.filter(dns.answers.length() > 0).select(address=dns.answers.unnest())
    return answered.distinct()


def network_of(address: Any) -> Any:
    """Return an IPv4 address's /24 as `192.0.2.0/24`; null for IPv6 and text without a dot."""
    is_v4 = address.contains(".") & ~address.contains(":")
    upto = address.length() - address.reverse().find(".") - 1
    return is_v4.ifelse(address.substr(0, upto).concat(".0/24"), ibis.null("string"))


def was_unanswered(conn: ibis.Table) -> Any:
    """Return whether a call was not answered; null where the source cannot tell."""
    return ibis.coalesce(conn.state.isin(UNANSWERED), conn.dst_pkts == 0)


def rarity(hosts: Any, all_hosts: Any) -> Any:
    """Return 1 for a peer of one host, towards 0 for one that all hosts use.

    With fewer than ten hosts nothing is called common: too few to tell.
    """
    others = ibis.greatest(all_hosts - 1, 9)
    return (1 - (hosts - 1) / others).clip(0.0, 1.0)


def ramp(value: Any, low: float, high: float) -> Any:
    """Return 0 at or below `low`, 1 at or above `high`, linear between."""
    return ((value - low) / (high - low)).clip(0.0, 1.0)


def sample(uid: Any, rank: Any) -> Any:
    """Aggregate the uids of the first rows (`rank` from 0), at most EVIDENCE_LIMIT."""
    return uid.collect(where=rank < EVIDENCE_LIMIT)


def as_findings(table: ibis.Table, details: Mapping[str, str]) -> ibis.Table:
    """Return the declared columns with the declared types."""
    schema = {**CORE, **details}
    return table.select(*schema).cast(ibis.schema(schema))
