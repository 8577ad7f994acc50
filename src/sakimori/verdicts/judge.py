"""Findings in, verdicts out: hosts, controllers, botnets. Pure; findings are few by then."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

from sakimori.detectors import load_all
from sakimori.verdicts.company import COMMANDS, company_of, peers_of
from sakimori.verdicts.evidence import (
    CAP,
    COMMON_PORTS,
    INFECTED,
    PRIOR,
    SUSPECTED,
    is_address,
    logistic,
    shares_files,
    weigh,
)
from sakimori.verdicts.model import Botnet, Controller, Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sakimori.verdicts.model import Finding, Verdict, Weight

MIN_CONTROLLER = 0.05
JOINS = 0.4  # a controller must be this likely before it joins hosts to one botnet


def judge_hosts(findings: Iterable[Finding], is_inside: Callable[[str], bool]) -> list[Host]:
    """Return every inside host that has findings, highest score first."""
    of_host: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        of_host[finding.host].append(finding)
    weights = {name: _weighed(found) for name, found in of_host.items() if is_inside(name)}
    company = company_of(weights, lambda its: _score(_strongest(its)))
    hosts = [_host(name, its, company.get(name)) for name, its in weights.items()]
    return sorted(hosts, key=lambda h: (-h.score, h.host))


def _weighed(findings: Sequence[Finding]) -> list[Weight]:
    sharing = shares_files(findings)
    return sorted((weigh(f, sharing=sharing) for f in findings), key=_heaviest_first)


def _heaviest_first(weight: Weight) -> tuple[Any, ...]:
    """Order findings totally, so that the order in which they come changes nothing."""
    f = weight.finding
    port = -1 if f.peer_port is None else f.peer_port
    return (-weight.nats, -f.score, f.detector, f.peer or "", port, f.first_seen, f.host)


def _strongest(weights: Iterable[Weight]) -> tuple[Weight, ...]:
    """Return the heaviest finding of each kind, those that weigh nothing left out."""
    strongest: dict[str, Weight] = {}
    for weight in weights:
        strongest.setdefault(weight.kind, weight)
    return tuple(w for w in strongest.values() if w.nats > 0)


def _score(counted: Iterable[Weight]) -> float:
    return logistic(PRIOR + sum(min(w.nats, CAP) for w in counted))


def _host(name: str, weights: Sequence[Weight], company: Weight | None) -> Host:
    counted = (*_strongest(weights), *([company] if company else ()))
    score = _score(counted)
    findings = tuple(w.finding for w in weights)
    return Host(
        host=name,
        verdict=_verdict(score),
        score=round(score, 4),
        does=_does(weights),
        families=_families(findings),
        findings=findings,
        counted=counted,
    )


def _verdict(score: float) -> Verdict:
    if score >= INFECTED:
        return "infected"
    return "suspected" if score >= SUSPECTED else "clean"


def _does(weights: Iterable[Weight]) -> tuple[str, ...]:
    detectors = load_all()
    done = {
        detectors[w.finding.detector].DOES
        for w in weights
        if w.nats > 0 and w.finding.detector in detectors
    }
    return tuple(sorted(done - {""}))


def _families(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(sorted({f for one in findings if (f := one.details.get("family"))}))


def judge_controllers(hosts: Iterable[Host]) -> list[Controller]:
    """Return the peers that may command the infected and suspected hosts, most likely first.

    A peer's score is what its callers' findings say together: 1 - product of (1 - belief x host's
    score), so that a peer several bots call rises above each one's other peers; times the share
    of bots among the inside hosts that use it.
    """
    claims: defaultdict[str, list[tuple[Host, Weight]]] = defaultdict(list)
    for host in hosts:
        if host.verdict == "clean":
            continue
        for weight in _weighed(host.findings):
            finding = weight.finding
            if weight.kind in COMMANDS and weight.nats:
                for peer in peers_of(finding):
                    claims[peer].append((host, weight))
    # A whole /24 is evidence about the host, but no controller that could be cut.
    found = [_controller(peer, claim) for peer, claim in claims.items() if "/" not in peer]
    kept = [c for c in found if c.score >= MIN_CONTROLLER]
    return sorted(kept, key=lambda c: (c.sinkhole, -c.score, -len(c.bots), c.controller))


def _controller(peer: str, claims: Sequence[tuple[Host, Weight]]) -> Controller:
    best: dict[str, float] = {}
    for host, weight in claims:
        # A control channel at its very best is worth half: another must say so too.
        belief = min(1.0, weight.nats / CAP) * host.score
        best[host.host] = max(best.get(host.host, 0.0), belief)
    doubt = 1.0
    for belief in best.values():
        doubt *= 1 - belief
    users = max((int(w.finding.details.get("hosts") or 0) for _, w in claims), default=0)
    # Bots use what everybody uses, too: a peer whose other users are clean commands nobody.
    exclusive = len(best) / max(users, len(best))
    strongest = min((w for _, w in claims), key=_heaviest_first).finding
    kind: Literal["address", "name"] = "address" if is_address(peer) else "name"
    return Controller(
        controller=peer,
        kind=kind,
        port=strongest.peer_port,
        score=round((1 - doubt) * exclusive, 4),
        bots=tuple(sorted(best)),
        families=_families(w.finding for _, w in claims),
        sinkhole=any(bool(w.finding.details.get("sinkhole")) for _, w in claims),
    )


def judge_botnets(hosts: Sequence[Host], controllers: Sequence[Controller]) -> list[Botnet]:
    """Return groups of hosts that share a controller or act as one, largest first.

    A single infected host with a controller is a botnet of one seen bot. Sinkholes do not join
    hosts: many botnets' bots end there.
    """
    bots = {h.host: h for h in hosts if h.verdict != "clean"}
    shared = [
        [b for b in c.bots if b in bots] for c in controllers if not c.sinkhole and c.score >= JOINS
    ]
    groups = _joined(bots, [*shared, *_acting_alike(bots.values())])
    nets = [_botnet([bots[n] for n in sorted(group)], controllers) for group in groups]
    return sorted(
        (net for net in nets if net is not None), key=lambda n: (-len(n.bots), -n.score, n.botnet)
    )


def _joined(names: Iterable[str], links: Iterable[Sequence[str]]) -> list[list[str]]:
    """Return the names in groups such that all names of one link are in one group."""
    group_of = {name: [name] for name in names}
    for link in links:
        for other in link[1:]:
            mine, theirs = group_of[link[0]], group_of[other]
            if mine is not theirs:
                mine.extend(theirs)
                group_of.update(dict.fromkeys(theirs, mine))
    return list({id(group): group for group in group_of.values()}.values())


def _acting_alike(hosts: Iterable[Host]) -> list[list[str]]:
    """Return hosts that scan the same uncommon port outwards, or chase the same made-up names."""
    alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for host in hosts:
        for finding in host.findings:
            if _sweeps_uncommon_port(finding):
                alike["scan", f"{finding.proto}/{finding.peer_port}"].append(host.host)
            if finding.detector == "dga":
                for name in finding.details.get("examples") or ():
                    alike["dga", name].append(host.host)
    return [sorted(set(group)) for group in alike.values() if len(set(group)) > 1]


def _sweeps_uncommon_port(finding: Finding) -> bool:
    return (
        finding.detector == "scan"
        and finding.details.get("direction") == "outbound"
        and finding.peer_port is not None
        and finding.peer_port not in COMMON_PORTS
    )


def _botnet(members: Sequence[Host], controllers: Sequence[Controller]) -> Botnet | None:
    names = {h.host for h in members}
    shared = [c for c in controllers if names & set(c.bots) and c.score >= JOINS]
    if not shared and len(members) < 2:
        return None
    families = sorted({f for h in members for f in h.families})
    # Named after what it hangs on, so that the name stays while bots come and go.
    anchor = shared[0].controller if shared else ",".join(sorted(names))
    digest = hashlib.blake2b(anchor.encode(), digest_size=3).hexdigest()
    return Botnet(
        botnet=f"{(families[0] if families else 'botnet').lower().replace(' ', '-')}-{digest}",
        family=families[0] if families else None,
        bots=tuple(sorted(names)),
        controllers=tuple(c.controller for c in shared[:20]),
        does=tuple(sorted({d for h in members for d in h.does})),
        why="shared controller"
        if any(len(c.bots) > 1 for c in shared)
        else ("act alike" if len(members) > 1 else "one bot and its controller"),
        score=round(max(h.score for h in members), 4),
    )
