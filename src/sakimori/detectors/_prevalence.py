"""How many inside hosts use each outside peer. No detector, so not in the registry."""

from __future__ import annotations

import ibis
from ibis import _

from sakimori.detectors._common import network_of, outbound
from sakimori.tables import PREVALENCE


def prevalence(conn: ibis.Table, tls: ibis.Table, http: ibis.Table, dns: ibis.Table) -> ibis.Table:
    """Return the table `prevalence`: hosts per outside address, /24 and name. Lazy."""
    pairs = outbound(conn).select(host="src_ip", peer="dst_ip").distinct()
    nets = pairs.mutate(peer=network_of(_.peer)).filter(_.peer.notnull()).distinct()
    names = ibis.union(
        tls.filter(_.src_inside, _.server_name.notnull()).select(host="src_ip", peer="server_name"),
        http.filter(_.src_inside, _.host.notnull()).select(host="src_ip", peer="host"),
        dns.filter(_.src_inside, _.query.notnull()).select(host="src_ip", peer="query"),
        distinct=True,
    )
    every = ibis.union(
        pairs.mutate(kind=ibis.literal("address")),
        nets.mutate(kind=ibis.literal("net")),
        names.mutate(kind=ibis.literal("name")),
    )
    hosts = every.agg(all_hosts=_.host.nunique())
    return (
        every.group_by("kind", "peer")
        .agg(hosts=_.count())
        .cross_join(hosts)
        .mutate(share=_.hosts / _.all_hosts)
        .select(*PREVALENCE.types)
        .cast(ibis.schema(PREVALENCE.types))
    )
