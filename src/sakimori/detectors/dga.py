"""Generated names (DGA): a host that asks for many made-up names to find the one that lives.

Counted are registered names (`example.co.jp`, not what stands before it), so that a broken search
suffix, a block list or a hash under one domain counts once. Per host, over an hour and over a day
(each also begun half-way, so that no clock cuts a burst in two):

    missing   names answered 'no such name' that were asked for as such (not `ads.example.com`);
              without those the host also asks mail questions about, and dead names common here
    strange   how improbable their letters are on average, in nats, by a model learnt from words of
              many languages and not from lists of domains: 3 for real names, 10 for pronounceable
              made-up ones, 30 for random ones of sixteen letters
    odd       names, missing or not, of at least `min_nats`: 1 % of real names
    score     the greatest of
              made up       0.5 at `min_made_up` missing names, 1 at `full_made_up`, x stretch of
                            `strange` from `plain_nats` + 3 / root of their number (0) to
                            `strange_nats` + 8 / the same root (1); over a day x 0.65
              missing       of an hour: 0.3 at `min_missing`, 0.65 at `full_missing`: names of words
              odd           of an hour: 0.3 at `min_odd` to 1 at `full_odd`, x stretch of their share
                            of the names asked, because generated names that are registered or
                            sinkholed do resolve
              and up to 0.2 more where other hosts, but few, miss the same names (a botnet's seed)

`peer` is the odd name that resolved last, if any: the controller, or a sinkhole.

Where only flows are known (`basis` flows): a host that asks hundreds of times a minute and calls hardly
anybody. At most 0.55, for a broken program may do the same:

    score     0.3 at `min_flows` in ten minutes to 0.55 at `full_flows`, x stretch of questions per
              peer called from `min_per_peer` (0) to twice that (1)

Resolvers (inside hosts that several others ask) are left out: their questions are their clients'.

Also finds: broken software that asks for dead names, crawlers, adware with throw-away names.
Misses: names of words asked slowly or that resolve; a few names a day; hosts that ask a resolver the
sensor does not see, or by encrypted DNS; with flows only, names that are all of a few lengths.
Source: names that do not exist, after Antonakakis et al. 2012 (Pleiades), with counts in place of its
clustering and classifier.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, asked, ramp, resolvers, sample
from sakimori.detectors._names import made_up

NAME = "dga"
TECHNIQUE = "T1568.002"  # Dynamic Resolution: Domain Generation Algorithms
KIND = "names"
DOES = ""
WEIGHT = 6.5  # nats at full score; see docs/reference/scoring.md
READS = {
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "qtype", "rcode", "answers", "src_inside",
            "dst_inside"),
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "src_bytes", "src_inside", "dst_inside"),
}  # fmt: skip
NEEDS = (("dns.query",), ("conn.dst_port", "conn.src_bytes"))
FUNCTIONS = {made_up: "string"}  # of the engine's own making, with the type they take
DETAILS = {
    "basis": "string",  # names, or flows where no names are known
    "window_s": "float64",  # counted over so many seconds
    "names": "int64",  # distinct registered names asked for; null for flows
    "missing": "int64",  # of them answered NXDOMAIN
    "odd": "int64",  # of them improbable
    "odd_missing": "int64",  # both
    "strange": "float64",  # mean of the missing ones, nats; see above
    "shared": "int64",  # of the missing, those that other hosts miss, too
    "peers": "int64",  # outside peers called in the window; null for names
    "examples": "array<string>",  # up to 10 of the odd or missing ones
    "addresses": "array<string>",  # up to 5 that most of the odd names resolved to
}
SAYS = "asked for {names} names within {window}: {missing} do not exist, {odd} look made up"
SAYS_IF = {
    "basis=flows": "asked DNS {count} times within {window}, and called only {peers} peers",
}
INNOCENT = (
    "A program with a list of dead servers, a crawler, or a mail filter also gets many 'no such"
    " name' answers; those names repeat and read like words or addresses."
)
INNOCENT_IF = {
    "basis=flows": (
        "A program that asks for one name over and over, a name server or a DNS test looks the"
        " same where only flows are recorded."
    ),
}
ASIDE = (
    "A list of dead servers or a block list repeats its names; here each name counts once,"
    " however often it was asked for. Of {names} names {odd} look made up, and {missing} do not"
    " exist."
)
ASIDE_IF = {
    "basis=flows": (
        "Nothing here tells it from a broken program, for the names were not recorded. What"
        " counts is the amount: {count} questions within {window}, by a host that called only"
        " {peers} peers."
    ),
}
NEXT = (
    "Look at the example names; find the process that asks; block the name that resolved, if one"
    " did."
)
NEXT_IF = {
    "basis=flows": "Record the names this host asks for, and find the process that asks.",
}

# Second-level labels under which registries of countries hand out names.
SHARED_SECOND = ("co", "com", "net", "org", "ac", "ne", "or", "go", "gov", "edu", "gr", "ad", "ed",
                 "lg", "gob", "gouv", "mil", "nom", "id", "biz", "info", "web", "in")  # fmt: skip
# Providers of dynamic DNS under whose names anybody gets one, and several families did.
SHARED_NAMES = ("ddns.net", "dyndns.org", "no-ip.org", "no-ip.biz", "no-ip.info", "duckdns.org",
                "hopto.org", "zapto.org", "sytes.net", "myftp.org", "redirectme.net", "serveftp.com",
                "dynserv.com", "mooo.com", "yi.org", "dyndns.biz", "myvnc.com", "servehttp.com",
                "webhop.me", "chickenkiller.com")  # fmt: skip
# Endings that are registries. Any of two letters is, too; others are taken for a local network's
# own, such as lan, or for too rare to matter. The last two are for trying things out.
REGISTRIES = ("com", "net", "org", "info", "biz", "name", "pro", "mobi", "xxx", "tel", "asia", "xyz",
              "top", "site", "online", "club", "click", "link", "space", "website", "tech", "store",
              "shop", "live", "life", "world", "today", "win", "bid", "loan", "date", "trade", "party",
              "review", "stream", "download", "racing", "accountant", "science", "faith", "cricket",
              "webcam", "men", "work", "press", "host", "icu", "fun", "vip", "app", "dev", "page",
              "cloud", "network", "support", "email", "company", "center", "agency", "solutions",
              "services", "systems", "digital", "media", "news", "blog", "buzz", "cyou", "monster",
              "bar", "rest", "sbs", "cfd", "quest", "lol", "ink", "wang", "ren", "tokyo", "red", "pink",
              "blue", "kim", "help", "pics", "bond", "homes", "beauty", "hair", "makeup", "skin",
              "autos", "boats", "yachts", "gdn", "jetzt", "bit", "example", "test")  # fmt: skip
ABOUT_MAIL = ("MX", "TXT", "SPF", "NS", "SOA", "PTR")  # asked by mail servers, not to reach a name
DNS_PORT = 53
HALF_HOUR = 1800
FIVE_MINUTES = 300
ONLY_NAMES = (
    "names",
    "missing",
    "odd",
    "odd_missing",
    "strange",
    "shared",
    "examples",
    "addresses",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as generated. Raises ValueError for limits that could match nothing."""

    min_nats: float = 14.0  # 1 % of the names in two lists of real ones; see bench/dga.py
    min_made_up: int = 5
    full_made_up: int = 25
    plain_nats: float = 5.0  # sets of ten German compounds, the strangest words tried, have 4 +- 2
    strange_nats: float = 6.0
    min_missing: int = 12  # clean hosts here miss up to 7 in two hours
    full_missing: int = 60
    min_odd: int = 8
    full_odd: int = 40
    common_share: float = 0.3  # of the hosts: a name that more miss is one program's everywhere
    min_flows: int = 500  # in ten minutes; clean hosts here make up to 250
    full_flows: int = 3000
    min_per_peer: float = 8.0  # a page needs 1 to 4 questions for each server it calls
    min_peers: int = (
        3  # fewer: the host of a resolver, or of the other half of two address families
    )
    max_servers: int = 5  # more: it resolves names by itself
    min_sizes: int = 4  # different lengths of questions; one name over and over has one or two
    min_score: float = 0.3

    def __post_init__(self) -> None:
        for low, high in (
            (self.min_missing, self.full_missing),
            (self.min_odd, self.full_odd),
            (self.min_made_up, self.full_made_up),
            (self.min_flows, self.full_flows),
            (self.plain_nats, self.strange_nats),
        ):
            if not 0 < low < high:
                raise ValueError(f"need 0 < {low} < {high}")


