"""Evidence by company: a host that calls the peer which other bots obey is likelier a bot. Pure.

For a host and a peer p that one of its findings accuses:

    others    hosts with a finding about p that are suspected for other reasons, all they have
              about p left out: two hosts cannot talk each other into a verdict. Each vouches with
              that score times p's part in what its findings say against all its peers, for a bot
              calls innocent peers, too
    company   1 - product of (1 - what each vouches), x share of p's users that have such a finding
    nats      COMPANY x company x score of the host's own finding about p

An address and a name of one server are two peers, so the part of each is the larger for it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sakimori.verdicts.evidence import SUSPECTED
from sakimori.verdicts.model import Weight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sakimori.verdicts.model import Finding

COMPANY = 3.0  # nats of being the only other caller of a bot's only controller
LIGHTEST = 0.05  # less is not worth a line
KIND = "company"
# Kinds of evidence whose peer may be who commands; the peers of the others are victims or bots.
COMMANDS = ("control", "names", "intelligence", "tunnel", "handshake", "web", "delivery", "theft",
            "synchrony")  # fmt: skip


def peers_of(finding: Finding) -> list[str]:
    """Return whom a finding accuses: its peer, and where made-up names led."""
    peers = [finding.peer] if finding.peer else []
    return peers + list(finding.details.get("addresses") or ())


def company_of(
    weights: Mapping[str, Sequence[Weight]], score: Callable[[Sequence[Weight]], float]
) -> dict[str, Weight]:
    """Return the weight of company for each host that has any.

    `weights`: the weighed findings of every inside host, heaviest first; `score`: a host's score
    from such weights.
    """
    claims = _claims(weights)
    against: defaultdict[str, float] = defaultdict(float)
    for callers in claims.values():
        for host, weight in callers.items():
            against[host] += weight.nats
    best: dict[str, Weight] = {}
    for peer, callers in claims.items():
        if len(callers) < 2:
            continue
        beliefs = {host: score(_without(peer, weights[host])) for host in callers}
        vouched = {
            host: belief * callers[host].nats / against[host]
            for host, belief in beliefs.items()
            if belief >= SUSPECTED
        }
        for host, weight in callers.items():
            nats = _nats(host, weight, callers, vouched)
            if nats > (best[host].nats if host in best else LIGHTEST):
                best[host] = Weight(weight.finding, KIND, nats, ())
    return best


def _claims(weights: Mapping[str, Sequence[Weight]]) -> dict[str, dict[str, Weight]]:
    """Return per accused peer its callers with the heaviest finding of each."""
    claims: defaultdict[str, dict[str, Weight]] = defaultdict(dict)
    accusing = (
        (host, w) for host, its in weights.items() for w in its if w.kind in COMMANDS and w.nats > 0
    )
    for host, weight in accusing:
        for peer in peers_of(weight.finding):
            if "/" not in peer:
                claims[peer].setdefault(host, weight)
    return claims


def _without(peer: str, weights: Sequence[Weight]) -> list[Weight]:
    return [w for w in weights if peer not in peers_of(w.finding)]


def _nats(
    host: str, weight: Weight, callers: Mapping[str, Weight], vouched: Mapping[str, float]
) -> float:
    doubt = 1.0
    for other, part in vouched.items():
        if other != host:
            doubt *= 1 - part
    users = max(int(w.finding.details.get("hosts") or 0) for w in callers.values())
    share = len(callers) / max(users, len(callers))
    return COMPANY * (1 - doubt) * share * weight.finding.score
