"""The settings of a sinkhole: one TOML file with a section each, or the same as values.

Everything has a bound. What is left out has a careful default; ports that are left out are not
listened on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.config import check_names, fill
from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_SENSOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_CONTACT = re.compile(r"[A-Za-z0-9._+-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}")
_BOT_ID = re.compile(r"(query|form|header):[A-Za-z0-9_.-]{1,64}|(path|label):[1-9]")
# What could be somebody's credential is never taken as an identifier, nor kept in a capture.
SECRET = re.compile(
    r"(?i)pass|pwd|secret|token|auth|cookie|session|credential|login|user|pin$|card|cvv|iban"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """[sinkhole]: who runs it, for which names, on which addresses, by what right."""

    operator: str = ""
    contact: str = ""  # a mailbox, shown on the page and in the SOA record
    zones: tuple[str, ...] = ()  # the names it holds; it answers for all below them too
    addresses: tuple[str, ...] = ("127.0.0.1",)  # that it listens on
    answers: tuple[str, ...] = ()  # what A and AAAA say; empty: the addresses
    sensor: str = "sinkhole"  # its name in the log
    ttl: int = 300  # s, of its answers
    authority: str = ""  # own network, provider agreement or court order, with its reference
    approved_by: str = ""  # who said that it may run
    expires: str = ""  # ISO 8601; it stops by itself then
    run_as: str = ""  # the user to become once the ports are open

    def __post_init__(self) -> None:
        """Refuse what cannot be answered for, or would break a log or configuration."""
        object.__setattr__(self, "zones", tuple(zone_name(zone) for zone in self.zones))
        for text in (*self.addresses, *self.answers):
            _checked_address(text)
        for text in self.addresses:
            if ip_address(text).is_unspecified:
                raise ConfigError(
                    f"{text} stands for every address",
                    hint="name each address: the log says which one was called",
                )
        if not _SENSOR.fullmatch(self.sensor):
            raise ConfigError(f"sensor is {self.sensor!r}", hint="letters, digits, . _ -")
        if self.contact and not _CONTACT.fullmatch(self.contact):
            raise ConfigError(f"contact is {self.contact!r}, not a mailbox")
        if not 0 <= self.ttl <= 86_400:
            raise ConfigError(f"ttl is {self.ttl}", hint="0 to 86400 seconds")
        _ = self.end

    @property
    def end(self) -> datetime | None:
        """When it stops by itself. Raises ConfigError for what is no time."""
        return moment(self.expires, "expires") if self.expires else None

    @property
    def ipv4(self) -> IPv4Address | None:
        """What an A question is answered with."""
        return next((a for a in self._said() if isinstance(a, IPv4Address)), None)

    @property
    def ipv6(self) -> IPv6Address | None:
        """What an AAAA question is answered with."""
        return next((a for a in self._said() if isinstance(a, IPv6Address)), None)

    @property
    def is_public(self) -> bool:
        """Whether anybody but this machine can reach it."""
        return not all(ip_address(text).is_loopback for text in self.addresses)

    def _said(self) -> list[IPv4Address | IPv6Address]:
        return [ip_address(text) for text in self.answers or self.addresses]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """[ports]: what it listens on. A port of 0 is chosen by the system."""

    dns: int | None = None  # UDP and TCP
    http: int | None = None
    https: int | None = None
    tcp: tuple[int, ...] = ()  # accept, read a little, close

    def __post_init__(self) -> None:
        """Refuse numbers that are no ports."""
        for port in (self.dns, self.http, self.https, *self.tcp):
            if port is not None and not 0 <= port <= 65_535:
                raise ConfigError(f"{port} is no port", hint="0 to 65535")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """[limits]: how much it takes, per source (an IPv4 address, an IPv6 /48) and in all."""

    dns_per_second: float = 200  # questions over UDP of one source
    dns_burst: float = 1_000
    slip: int = 2  # of what is over it, every so many get a truncated answer; 0: none
    connects_per_second: float = 50  # of one source
    connects_burst: float = 200
    connections: int = 2_000
    connections_per_source: int = 64
    seconds: float = 10.0  # for a request, from its first moment to its last byte
    requests: int = 100  # on one connection
    header_bytes: int = 8_192
    headers: int = 64
    body_bytes: int = 65_536
    tcp_bytes: int = 1_024  # read on a port that only listens

    def __post_init__(self) -> None:
        """Refuse limits that let nothing through, or everything."""
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if name != "slip" and not 0 < value <= 1e9:
                raise ConfigError(f"limits.{name} is {value}", hint="a number above 0")
        if not 0 <= self.slip <= 10:
            raise ConfigError(f"limits.slip is {self.slip}", hint="0 to 10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """[log]: where the hits go."""

    folder: Path = Path("sinkhole-log")
    rotate_mb: float = 64.0
    rotate_seconds: float = 3_600.0
    sync_seconds: float = 1.0  # between two fsyncs: what a power cut can lose
    drain_seconds: float = 5.0  # that open connections get when it stops

    def __post_init__(self) -> None:
        """Refuse a log that is never rotated or synced."""
        for name in ("rotate_mb", "rotate_seconds", "sync_seconds"):
            if not 0 < getattr(self, name) <= 1e6:
                raise ConfigError(f"log.{name} is {getattr(self, name)}", hint="above 0")
        if not 0 <= self.drain_seconds <= 600:
            raise ConfigError(f"log.drain_seconds is {self.drain_seconds}", hint="0 to 600")


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """[privacy]: how little is kept about who called."""

    truncate: bool = False  # keep only the /24 or /48 of a caller
    user_agent: bool = True
    bot_id: tuple[str, ...] = ()  # query:NAME, form:NAME, header:NAME, path:N, label:N

    def __post_init__(self) -> None:
        """Refuse rules of another form, and those that name a credential."""
        for rule in self.bot_id:
            if not _BOT_ID.fullmatch(rule):
                raise ConfigError(
                    f"bot_id rule {rule!r} is not known",
                    hint="query:NAME, form:NAME, header:NAME, path:N or label:N",
                )
            if SECRET.search(rule.partition(":")[2]):
                raise ConfigError(f"bot_id rule {rule!r} names what may be a credential")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """[capture]: bodies are kept only with a reason, a bound and an end."""

    reason: str = ""
    until: str = ""  # ISO 8601
    folder: Path = Path("sinkhole-capture")
    bytes_each: int = 4_096
    bytes_total: int = 10_000_000

    def __post_init__(self) -> None:
        """Refuse a capture without reason, bound or end."""
        if not self.reason.strip():
            raise ConfigError("a capture needs its reason", hint='reason = "..." in [capture]')
        if not self.until:
            raise ConfigError("a capture needs its end", hint='until = "2026-01-31T00:00:00Z"')
        if not 0 < self.bytes_each <= 65_536 or not 0 < self.bytes_total <= 10**9:
            raise ConfigError("a capture's bounds are above 0, and at most 64 KiB each and 1 GB")
        _ = self.end

    @property
    def end(self) -> datetime:
        """When it ends."""
        return moment(self.until, "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one sinkhole."""

    sinkhole: Identity = field(default_factory=Identity)
    ports: Ports = field(default_factory=Ports)
    limits: Limits = field(default_factory=Limits)
    log: Log = field(default_factory=Log)
    privacy: Privacy = field(default_factory=Privacy)
    capture: Capture | None = None