def detect(dns: ibis.Table, conn: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    found = ibis.union(_by_names(dns, config), _by_flows(conn, config))
    # One finding a host: of the two bases the one that says more.
    order = [_.score.desc(), _.basis.desc()]
    place = ibis.row_number().over(ibis.window(group_by="host", order_by=order))
    return as_findings(found.mutate(place=place).filter(_.place == 0), DETAILS)


def _by_names(dns: ibis.Table, config: Config) -> ibis.Table:
    names = _per_name(dns)
    judged = _judged(names, config)
    per_window = _windowed(judged)
    totals = _windowed(names.semi_join(judged, ["host"])).group_by("host", "window").agg(
        names=_.count()
    )  # fmt: skip
    order = ["ts", "name"]
    ranked = per_window.mutate(
        rank=ibis.row_number().over(ibis.window(group_by=("host", "window"), order_by=order))
    )
    sums = ranked.group_by("host", "window").agg(
        first_seen=_.ts.min(),
        last_seen=_.last.max(),
        count=_.count(),
        missing=_.missing.sum(),
        odd=_.odd.sum(),
        odd_missing=(_.odd & _.missing).sum(),
        strange=_.nats.mean(where=_.missing),
        shared=(_.missing & (_.missed_by > 1)).sum(),
        peer=_.name.argmax(_.last, where=_.odd & _.resolved),
        evidence=sample(_.uid, _.rank),
        examples=_.name.collect(where=_.rank < 10),
    )
    scored = _score(sums.inner_join(totals, ["host", "window"]), config)
    best = _best(scored.filter(_.score >= config.min_score))
    led = best.left_join(_addresses(per_window.semi_join(best, ["host", "window"])), "host")
    return as_findings(
        led.drop("host_right").mutate(
            basis=ibis.literal("names"), peer_port=ibis.null("int32"), proto=ibis.null("string"),
            peers=ibis.null("int64"),
        ),
        DETAILS,
    )  # fmt: skip


def _per_name(dns: ibis.Table) -> ibis.Table:
    """Return one row per host, registered name and half hour."""
    return (
        _registered(dns)
        .group_by("host", "name", "label", slot=_.ts.epoch_seconds() // HALF_HOUR)
        .agg(
            ts=_.ts.min(), last=_.ts.max(), uid=_.uid.argmin(_.ts), gone=_.gone.any(),
            exists=_.exists.any(), resolved=_.resolved.any(), address=_.address.max(),
            bare=_.bare.any(), mail=_.mail.any(),
        )
    )  # fmt: skip


def _judged(names: ibis.Table, config: Config) -> ibis.Table:
    """Return the names that are odd, or missing and asked for as such; common ones left out."""
    # The model sees each distinct label once.
    labels = names.select("label").distinct()
    labels = labels.mutate(nats=made_up(labels.label))
    labels = labels.mutate(odd=labels.nats >= config.min_nats)
    judged = names.inner_join(labels, "label")
    judged = judged.filter(~judged.mail, judged.odd | (judged.gone & judged.bare))
    fates = judged.group_by("host", "name").agg(gone=_.gone.any() & ~_.exists.any())
    missed = fates.group_by("name").agg(asked_by=_.count(), missed_by=_.gone.sum())
    everybody = names.agg(all_hosts=_.host.nunique())
    missed = missed.cross_join(everybody).filter(
        _.asked_by <= ibis.greatest(3.0, config.common_share * _.all_hosts)
    )
    return judged.inner_join(missed.select("name", "missed_by"), "name")


def _windowed(names: ibis.Table) -> ibis.Table:
    """Return one row per host, window and name, for windows of an hour and of a day."""
    numbers = {
        "h0:": names.slot // 2,
        "h1:": (names.slot + 1) // 2,
        "d0:": names.slot // 48,
        "d1:": (names.slot + 24) // 48,
    }
    every = names.mutate(window=_each(numbers))
    if "odd" not in names.columns:
        return every.select("host", "window", "name").distinct()
    return (
        every.group_by("host", "window", "name")
        .agg(
            ts=_.ts.min(), last=_.last.max(), uid=_.uid.argmin(_.ts), odd=_.odd.any(),
            nats=_.nats.max(), bare=_.bare.any(),
            gone=_.gone.any(), exists=_.exists.any(), resolved=_.resolved.any(),
            address=_.address.max(), missed_by=_.missed_by.max(),
        )
        .mutate(missing=_.gone & _.bare & ~_.exists)
        .filter(_.missing | _.odd)
    )  # fmt: skip


def _best(scored: ibis.Table) -> ibis.Table:
    """Return the strongest window of each host; of equals the shortest, then the first."""
    order = [_.score.desc(), _.window_s, _.first_seen, _.window]
    place = ibis.row_number().over(ibis.window(group_by="host", order_by=order))
    return scored.mutate(place=place).filter(_.place == 0)


def _addresses(judged: ibis.Table) -> ibis.Table:
    """Return per host the addresses that most odd names led to."""
    led = judged.filter(
        judged.odd, judged.resolved, judged.address.re_search(r"^[0-9a-f:]*[0-9a-f:.]+$")
    )
    counted = led.group_by("host", "address").agg(names=_.count())
    ranked = counted.mutate(
        place=ibis.row_number().over(
            ibis.window(group_by="host", order_by=[_.names.desc(), _.address])
        )
    )
    return (
        ranked.filter(_.place < 5)
        .group_by("host")
        .agg(addresses=_.address.collect(order_by=_.place))
    )


def _registered(dns: ibis.Table) -> ibis.Table:
    """Return questions of inside hosts with their registered name and its first label."""
    questions = asked(dns).filter(
        _.query.contains("."),
        _.qtype.isnull() | _.qtype.isin(("A", "AAAA", *ABOUT_MAIL)),
    )
    parts = questions.query.split(".")
    size = parts.length()
    questions = questions.mutate(
        tld=parts[size - 1], second=parts[size - 2], size=size, parts=parts
    )
    both = questions.second.concat(".", questions.tld)
    deep = (questions.size > 2) & (
        ((questions.tld.length() == 2) & questions.second.isin(SHARED_SECOND))
        | both.isin(SHARED_NAMES)
    )
    label = deep.ifelse(questions.parts[questions.size - 3], questions.second)
    ending = deep.ifelse(both, questions.tld)
    is_name = questions.tld.re_search("^([a-z][a-z]|xn--.*)$") | questions.tld.isin(REGISTRIES)
    answered: Any = questions.answers.length() > 0
    mail = questions.qtype.isin(ABOUT_MAIL).fill_null(False)
    exists = (questions.rcode == "NOERROR").fill_null(False)
    name = label.concat(".", ending)
    return questions.filter(is_name, label != "").select(
        "ts", "uid", host="src_ip", label=label, name=name, mail=mail, exists=exists & ~mail,
        gone=(questions.rcode == "NXDOMAIN").fill_null(False), bare=(questions.query == name) | (questions.query == ibis.literal("www.").concat(name)),
        address=questions.answers[questions.answers.length() - 1],
        resolved=(exists & answered & ~mail).fill_null(False),
    )  # fmt: skip


def _score(sums: ibis.Table, config: Config) -> ibis.Table:
    hourly = sums.window.startswith("h")
    missing, odd = sums.missing.cast("float64"), sums.odd.cast("float64")
    # Few names may be strange by chance.
    chance = 1 / ibis.greatest(missing, 1.0).sqrt()
    low, high = config.plain_nats + 3 * chance, config.strange_nats + 8 * chance
    strange = ((sums.strange.fill_null(0.0) - low) / (high - low)).clip(0.0, 1.0)
    size = 0.5 + 0.5 * ramp(missing, config.min_made_up, config.full_made_up)
    by_letters = (missing >= config.min_made_up).ifelse(size * strange, 0.0)
    # Who asks for many names mistypes a few in a day, and some of a crawler's are gone.
    share = missing / ibis.greatest(sums.names, 1)
    by_letters = by_letters * hourly.ifelse(1.0, 0.65 * ramp(share, 0.02, 0.1))
    by_missing = ((missing >= config.min_missing) & hourly).ifelse(
        (0.3 + 0.35 * ramp(missing, config.min_missing, config.full_missing))
        * ramp(share, 0.05, 0.3),
        0.0,
    )
    by_odd = ((odd >= config.min_odd) & hourly).ifelse(
        (0.3 + 0.7 * ramp(odd, config.min_odd, config.full_odd)) * ramp(odd / sums.names, 0.1, 0.4),
        0.0,
    )
    alone = ibis.greatest(by_letters, by_missing, by_odd)
    # Half of the missing at least, or it may be one dead server that two hosts look for.
    seed = (sums.shared >= 0.5 * missing).ifelse(0.2 * ramp(sums.shared, 4, 20), 0.0)
    return sums.mutate(
        score=(alone > 0).ifelse(ibis.least(alone + seed, 1.0), 0.0),
        window_s=hourly.ifelse(3600.0, 86_400.0),
    )


def _by_flows(conn: ibis.Table, config: Config) -> ibis.Table:
    """Return bursts of DNS calls, whether the names asked for are known or not.

    Also where they are known: that names are missing must make no finding that they would not.
    """
    slotted = conn.mutate(slot=conn.ts.epoch_seconds() // FIVE_MINUTES)
    asks = _to_dns(slotted)
    per_slot = asks.group_by("src_ip", "slot").agg(flows=_.count())
    # A window is two slots.
    busy = per_slot.filter(_.flows >= config.min_flows / 2).select("src_ip").distinct()
    asks = _twice(asks.semi_join(busy, ["src_ip"]).mutate(host=_.src_ip))
    key = ("host", "window")
    ranked = asks.mutate(
        rank=ibis.row_number().over(ibis.window(group_by=key, order_by=("ts", "uid")))
    )
    bursts = ranked.group_by(key).agg(
        first_seen=_.ts.min(), last_seen=_.ts.max(), count=_.count(), servers=_.dst_ip.nunique(),
        sizes=_.src_bytes.nunique(), evidence=sample(_.uid, _.rank),
    ).filter(
        _["count"] >= config.min_flows, _.servers <= config.max_servers, _.sizes >= config.min_sizes
    )  # fmt: skip
    called = bursts.left_join(_peers(slotted.semi_join(busy, ["src_ip"])), list(key))
    called = called.drop("host_right", "window_right").filter(_.peers >= config.min_peers)
    shape = 0.3 + 0.25 * ramp(
        called["count"].ln(), math.log(config.min_flows), math.log(config.full_flows)
    )
    per_peer = ramp(called["count"] / called.peers, config.min_per_peer, 2 * config.min_per_peer)
    scored = called.mutate(score=shape * per_peer, window_s=ibis.literal(2.0 * FIVE_MINUTES))
    best = _best(scored.filter(_.score >= config.min_score))
    unknown = {name: ibis.null(DETAILS[name]) for name in ONLY_NAMES}
    return as_findings(
        best.mutate(
            basis=ibis.literal("flows"), peer=ibis.null("string"),
            peer_port=ibis.literal(DNS_PORT), proto=ibis.null("string"), **unknown,
        ),
        DETAILS,
    )  # fmt: skip


def _to_dns(conn: ibis.Table) -> ibis.Table:
    """Return DNS calls of inside hosts that nobody asks."""
    to_dns = conn.filter(conn.src_inside, conn.dst_port == DNS_PORT)
    return to_dns.anti_join(resolvers(to_dns, 2), ["src_ip"])


def _twice(table: ibis.Table) -> ibis.Table:
    """Return the rows with the two windows of ten minutes that each five belong to."""
    return table.mutate(window=_each({"a": table.slot // 2, "b": (table.slot + 1) // 2}))


def _each(numbers: dict[str, Any]) -> Any:
    """Return one row per entry, as text: unlike a union it reads the table once."""
    marks = [ibis.literal(m).concat(n.cast("int64").cast("string")) for m, n in numbers.items()]
    return ibis.array(marks).unnest()


def _peers(conn: ibis.Table) -> ibis.Table:
    """Return how many outside peers each host called per window, name servers left out."""
    calls = conn.filter(~conn.dst_inside, conn.dst_port != DNS_PORT)
    pairs = calls.select("slot", host="src_ip", peer="dst_ip").distinct()
    return _twice(pairs).group_by("host", "window").agg(peers=_.peer.nunique())
