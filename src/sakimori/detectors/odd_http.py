"""Odd web requests: HTTP that a program on its own makes, with a peer that few use.

A peer is the Host of the requests, else their address, with its port. Each reason alone is weak and
worth a few points; together they tell:

    same_path        0.40  this path is asked of `many_names` different domains, and is a script or
                           takes posts: a list of gates is tried; the peer is then their address;
                           0.70 from `full_names` domains on
    posts            0.25  most requests carry a body, to at most three paths, without a page before
    address_as_host  0.20  the Host is an outside address
    odd_port         0.20  no port of the web; plain HTTP on 443 too
    script           0.25  a script (.php, .asp, .cgi, ...) is called again and again, without a page
    repeated         0.05  one path is asked for at least `many_times`, without a page
    rare_agent       0.15  a User-Agent that this host shows at most `few_peers` peers, and others many
    body_on_get      0.15  GET requests that carry a body
    no_agent         0.10  no User-Agent, though this network's requests are logged with theirs
    tool_agent       0.10  the User-Agent of a tool or a single word
    own_address      0.10  the host also asks a public service for its own address

    score            the sum, at most 1, x rarity of the peer in this network, x 0.4 where the host
                     uses `many_siblings` names or more of the same domain, as with software of a
                     known maker

Asking a public service for one's own address is a finding of its own at `own_address_score`, one for
a host and without a peer: thieves and bots begin with it, and so do some programs.

Also finds: telemetry of gadgets and antivirus programs, download tools, software of small makers.
Misses: controllers behind TLS, and bots that browse like people.
Source: RFC 9110 (Host, User-Agent, Referer, bodies of GET); Perdisci, Lee, Feamster 2010 (NSDI),
"Behavioral clustering of HTTP-based malware"; the points are this project's.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, asked, outbound, ramp, rarity, sample, web
from sakimori.detectors._peers import ADDRESS, OWN_ADDRESS, domain_of, own_address, weighed
from sakimori.tables import EVIDENCE_LIMIT

NAME = "odd_http"
TECHNIQUE = "T1071.001"  # Application Layer Protocol: Web Protocols
KIND = "web"
DOES = ""
WEIGHT = 4.2  # nats at full score; see docs/reference/scoring.md
READS = {
    "http": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "method", "host", "uri", "referrer",
             "user_agent", "req_bytes", "mime", "src_inside", "dst_inside"),
    "tls": ("ts", "uid", "src_ip", "server_name", "src_inside", "dst_inside"),
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "src_inside", "dst_inside"),
    "prevalence": ("kind", "peer", "hosts", "all_hosts"),
}  # fmt: skip
NEEDS = (("http.method", "http.dst_ip"), ("tls.server_name",), ("dns.query",))
REASONS = {  # field to points
    "same_path": 0.40, "posts": 0.25, "address_as_host": 0.20, "odd_port": 0.20, "script": 0.25,
    "repeated": 0.05, "rare_agent": 0.15, "body_on_get": 0.15, "no_agent": 0.10,
    "tool_agent": 0.10, "own_address": 0.10,
}  # fmt: skip
DETAILS = {
    "reasons": "array<string>",  # those of the list above that hold
    "style": "string",  # gates, posts, own-address or other: what SAYS depends on
    "agent": "string",  # a User-Agent shown to the peer
    "path": "string",  # one that was asked for
    "names": "int64",  # different hosts asked at this peer
    "posted": "float64",  # share of requests that carried a body
    "addresses": "array<string>",  # of the peer, at most 20; empty through a proxy
    "service": "string",  # asked for the own address; null for the rest
    "hosts": "int64",  # inside hosts that use this peer
    "rarity": "float64",  # 0..1
}
SAYS = (
    "made web requests to {peer} port {peer_port} that look like a program's, not a browser's"
    " (requests: {count})"
)
SAYS_IF = {
    "style=gates": (
        "asked many domains for the same path, also at {peer} (names there: {names}; requests:"
        " {count}; such as {path})"
    ),
    "style=posts": (
        "sent data to {peer} port {peer_port} by web requests without opening a page there"
        " (requests: {count}; with data: {posted_pct})"
    ),
    "style=own-address": "asked {service} for the address it is seen from",
}
INNOCENT = (
    "Gadgets, antivirus programs, updaters and programs of small makers also send such requests."
    " Hosts here that use this peer: {hosts}."
)
INNOCENT_IF = {
    "style=own-address": (
        "Many programs look up their own address: games, VPN and torrent clients, monitoring. By"
        " itself it says little. Hosts here that ask this service: {hosts}."
    ),
}
ASIDE = (
    "No single sign sets it aside, but several come together here. Hosts that use the peer:"
    " {hosts}. A gadget's or a small maker's program is not told apart."
)
ASIDE_IF = {
    "style=gates": (
        "A program of one maker asks that maker's names; this host asked names of many owners for"
        " one and the same path."
    ),
    "style=posts": (
        "{posted_pct} of the requests carried data, and no page was opened there; hosts here that"
        " use the peer: {hosts}. A gadget that reports to its maker is not told apart."
    ),
    "style=own-address": (
        "It was not: this adds a little to what other findings say, and decides nothing by itself."
    ),
}
NEXT = "Find the program that sends these requests to {peer}, and look at what they carry."
NEXT_IF = {
    "style=own-address": (
        "Find the program that asked {service}, and look at what the host did right after."
    ),
}

KEY = ("host", "peer", "peer_port")
WEB_PORTS = (80, 8080, 8000, 8008, 8081, 8888, 3128)
SCRIPT = r"(?i)\.(php[0-9]?|aspx?|ashx|jspx?|cgi|pl)$"
# Certificate checks of the system, and checks for a captive portal: the same path everywhere.
CHECKS = r"(?i)ocsp|crl"
TOOL = r"(?i)^(curl|wget|python|go-http|java|powershell|winhttp|libwww|lwp|perl|ruby|node|axios|autoit|nsis|inet)|powershell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as odd. Raises ValueError for limits that could match nothing."""

    min_posts: int = 3
    many_times: int = 10
    many_names: int = 6  # a blog engine's path on a few sites one visits is no list of gates
    full_names: int = 40
    many_siblings: int = 3
    min_peers: int = 4  # a host that speaks with fewer has no habits to differ from
    few_peers: int = 3  # a bot shows its agent to its gate, a spare one, and a store of its parts
    min_score: float = 0.38
    own_address_score: float = 0.4

    def __post_init__(self) -> None:
        if min(self.min_posts, self.many_times, self.many_names, self.many_siblings) < 1:
            raise ValueError("need counts of at least 1")
        if self.full_names <= self.many_names:
            raise ValueError(f"need {self.many_names=} < {self.full_names=}")
        if not 0 < self.min_score <= self.own_address_score <= 1:
            raise ValueError(f"need 0 < {self.min_score=} <= {self.own_address_score=} <= 1")


