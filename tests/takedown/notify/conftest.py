from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.intel.contacts import Contact
from sakimori.takedown.notify.events import VictimEvent
from sakimori.takedown.notify.message import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
BASE = VictimEvent(
    time=START, ip="192.0.2.10", port=51234, asn=64500, seen="sinkhole", established=True,
    botnet="north", family="Exabot", controller="evil.example", controller_port=443,
    evidence="rec-17",
)  # fmt: skip


@pytest.fixture(scope="session")
def event() -> Callable[..., VictimEvent]:
    """An event; `minutes` after the first, anything else as given."""

    def make(minutes: float = 0, **changes: Any) -> VictimEvent:
        return replace(BASE, time=START + timedelta(minutes=minutes), **changes)

    return make


@pytest.fixture(scope="session")
def sender() -> Sender:
    return Sender("cert@cert.example", "Example CERT", "https://cert.example/bots")


@pytest.fixture(scope="session")
def contact() -> Contact:
    return Contact(mail="abuse@isp.example", name="Example ISP", country="JP")


@pytest.fixture(scope="session")
def now() -> datetime:
    return START + timedelta(days=1)
