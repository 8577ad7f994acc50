"""Fast flux: a name whose addresses keep changing among machines of many networks, most likely bots.

Counted are the IPv4 addresses that any question of this network for a name was answered with (what a
CNAME led to included). A /16 stands in for the network an address belongs to, as no table of autonomous
systems is at hand; blocks that clouds hold as a whole count as one network together, because a
balancer in a cloud also answers with ever new addresses from all over its blocks. Per name:

    networks   distinct /16, the clouds one
    spread     networks / addresses: of a CDN, many addresses share few networks
    growth     share of the addresses that came up only after the first half of the lookups
    score      0.3 at `min_networks` to 1 at `full_networks`, x stretch of the spread from 0.3 to 0.7,
               x stretch of the median time to live from `slow_ttl_s` (0) to `fast_ttl_s` (1; 0.7 where
               unknown), x (0.5 + growth, at most 1), x rarity of the name in this network,
               x 0 where the host only asked the addresses for the time, x 0.6 where it called none,
               x 0.3 for names that say ntp, time, seed or pool

Each host that asked for such a name has a finding. `alike` counts other names that led to at least three
of the same addresses: one network of proxies under many names.

Also finds: pools of volunteers' servers (time, peer-to-peer seeds, relays), VPN entry names.
Misses: flux within one network or cloud, over IPv6 or behind a few lookups; name-server flux, which
answers to clients do not show.
Source: features after Holz et al. 2008, "Measuring and Detecting Fast-Flux Service Networks", with
networks for autonomous systems; its linear weights were fitted to other data and are not used.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, asked, ramp, rarity, sample

NAME = "fast_flux"
TECHNIQUE = "T1568.001"  # Dynamic Resolution: Fast Flux DNS
KIND = "names"
DOES = ""
WEIGHT = 2.6  # nats at full score; no capture holds flux, so little
READS = {
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "answers", "ttls", "src_inside",
            "dst_inside"),
    "conn": ("src_ip", "dst_ip", "dst_port", "proto", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("dns.query", "dns.answers"),)
DETAILS = {
    "places": "int64",  # distinct IPv4 addresses answered to anybody here
    "networks": "int64",  # distinct /16 of them, clouds' blocks one together
    "ttl_s": "float64",  # median time to live; null where not recorded
    "growth": "float64",  # share of addresses that came up in the second half of the lookups
    "lookups": "int64",  # answered questions of all hosts
    "called": "int64",  # of the addresses, called by this host for more than the time
    "alike": "int64",  # other names that led to at least three of the addresses
    "examples": "array<string>",  # up to 10 of the addresses
    "hosts": "int64",  # inside hosts that use the name
    "rarity": "float64",  # 0..1
}
SAYS = "asked for {peer}, which changed among {places} addresses in {networks} networks"
INNOCENT = (
    "Pools of volunteers (time servers, peer-to-peer seeds, relays) and entry names of VPN"
    " services also lead to machines all over the world."
)
ASIDE = (
    "Names that say time, seed or pool count for less, and a host that only asks for the time for"
    " nothing. {host} called {called} of the {places} addresses, {growth_pct} of which came up"
    " only later. Entry names of VPN services are not told apart."
)
NEXT = (
    "Find the program that asks for {peer}; if nobody knows the name, block it, not its addresses."
)

# First numbers of IPv4 blocks that a few clouds and CDNs hold nearly as a whole.
CLOUDS = ("3", "13", "15", "18", "20", "23", "34", "35", "40", "44", "52", "54", "104")
# The same, of their older blocks, by the first two numbers.
CLOUD_BLOCKS = ("50.16", "50.17", "50.18", "50.19", "75.101", "107.20", "107.21", "107.22", "107.23",
                "174.129", "184.72", "184.73", "184.169", "204.236")  # fmt: skip
POOLS = r"(^|[.-])([0-9]*ntp|time|seeds?|dnsseed|pool)[0-9]*[.-]"
TIME_PORT = 123
IPV4 = r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as flux. Raises ValueError for limits that could match nothing."""

    # No capture at hand holds flux. The widest name of the clean ones has 4 networks (16 addresses of
    # one cloud's balancers, each in another /16, count as one); twice that is a margin, no more.
    min_networks: int = 8
    full_networks: int = 24
    min_lookups: int = 3  # one answer may be a list that never changes
    fast_ttl_s: float = 600.0
    slow_ttl_s: float = 3600.0
    same_addresses: int = 3
    min_score: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.min_networks < self.full_networks:
            raise ValueError(f"need 0 < {self.min_networks=} < {self.full_networks=}")
        if not 0 <= self.fast_ttl_s < self.slow_ttl_s:
            raise ValueError(f"need 0 <= {self.fast_ttl_s=} < {self.slow_ttl_s=}")