_SECTIONS: dict[str, type[Any]] = {
    "sinkhole": Identity,
    "ports": Ports,
    "limits": Limits,
    "log": Log,
    "privacy": Privacy,
    "capture": Capture,
}


def settings_of(values: Mapping[str, Any], where: str = "sinkhole settings") -> Settings:
    """Return settings from a TOML file's content. Raises ConfigError naming section and key."""
    check_names(values, _SECTIONS, where)
    parts = {name: _section(name, values[name], where) for name in values}
    return Settings(**parts)


def _section(name: str, values: Mapping[str, Any], where: str) -> Any:
    place = f"{where} [{name}]"
    try:
        return fill(_SECTIONS[name], values, place)
    except ConfigError as error:
        if error.where:
            raise
        raise ConfigError(str(error), where=place, hint=error.hint) from error


def zone_name(text: str) -> str:
    """Return a name in lower case without its final dot; international names as their A-label.

    Raises ConfigError for what is no name of two labels or more: only letters, digits, "-" and "_"
    get through, so a zone can be written into any configuration.
    """
    plain = text.strip().rstrip(".").lower()
    try:
        plain = plain if plain.isascii() else plain.encode("idna").decode()
    except UnicodeError as error:
        raise ConfigError(f"{text!r} is no domain name") from error
    labels = plain.split(".")
    if len(labels) < 2 or len(plain) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ConfigError(f"{text!r} is no domain name", hint="such as bad.example")
    return plain


def moment(text: str, what: str) -> datetime:
    """Return an ISO 8601 time; without a zone it is UTC. Raises ConfigError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{what} is {text!r}", hint="such as 2026-01-31T00:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _checked_address(text: str) -> None:
    try:
        has_zone = "%" in str(ip_address(text))
    except ValueError as error:
        raise ConfigError(f"{text!r} is no address: {error}") from error
    if has_zone:
        raise ConfigError(f"{text!r} is an address of one link only")
