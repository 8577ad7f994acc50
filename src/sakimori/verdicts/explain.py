"""Why a host has its verdict, in sentences of the reader's language. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.detectors import load_all
from sakimori.i18n import Translator
from sakimori.verdicts import company
from sakimori.verdicts.evidence import PRIOR, SLOPE, logistic, shares_files, weigh

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sakimori.verdicts.model import Finding, Host, Weight

VERDICTS = {
    "infected": "{host} is very probably a bot (score {score}).",
    "suspected": "{host} may be a bot (score {score}); look at it before you act.",
    "clean": "Nothing here makes {host} a bot (score {score}).",
}
REASONS = {
    "odd port": "the port is not one that programs of a desktop use",
    "common port": "on this port all sorts of programs call on timers",
    "every few seconds": "programs rarely open a connection every few seconds",
    "calls on without an answer": "it calls on although nobody answers",
    "question only": "only the name was asked for",
    "inside only": "the targets are inside this network",
    "sinkhole": "the peer is a known sinkhole",
    "inbound": "it comes from outside",
    "shares files": "the host shares files with strangers, which looks alike",
}
WORDS = {  # values of details that are words
    "outbound": "outbound",
    "inbound": "inbound",
    "internal": "internal",
    "horizontal": "horizontal",
    "vertical": "vertical",
    "reflected": "reflected",
    "scans": "scans",
    "spams": "spams",
    "floods": "floods",
    "asks": "asks",
    "fetches": "fetches",
}
KINDS = {  # of evidence
    "control": "control",
    "names": "names",
    "discovery": "discovery",
    "intelligence": "intelligence",
    "tunnel": "tunnel",
    "peers": "peers",
    "spam": "spam",
    "flood": "flood",
    "theft": "theft",
    "fraud": "fraud",
    "handshake": "handshake",
    "web": "web",
    "delivery": "delivery",
    "synchrony": "synchrony",
    "company": "company",
}
# What the sum of findings asks for, beyond each finding's own next step.
FIRST_STEPS = {
    "infected": (
        "Take {host} off the network, but leave it switched on: memory may hold the evidence.",
        "Block the peers of the findings that count at the border, and look for others that call them.",
        "Change the passwords used on {host} from another machine.",
    ),
    "suspected": (
        "Ask the owner of {host} what these programs are; the first finding decides most.",
        "If it is wanted, set it aside with `sakimori allow add`, with the reason.",
    ),
    "clean": ("Nothing to do.",),
}


_IN_TIMELINE, _LIGHT = 10, 0.5  # findings shown there, and the nats below which they are not


@dataclass(frozen=True, slots=True)
class Point:
    """One finding, told: what was seen, what it weighs, what it could be instead, what to do.

    `aside` says why the innocent explanation was set aside, or that it was not.
    """

    finding: Finding
    says: str
    weighs: str
    innocent: str
    aside: str
    next: str
    nats: float
    counted: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """A host's case, told."""

    host: str
    sentence: str
    sum: str
    points: tuple[Point, ...]
    timeline: tuple[tuple[datetime, str], ...]
    steps: tuple[str, ...]


def explain(host: Host, lang: str) -> Explanation:
    """Return the case of a host in a language ("en" or "ja")."""
    say = Translator(lang)
    counted = {id(w.finding) for w in host.counted if w.kind != company.KIND}
    met = next((w for w in host.counted if w.kind == company.KIND), None)
    sharing = shares_files(host.findings)
    points = tuple(
        _point(
            weigh(f, sharing=sharing), say, counted=id(f) in counted, met=met if met and met.finding is f else None,
            believed=host.verdict != "clean",
        )
        for f in host.findings
    )  # fmt: skip
    return Explanation(
        host=host.host,
        sentence=say.tr(VERDICTS[host.verdict], host=host.host, score=f"{host.score:.2f}"),
        sum=_sum(host, say),
        points=points,
        timeline=_timeline(points, say),
        steps=tuple(
            say.tr(step, host=host.host) for step in FIRST_STEPS[host.verdict]
        )
        + tuple(
            dict.fromkeys(p.next for p in points if p.counted and host.verdict != "clean")
        ),
    )  # fmt: skip


def sentence(finding: Finding, lang: str) -> str:
    """Return one finding as a sentence."""
    return _said(finding, Translator(lang), "SAYS")


