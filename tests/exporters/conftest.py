from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.exporters import Item, Sharing
from sakimori.intel import Options, load

if TYPE_CHECKING:
    from pathlib import Path

MADE = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
SEEN = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
LAST = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
FINDING = {
    "detector": "beacon", "technique": "T1071.001", "peer": "203.0.113.9", "peer_port": 4444,
    "proto": "tcp", "score": 0.91, "count": 120, "first_seen": "2026-03-01T10:00:00Z",
    "last_seen": "2026-03-01T12:00:00.250Z", "details": {"period_s": 60.0},
    "evidence": ["conn C1"],
}  # fmt: skip
ITEMS = (
    Item(role="controller", kind="address", value="203.0.113.9", port=4444, score=0.9, tlp="amber",
         families=("Zeus Bot",), botnet="botnet-1", first_seen=SEEN, last_seen=LAST,
         peers=("192.0.2.5", "192.0.2.6")),
    Item(role="controller", kind="address", value="2001:db8::9", score=0.6, tlp="green",
         families=("Zeus Bot",), botnet="botnet-1", first_seen=SEEN, last_seen=LAST),
    Item(role="controller", kind="name", value="c2.evil.example", port=443, score=0.3,
         tlp="amber+strict"),
    Item(role="controller", kind="url", value="http://evil.example/gate.php?a='b'", score=0.5,
         tlp="clear", botnet="botnet-2"),
    Item(role="bot", kind="address", value="192.0.2.5", score=0.8, tlp="amber", botnet="botnet-1",
         does=("spams",), families=("Zeus Bot",), findings=(FINDING,), first_seen=SEEN,
         last_seen=LAST, peers=("203.0.113.9",)),
    Item(role="bot", kind="address", value="2001:db8::5", score=0.55, tlp="green",
         findings=({**FINDING, "peer": "c2.evil.example", "peer_port": None,
                    "technique": "T1568", "score": 0.55},),
         first_seen=SEEN, last_seen=LAST, peers=("c2.evil.example",)),
)  # fmt: skip


@pytest.fixture(scope="session")
def sharing() -> Sharing:
    """Give two bots and a controller of each kind, under several labels."""
    return Sharing(title="Two botnets", producer="CERT Example", tlp="amber+strict", made=MADE,
                   items=ITEMS, version="1.0")  # fmt: skip


@pytest.fixture(scope="session")
def nothing(sharing: Sharing) -> Sharing:
    """Give a sharing of nothing."""
    return replace(sharing, items=())


@pytest.fixture(scope="session")
def finding() -> dict[str, Any]:
    """Give a finding of one's own."""
    return copy.deepcopy(FINDING)


Imported = Callable[[str], "tuple[list[dict[str, Any]], list[str]]"]


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """Read a text as intelligence; gives the rows, and why others were refused."""
    path: Path = tmp_path_factory.mktemp("exports") / "file"

    def read(text: str) -> tuple[list[dict[str, Any]], list[str]]:
        path.write_text(text, "utf-8")
        rows, rejects = load(path, Options("feed"), MADE)
        return rows.to_pylist(), [reject.reason for reject in rejects]

    return read
