"""What registries said, kept in one SQLite file, so that nobody is asked twice."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import asdict
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self

import orjson

from sakimori.errors import StateError
from sakimori.intel.contacts import Contact

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS answer (
    kind TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL, contact TEXT NOT NULL,
    low TEXT NOT NULL, high TEXT NOT NULL, asked REAL NOT NULL, PRIMARY KEY (kind, first, last)
);
CREATE TABLE IF NOT EXISTS bootstrap (
    name TEXT PRIMARY KEY, services TEXT NOT NULL, asked REAL NOT NULL
);
"""


class Cache:
    """Answers by range, with their age. `path` None keeps them in memory only.

    Raises StateError when the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._where = str(path or ":memory:")
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self._where, timeout=30, isolation_level=None)
            self._db.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise StateError(
                f"the cache of contacts cannot be used: {error}",
                where=self._where,
                hint="it can be deleted: contacts are then looked up again",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def get(self, kind: str, value: str, since: float) -> tuple[Contact, str, str, float] | None:
        """Return (contact, first, last, asked) of the narrowest range asked after `since`."""
        point = _ordered(kind, value)
        rows = self._db.execute(
            "SELECT contact, first, last, asked, low, high FROM answer"
            " WHERE kind = ? AND low <= ? AND high >= ? AND asked >= ?",
            (kind, point, point, since),
        ).fetchall()
        # Versions 4 and 6 are kept apart by the length of the ordered text.
        rows = [r for r in rows if len(r[4]) == len(point)] if kind != "domain" else rows
        if not rows:
            return None
        text, low, high, asked, _, _ = max(rows, key=lambda r: (r[4], _reversed(r[5])))
        return Contact(**orjson.loads(text)), low, high, asked

    def put(self, kind: str, span: tuple[str, str], contact: Contact, now: float) -> None:
        """Keep the answer for a range, in place of an older one."""
        first, last = span
        bounds = _ordered(kind, first), _ordered(kind, last)
        text = orjson.dumps(asdict(contact)).decode()
        with suppress(sqlite3.Error):  # a full disk costs a question more, never an answer
            self._db.execute(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)",
                (kind, first, last, text, *bounds, now),
            )

    def bootstrap(self, name: str, since: float) -> list[Any] | None:
        """Return the services of a bootstrap file fetched after `since`."""
        row = self._db.execute(
            "SELECT services FROM bootstrap WHERE name = ? AND asked >= ?", (name, since)
        ).fetchone()
        return list(orjson.loads(row[0])) if row else None

    def put_bootstrap(self, name: str, services: Sequence[Any], now: float) -> None:
        """Keep a bootstrap file."""
        text = orjson.dumps(list(services)).decode()
        with suppress(sqlite3.Error):
            self._db.execute("INSERT OR REPLACE INTO bootstrap VALUES (?, ?, ?)", (name, text, now))


def _ordered(kind: str, value: str) -> str:
    """Return a text whose order is the order of addresses or numbers; SQLite has no 128 bits."""
    if kind == "ip":
        address = ip_address(value)
        return f"{int(address):0{address.max_prefixlen // 4}x}"
    return f"{int(value):010d}" if kind == "autnum" else value


def _reversed(text: str) -> tuple[int, ...]:
    return tuple(-ord(c) for c in text)
