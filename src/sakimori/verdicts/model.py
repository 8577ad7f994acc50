"""What the judge reads and gives: findings, hosts, controllers, botnets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Verdict = Literal["infected", "suspected", "clean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of the table `finding`, with `details` as a mapping."""

    detector: str
    technique: str
    host: str
    peer: str | None
    peer_port: int | None
    proto: str | None
    first_seen: datetime
    last_seen: datetime
    count: int
    score: float
    details: Mapping[str, Any]
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Weight:
    """What one finding adds to a host's case: log-odds in nats, and the reasons in words."""

    finding: Finding
    kind: str
    nats: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host's verdict. `counted` are the findings that carried it, the strongest of each kind."""

    host: str
    verdict: Verdict
    score: float
    does: tuple[str, ...]
    families: tuple[str, ...]
    findings: tuple[Finding, ...]
    counted: tuple[Weight, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """A peer that appears to command bots. `sinkhole`: it is known to command nobody any more."""

    controller: str
    kind: Literal["address", "name"]
    port: int | None
    score: float
    bots: tuple[str, ...]
    families: tuple[str, ...] = ()
    sinkhole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Botnet:
    """Hosts that share controllers, or act as one."""

    botnet: str
    family: str | None
    bots: tuple[str, ...]
    controllers: tuple[str, ...]
    does: tuple[str, ...]
    why: str
    score: float
