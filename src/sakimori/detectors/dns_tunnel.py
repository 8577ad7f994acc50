"""DNS tunnels: data carried in the names a host asks for, or straight through port 53.

Names. Per host and domain (the registered name; one label more where all its names share it) the
distinct names asked for are looked at. A name *carries* when what stands before the domain reads
like coded data (in a letter model, `min_excess` nats a letter above ordinary names), or when its record type
can carry text (TXT, NULL, CNAME, MX, KEY, private types). Names of services (`_dmarc`), names made
of an address (block lists, dial-up hosts) and look-ups in well-known reputation services do not.

    letters   of the names that carry, each name once, and of the texts answered to them: in the
              busiest hour, or a sixth of those of the busiest day if that is more
    volume    stretch of ln letters from `min_letters` (0) to `full_letters` (1)
    coded     share of the names that carry, stretched from 0.3 to 0.8
    unused    1 where no host here went to the addresses answered, 0 where at least 3 in 10 names
              led somewhere, as a content network's do; 0.8 where no traffic but DNS is seen (0
              where no answers are logged either); or the share of text types if that is more; less
              the share answered 127.x.x.x, as reputation services answer
    fresh     distinct names per question, stretched from 0.05 to 0.4
    plain     0.7, and 0.3 more by the share of text types, or by the mean length of a name
    score     product of these, x rarity of the domain in this network

The server asked is a finding of its own (details.via `server`), with the same score, when it is
outside, used by nobody else here and asked for hardly anything else: the tunnel's other end.

Flows (details.via `flows`). Per host and outside server on port 53 that no other host uses: the
bytes of connections whose mean packet from the host is larger than any question (`min_packet`), or
of which one alone moved more than look-ups do (`min_flow` bytes) where packets are not counted.

    score     0.55 x stretch of ln bytes from `min_bytes` to `full_bytes` x rarity

Also finds: random-subdomain floods, look-ups of hashes in a reputation service not known here,
VPNs that use port 53 to get out.
Misses: a beacon that asks for less than `min_names` names a day, data in names that read like
words, tunnels over encrypted DNS (they are TLS to a resolver), data coded in 127.x.x.x answers.
Source: features after Born and Gustafson 2010, arXiv:1004.4358, and Nadler et al. 2019,
doi:10.1016/j.cose.2018.09.006; iodine, dnscat2 and dns2tcp documentation; RFC 5782 for 127.x.x.x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, asked, outbound, ramp, rarity, sample
from sakimori.detectors._domains import ADDRESS_IN_NAME, SERVICE_LABEL, split
from sakimori.detectors._names import made_up

NAME = "dns_tunnel"
TECHNIQUE = "T1071.004"  # Application Layer Protocol: DNS; also T1048.003 and T1572
KIND = "tunnel"
DOES = ""
WEIGHT = 6.5  # nats at full score; see docs/reference/scoring.md
READS = {
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "qtype", "answers", "src_inside",
            "dst_inside"),
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "src_bytes", "dst_bytes",
             "src_pkts", "src_inside", "dst_inside"),
    "prevalence": ("all_hosts",),
}  # fmt: skip
NEEDS = (("dns.query",), ("conn.src_bytes", "conn.dst_port"))
FUNCTIONS = {made_up: "string"}  # of the engine's own making, with the type they take
DETAILS = {
    "via": "string",  # names, server or flows
    "names": "int64",  # distinct names asked for under the domain
    "letters": "int64",  # carried in all: letters of names, and of texts answered
    "per_hour": "int64",  # of them in the busiest hour, or a sixth of the busiest day
    "coded": "float64",  # share of the names that carry
    "texts": "float64",  # share of the names asked with a type that can carry text
    "fresh": "float64",  # distinct names per question
    "used": "float64",  # share of the names whose address somebody here went to; null: not known
    "bytes": "int64",  # both ways, of the large flows (via flows)
    "addresses": "array<string>",  # servers asked that nobody else here uses
    "examples": "array<string>",  # up to 5 names
    "hosts": "int64",  # inside hosts that ask for names under the domain, or use the server
    "rarity": "float64",  # 0..1
}
SAYS = "asked for {names} names under {peer} that read like coded data, {letters} letters in all"
SAYS_IF = {
    "via=server": (
        "sent {count} questions to the DNS server {peer}, nearly all for coded names; it is used"
        " here for hardly anything else"
    ),
    "via=flows": "moved {bytes} bytes through port 53 of {peer}, in packets too large for look-ups",
}
INNOCENT = (
    "Virus scanners and mail filters look up hashes as names, content networks make odd names,"
    " and some VPNs use port 53 to get out. Who owns {peer} tells; hosts here that use it:"
    " {hosts}."
)
ASIDE = (
    "Look-ups in well-known reputation services are left out. Of the {names} names {coded_pct}"
    " look like coded data or ask for text; hosts here that use the domain: {hosts}. A service"
    " that is not well known is not told apart."
)
ASIDE_IF = {
    "via=server": (
        "A public resolver is asked for names of all kinds, and this server was asked for hardly"
        " anything but coded names. Hosts here that use it: {hosts}."
    ),
    "via=flows": (
        "Nothing here tells it from a VPN that uses port 53. What counts is that no other host"
        " here uses this server, and that {bytes} bytes went through it."
    ),
}
NEXT = (
    "Find out who owns {peer}, and which program on the host asks it; if nobody knows it, block"
    " the domain at the resolver and port 53 to the outside."
)

# Types whose answers can hold what a tunnel's other end wants to say. Sensors write a type without
# a name by its number: iodine's PRIVATE is 65399.
TEXTS = ("TXT", "NULL", "CNAME", "MX", "KEY", "SPF", "PRIVATE")
PRIVATE = r"^(TYPE|QUERY-|query-|type)?(10|65[2-5][0-9][0-9])$"
FREE = ("TXT", "NULL", "KEY", "SPF", "PRIVATE")  # of them those whose answer is no name
# Services whose names are hashes, addresses or keys by design; their domains are their owners'.
REPUTATION = (
    "mcafee.com", "sophosxl.net", "sophos.com", "e5.sk", "eset.com", "trendmicro.com",
    "bitdefender.net", "f-secure.com", "kaspersky-labs.com", "kaspersky.com", "norton.com",
    "symantec.com", "brightcloud.com", "webroot.com", "avast.com", "avg.com", "avira.com",
    "spamhaus.org", "spamhaus.net", "cymru.com", "surbl.org", "uribl.com", "msbl.org", "sorbs.net",
    "spamcop.net", "abuseat.org", "barracudacentral.org", "barracuda.com", "senderbase.org",
    "dnswl.org", "mailspike.net", "invaluement.com", "spfbl.net", "abusix.zone", "nixspam.net",
    "support-intelligence.net", "habeas.com", "isipp.com", "rfc-ignorant.org", "mcafeegti.com",
    "trustedsource.org", "webcfs00.com", "webcfs01.com", "rbldns.ru", "fortiguard.net",
    "opendns.com", "umbrella.com", "ethdisco.net", "ask.dshield.org", "dshield.org",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as a tunnel. Raises ValueError for limits that could match nothing."""

    # Desktop captures: at most 47 names under one domain (a content network) in six hours.
    min_names: int = 20
    # Letters an hour. Two short names a minute carry about 1,500; a shell or a file tens of
    # thousands. Odd names of content networks and trackers stayed below 700.
    min_letters: int = 600
    full_letters: int = 6_000
    min_stem: int = 6  # shorter stems cannot say much
    # Nats a letter above an ordinary name's: letters drawn at random 1.4, words below 0.
    min_excess: float = 1.0
    min_packet: int = 250  # bytes with headers: a question is 50 to 120, with cookies 150
    min_flow: int = 100_000  # bytes of one connection where packets are not counted
    min_bytes: int = 50_000
    full_bytes: int = 5_000_000
    own_share: float = 0.9  # of a server's questions: asked for nothing else
    min_score: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.min_letters < self.full_letters or self.min_names < 2:
            raise ValueError(f"need 0 < min_letters < full_letters and {self.min_names=} > 1")
        if not 0 < self.min_bytes < self.full_bytes:
            raise ValueError(f"need 0 < {self.min_bytes=} < {self.full_bytes=}")


