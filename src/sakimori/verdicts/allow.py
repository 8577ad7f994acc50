"""Allow lists: what an analyst set aside, with reason and expiry. They act when results are viewed.

Kinds: address (host or peer), cidr (of the peer or host), name (and those below it, of the peer),
pair (`host,peer`), detector (a detector's name).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Protocol

from sakimori.detectors import load_all
from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sakimori.verdicts.model import Finding

KINDS = ("address", "cidr", "name", "pair", "detector")


class Entry(Protocol):
    """What this module needs of an allow list's entry."""

    @property
    def kind(self) -> str:
        """One of KINDS."""

    @property
    def value(self) -> str:
        """As `normalised`."""

    @property
    def expires(self) -> datetime | None:
        """None: never."""


@dataclass(frozen=True, slots=True)
class Viewed:
    """Findings after the allow list: those to judge, and how many each entry hid."""

    findings: list[Finding]
    hidden: int


def kind_of(value: str) -> str:
    """Return which kind a value is by its form."""
    if "," in value:
        return "pair"
    if value in load_all():
        return "detector"
    if "/" in value:
        return "cidr"
    return "address" if _is_address(value) else "name"


def normalised(kind: str, value: str) -> str:
    """Return the value in the form that `apply` compares. Raises ConfigError."""
    text = value.strip().lower()
    try:
        if kind == "address":
            return str(ip_address(text))
        if kind == "cidr":
            return str(ip_network(text, strict=False))
    except ValueError as error:
        raise ConfigError(
            f"{value!r} is no {kind}", hint="such as 192.0.2.7 or 192.0.2.0/24"
        ) from error
    if kind == "detector" and text not in load_all():
        raise ConfigError(f"no detector is named {value!r}", hint=", ".join(load_all()))
    if kind == "pair":
        return _pair(text)
    if kind not in KINDS:
        raise ConfigError(f"no kind is named {kind!r}", hint=", ".join(KINDS))
    if not (name := text.strip(" .")):
        raise ConfigError("a name is empty", hint="such as update.example")
    return name


def _pair(text: str) -> str:
    host, _, peer = (part.strip() for part in text.partition(","))
    if not host or not peer:
        raise ConfigError(f"{text!r} is no pair", hint="write it as HOST,PEER")
    return f"{host},{peer}"


def apply(findings: Iterable[Finding], entries: Iterable[Entry], now: datetime) -> Viewed:
    """Return the findings that no entry in force hides."""
    active = [e for e in entries if e.expires is None or e.expires > now]
    everything = list(findings)
    kept = [f for f in everything if not any(_hides(e, f) for e in active)]
    return Viewed(kept, len(everything) - len(kept))


def _hides(entry: Entry, finding: Finding) -> bool:
    sides = (finding.host, (finding.peer or "").lower())
    match entry.kind:
        case "address":
            return entry.value in sides
        case "cidr":
            return any(_within(side, entry.value) for side in sides)
        case "name":
            return sides[1] == entry.value or sides[1].endswith(f".{entry.value}")
        case "pair":
            return ",".join(sides) == entry.value
        case _:
            return finding.detector == entry.value


def _within(side: str, cidr: str) -> bool:
    if "/" in side:  # a finding about a whole /24
        return _net_within(side, cidr)
    return _is_address(side) and ip_address(side) in ip_network(cidr)


def _net_within(side: str, cidr: str) -> bool:
    try:
        inner, outer = ip_network(side), ip_network(cidr)
    except ValueError:  # a Host header may hold anything, a slash too
        return False
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