def _said(finding: Finding, say: Translator, what: str) -> str:
    detector = load_all().get(finding.detector)
    if detector is None:  # its plugin is gone, the finding is not
        return say.tr("{detector} found something about {peer}", detector=finding.detector,
                      peer=finding.peer)  # fmt: skip
    values = _values(finding.details, say)
    message: str = getattr(detector, what, "")
    for condition, other in getattr(detector, f"{what}_IF", {}).items():
        field, _, value = condition.partition("=")
        if finding.details.get(field) == value:
            message = other
    if not message:  # a plugin that says nothing of this; the catalogue's "" is its header
        return ""
    return say.tr(
        message, **{**values, "host": finding.host, "peer": finding.peer, "count": finding.count,
                    "peer_port": str(finding.peer_port or "-")},
    )  # fmt: skip


def kind_word(kind: str, say: Translator) -> str:
    """Return a kind of evidence in the reader's language; a plugin's kind as it is."""
    return say.tr(KINDS[kind]) if kind in KINDS else kind


def _values(details: Mapping[str, Any], say: Translator) -> dict[str, Any]:
    """Return a finding's own fields for a sentence: `x_s` also as `x`, shares also as `x_pct`."""
    values: dict[str, Any] = {}
    for name, value in details.items():
        if isinstance(value, str):
            values[name] = say.tr(WORDS[value]) if value in WORDS else value
        elif not isinstance(value, list):
            values[name] = value
        if isinstance(value, (int, float)) and name.endswith("_s"):
            values[name.removesuffix("_s")] = duration(value, say)
        elif isinstance(value, float) and 0 <= value <= 1:
            values[f"{name}_pct"] = f"{value:.0%}"
    return values


def duration(seconds: float, say: Translator) -> str:
    """Return seconds as people read them: 45 s, 9 min 47 s, 8 h 7 min; a dash for no number."""
    if not math.isfinite(seconds):
        return "-"
    if seconds < 60:
        return say.tr("{s} s", s=f"{seconds:.3g}")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return say.tr("{m} min {s} s", m=minutes, s=rest) if rest else say.tr("{m} min", m=minutes)
    hours, minutes = divmod(minutes, 60)
    return say.tr("{h} h {m} min", h=hours, m=minutes) if minutes else say.tr("{h} h", h=hours)


def _point(
    weight: Weight, say: Translator, *, counted: bool, met: Weight | None, believed: bool
) -> Point:
    finding = weight.finding
    words = say.tr(
        "adds {nats} nats ({kind}, strength {score})" if counted else
        "adds nothing ({kind})" if not weight.nats else
        "adds nothing more: a stronger finding of its kind ({kind}) counts already",
        nats=round(weight.nats, 1), kind=kind_word(weight.kind, say), score=round(finding.score, 2),
    )  # fmt: skip
    reasons = [say.tr(REASONS.get(r, r)) for r in weight.reasons]
    if met:
        reasons.append(
            say.tr(
                "{nats} nats more for company: other hosts with a case of their own accuse {peer} too",
                nats=round(met.nats, 1),
                peer=finding.peer,
            )
        )
    return Point(
        finding,
        _said(finding, say, "SAYS"),
        "; ".join([words, *reasons]),
        _said(finding, say, "INNOCENT"),
        _said(finding, say, "ASIDE")
        if counted and believed
        else say.tr("it was not set aside: this finding does not decide the verdict"),
        _said(finding, say, "NEXT"),
        weight.nats,
        counted,
    )


def _sum(host: Host, say: Translator) -> str:
    parts = " + ".join(f"{w.nats:.1f} ({kind_word(w.kind, say)})" for w in host.counted) or "0"
    total = PRIOR + sum(w.nats for w in host.counted)
    return say.tr(
        "start {prior} nats, then {parts} = {total}; times {slope}: probability {score}",
        prior=f"{PRIOR:.1f}", parts=parts, total=f"{total:.1f}",
        slope=SLOPE, score=f"{logistic(total):.2f}",
    )  # fmt: skip


def _timeline(points: tuple[Point, ...], say: Translator) -> tuple[tuple[datetime, str], ...]:
    """Return when each behaviour that weighs began and was last seen, in time order."""
    marks = []
    for point in points[:_IN_TIMELINE]:
        if point.nats < _LIGHT:
            continue
        finding = point.finding
        marks.append((finding.first_seen, say.tr("begins: {what}", what=point.says)))
        if finding.last_seen > finding.first_seen:
            marks.append((finding.last_seen, say.tr("last seen: {what}", what=point.says)))
    return tuple(sorted(marks))