def detect(
    http: ibis.Table,
    tls: ibis.Table,
    dns: ibis.Table,
    prevalence: ibis.Table,
    config: Config,
) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    rows = _requests(http)
    requests = rows.select("ts", "uid", "path", host="host_ip", peer="name", agent="user_agent")
    lookups = own_address(requests, tls, dns)
    shapes = _with_gates(_shapes(rows), config)
    peers = _peers(_with_habits(shapes, config), lookups, config)
    odd = _scored(weighed(peers, prevalence), _siblings(peers, rows, tls, dns), config)
    # The requests behind a finding: those to the address whose names are gates, or to the name.
    told = rows.inner_join(odd.select(*KEY, "gates"), [
        rows.host_ip == odd.host,
        rows.peer_port == odd.peer_port,
        odd.gates.ifelse(rows.dst_ip, rows.name) == odd.peer,
    ]).select("ts", "uid", *(odd[c] for c in KEY))  # fmt: skip
    ranked = told.mutate(
        rank=ibis.row_number().over(ibis.window(group_by=KEY, order_by=["ts", "uid"]))
    )
    evidence = ranked.group_by(KEY).agg(evidence=sample(_.uid, _.rank))
    found = odd.inner_join(evidence, list(KEY)).mutate(proto=ibis.literal("tcp"))
    asking = _asking(lookups, prevalence, config)
    return ibis.union(as_findings(found, DETAILS), as_findings(asking, DETAILS))


