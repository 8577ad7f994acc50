"""How much each finding says about a host, as log-odds. The table behind docs/reference/scoring.md.

A host starts at PRIOR. Each kind of evidence (control, discovery, names, intelligence, ...) adds the
heaviest of its findings; several findings of one kind do not add up, several kinds do. No kind adds
more than CAP. The score is the logistic of SLOPE times the sum: 0.5 at 0 nats, 0.9 at 2.2 / SLOPE.
"""

from __future__ import annotations

import math
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sakimori.detectors import BUILTIN, load_all
from sakimori.verdicts.model import Weight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sakimori.verdicts.model import Finding

PRIOR = -3.9  # one host in fifty, before any evidence
CAP = 7.0  # nats of one kind
# Fitted: hosts that reach a sum are surer bots, and those that do not are surer clean, than the plain
# sum says (bench/calibrate.py).
SLOPE = 1.6
INFECTED, SUSPECTED = 0.9, 0.5

# Nats at a finding's full score, as each detector states; a finding adds weight x score, and what
# its circumstances add.
BASE = {detector.NAME: detector.WEIGHT for detector in BUILTIN}
UNKNOWN_BASE = 3.0  # a plugin's detector that states none, or one that is gone
# What file sharing looks like besides: calls to the same strangers again, long and one-way
# transfers, strangers that are gone. On uncommon ports it weighs SHARING times as much.
OF_SHARING = frozenset({"beacon", "long_connection", "exfiltration", "flood", "scan", "irc"})
SHARING = 0.3
# Programs that poll keep a connection open, or wait: of the clean captures' timers none is faster
# than 18 s. Implants that a person drives ask each few seconds.
FEW_SECONDS = 10.0
# Ports on which hosts of any network talk to strangers all day.
COMMON_PORTS = frozenset({
    22, 53, 80, 110, 123, 143, 443, 465, 500, 554, 587, 853, 993, 995, 1194, 1883, 1935, 3128, 3478,
    4433, 4500, 5060, 5061, 5222, 5223, 5228, 6969, 8080, 8443, 8883, 9443, 10443,
})  # fmt: skip


def shares_files(findings: Iterable[Finding]) -> bool:
    """Whether one of a host's findings says that it moves files with strangers."""
    return any(f.detector == "p2p" and f.details.get("sharing") for f in findings)


def weigh(finding: Finding, *, sharing: bool = False) -> Weight:
    """Return what a finding adds. An inbound scan adds nothing to anybody.

    `sharing`: the host shares files (`shares_files`), whose strangers on any port explain much.
    """
    detectors = load_all()
    detector = detectors.get(finding.detector)
    kind = detector.KIND if detector else finding.detector
    if finding.details.get("direction") == "inbound":
        return Weight(finding, kind, 0.0, ("inbound",))
    nats = getattr(detector, "WEIGHT", UNKNOWN_BASE) * finding.score
    reasons = []
    for reason, extra in _circumstances(finding):
        nats += extra * finding.score
        reasons.append(reason)
    if sharing and detector and detector.NAME in OF_SHARING and not _on_common_port(finding):
        nats *= SHARING
        reasons.append("shares files")
    return Weight(finding, kind, max(0.0, min(nats, CAP)), tuple(reasons))


def _on_common_port(finding: Finding) -> bool:
    return finding.peer_port in COMMON_PORTS


def _circumstances(finding: Finding) -> Iterator[tuple[str, float]]:
    """Give what makes a finding more, or less, likely to be about a bot, in nats."""
    details = finding.details
    if finding.detector == "beacon":
        yield from _of_beacon(finding)
    elif finding.detector in ("scan", "brute_force") and details.get("direction") == "internal":
        yield "inside only", -1.0
    elif finding.detector == "intelligence" and details.get("sinkhole"):
        yield "sinkhole", 0.5


def _of_beacon(finding: Finding) -> Iterator[tuple[str, float]]:
    silent = (finding.details.get("unanswered") or 0.0) >= 0.8
    if _on_common_port(finding) and not silent and finding.details.get("unit") != "question":
        yield "common port", -0.8
        if (finding.details.get("period_s") or FEW_SECONDS) < FEW_SECONDS and finding.count >= 50:
            yield "every few seconds", 1.2
    elif finding.peer_port is not None and not _on_common_port(finding):
        # Calls and games keep UDP channels alive on any port.
        yield "odd port", 1.5 if finding.proto == "tcp" else -0.3
    if silent and finding.count >= 20:
        yield "calls on without an answer", 1.5
    if finding.details.get("unit") == "question":
        yield "question only", -1.8


def logistic(nats: float) -> float:
    """Return the probability that a sum of nats stands for."""
    return 1 / (1 + math.exp(-SLOPE * nats))


def is_address(peer: str) -> bool:
    """Whether a peer is a single address."""
    try:
        ip_address(peer)
    except ValueError:
        return False
    return True
