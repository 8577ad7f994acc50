"""Generated names (DGA): a host that asks for many made-up names to find the one that lives.

Counted are registered names (`example.co.jp`, not what stands before it), so that a broken search
suffix or a random label under one domain counts once. Per host and hour:

    missing   distinct names answered NXDOMAIN
    odd       distinct names, missing or not, whose letters are improbable (mean surprise above
              `min_surprise` nats in a letter model learnt from words, not from domain lists)
    score     the greater of
              missing names: stretch from `min_missing` (0.3) to `full_missing` (1), more when odd
              odd names of any answer: stretch of their number, x their share of the hour's names,
              because sinkholed and registered DGA names do resolve

`peer` is the odd name that resolved after the burst, if any: the controller, or a sinkhole.

Resolvers (inside hosts that several others ask) are left out: their questions are their clients'.

Also finds: broken software that asks for dead names, spam filters asking block lists.
Misses: word-list DGAs that resolve; hosts that ask a resolver the sensor does not see.
Source: NXDOMAIN clusters after Antonakakis et al. 2012 (Pleiades), without its clustering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, asked, ramp, sample
from sakimori.detectors._names import oddness

NAME = "dga"
TECHNIQUE = "T1568.002"  # Dynamic Resolution: Domain Generation Algorithms
KIND = "names"
DOES = ""
WEIGHT = 6.5  # nats at full score; see docs/reference/scoring.md
READS = {
    "dns": ("ts", "uid", "src_ip", "dst_ip", "query", "qtype", "rcode", "answers", "src_inside",
            "dst_inside"),
}  # fmt: skip
NEEDS = (("dns.query", "dns.rcode"),)
DETAILS = {
    "names": "int64",  # distinct registered names asked for in the hour
    "missing": "int64",  # of them answered NXDOMAIN
    "odd": "int64",  # of them improbable
    "odd_missing": "int64",  # both
    "examples": "array<string>",  # up to 10 of the odd or missing ones
    "addresses": "array<string>",  # up to 5 that most of the odd names resolved to
}
SAYS = "asked for {names} names within an hour: {missing} do not exist, {odd} look made up"
INNOCENT = (
    "A program with a list of dead servers, or a mail filter that asks block lists, also gets many"
    " 'no such name' answers; those names repeat and read like words or addresses."
)
NEXT = "Look at the example names; find the process that asks; block the name that resolved."

# Second-level labels under which registries of countries hand out names.
SHARED_SECOND = ("co", "com", "net", "org", "ac", "ne", "or", "go", "gov", "edu", "gr", "ad", "ed",
                 "lg", "gob", "gouv", "mil", "nom", "id")  # fmt: skip
LOCAL = ("local", "lan", "home", "internal", "localdomain", "arpa", "corp", "intra", "localhost",
         "workgroup", "invalid", "onion", "private", "domain", "belkin", "dlink", "router")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as generated. Raises ValueError for limits that could match nothing."""

    min_missing: int = 8
    full_missing: int = 60
    min_odd: int = 8
    full_odd: int = 40
    min_surprise: float = 3.3  # nats per character
    min_label: int = 6  # shorter labels are abbreviations
    min_score: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.min_missing < self.full_missing or not 0 < self.min_odd < self.full_odd:
            raise ValueError("need 0 < min_missing < full_missing and 0 < min_odd < full_odd")