def detect(dns: ibis.Table, conn: ibis.Table, prevalence: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    network = prevalence.agg(all_hosts=_.all_hosts.max())
    questions = _questions(dns)
    names = _names_worth_a_look(questions, network, config)
    few = questions.inner_join(names, ["host", "query"])
    each = _each_name(few, _gone_to(few, conn))
    # Where no answers are logged, that names led nowhere is not known and counts for nothing.
    logged = (dns.answers.length() > 0).any().fill_null(False)
    unknown = dns.agg(unknown=logged.ifelse(0.8, 0.0))
    domains = _scored(_domains(each).cross_join(unknown), config)
    servers = _own_servers(questions, few, domains, config)
    with_servers = domains.left_join(
        servers.group_by("host", "zone").agg(addresses=_.peer.collect(order_by=_.peer)),
        ["host", "zone"],
    ).drop("host_right", "zone_right")
    by_name = as_findings(with_servers, DETAILS)
    by_server = as_findings(servers, DETAILS)
    return by_name.union(by_server).union(as_findings(_flows(conn, network, config), DETAILS))


def _questions(dns: ibis.Table) -> ibis.Table:
    """Return what hosts ask servers for; not what they ask a whole segment (mDNS, LLMNR)."""
    told = asked(dns).filter(_.dst_inside.notnull(), _.query.contains("."))
    told = told.filter(_.qtype.isnull() | (_.qtype != "PTR"))
    is_private = _.qtype.re_search(PRIVATE)
    texts = (_.qtype.isin(TEXTS) | is_private).fill_null(False)
    free = (_.qtype.isin(FREE) | is_private).fill_null(False)
    return told.mutate(texts=texts, free=free).select(
        "ts", "uid", "query", "texts", "free", "answers", host="src_ip", server="dst_ip",
        server_inside="dst_inside",
    )  # fmt: skip


def _names_worth_a_look(questions: ibis.Table, network: ibis.Table, config: Config) -> ibis.Table:
    """Return the names of domains under which a host asked for many: host, query, zone, carries."""
    pairs = questions.group_by("host", "query").agg(texts=_.texts.any())
    split_names = split(pairs.select("query").distinct())
    telling = split_names.filter(
        _.stem.length() > 0,
        ~_.zone.isin(REPUTATION),
        ~_.stem.re_search(SERVICE_LABEL),
        ~_.stem.re_search(ADDRESS_IN_NAME),
    )
    told = pairs.inner_join(telling, "query")
    users = told.group_by("zone").agg(hosts=_.host.nunique()).cross_join(network)
    users = users.select("zone", "hosts", rarity=rarity(_.hosts, _.all_hosts.fill_null(1)))
    users = users.filter(_.rarity >= config.min_score)
    # A sensor writes a byte that is no letter as \xNN.
    plainly = told.mutate(plain=_.stem.re_replace(r"\\x[0-9a-fA-F]{2}", "-").replace(".", ""))
    many = plainly.group_by("host", "zone").agg(names=_.count())
    many = many.filter(_.names >= config.min_names).inner_join(users, "zone")
    kept = plainly.inner_join(many.select("host", "zone", "hosts", "rarity"), ["host", "zone"])
    # The model sees each distinct stem of these few domains once.
    stems = kept.select("plain").distinct()
    judged = stems.mutate(
        odd=(_.plain.length() >= config.min_stem)
        & (made_up(_.plain) >= config.min_excess * _.plain.length())
    )
    return kept.inner_join(judged, "plain").select(
        "host", "query", "zone", "below", "stem", "hosts", "rarity", carries=_.odd | _.texts,
        length=_.plain.length(),
    )  # fmt: skip


def _gone_to(few: ibis.Table, conn: ibis.Table) -> ibis.Table:
    """Return the names answered with addresses: host, query, used, local (127.x.x.x).

    used says whether anybody here went there; null where the sensor sees no traffic but DNS of the
    host. Questions themselves (port 53) do not count: tunnels answer with a resolver's address.
    """
    told = few.filter(_.answers.length() > 0).select("host", "query", "answers")
    each = told.select("host", "query", address=_.answers.unnest())
    each = each.filter(
        _.address.re_search(r"^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$|^[0-9a-f:]+:[0-9a-f:.]*$")
    )
    visits = conn.filter(_.src_inside, _.dst_port.notnull(), _.dst_port != 53)
    places = visits.select(address="dst_ip", there=ibis.literal(1)).distinct()
    seen = outbound(visits).select(host="src_ip", seen=ibis.literal(1)).distinct()
    met = each.left_join(places, "address").left_join(seen, "host")
    return met.group_by("host", "query").agg(
        used=_.seen.isnull().ifelse(ibis.null("float64"), _.there.notnull().cast("float64")).max(),
        local=_.address.startswith("127.").all().cast("float64"),
    )


def _each_name(few: ibis.Table, gone_to: ibis.Table) -> ibis.Table:
    """Return one row per host and name: first asked, how often, and what it carried."""
    text = few.answers.filter(lambda answer: answer.length() > 0)[0].length().fill_null(0)
    each = few.mutate(text=few.free.ifelse(text, 0)).group_by("host", "zone", "query").agg(
        ts=_.ts.min(), last=_.ts.max(), uid=_.uid.argmin(_.ts), asked=_.count(),
        texts=_.texts.any(), text=_.text.max(), carries=_.carries.any(), length=_.length.max(),
        below=_.below.max(), stem=_.stem.max(), hosts=_.hosts.max(), rarity=_.rarity.max(),
    )  # fmt: skip
    met = each.left_join(gone_to, ["host", "query"]).drop("host_right", "query_right")
    return met.mutate(letters=_.carries.ifelse(_.length + _.text, 0))


def _domains(each: ibis.Table) -> ibis.Table:
    """Return one row per host and domain."""
    key = ("host", "zone")
    hours = each.group_by(*key, slot=_.ts.truncate("h")).agg(letters=_.letters.sum())
    days = each.group_by(*key, slot=_.ts.truncate("D")).agg(letters=_.letters.sum() / 6)
    busiest = ibis.union(
        hours.select(*key, letters=_.letters.cast("float64")), days.select(*key, "letters")
    )
    busiest = busiest.group_by(key).agg(per_hour=_.letters.max())
    order = [_.carries.desc(), _.ts, _.query]
    ranked = each.mutate(rank=ibis.row_number().over(ibis.window(group_by=key, order_by=order)))
    summed = ranked.group_by(key).agg(
        first_seen=_.ts.min(),
        last_seen=_["last"].max(),
        count=_.asked.sum(),
        names=_.count(),
        letters=_.letters.sum(),
        coded=_.carries.cast("float64").mean(),
        texts=_.texts.cast("float64").mean(),
        fresh=_.count() / _.asked.sum(),
        used=_.used.mean(),
        local=_.local.sum() / _.count(),
        length=_.length.mean(),
        unders=_.below.nunique(),
        shallow=(_.below == _.stem).any(),
        below=_.below.max(),
        hosts=_.hosts.max(),
        rarity=_.rarity.max(),
        evidence=sample(_.uid, _.rank),
        examples=_["query"].collect(where=_.rank < 5),
    )
    return summed.inner_join(busiest, list(key))


def _scored(domains: ibis.Table, config: Config) -> ibis.Table:
    volume = ramp(
        ibis.greatest(_.per_hour, 1.0).ln(),
        math.log(config.min_letters),
        math.log(config.full_letters),
    )
    led_nowhere = ibis.greatest((1 - ramp(_.used, 0.05, 0.3)).fill_null(_.unknown), _.texts)
    unused = (led_nowhere - _.local.fill_null(0.0)).clip(0.0, 1.0)
    plain = 0.7 + 0.3 * ibis.greatest(_.texts, ramp(_.length, 12, 40))
    shape = ramp(_.coded, 0.3, 0.8) * unused * ramp(_.fresh, 0.05, 0.4) * plain
    shared = (_.unders == 1) & ~_.shallow
    scored = domains.mutate(shape=shape, volume=volume)
    return scored.mutate(
        score=_.volume * _.shape * _.rarity,
        via=ibis.literal("names"),
        peer=shared.ifelse(_.below.concat(".", _.zone), _.zone),
        peer_port=ibis.null("int32"),
        proto=ibis.null("string"),
        bytes=ibis.null("int64"),
    ).filter(_.score >= config.min_score)


def _own_servers(
    questions: ibis.Table, few: ibis.Table, domains: ibis.Table, config: Config
) -> ibis.Table:
    """Return a finding for each outside server asked for hardly anything but a found domain."""
    key = ("host", "zone", "server")
    found = domains.drop("peer", "peer_port", "count", "bytes", "via")
    outside = few.filter(~_.server_inside).semi_join(found, ["host", "zone"])
    about = outside.group_by(key).agg(count=_.count())
    of_all = about.group_by("zone", "server").agg(about=_["count"].sum())
    used = questions.semi_join(of_all, "server").group_by("server").agg(
        every=_.count(), users=_.host.nunique()
    )  # fmt: skip
    own = of_all.inner_join(used, "server").filter(_.about >= config.own_share * _.every)
    own = about.inner_join(own, ["zone", "server"]).filter(_["count"] >= config.min_names)
    # Those who ask there are those who ask for the domain, and nobody else.
    table = own.inner_join(found, ["host", "zone"]).filter(_.users <= _.hosts)
    return table.mutate(
        via=ibis.literal("server"),
        peer=_.server,
        peer_port=ibis.literal(53, "int32"),
        hosts=_.users,
        bytes=ibis.null("int64"),
        addresses=ibis.null("array<string>"),
    )


def _flows(conn: ibis.Table, network: ibis.Table, config: Config) -> ibis.Table:
    """Return a finding for each server on whose port 53 a lone host moves more than look-ups."""
    flows = outbound(conn).filter(_.dst_port == 53, _.src_bytes > 0)
    sent = _.src_bytes / _.src_pkts.nullif(0)
    # A zone transfer or a large answer comes back; what a host sends stays small.
    large = ibis.coalesce(
        (sent >= config.min_packet) & (_.src_bytes >= 20 * config.min_packet),
        (_.src_bytes >= config.min_flow),
    )
    marked = flows.mutate(large=large)
    servers = marked.group_by("dst_ip").agg(hosts=_.src_ip.nunique(), any_large=_.large.any())
    alone = servers.filter(_.any_large, _.hosts == 1).drop("any_large")
    heavy = marked.filter(_.large).inner_join(alone, "dst_ip")
    key = ("src_ip", "dst_ip", "proto")
    ranked = heavy.mutate(
        rank=ibis.row_number().over(ibis.window(group_by=key, order_by=[_.ts, _.uid]))
    )
    summed = ranked.group_by(key).agg(
        first_seen=_.ts.min(),
        last_seen=_.ts.max(),
        count=_.count(),
        bytes=(_.src_bytes + _.dst_bytes.fill_null(0)).sum(),
        hosts=_.hosts.max(),
        evidence=sample(_.uid, _.rank),
    )
    volume = ramp(
        _.bytes.cast("float64").ln(), math.log(config.min_bytes), math.log(config.full_bytes)
    )
    scored = summed.cross_join(network).mutate(
        rarity=rarity(_.hosts, _.all_hosts.fill_null(1)), volume=volume
    )
    blank: dict[str, Any] = {
        name: ibis.null(kind)
        for name, kind in DETAILS.items()
        if name not in ("via", "bytes", "hosts", "rarity")
    }
    return scored.mutate(
        score=0.55 * (0.4 + 0.6 * _.volume) * _.rarity,
        host=_.src_ip,
        peer=_.dst_ip,
        peer_port=ibis.literal(53, "int32"),
        via=ibis.literal("flows"),
        **blank,
    ).filter(_.bytes >= config.min_bytes, _.score >= config.min_score)
