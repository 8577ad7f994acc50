from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.takedown.evidence import (
    Chain,
    Entry,
    Exported,
    Key,
    Record,
    Redaction,
    Wanted,
    export,
    make_key,
    seal_chain,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WHEN = datetime(2026, 3, 16, 14, 45, tzinfo=UTC)
TOOL = "sakimori 0"


@dataclass
class Desk:
    """A chain and who works on it; each record is a minute after the one before."""

    folder: Path
    key: Key
    chain: Chain = field(init=False)
    minutes: int = 0

    def __post_init__(self) -> None:
        self.chain = Chain.create(self.folder / "chain")

    @property
    def by(self) -> dict[str, Any]:
        self.minutes += 1
        return {"actor": "aiko", "time": WHEN + timedelta(minutes=self.minutes), "tool": TOOL}

    def entry(self, kind: str = "note", **body: Any) -> Entry:
        return Entry(kind=kind, body=body, **self.by)

    def add(self, kind: str = "note", **body: Any) -> Record:
        return self.chain.append(self.entry(kind, **body))

    def keep(self, name: str, data: bytes, kind: str = "input", **body: Any) -> Record:
        kept = self.chain.keep_bytes(name, data)
        return self.chain.append(Entry(kind=kind, body=body, objects=(kept,), **self.by))

    def seal(self, key: Key | None = None) -> Record:
        return seal_chain(self.chain, key or self.key, **self.by)

    def wanted(self, *redactions: Redaction, lang: str = "en") -> Wanted:
        return Wanted(
            key=self.key, case="rustock", lang=lang, redactions=redactions,
            actor="aiko", time=WHEN + timedelta(days=1), tool=TOOL,
        )  # fmt: skip

    def export(self, name: str, *redactions: Redaction, source: Path | None = None) -> Exported:
        return export(source or self.chain.folder, self.folder / name, self.wanted(*redactions))


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return make_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return make_key(tmp_path_factory.mktemp("others"))


@pytest.fixture
def desk(tmp_path: Path, key: Key) -> Desk:
    return Desk(tmp_path, key)


@pytest.fixture
def case(desk: Desk) -> Desk:
    """A small case: an input with a file, a message, a seal, and a transfer after it."""
    desk.keep("sinkhole.log", b"192.0.2.9 GET /gate.php\n", source="sinkhole 1", count=1)
    desk.add("message", to="victim@example.org", subject="your PC <b> http://evil.example")
    desk.seal()
    desk.add("custody", **{"from": "aiko", "to": "the court", "tlp": "AMBER"})
    return desk


@pytest.fixture(scope="session")
def new_desk(key: Key) -> Callable[[Path], Desk]:
    """Make a desk that lives longer than one test."""
    return lambda folder: Desk(folder, key)


@pytest.fixture(autouse=True, scope="module")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Do not sync: these tests do not cut the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield
