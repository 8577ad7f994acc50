"""Click fraud: a host that clicks on advertisements without a page on which they stand.

A person opens a page, its pictures, scripts and advertisements are fetched with that page as
referrer, and now and then a link on it is clicked. A clicking bot sends the click alone: the referrer
names a page of which this host fetched no part and which it never opened. Only plain HTTP shows
this. Per host and user agent:

    click     a GET whose referrer is a page by plain http:// of another host, and which brought no
              picture, script, font or style sheet
    opened    a page's host of which this host fetched any part, or which it asked itself: by another
              agent, or without a referrer of yet another host (as a click's landing has)
    alone     clicks from pages not opened, as a share of the agent's links from other hosts
    sent on   share of clicks that were answered with a redirect; null where no status is logged
    score     stretch of the number of clicks from `min_clicks` (0.4) to `full_clicks` (1), x a
              stretch of alone from `min_alone` (0) to 1, x (1 + sent on) / 2; sent on counts as a
              half where it is not known

The clicks must go to at least `min_targets` hosts, or come from that many pages: one broken site is
no click fraud. A referrer by https:// says nothing, because the visit of the page may be hidden.

Also finds: crawlers, link checkers and prefetchers with forged referrers.
Misses: clicks by https; bots that open the page in a real browser; sensors that log no referrer.
Source: the missing page view as in Miller et al. 2011, "What's Clicking What?", DIMVA,
doi:10.1007/978-3-642-22424-9_10, and Pearce et al. 2014 on ZeroAccess, doi:10.1145/2660267.2660369.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import ibis
from ibis import _

from sakimori.detectors._common import as_findings, ramp, sample, web

NAME = "click_fraud"
TECHNIQUE = "T1496"  # Resource Hijacking
KIND = "fraud"
DOES = "clicks"
WEIGHT = 4.5  # nats at full score; see docs/reference/scoring.md
READS = {
    "http": ("ts", "uid", "src_ip", "method", "host", "uri", "referrer", "user_agent", "status",
             "mime", "src_inside", "dst_inside"),
}  # fmt: skip
NEEDS = (("http.referrer", "http.host", "http.method", "http.uri", "http.mime"),)
DETAILS = {
    "agent": "string",  # the user agent that clicked; hostile text
    "targets": "int64",  # hosts clicked
    "pages": "int64",  # hosts named as referrer
    "alone": "float64",  # clicks as a share of GETs with a referrer of another host
    "sent_on": "float64",  # share of clicks answered with a redirect; null where not known
    "examples": "array<string>",  # up to 10 hosts clicked
}
SAYS = (
    "followed {count} links to {targets} hosts from {pages} pages that it never opened"
    " ({alone_pct} of all its links)"
)
INNOCENT = (
    "A crawler, a link checker or a program that fetches pages ahead does so too. People who"
    " click have opened the page before, and fetch its pictures and scripts."
)
ASIDE = (
    "{alone_pct} of the links that {host} followed stand on pages that it never opened, which a"
    " person's browser hardly does. A crawler or link checker is not told apart."
)
NEXT = "Find the program that sends these requests; it may run hidden, without a window."

# Parts of a page: what comes with a page view, never a click's answer.
PARTS = "^(image|font|audio|video)/|javascript|/css|^application/json"
PART_NAMES = r"\.(png|jpe?g|gif|webp|svg|ico|css|js|woff2?|ttf|mp[34]|json)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What counts as click fraud. Raises ValueError for limits that could match nothing."""

    min_clicks: int = 15
    full_clicks: int = 150
    min_targets: int = 5
    min_alone: float = 0.5
    min_score: float = 0.3

    def __post_init__(self) -> None:
        if not 1 < self.min_clicks < self.full_clicks:
            raise ValueError(f"need 1 < {self.min_clicks=} < {self.full_clicks=}")
        if not 0 <= self.min_alone < 1:
            raise ValueError(f"need 0 <= {self.min_alone=} < 1")


