"""Spam: a host that is no mail server and hands mail to many servers, or a client whose mail is refused.

What is looked at, on a host's worst day of each (UTC):

    direct    outside networks (/24) it reached on port 25 (from `min_nets` to `full_nets`), or on
              the submission ports 465, 587 and 2525 (from `min_submission`): a desktop's mail
              program has one server or a few, a bot with stolen logins has dozens
    names     domains whose mail servers it asked for (MX), at most 0.6: without flows a mail server
              that nobody here is seen to use does that too
    handed    messages in mail logs and SMTP transactions, from `min_messages` to `full_messages`,
              x the strongest of: share refused for good, number of sender domains, number of
              HELO names, joined as independent; only with `min_domains` recipient domains
    inbound   the same for outside clients, from the share refused and what block lists said; these
              sources are reported, and say nothing about hosts here

    score     the parts joined as independent evidence: 1 - (1 - a)(1 - b)...; each part is a stretch
              of the logarithm of its number, from 0.3 at the least to 1 at the full one

Mail servers are left out of the first three: inside hosts that others were seen to connect to, with
an answer, on a mail port. A refusal with a 4xx code (grey list, full disk) is no refusal.

Also finds: newsletter and monitoring machines that send straight to the world and receive nothing.
Misses: a mail server that was broken into, spam by way of web mail, one sender with few refusals
through the own server, a few letters a day.
Source: RFC 5321 and RFC 6409 (ports and roles), RFC 3463 (codes); fan-out of SMTP as the mark of a
spam bot, Ramachandran and Feamster 2006, doi:10.1145/1159913.1159947.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import (
    as_findings,
    network_of,
    outbound,
    ramp,
    resolvers,
    sample,
    was_unanswered,
)

NAME = "spam"
TECHNIQUE = "T1071.003"  # Application Layer Protocol: Mail Protocols
KIND = "spam"
DOES = "spams"
WEIGHT = 6.0  # nats at full score; see docs/reference/scoring.md
READS = {
    "conn": ("ts", "uid", "src_ip", "dst_ip", "dst_port", "proto", "state", "dst_pkts",
             "src_inside", "dst_inside"),
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "qtype", "src_inside", "dst_inside"),
    "mail": ("ts", "uid", "src_ip", "dst_ip", "helo", "sender", "recipients", "message_id",
             "status", "reason", "src_inside", "dst_inside"),
}  # fmt: skip
NEEDS = (("conn.dst_port",), ("dns.qtype",), ("mail.src_ip",))
DETAILS = {
    "direction": "string",  # outbound (also by way of the own server) or inbound
    "way": "string",  # the strongest part: direct, names, handed or inbound
    "servers": "int64",  # outside mail servers reached, on the worst day; direct
    "networks": "int64",  # their /24 networks
    "unanswered": "float64",  # share of those connections; direct
    "domains": "int64",  # asked for (names), or of recipients (handed)
    "messages": "int64",  # on the worst day; handed and inbound
    "senders": "int64",  # sender domains on the worst day; handed and inbound
    "helos": "int64",  # names the client gave itself on the worst day
    "refused": "float64",  # share of messages refused for good, of those whose fate is known
    "listed": "int64",  # refusals that name a block list; inbound
}
SAYS = (
    "connected to {servers} outside mail servers in {networks} networks in one day, though it is"
    " no mail server"
)
SAYS_IF = {
    "way=names": (
        "asked for the mail servers of {domains} domains in one day, though it is no mail server"
    ),
    "way=handed": (
        "handed over {messages} messages for {domains} domains in one day, from {senders} sender"
        " domains"
    ),
    "way=inbound": (
        "handed {messages} messages to mail servers here in one day and had many refused"
    ),
}
INNOCENT = (
    "A machine that sends newsletters or checks mail servers also reaches many of them, and so"
    " does a mail server whose incoming mail was not logged. Ask whether this host is meant to"
    " send mail."
)
ASIDE = (
    "No mail was seen to come in at {host}, and a person's mail program needs one server or a"
    " few, not {servers} in a day. A machine for newsletters is not told apart."
)
ASIDE_IF = {
    "way=names": (
        "No mail was seen to come in at {host}, and a person's programs have no need to ask for"
        " mail servers, here of {domains} domains. A machine that checks mail servers is not told"
        " apart."
    ),
    "way=handed": (
        "A newsletter has one sender, and few of its messages are refused; here many are, or the"
        " sender domains ({senders}) or names given as HELO ({helos}) are many."
    ),
    "way=inbound": "It comes from outside, and says nothing about hosts here.",
}
NEXT = (
    "If it is not meant to send mail, block its traffic to outside ports 25, 465 and 587, and"
    " examine it. Change the mail passwords used on it."
)

SUBMISSION = (465, 587, 2525)
SENDING = (25, *SUBMISSION)
MAIL_PORTS = (*SENDING, 110, 143, 993, 995)  # on which a mail server answers
LIST_WORDS = r"(?i)blocked using|block ?list|black ?list|dnsbl|\brbl\b|spamhaus|spamcop|barracuda"
NAMES_CAP = 0.6  # of the score of questions alone

PART = {
    "host": "string", "way": "string", "part": "float64", "peer_port": "int32",
    "first_seen": "timestamp('UTC', 6)", "last_seen": "timestamp('UTC', 6)", "count": "int64",
    "evidence": "array<string>",
    **{name: kind for name, kind in DETAILS.items() if name not in ("direction", "way")},
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as spam. Raises ValueError for limits that could match nothing."""

    min_nets: int = 8  # a day; the big providers' own mail servers lie in some five networks
    min_submission: int = 12  # a day; pools of one or two providers are about five
    full_nets: int = 60
    min_names: int = 10
    full_names: int = 200
    min_messages: int = 20
    full_messages: int = 300
    min_domains: int = 5  # of recipients: a gateway hands mail on for one domain or a few
    min_inbound: int = 3
    full_inbound: int = 50
    min_score: float = 0.25

    def __post_init__(self) -> None:
        pairs = (
            (max(self.min_nets, self.min_submission), self.full_nets),
            (self.min_names, self.full_names),
            (self.min_messages, self.full_messages),
            (self.min_inbound, self.full_inbound),
        )
        for least, full in pairs:
            if not 0 < least < full:
                raise ValueError(f"need 0 < {least} < {full}")
        if not 0 <= self.min_score <= 1:
            raise ValueError(f"need 0 <= {self.min_score=} <= 1")


