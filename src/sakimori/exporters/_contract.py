"""What an exporter is given: bots and controllers as plain values, and the TLP they go under."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol

from sakimori.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# TLP 2.0, each stricter than the one before.
TLP = ("clear", "green", "amber", "amber+strict", "red")
ROLES = ("controller", "bot")
# Ids that stay the same whenever the same thing is exported: a receiver updates instead of doubling.
NAMESPACE = uuid.UUID("5a6b1c0e-4f1d-5f0a-9d0e-7b1f3d2c4a90")
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}")
_CONFIDENCE = ((0.8, "high"), (0.5, "medium"), (0.0, "low"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One controller or bot. `tlp` None: nobody said; such a thing does not leave.

    `findings` are those of the JSON contract; `score` is 0..1; times are aware. Text is raw: an
    attacker chose it.
    """

    role: str
    kind: str  # address, name or url
    value: str
    tlp: str | None = None
    port: int | None = None
    score: float = 0.5
    families: tuple[str, ...] = ()
    botnet: str = ""
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    peers: tuple[str, ...] = ()  # a controller's bots, a bot's controllers
    does: tuple[str, ...] = ()
    findings: tuple[Mapping[str, Any], ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """What is shared, by whom, as of when. `made` is aware; `version` is that of Sakimori."""

    title: str
    producer: str
    tlp: str
    made: datetime
    items: tuple[Item, ...]
    version: str = ""

    def of(self, role: str) -> tuple[Item, ...]:
        """Return the items of a role."""
        return tuple(i for i in self.items if i.role == role)


class Exporter(Protocol):
    """One format; ROLES are those it can hold.

    `export` gives a whole file of what passed `gate`: the same input gives the same text.
    """

    NAME: str
    TITLE: str
    ROLES: tuple[str, ...]

    @property
    def export(self) -> Callable[[Sharing], str]:
        """Return the file's text. No items is a valid, empty file."""


def check_tlp(label: str) -> str:
    """Return a TLP 2.0 label in lower case, without `TLP:`. Raises ConfigError."""
    plain = label.strip().lower().removeprefix("tlp:")
    if plain not in TLP:
        raise ConfigError(f"{label!r} is no TLP label", hint=", ".join(TLP))
    return plain


def strictest(*labels: str | None) -> str | None:
    """Return the strictest label, None when none is said."""
    said = [label for label in labels if label in TLP]
    return max(said, key=TLP.index) if said else None


def version_of(text: str | None) -> int:
    """Return 4 or 6 for an address without a zone, 0 for anything else."""
    try:
        return 0 if not text or "%" in text else ip_address(text).version
    except ValueError:
        return 0


def is_name(text: str | None) -> bool:
    """Whether a text is a domain name that others can use: ASCII, no dot at its end."""
    return text is not None and not version_of(text) and _NAME.fullmatch(text) is not None


def confidence(score: float) -> str:
    """Return high, medium or low for a score of 0..1."""
    return next((word for least, word in _CONFIDENCE if score >= least), "low")


def moment(text: str) -> datetime:
    """Return an ISO 8601 time in UTC; without a zone it is one. Raises ValueError, OverflowError."""
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def stamp(time: datetime | None) -> str | None:
    """Return an aware time as ISO 8601 in UTC with `Z`, to the millisecond."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def technique(number: str) -> tuple[str, str]:
    """Return an ATT&CK technique and its sub-technique, "" where there is none."""
    return number.partition(".")[0], number if "." in number else ""


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as JSON lines; members without a value are left out. ASCII, so nothing acts."""
    return "".join(json.dumps(without_empty(row)) + "\n" for row in rows)


def without_empty(value: Any) -> Any:
    """Return a JSON value whose objects have no member that is null, "", [] or {}."""
    if isinstance(value, dict):
        inner = {key: without_empty(each) for key, each in value.items()}
        return {key: each for key, each in inner.items() if each not in (None, "", [], {})}
    if isinstance(value, (list, tuple)):
        return [without_empty(each) for each in value]
    return value


def ident(*parts: str) -> uuid.UUID:
    """Return the id of a thing: the same for the same parts, another for any others."""
    return uuid.uuid5(NAMESPACE, json.dumps(parts))