def detect(dns: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    asked = _registered(dns)
    per_name = asked.group_by("host", "hour", "name", "label").agg(
        ts=_.ts.min(), last=_.ts.max(), uid=_.uid.argmin(_.ts), missing=_.missing.all(),
        resolved=_.resolved.any(), address=_.address.max(),
    )  # fmt: skip
    # The model sees each distinct label once.
    labels = per_name.select("label").distinct()
    # A number at the end (cdn77, web2024) says nothing about who made the name up.
    labels = labels.mutate(letters=labels.label.re_replace("[0-9]+$", ""))
    labels = labels.select(
        "label",
        odd=(labels.letters.length() >= config.min_label)
        & (oddness(labels.letters) >= config.min_surprise),
    )
    judged = per_name.inner_join(labels, "label").filter(_.missing | _.odd)
    totals = per_name.group_by("host", "hour").agg(names=_.count())
    ranked = judged.mutate(
        rank=ibis.row_number().over(ibis.window(group_by=("host", "hour"), order_by="ts"))
    )
    hours = ranked.group_by("host", "hour").agg(
        first_seen=_.ts.min(),
        last_seen=_.last.max(),
        count=_.count(),
        missing=_.missing.sum(),
        odd=_.odd.sum(),
        odd_missing=(_.odd & _.missing).sum(),
        peer=_.name.argmax(_.last, where=_.odd & _.resolved),
        evidence=sample(_.uid, _.rank),
        examples=_.name.collect(where=_.rank < 10),
    )
    hours = hours.inner_join(totals, ["host", "hour"])
    hours = hours.left_join(_addresses(judged), ["host", "hour"]).drop("host_right", "hour_right")
    scored = _score(hours, config)
    best = scored.mutate(
        place=ibis.row_number().over(
            ibis.window(group_by="host", order_by=[_.score.desc(), _.first_seen])
        )
    ).filter(_.place == 0, _.score >= config.min_score)
    return as_findings(
        best.mutate(peer_port=ibis.null("int32"), proto=ibis.null("string")), DETAILS
    )


def _addresses(judged: ibis.Table) -> ibis.Table:
    """Return per host and hour the addresses that most odd names led to."""
    led = judged.filter(
        judged.odd, judged.resolved, judged.address.re_search(r"^[0-9a-f:]*[0-9a-f:.]+$")
    )
    counted = led.group_by("host", "hour", "address").agg(names=_.count())
    ranked = counted.mutate(
        place=ibis.row_number().over(
            ibis.window(group_by=("host", "hour"), order_by=[_.names.desc(), _.address])
        )
    )
    return (
        ranked.filter(_.place < 5)
        .group_by("host", "hour")
        .agg(addresses=_.address.collect(order_by=_.place))
    )


def _registered(dns: ibis.Table) -> ibis.Table:
    """Return questions of inside hosts with their registered name and its first label."""
    questions = asked(dns).filter(
        _.query.contains("."),
        _.qtype.isnull() | _.qtype.isin(("A", "AAAA")),
        _.rcode.notnull(),
    )
    parts = questions.query.split(".")
    size = parts.length()
    questions = questions.mutate(
        tld=parts[size - 1], second=parts[size - 2], size=size, parts=parts
    )
    deep = (
        (questions.tld.length() == 2) & questions.second.isin(SHARED_SECOND) & (questions.size > 2)
    )
    label = deep.ifelse(questions.parts[questions.size - 3], questions.second)
    ending = deep.ifelse(questions.second.concat(".", questions.tld), questions.tld)
    is_name = ~questions.tld.isin(LOCAL) & ~questions.tld.re_search("^[0-9]")
    answered: Any = questions.answers.length() > 0
    return questions.filter(is_name).select(
        "ts", "uid", host="src_ip", hour=questions.ts.truncate("h"), label=label,
        name=label.concat(".", ending), missing=questions.rcode == "NXDOMAIN",
        address=questions.answers[questions.answers.length() - 1],
        resolved=((questions.rcode == "NOERROR") & answered).fill_null(False),
    )  # fmt: skip


def _score(hours: ibis.Table, config: Config) -> ibis.Table:
    missing = hours.missing.cast("float64")
    odd = hours.odd.cast("float64")
    share_odd = odd / hours.names
    odd_of_missing = hours.odd_missing / ibis.greatest(missing, 1.0)
    by_missing = (missing >= config.min_missing).ifelse(
        (0.3 + 0.7 * ramp(missing, config.min_missing, config.full_missing))
        * (0.5 + 0.5 * odd_of_missing),
        0.0,
    )
    by_odd = (odd >= config.min_odd).ifelse(
        (0.3 + 0.7 * ramp(odd, config.min_odd, config.full_odd)) * ramp(share_odd, 0.1, 0.6), 0.0
    )
    return hours.mutate(score=ibis.greatest(by_missing, by_odd))