def _requests(http: ibis.Table) -> ibis.Table:
    """Return requests to the outside; `page`: made from a page that was open."""
    asked_for = web(http).filter(_.method.notnull(), _.method != "CONNECT", _.dst_port.notnull())
    name = ibis.coalesce(asked_for.host, asked_for.dst_ip)
    path = asked_for.uri.re_replace(r"^https?://[^/]*", "").re_extract(r"^([^?;#]*)", 1)
    return asked_for.mutate(
        host_ip="src_ip",
        peer_port="dst_port",
        name=name,
        path=path,
        by_address=(asked_for.host == asked_for.dst_ip) | asked_for.host.re_search(ADDRESS),
        by_proxy=asked_for.dst_inside,
        page=asked_for.referrer.notnull(),
        body=(_.req_bytes > 0) | _.method.isin(("POST", "PUT")),
    )


def _shapes(rows: ibis.Table) -> ibis.Table:
    """Return one row per host, peer and everything alike, with a count."""
    alike = ("host_ip", "name", "dst_ip", "peer_port", "method", "path", "user_agent", "by_address",
             "by_proxy", "page", "body", "mime")  # fmt: skip
    return rows.group_by(alike).agg(rows=_.count(), first_seen=_.ts.min(), last_seen=_.ts.max())


def _with_gates(shapes: ibis.Table, config: Config) -> ibis.Table:
    """Mark requests for a path that the host asks many domains for; give them their peer."""
    bare = shapes.path.length() <= 1
    check = shapes.name.re_search(CHECKS) | shapes.mime.contains("ocsp").fill_null(False)
    candidate = ~bare & ~check & (shapes.path.re_search(SCRIPT) | (shapes.method == "POST"))
    asked_of = shapes.filter(candidate.fill_null(False), ~_.by_address.fill_null(False))
    asked_of = asked_of.mutate(domain=domain_of(_.name))
    many = asked_of.group_by("host_ip", "path").agg(domains=_.domain.nunique())
    many = many.filter(_.domains >= config.many_names)
    table = shapes.left_join(many, ["host_ip", "path"]).drop("host_ip_right", "path_right")
    gates = (table.domains.notnull() & ~table.by_proxy).fill_null(False)
    return table.mutate(
        host=table.host_ip, gates=gates, check=check.fill_null(False),
        peer=gates.ifelse(table.dst_ip, table.name),
    )  # fmt: skip


def _with_habits(shapes: ibis.Table, config: Config) -> ibis.Table:
    """Join how many peers the host shows each User-Agent, and whether these are logged at all."""
    with_agent = shapes.filter(_.user_agent.notnull())
    shown = with_agent.group_by("host", "user_agent").agg(shown_to=_.peer.nunique())
    habits = shown.group_by("host").agg(usual=_.shown_to.max())
    logged = shapes.agg(agents_logged=_.user_agent.notnull().any())
    table = shapes.cross_join(logged).left_join(shown, ["host", "user_agent"])
    table = table.drop("host_right", "user_agent_right").left_join(habits, "host")
    table = table.drop("host_right")
    agent = table.user_agent
    return table.mutate(
        rare=(table.shown_to <= config.few_peers)
        & (table.usual >= config.min_peers * table.shown_to),
        tool=agent.re_search(TOOL) | ~agent.contains("/"),
        silent=agent.isnull() & table.agents_logged,
    )