def detect(dns: ibis.Table, conn: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    answered = _answered(dns)
    pairs = _wide(answered, config)
    lookups = answered.semi_join(pairs, ["name"])
    flux = _shape(lookups, pairs).filter(
        _.networks >= config.min_networks, _.lookups >= config.min_lookups
    )
    flux = flux.left_join(_alike(pairs, config), "name").drop("name_right")
    hosts = _by_host(lookups.semi_join(flux, ["name"]))
    found = hosts.inner_join(flux, "name")
    called = _called(conn, pairs.semi_join(flux, ["name"]))
    found = found.left_join(called, ["host", "name"]).drop("host_right", "name_right")
    known = prevalence.filter(_.kind == "name").select("all_hosts", name="peer", hosts="hosts")
    found = found.left_join(known, "name").drop("name_right")
    hits = _score(found, config).filter(_.score >= config.min_score)
    return as_findings(
        hits.mutate(
            peer=_.name,
            peer_port=ibis.null("int32"),
            proto=ibis.null("string"),
            alike=_.alike.fill_null(0),
        ),
        DETAILS,
    )


def _answered(dns: ibis.Table) -> ibis.Table:
    """Return inside hosts' questions that were answered, with the last record's time to live."""
    return (
        asked(dns)
        .filter(_.answers.length() > 0, _.query.contains("."), ~_.query.endswith(".arpa"))
        .select(
            "ts", "uid", "answers", host="src_ip", name="query",
            # CNAMEs come first, and keep longer than what they lead to.
            ttl=(_.ttls.length() > 0).ifelse(_.ttls[_.ttls.length() - 1], ibis.null("float64")),
        )
    )  # fmt: skip


def _wide(answered: ibis.Table, config: Config) -> ibis.Table:
    """Return name, address, network and first time of the names with enough networks."""
    each = answered.select("name", "ts", address=answered.answers.unnest())
    first = each.group_by("name", "address").agg(first=_.ts.min())
    first = first.filter(_.address.re_search(IPV4))
    octets = first.address.split(".")
    block = octets[0].concat(".", octets[1])
    in_cloud = octets[0].isin(CLOUDS) | block.isin(CLOUD_BLOCKS)
    network = in_cloud.ifelse("cloud", block)
    pairs = first.mutate(network=network)
    counts = pairs.group_by("name").agg(networks=_.network.nunique())
    return pairs.semi_join(counts.filter(_.networks >= config.min_networks), ["name"])


def _shape(lookups: ibis.Table, pairs: ibis.Table) -> ibis.Table:
    """Return one row per name with what its answers look like."""
    rates = lookups.group_by("name").agg(
        lookups=_.count(), ttl_s=_.ttl.median(), middle=_.ts.epoch_seconds().median()
    )
    late = pairs.inner_join(rates.select("name", "middle"), "name")
    listed = late.mutate(
        late=late.first.epoch_seconds() > late.middle,
        rank=ibis.row_number().over(ibis.window(group_by="name", order_by=("first", "address"))),
    )
    wide = listed.group_by("name").agg(
        places=_.count(),
        networks=_.network.nunique(),
        growth=_.late.cast("float64").mean(),
        examples=_.address.collect(where=_.rank < 10),
    )
    return wide.inner_join(rates.drop("middle"), "name")


def _alike(pairs: ibis.Table, config: Config) -> ibis.Table:
    """Return for each name how many others of `pairs` share addresses with it."""
    one = pairs.select("name", "address")
    other = pairs.select("address", other="name")
    both = one.inner_join(other, "address").filter(_.name != _.other)
    same = both.group_by("name", "other").agg(same=_.count())
    return same.filter(_.same >= config.same_addresses).group_by("name").agg(alike=_.count())


def _by_host(lookups: ibis.Table) -> ibis.Table:
    key = ("host", "name")
    ranked = lookups.mutate(
        rank=ibis.row_number().over(ibis.window(group_by=key, order_by=("ts", "uid")))
    )
    return ranked.group_by(key).agg(
        first_seen=_.ts.min(), last_seen=_.ts.max(), count=_.count(), evidence=sample(_.uid, _.rank)
    )


def _called(conn: ibis.Table, pairs: ibis.Table) -> ibis.Table:
    """Return per host and name how many addresses were called, and for more than the time."""
    calls = conn.filter(conn.src_inside, ~conn.dst_inside).select(
        host="src_ip", address="dst_ip", timed=(_.dst_port == TIME_PORT).fill_null(False)
    )
    calls = calls.semi_join(pairs, ["address"]).distinct()
    joined = calls.inner_join(pairs.select("name", "address"), "address")
    return joined.group_by("host", "name").agg(
        reached=_.address.nunique(), called=_.address.nunique(where=~_.timed)
    )


def _score(found: ibis.Table, config: Config) -> ibis.Table:
    hosts = found.hosts.fill_null(1)
    rare = rarity(hosts, found.all_hosts.fill_null(1))
    size = 0.3 + 0.7 * ramp(found.networks, config.min_networks, config.full_networks)
    spread = ramp(found.networks / found.places, 0.3, 0.7)
    quick = 1 - ramp(found.ttl_s, config.fast_ttl_s, config.slow_ttl_s)
    growing = ibis.least(0.5 + found.growth, 1.0)
    reached, called = found.reached.fill_null(0), found.called.fill_null(0)
    use = (called > 0).ifelse(1.0, (reached > 0).ifelse(0.0, 0.6))
    pool = found.name.re_search(POOLS).ifelse(0.3, 1.0)
    return found.mutate(
        hosts=hosts,
        rarity=rare,
        called=called,
        score=size * spread * quick.fill_null(0.7) * growing * use * pool * rare,
    )