def detect(conn: ibis.Table, dns: ibis.Table, mail: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    servers = _mail_servers(conn, mail)
    parts = ibis.union(
        _direct(conn, servers, config),
        _names(dns, servers, config),
        _handed(mail, servers, config),
        _inbound(mail, config),
    )
    return as_findings(_joined(parts, config), DETAILS)


def by_day(conn: ibis.Table, mail: ibis.Table) -> ibis.Table:
    """Return one row per UTC day with mail: messages and who handed them over.

        day                date
        messages           int64  handed over, delivered or not
        refused            int64  of these, refused for good
        sources            int64  distinct addresses that handed mail over
        inside_sources     int64  of these, inside ones
        outside_sources    int64  of these, outside ones
        spam_messages, spam_sources, spam_inside, spam_outside
                           the same of the sources that `detect` finds, without DNS questions

    Where the mail log has no row for it, an answered connection of an inside host to an outside
    mail server is a message; so is each refused recipient.
    """
    config = Config()
    findings = ibis.union(
        _direct(conn, _mail_servers(conn, mail), config),
        _handed(mail, _mail_servers(conn, mail), config),
        _inbound(mail, config),
    )
    spammers = _joined(findings, config).select("host").distinct()
    handed = ibis.union(
        _messages(mail).select("host", "inside", "ts", "uid", "message", "failed"),
        _unlogged(conn, mail),
    ).mutate(day=_.ts.date())
    marks = spammers.select(spammer="host")
    told = handed.left_join(marks, handed.host == marks.spammer)
    told = told.mutate(spam=_.spammer.notnull())
    counted = told.group_by("day").agg(
        messages=_.message.nunique(),
        refused=_.message.nunique(where=_.failed),
        sources=_.host.nunique(),
        inside_sources=_.host.nunique(where=_.inside),
        outside_sources=_.host.nunique(where=~_.inside),
        spam_messages=_.message.nunique(where=_.spam),
        spam_sources=_.host.nunique(where=_.spam),
        spam_inside=_.host.nunique(where=_.spam & _.inside),
        spam_outside=_.host.nunique(where=_.spam & ~_.inside),
    )
    return counted.order_by("day")


def _mail_servers(conn: ibis.Table, mail: ibis.Table) -> ibis.Table:
    """Return the inside hosts (column host) that were seen to serve mail.

    Three packets back are a greeting; a refusal by reset is one.
    """
    served = conn.filter(
        conn.proto == "tcp", conn.dst_inside, conn.dst_port.isin(MAIL_PORTS),
        ~was_unanswered(conn), conn.dst_pkts.fill_null(3) >= 3,
    )  # fmt: skip
    took = mail.filter(mail.dst_inside)
    return ibis.union(served.select(host="dst_ip"), took.select(host="dst_ip")).distinct()


def _without(table: ibis.Table, servers: ibis.Table) -> ibis.Table:
    # The selection ends the chain of joins: ibis would join the next table to its parts.
    return table.anti_join(servers, "host").select(*table.columns)


def _direct(conn: ibis.Table, servers: ibis.Table, config: Config) -> ibis.Table:
    """Return the hosts that reached many outside mail servers in a day."""
    sent = outbound(conn).filter(_.proto == "tcp", _.dst_port.isin(SENDING))
    calls = sent.select(
        host="src_ip", peer="dst_ip", port="dst_port", ts="ts", uid="uid",
        net=ibis.coalesce(network_of(sent.dst_ip), sent.dst_ip),
        relay=sent.dst_port == 25, day=sent.ts.date(), unanswered=was_unanswered(sent),
    )  # fmt: skip
    calls = _without(calls, servers)
    daily = calls.group_by("host", "relay", "day").agg(
        networks=_.net.nunique(), servers=_.peer.nunique(), peer_port=_.port.max(), count=_.count(),
        unanswered=_.unanswered.cast("float64").mean(),
    )  # fmt: skip
    least = daily.relay.ifelse(config.min_nets, config.min_submission)
    part = _stretch(daily.networks, least, config.full_nets)
    worst = _worst(daily.mutate(part=part).filter(_.networks >= least), ("host", "relay"))
    named = _evidence(calls, worst, ("host", "relay", "day"))
    return _as_part(named, "direct")


def _names(dns: ibis.Table, servers: ibis.Table, config: Config) -> ibis.Table:
    """Return the hosts that asked for many domains' mail servers in a day."""
    asked = dns.filter(
        _.qtype == "MX", _.src_inside, _.dst_ip.notnull(), _.query.contains(".")
    ).select(host="src_ip", domain="query", ts="ts", uid="uid", day=_.ts.date())
    asked = _without(_without(asked, resolvers(dns).select(host="src_ip")), servers)
    daily = asked.group_by("host", "day").agg(domains=_.domain.nunique(), count=_.count())
    part = NAMES_CAP * _stretch(daily.domains, config.min_names, config.full_names)
    worst = _worst(daily.mutate(part=part).filter(_.domains >= config.min_names), ("host",))
    return _as_part(_evidence(asked, worst, ("host", "day")), "names")


def _handed(mail: ibis.Table, servers: ibis.Table, config: Config) -> ibis.Table:
    """Return inside clients whose mail is refused or has many faces, by the day."""
    rows = _without(_messages(mail).filter(_.inside), servers)
    daily = _daily(rows, config.min_messages)
    to = _recipients(rows.semi_join(daily, ["host", "day"]))
    daily = daily.inner_join(to, ["host", "day"]).select(*daily.columns, "domains")
    daily = daily.filter(_.domains >= config.min_domains)
    # A department has two or three domains and a computer one name.
    faces = (ramp(daily.senders, 3, 15), ramp(daily.helos, 2, 8))
    refused = ramp(daily.refused.fill_null(0.0), 0.15, 0.6)
    shape = 1 - (1 - refused) * (1 - 0.7 * faces[0]) * (1 - 0.7 * faces[1])
    size = _stretch(daily.messages, config.min_messages, config.full_messages)
    worst = _worst(daily.mutate(part=shape * size), ("host",))
    return _as_part(_evidence(rows, worst, ("host", "day")), "handed")


def _inbound(mail: ibis.Table, config: Config) -> ibis.Table:
    """Return outside clients whose mail was refused, by the day."""
    rows = _messages(mail).filter(~_.inside)
    daily = _daily(rows, 1)
    size = _stretch(daily.messages, config.min_inbound, config.full_inbound)
    shape = ramp(daily.refused.fill_null(0.0), 0.3, 0.8)
    enough = daily.messages >= config.min_inbound
    by_itself = enough.ifelse(shape * size, 0.0)
    # A block list's word is another's observation of the same sender: one such line will do.
    by_list = (daily.listed > 0).ifelse(0.8 * shape, 0.0)
    daily = daily.mutate(part=1 - (1 - by_itself) * (1 - by_list))
    worst = _worst(daily.filter(_.part >= config.min_score), ("host",))
    return _as_part(_evidence(rows, worst, ("host", "day")), "inbound")


def _messages(mail: ibis.Table) -> ibis.Table:
    """Return mail rows with the message they belong to, and whether it was refused for good."""
    rows = mail.filter(mail.src_ip.notnull(), mail.src_inside.notnull())
    said = rows.reason.re_search(r"^[245]\d\d\b").ifelse(
        rows.reason.substr(0, 1) == "5", ibis.null("boolean")
    )
    # The code decides where there is one: a server also calls a grey list's 450 "rejected".
    by_status = rows.status.isin(("rejected", "bounced"))
    return rows.select(
        "ts", "uid", "helo", "recipients", "reason",
        host="src_ip",
        inside="src_inside",
        day=rows.ts.date(),
        message=rows.uid.concat("|", rows.message_id.fill_null("")),
        face=rows.sender.split("@")[1],
        failed=ibis.coalesce(said, by_status),
        listed=rows.reason.re_search(LIST_WORDS) & by_status.fill_null(True),
    )  # fmt: skip


def _daily(rows: ibis.Table, least: int) -> ibis.Table:
    daily = rows.group_by("host", "day").agg(
        messages=_.message.nunique(),
        senders=_.face.nunique(),
        helos=_.helo.nunique(),
        refused=_.failed.cast("float64").mean(),
        listed=_.listed.sum(),
    )
    return daily.filter(_.messages >= least).mutate(count=_.messages)


def _recipients(rows: ibis.Table) -> ibis.Table:
    """Return the number of recipients' domains per host and day."""
    sent = rows.filter(rows.recipients.length() > 0)
    one = sent.select("host", "day", to=sent.recipients.unnest())
    one = one.mutate(domain=one.to.split("@")[1])
    return one.group_by("host", "day").agg(domains=_.domain.nunique())


def _unlogged(conn: ibis.Table, mail: ibis.Table) -> ibis.Table:
    """Return answered connections to outside mail servers of which no mail row tells."""
    sent = outbound(conn).filter(_.proto == "tcp", _.dst_port.isin(SENDING))
    answered = sent.filter(~was_unanswered(sent)).anti_join(mail.select("uid"), "uid")
    return answered.select(
        host="src_ip", inside="src_inside", ts="ts", uid="uid", message="uid",
        failed=ibis.null("boolean"),
    )  # fmt: skip


def _stretch(number: Any, least: Any, full: int) -> Any:
    """Return 0.3 at the least, 1 at the full number, linear in the logarithm between."""
    low = ibis.literal(least).ln() if isinstance(least, int) else least.ln()
    share = (number.ln() - low) / (math.log(full) - low)
    return 0.3 + 0.7 * share.clip(0.0, 1.0)


def _worst(daily: ibis.Table, key: tuple[str, ...]) -> ibis.Table:
    """Return the strongest day of each key; of equal ones the first."""
    order = ibis.window(group_by=key, order_by=[daily.part.desc(), daily.day])
    return daily.mutate(place=ibis.row_number().over(order)).filter(_.place == 0).drop("place")


def _evidence(rows: ibis.Table, worst: ibis.Table, key: tuple[str, ...]) -> ibis.Table:
    """Return the worst days with the first and last row, and a sample of the rows."""
    of_day = rows.semi_join(worst, list(key)).select(*rows.columns)
    first = ibis.window(group_by=key, order_by=("ts", "uid"))
    spans = of_day.mutate(rank=ibis.row_number().over(first)).group_by(key)
    seen = spans.agg(first_seen=_.ts.min(), last_seen=_.ts.max(), evidence=sample(_.uid, _.rank))
    return worst.inner_join(seen, list(key))


def _as_part(table: ibis.Table, way: str) -> ibis.Table:
    """Return the columns of PART; those that this part does not have are null."""
    table = table.mutate(way=ibis.literal(way))
    lacking = {n: ibis.null(kind) for n, kind in PART.items() if n not in table.columns}
    return table.mutate(**lacking).select(*PART).cast(ibis.schema(PART))


def _joined(parts: ibis.Table, config: Config) -> ibis.Table:
    """Return one finding per host: the parts joined, the strongest one giving the words."""
    order = ibis.window(group_by="host", order_by=[parts.part.desc(), parts.way, parts.peer_port])
    ranked = parts.mutate(place=ibis.row_number().over(order))
    numbers = [n for n in DETAILS if n not in ("direction", "way")]
    joined = ranked.group_by("host").agg(
        # The product of what each part leaves open, as a sum of logarithms.
        open=(1 - _.part.clip(0.0, 0.999999)).ln().sum().exp(),
        way=_.way.max(where=_.place == 0),
        peer_port=_.peer_port.max(where=_.place == 0),
        first_seen=_.first_seen.min(),
        last_seen=_.last_seen.max(),
        count=_["count"].max(where=_.place == 0),
        evidence=_.evidence.first(order_by=_.place),
        **{n: ranked[n].max() for n in numbers},
    )
    told = joined.mutate(
        score=(1 - _.open).clip(0.0, 1.0),
        direction=(_.way == "inbound").ifelse("inbound", "outbound"),
        peer=ibis.null("string"),
        proto=ibis.literal("tcp"),
    )
    return told.filter(_.score >= config.min_score)
