"""A small botnet, and a way to make maps with what a test does not care about filled in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.takedown.map import Limits, Material, Options, make
from sakimori.takedown.map.model import (
    Contact,
    Holding,
    PdnsRecord,
    Registration,
    Suspect,
    Way,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sakimori.takedown.map import BotnetMap

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY = date(2026, 3, 2)


@pytest.fixture(scope="session")
def calls() -> Callable[..., tuple[Contact, ...]]:
    """`calls(3, "c2.example.com", botnet="b")`: three bots that call these controllers."""

    def made(bots: int, *controllers: str, botnet: str = "bn", at: int = 0) -> tuple[Contact, ...]:
        return tuple(
            Contact(f"10.0.{at}.{bot}", controller, botnet, first_seen=NOW, last_seen=NOW)
            for bot in range(bots)
            for controller in controllers or ("",)
        )

    return made


@pytest.fixture(scope="session")
def resolves() -> Callable[..., tuple[PdnsRecord, ...]]:
    """`resolves("a.example", "192.0.2.1 192.0.2.2", "A")`."""

    def made(name: str, answers: str, kind: str = "A", days: int = 0) -> tuple[PdnsRecord, ...]:
        seen = NOW + timedelta(days=days)
        return tuple(
            PdnsRecord(name, kind, answer, seen, seen, 1, "pdns:test") for answer in answers.split()
        )

    return made


@pytest.fixture(scope="session")
def draw() -> Callable[..., BotnetMap]:
    """`draw(contacts=..., limits={"hops": 1})`."""

    def made(limits: dict[str, Any] | None = None, days: int = 30, **given: Any) -> BotnetMap:
        options = {k: given.pop(k) for k in ("known", "asn") if k in given}
        return make(
            Material(**given),
            Options(today=TODAY, days=days, limits=Limits(**(limits or {})), **options),
        )

    return made


@pytest.fixture(scope="session")
def material(calls: Any, resolves: Any) -> Material:
    """A botnet with all that can hang on one."""
    return Material(
        contacts=(*calls(5, "c2.example.com", "192.0.2.1"), *calls(2, "c2.example.com", at=1)),
        suspects=(Suspect("c2.example.com", 0.9), Suspect("192.0.2.1", 0.8, 4444)),
        pdns=(
            *resolves("c2.example.com", "192.0.2.1"),
            *resolves("other.example.com", "192.0.2.1 192.0.2.2"),
            *resolves("example.com", "ns1.host.example ns2.host.example", "NS"),
        ),
        registrations=(
            Registration("example.com", "Registrar X", created=NOW, country="JP", registrant="H-1"),
        ),
        holdings=(Holding("192.0.2.0/24", "Bullet", "64500", "BULLET", "NL", ("AS64501",)),),
        ways=(
            Way("bn", 1, "dga-day", "a1.example.net", date(2026, 3, 3), "list.csv"),
            Way("bn", 1, "dga-day", "a2.example.net", date(2026, 3, 3), "list.csv"),
            Way("*", 2, "dead-drop", "http://blog.example/x", None, "list.csv"),
        ),
    )