def _peers(shapes: ibis.Table, lookups: ibis.Table, config: Config) -> ibis.Table:
    """Return one row per host and peer, with every reason as a flag."""
    per_path = shapes.group_by(*KEY, "path").agg(times=_.rows.sum(), pages=_.page.any())
    busiest = per_path.group_by(KEY).agg(
        times=_.times.max(),
        paths=_.count(),
        called=_.times.max(where=_.path.re_search(SCRIPT)),
    )
    peers = shapes.group_by(KEY).agg(
        first_seen=_.first_seen.min(),
        last_seen=_.last_seen.max(),
        count=_.rows.sum(),
        names=_.name.nunique(),
        agent=_.user_agent.max(),
        path=_.path.max(),
        with_body=_.rows.sum(where=_.body),
        without_page=_.rows.sum(where=~_.page),
        silent=_.rows.sum(where=_.silent),
        gates=_.gates.any(),
        domains=_.domains.max(where=_.gates),
        addresses=_.dst_ip.collect(where=~_.by_proxy, distinct=True).sort()[:EVIDENCE_LIMIT],
        by_address=_.by_address.any(),
        check=_.check.any(),
        odd_port=~_.peer_port.isin(WEB_PORTS).any(),
        rare_agent=_.rare.any(),
        tool_agent=_.tool.any(),
        body_on_get=((_.method == "GET") & _.body).any(),
    )
    table = peers.inner_join(busiest, list(KEY)).left_join(
        lookups.select("host").distinct().mutate(own_address=True), "host"
    )
    lone = table.without_page >= 0.8 * table["count"]
    posts = (table.with_body >= config.min_posts) & (table.with_body >= 0.6 * table["count"])
    flags = {
        "same_path": table.gates,
        "posts": posts & lone & (table.paths <= 3),
        "address_as_host": table.by_address,
        "odd_port": table.odd_port,
        "script": (table.called >= config.min_posts) & lone,
        "repeated": (table.times >= config.many_times) & lone & (table.times >= table["count"] / 2),
        "rare_agent": table.rare_agent,
        "body_on_get": table.body_on_get,
        "no_agent": table.silent == table["count"],
        "tool_agent": table.tool_agent & ~table.rare_agent.fill_null(False),
        "own_address": table.own_address,
    }
    marked = table.select(
        *KEY, "first_seen", "last_seen", "count", "names", "agent", "path", "gates", "check",
        "domains", "addresses", posted=table.with_body.fill_null(0) / table["count"],
        **{name: flag.fill_null(False) for name, flag in flags.items()},
    )  # fmt: skip
    more = 0.3 * ramp(marked.domains.fill_null(0), config.many_names, config.full_names)
    points = sum((marked[name].ifelse(worth, 0.0) for name, worth in REASONS.items()), more)
    return marked.mutate(points=points).filter(
        _.points >= config.min_score, ~_.check, ~_.peer.isin(OWN_ADDRESS)
    )


def _siblings(peers: ibis.Table, rows: ibis.Table, tls: ibis.Table, dns: ibis.Table) -> ibis.Table:
    """Return how many names of each domain these peers' hosts use."""
    names = ibis.union(
        rows.select(host="host_ip", name="name"),
        outbound(tls).select(host="src_ip", name="server_name"),
        asked(dns).select(host="src_ip", name="query"),
    )
    by_name = names.semi_join(peers, ["host"]).filter(_.name.notnull(), ~_.name.re_search(ADDRESS))
    domains = by_name.mutate(domain=domain_of(_.name)).group_by("host", "domain")
    return domains.agg(siblings=_.name.nunique())


def _scored(peers: ibis.Table, siblings: ibis.Table, config: Config) -> ibis.Table:
    table = peers.mutate(domain=domain_of(peers.peer)).left_join(siblings, ["host", "domain"])
    table = table.drop("host_right", "domain_right")
    known_maker = table.siblings.fill_null(1) >= config.many_siblings
    names = [table[name].ifelse(name, ibis.null("string")) for name in REASONS]
    style = ibis.cases((table.gates, "gates"), (table.posts, "posts"), else_="other")
    return table.mutate(
        score=ibis.least(table.points, 1.0) * table.rarity * known_maker.ifelse(0.4, 1.0),
        reasons=ibis.array(names).filter(lambda name: name.notnull()),
        style=style,
        service=ibis.null("string"),
    ).filter(_.score >= config.min_score)


def _asking(lookups: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return one finding per host that looked its own address up."""
    known = prevalence.filter(_.kind == "name").select("peer", "hosts", "all_hosts")
    table = lookups.left_join(known, "peer").drop("peer_right")
    rare = rarity(table.hosts.fill_null(1), table.all_hosts.fill_null(1))
    ranked = table.mutate(
        rarity=rare,
        rank=ibis.row_number().over(ibis.window(group_by="host", order_by=["ts", "uid", "peer"])),
    )
    found = ranked.group_by("host").agg(
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        count=_.uid.nunique(),
        names=_.peer.nunique(),
        service=_.peer.first(order_by=_.rank),
        hosts=_.hosts.fill_null(1).min(),
        rarity=_.rarity.max(),
        path=_.path.max(),
        agent=_.agent.max(),
        evidence=sample(_.uid, _.rank),
    )
    scored = found.mutate(
        score=found.rarity * config.own_address_score,
        peer=ibis.null("string"),
        peer_port=ibis.null("int32"),
        proto=ibis.null("string"),
        reasons=ibis.array(["own_address"]),
        style=ibis.literal("own-address"),
        posted=ibis.null("float64"),
        addresses=ibis.null("array<string>"),
    )
    return scored.filter(_.score >= config.min_score)
