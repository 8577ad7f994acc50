"""What a peer's name or address tells, for several detectors. No detector, so not in the registry."""

from __future__ import annotations

from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import asked, network_of, outbound, rarity

# A Host or server name that is an address.
ADDRESS = r"^[0-9]+(\.[0-9]+){3}$|:"
# Services that answer with the caller's address; facts of the services' own pages.
OWN_ADDRESS = (
    "api.ipify.org", "api64.ipify.org", "api4.ipify.org", "icanhazip.com", "ipv4.icanhazip.com",
    "checkip.dyndns.org", "checkip.dyndns.com", "checkip.amazonaws.com", "ip-api.com",
    "pro.ip-api.com", "ifconfig.me", "ifconfig.co", "ifconfig.io", "ipinfo.io", "ident.me",
    "v4.ident.me", "myexternalip.com", "www.myexternalip.com", "wtfismyip.com", "ipv4.wtfismyip.com",
    "freegeoip.app", "freegeoip.net", "reallyfreegeoip.org", "ipecho.net", "ip.42.pl",
    "bot.whatismyipaddress.com", "whatismyip.akamai.com", "ipv4bot.whatismyipaddress.com",
    "api.myip.com", "geoplugin.net", "www.geoplugin.net", "api.ip.sb", "ip.sb", "ipwho.is",
    "ipwhois.app", "eth0.me", "api.2ip.ua", "ip4.seeip.org", "api.seeip.org", "www.trackip.net",
    "ip.anysrc.net", "api.db-ip.com", "l2.io", "curlmyip.com", "showip.net",
)  # fmt: skip


def domain_of(name: Any) -> Any:
    """Return the last two labels of a name, or three under the like of co.uk."""
    three = name.re_extract(r"([^.]+\.[^.]{1,3}\.[^.]{2})$", 1)
    two = name.re_extract(r"([^.]+\.[^.]+)$", 1)
    return ibis.coalesce(three.nullif(""), two.nullif(""), name)


def weighed(peers: ibis.Table, prevalence: ibis.Table) -> ibis.Table:
    """Join how common the peer is here, by its name, or by its address or /24."""
    nets = prevalence.filter(_.kind == "net").select(net="peer", net_hosts="hosts")
    # An address as a Host counts as a name, too.
    known = prevalence.filter(_.kind != "net").semi_join(peers, ["peer"]).group_by("peer")
    used = known.agg(hosts=_.hosts.max(), all_hosts=_.all_hosts.max())
    table = peers.mutate(net=network_of(peers.peer)).left_join(used, "peer")
    table = table.drop("peer_right").left_join(nets, "net")
    hosts = table.hosts.fill_null(1)
    used_by = ibis.greatest(hosts, table.net_hosts.fill_null(1))
    return table.mutate(hosts=hosts, rarity=rarity(used_by, table.all_hosts.fill_null(1)))


def own_address(names: ibis.Table, tls: ibis.Table, dns: ibis.Table) -> ibis.Table:
    """Return look-ups of the own address by whatever protocol: ts, uid, host, peer, path, agent.

    `names` are web requests with these columns.
    """
    nothing = {"path": ibis.null("string"), "agent": ibis.null("string")}
    return ibis.union(
        names.select("ts", "uid", "host", "peer", "path", "agent"),
        outbound(tls).select("ts", "uid", host="src_ip", peer="server_name", **nothing),
        asked(dns).select("ts", "uid", host="src_ip", peer="query", **nothing),
    ).filter(_.peer.isin(OWN_ADDRESS))
