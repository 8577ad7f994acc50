"""Findings as the detectors give them, with what a test does not care about filled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.detectors import load_all
from sakimori.verdicts.model import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture(scope="session")
def finding() -> Callable[..., Finding]:
    """`finding("beacon", score=0.9, period_s=60.0)`: columns by name, the rest into details."""

    def make(detector: str, **given: Any) -> Finding:
        known = load_all().get(detector)
        columns = {
            "technique": known.TECHNIQUE if known else "T0000",
            "host": "10.0.0.5",
            "peer": "203.0.113.9",
            "peer_port": 4444,
            "proto": "tcp",
            "first_seen": BEGIN,
            "last_seen": BEGIN + timedelta(hours=1),
            "count": 40,
            "score": 1.0,
            "evidence": ("C1",),
        }
        chosen = {name: given.pop(name, value) for name, value in columns.items()}
        return Finding(detector=detector, details=given, **chosen)

    return make


@pytest.fixture(scope="session")
def is_inside() -> Callable[[str], bool]:
    return lambda host: host.startswith("10.")
