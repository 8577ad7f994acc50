"""What was seen of a victim, and what may be told to its provider.

An event accuses an address, so it must hold: the address spoke for itself, in a conversation that
was completed both ways. A question to a DNS sinkhole comes from a resolver, never from the victim;
a lone packet can bear anybody's address.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from sakimori.intel.rows import Row, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

# How it was got, as the reader of a notice needs it.
SEEN = ("sinkhole", "cnc_log", "crawler", "honeypot", "flow", "drop_site", "report", "dns")
# TLP 2.0, from free to closed. Source: FIRST, Traffic Light Protocol 2.0.
TLP = ("clear", "green", "amber", "amber+strict", "red")
LONGEST = 300  # characters kept of a free text
_YES, _NO = ("yes", "true", "1", "y"), ("no", "false", "0", "n")


@dataclass(frozen=True, kw_only=True)
class VictimEvent:
    """One time that a victim was seen. Text fields may be hostile: escape them where shown."""

    time: datetime  # aware, UTC
    ip: str  # the victim's address, canonical text
    seen: str  # one of SEEN
    established: bool | None = None  # the TCP handshake (UDP: an exchange both ways) was completed
    port: int | None = None  # the victim's source port; carriers that share addresses need it
    asn: int | None = None
    provider: str = ""  # whom to tell, when known: a name or mail address in the contacts
    proto: str = "tcp"
    botnet: str = ""
    family: str = ""
    controller: str = ""  # address or name that the victim spoke to
    controller_port: int | None = None
    evidence: str = ""  # the record that holds the proof
    tlp: str = "amber"  # one of TLP

    @cached_property
    def id(self) -> str:
        """64 hex digits that name this sighting, whoever is told: the same in every run."""
        names = (f.name for f in fields(self) if f.name != "provider")
        told = "\x1f".join(str(getattr(self, name)) for name in names)
        return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that becomes no event, and why. `line` counts from 1; 0: not from a file."""

    line: int
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """What a list held."""

    events: tuple[VictimEvent, ...] = ()
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be told."""

    unconfirmed: bool = False  # also events without a completed handshake, marked so
    most: str = "amber+strict"  # no event above this TLP leaves
    private: bool = False  # also addresses that no provider answers for (tests, labs)


def refusal(event: VictimEvent, policy: Policy) -> str:
    """Return why an event must not be told to anybody, or "" when it may."""
    if event.seen == "dns":
        return "seen in DNS only: the address is a resolver's, not a victim's"
    if event.established is not True and not policy.unconfirmed:
        return "no completed handshake: the address may be forged"
    if TLP.index(event.tlp) > TLP.index(policy.most):
        return f"TLP:{event.tlp.upper()} is above TLP:{policy.most.upper()}"
    return "" if policy.private else _no_victim(ip_address(event.ip))


_DOCUMENTATION = ("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:")


def _no_victim(address: IPv4Address | IPv6Address) -> str:
    """Refuse what no provider answers for; ranges for documentation stand for public ones."""
    if str(address).startswith(_DOCUMENTATION) or address.is_global:
        return ""
    return "not a public address: no provider answers for it"


def admit(events: Iterable[VictimEvent], policy: Policy) -> Read:
    """Part the events that may be told from those that may not."""
    kept, refused = [], []
    for event in events:
        why = refusal(event, policy)
        if why:
            refused.append(Refused(0, why, f"{event.ip} {event.time.isoformat()}"))
        else:
            kept.append(event)
    return Read(tuple(kept), tuple(refused))


def read(lines: Iterable[str], policy: Policy, where: str = "") -> Read:
    """Read a CSV with a header: columns of VictimEvent by name, time and ip and seen at least.

    Unknown columns are left alone. A row that is broken or must not be told is put aside with its
    line and reason. Raises SourceError when there is no usable header.
    """
    kept: list[VictimEvent] = []
    refused: list[Refused] = []
    for row in read_rows(lines, ("time", "ip", "seen"), where):
        text = row.cells.get("ip", "")[:LONGEST]
        try:
            event = _event(row)
        except ValueError as error:
            refused.append(Refused(row.line, str(error), text))
            continue
        why = refusal(event, policy)
        if why:
            refused.append(Refused(row.line, why, text))
        else:
            kept.append(event)
    return Read(tuple(kept), tuple(refused))


def _event(row: Row) -> VictimEvent:
    """Return the event of a row. Raises ValueError that says what is wrong."""
    if row.problem or row.ragged:
        raise ValueError(row.problem or "has another number of fields than the header")
    cell = row.cells
    return VictimEvent(
        time=parse_time(cell["time"]),
        ip=_address(cell["ip"]),
        seen=_choice("seen", cell["seen"].lower(), SEEN),
        established=_flag(cell.get("established", "")),
        port=_number("port", cell.get("port", ""), 65535),
        asn=_number("asn", cell.get("asn", "").upper().removeprefix("AS"), 2**32 - 1),
        proto=_choice("proto", cell.get("proto", "").lower() or "tcp", ("tcp", "udp")),
        controller_port=_number("controller_port", cell.get("controller_port", ""), 65535),
        tlp=_choice("tlp", cell.get("tlp", "").lower().removeprefix("tlp:") or "amber", TLP),
        **{
            name: cell.get(name, "")[:LONGEST]
            for name in ("provider", "botnet", "family", "controller", "evidence")
        },
    )


def parse_time(text: str) -> datetime:
    """Return an ISO 8601 time in UTC; without a zone it counts as UTC. Raises ValueError."""
    try:
        time = datetime.fromisoformat(text)
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"time is no ISO 8601 time: {text[:40]!r}") from error


def _address(text: str) -> str:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError as error:
        raise ValueError(f"ip is no address: {text[:60]!r}") from error
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ValueError("ip has a zone, which means nothing to others")
    return str(mapped or address)


def _choice(name: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise ValueError(f"{name} is {text[:40]!r}, not one of {', '.join(known)}")
    return text


def _number(name: str, text: str, most: int) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 10 or not 0 < int(text) <= most:
        raise ValueError(f"{name} is {text[:40]!r}, not 1 to {most}")
    return int(text)


def _flag(text: str) -> bool | None:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    if text:
        raise ValueError(f"established is {text[:40]!r}, not yes or no")
    return None