def detect(http: ibis.Table, config: Config) -> ibis.Table:
    """Return the findings. Lazy: nothing runs here."""
    asked = _asked(http)
    links = asked.filter(_.foreign)
    by_anyone, by_agent = _opened(asked)
    judged = links.left_join(
        by_anyone, [links.host == by_anyone.opener, links.page == by_anyone.name]
    )
    judged = judged.drop("opener", "name")
    judged = judged.left_join(
        by_agent, [judged.host == by_agent.opener, judged.page == by_agent.name]
    )
    # The clicker's own landing on a page opens it for nobody; where agents are not told, it does.
    others = (_.agents > 1) | (_.only_agent != _.agent) | (_.agent == "")
    judged = judged.mutate(met=_.opened.notnull() | others.fill_null(False))
    judged = judged.mutate(click=~_.met & ~_.part)
    ranked = judged.filter(_.click).mutate(
        rank=ibis.row_number().over(
            ibis.window(group_by=("host", "agent"), order_by=("ts", "uid", "target"))
        )
    )
    key = ("host", "agent")
    clicks = ranked.group_by(key).agg(
        first_seen=_.ts.min(), last_seen=_.ts.max(), count=_.count(),
        targets=_.target.nunique(), pages=_.page.nunique(),
        sent_on=_.status.between(300, 399).cast("float64").mean(),
        peer=_.target.min(), evidence=sample(_.uid, _.rank),
    )  # fmt: skip
    clicks = clicks.filter(
        _["count"] >= config.min_clicks, ibis.greatest(_.targets, _.pages) >= config.min_targets
    )
    every = judged.group_by(key).agg(links=_.count())
    found = clicks.inner_join(every, list(key)).mutate(alone=_["count"] / _.links)
    found = found.left_join(_examples(ranked), list(key)).drop("host_right", "agent_right")
    size = 0.4 + 0.6 * ramp(
        found["count"].ln(), math.log(config.min_clicks), math.log(config.full_clicks)
    )
    scored = found.mutate(
        score=size * ramp(found.alone, config.min_alone, 1.0)
        * (1 + found.sent_on.fill_null(0.5)) / 2,
        # One program clicks on many hosts: none of them is its controller.
        peer=ibis.null("string"), peer_port=ibis.null("int32"), proto=ibis.null("string"),
    )  # fmt: skip
    best = scored.mutate(
        place=ibis.row_number().over(
            ibis.window(group_by="host", order_by=[_.score.desc(), _.agent])
        )
    )
    hits = best.filter(_.place == 0, _.score >= config.min_score)
    return as_findings(hits.mutate(agent=_.agent.nullif("")), DETAILS)


def _asked(http: ibis.Table) -> ibis.Table:
    """Return the GETs of inside hosts with the plain page they came from and what they brought."""
    gets = web(http).filter(_.method == "GET", _.host.notnull())
    page = gets.referrer.lower().re_extract("^http://([^/:?#]+)", 1).nullif("")
    path = gets.uri.split("?")[0].lower()
    part = gets.mime.re_search(PARTS).fill_null(False) | path.re_search(PART_NAMES).fill_null(False)
    return gets.select(
        "ts", "uid", "status", page=page, part=part, host="src_ip", target="host",
        foreign=(page != gets.host).fill_null(False), agent=gets.user_agent.fill_null(""),
    )  # fmt: skip


def _opened(asked: ibis.Table) -> tuple[ibis.Table, ibis.Table]:
    """Return the pages' hosts that each host opened, and those it only got to by links.

    Columns opener, name, opened; and opener, name, agents (how many), only_agent.
    """
    opened = ibis.union(
        asked.filter(_.part, _.page.notnull()).select(opener="host", name="page"),
        asked.filter(~_.foreign, ~_.part).select(opener="host", name="target"),
        distinct=True,
    ).mutate(opened=ibis.literal(True))
    landed = asked.filter(_.foreign, ~_.part).group_by(opener="host", name="target")
    return opened, landed.agg(agents=_.agent.nunique(), only_agent=_.agent.min())


def _examples(clicks: ibis.Table) -> ibis.Table:
    """Return per host and agent the first few hosts clicked, by name."""
    key = ("host", "agent")
    named = clicks.select(*key, "target").distinct()
    ranked = named.mutate(
        at=ibis.row_number().over(ibis.window(group_by=key, order_by="target"))
    ).filter(_.at < 10)
    return ranked.group_by(key).agg(examples=_.target.collect(order_by=_.at))
