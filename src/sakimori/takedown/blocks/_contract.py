"""What a block format is given and what it gives back."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

KINDS = ("address", "cidr", "name", "url", "ja4")
POLICIES = ("nxdomain", "nodata", "passthru", "drop", "tcp-only")
_BGP = ("both", "blackhole", "flowspec")
_DATASETS = ("strings", "addresses")
_FULL_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_-]{1,63})*")
_PROXIES = re.compile(r"[A-Za-z0-9 .:;\[\]-]{1,200}")


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """One thing to cut off. `value` is canonical: see `sakimori.takedown.blocks.entry`.

    `expires` is aware, UTC; None: until somebody removes it. `reason` is raw text of anybody.
    `policy` overrides Options.policy. `line` is where the list names it; 0: nowhere.
    """

    kind: str
    value: str
    expires: datetime | None = None
    reason: str = ""
    policy: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row of a list that is no entry, and why. `text` is raw."""

    line: int
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A good entry that a format cannot express, and why."""

    entry: BlockEntry
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How formats are written. `now` is aware. Raises ConfigError for what no format can take.

    policy: what RPZ answers. sinkhole: local data in its place, addresses or one name; dnsmasq and
    hosts take the addresses. zone: the RPZ zone's name, used in diffs. ttl: of RPZ records, seconds.
    serial: of a new RPZ zone; 0: the day of `now`. next_hop: `self` or an address. bgp: both,
    blackhole or flowspec. dataset: which Suricata set, strings or addresses. otherwise: what a PAC
    file answers for the rest.
    """

    now: datetime
    policy: str = "nxdomain"
    sinkhole: tuple[str, ...] = ()
    zone: str = "rpz.sakimori"
    ttl: int = 300
    serial: int = 0
    next_hop: str = "self"
    bgp: str = "both"
    dataset: str = "strings"
    otherwise: str = "DIRECT"

    def __post_init__(self) -> None:
        """Refuse what would end up in a file unchecked."""
        _one_of("policy", self.policy, POLICIES)
        _one_of("bgp", self.bgp, _BGP)
        _one_of("dataset", self.dataset, _DATASETS)
        if not _is_name(self.zone):
            raise ConfigError(f"zone {self.zone!r} is no name", hint="such as rpz.example")
        if not 0 <= self.ttl < 2**31 or not 0 <= self.serial < 2**32:
            raise ConfigError("the TTL or serial is out of range", hint="31 and 32 bits")
        if self.next_hop != "self" and not is_address(self.next_hop):
            raise ConfigError(f"next hop {self.next_hop!r} is no address", hint="self, or one")
        if not _PROXIES.fullmatch(self.otherwise):
            raise ConfigError(
                f"{self.otherwise!r} is no PAC answer", hint="DIRECT, or PROXY proxy.example:3128"
            )
        names = [value for value in self.sinkhole if not is_address(value)]
        if names and (len(self.sinkhole) > 1 or not _is_name(names[0])):
            raise ConfigError(
                f"sinkhole {names[0]!r} is no address", hint="give addresses, or one name alone"
            )


class Format(Protocol):
    """What `write` needs of a format's module. Texts are whole files, LF-ended lines, or empty.

    What a format writes it can read back: `diff` gets two files that `full` wrote, or may have.
    """

    NAME: str
    TITLE: str

    @property
    def SUPPORTS(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the module
        """Kinds of entries that it can express."""

    @property
    def refuses(self) -> Callable[[BlockEntry, Options], str]:
        """Why an entry of a supported kind cannot be expressed; "" when it can."""

    @property
    def full(self) -> Callable[[Sequence[BlockEntry], Options], str]:
        """The whole state. Entries are sorted, unique, in force and not refused."""

    @property
    def settle(self) -> Callable[[str, str], str]:
        """(before, after): `after` as the file that follows `before`; serials grow here."""

    @property
    def diff(self) -> Callable[[str, str, Options], str]:
        """(before, after): what turns one into the other; "" when nothing does.

        Raises SourceError when `before` is not this format's.
        """

    @property
    def undo(self) -> Callable[[str, str | None, Options], str]:
        """(after, before): what takes a full state back; before is None when nothing was there."""


def is_address(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address without a zone."""
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _is_name(text: str) -> bool:
    return len(text) < 200 and bool(_FULL_NAME.fullmatch(text))


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"no {what} is named {value!r}", hint=", ".join(known))
