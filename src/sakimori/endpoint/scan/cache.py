"""What was seen before and has not changed: results by a file's identity and the definitions.

A row's key is a keyed hash over path, device, inode, size, times and the version of the
definitions and settings; a row says what came of exactly that. Changed files and new definitions have
other keys, so nothing is ever wrong, only unused; unused rows go after a while.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from contextlib import suppress
from dataclasses import asdict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.hits import Hit, Trouble
from sakimori.endpoint.scan.scanner import Looked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sakimori.endpoint.scan.walk import Found

_FORMAT = 1
_RACY = 2_000_000_000  # ns: a file changed so shortly before may change again in the same tick
_DAYS = 60  # unused rows are kept for
_AT_ONCE = 500  # keys in one question
_WAIT = 10.0  # s for another scan's write


class Cache:
    """A file of results. Several scans may use it at the same time.

    `note` says what went wrong with it, "" when nothing did: a cache that cannot be used costs
    time, and never stops a scan.
    """

    def __init__(self, file: Path, version: str, now: float) -> None:
        """Open or make the file. A broken one is set aside and begun anew; `now` is epoch seconds."""
        self.note = ""
        self._file = file
        self._day = int(now // 86400)
        self._version = version.encode()
        self._base: sqlite3.Connection | None = None
        self._salt = b""
        self._used: list[bytes] = []
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._again(error)
        except OSError as error:
            self.note = f"the scan cache cannot be used: {error.strerror}"

    def _again(self, error: sqlite3.DatabaseError) -> None:
        """Begin anew where the file is broken; do without where it is merely busy or read-only."""
        self._close()
        if isinstance(error, sqlite3.OperationalError) and not _damaged(error):
            self.note = f"the scan cache cannot be used: {error}"
            return
        try:
            self._file.replace(self._file.with_name(self._file.name + ".broken"))
            for end in ("-wal", "-shm"):
                self._file.with_name(self._file.name + end).unlink(missing_ok=True)
            self._open()
            self.note = "the scan cache was damaged; it is set aside as .broken and begun anew"
        except (OSError, sqlite3.DatabaseError) as again:
            self._close()
            self.note = f"the scan cache is damaged and cannot be made anew: {again}"

    def _open(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._file.exists():
            self._file.touch(mode=0o600)
        base = sqlite3.connect(self._file, timeout=_WAIT, isolation_level=None)
        self._base = base
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=NORMAL")
        base.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value BLOB)")
        base.execute(
            "CREATE TABLE IF NOT EXISTS seen"
            " (key BLOB PRIMARY KEY, day INTEGER NOT NULL, result TEXT) WITHOUT ROWID"
        )
        base.execute("INSERT OR IGNORE INTO about VALUES ('format', ?)", (_FORMAT,))
        base.execute("INSERT OR IGNORE INTO about VALUES ('salt', ?)", (secrets.token_bytes(32),))
        about = dict(base.execute("SELECT name, value FROM about"))
        if about["format"] != _FORMAT or not isinstance(about["salt"], bytes):
            raise sqlite3.DatabaseError("of another format")
        self._salt = about["salt"]

    def _key(self, path: str, state: Sequence[int]) -> bytes:
        text = f"{state}\0{path}".encode("utf-8", "surrogateescape")
        made = blake2b(self._version, digest_size=16, key=self._salt)
        made.update(text)
        return made.digest()

    def known(self, files: Sequence[Found]) -> list[Looked | None]:
        """Return for each file what came of it before, None where that is not known."""
        if self._base is None:
            return [None] * len(files)
        keys = [self._key(file.path, file.state) for file in files]
        rows: dict[bytes, tuple[int, str | None]] = {}
        try:
            for at in range(0, len(keys), _AT_ONCE):
                part = keys[at : at + _AT_ONCE]
                marks = ",".join("?" * len(part))
                asked = f"SELECT key, day, result FROM seen WHERE key IN ({marks})"  # noqa: S608
                rows |= {key: (day, text) for key, day, text in self._base.execute(asked, part)}
        except sqlite3.Error as error:
            self._broke(error)
        self._used += [key for key, (day, _) in rows.items() if day != self._day]
        return [
            _looked(file, rows[key][1]) if key in rows else None
            for file, key in zip(files, keys, strict=True)
        ]

    def keep(self, results: Iterable[Looked], now_ns: int) -> None:
        """Keep what will come out the same again; a file changed in the last 2 s is not kept."""
        if self._base is None:
            return
        rows = [
            (self._key(looked.path, looked.state), self._day, _text(looked))
            for looked in results
            if looked.lasting and looked.state and _settled(looked.state, now_ns)
        ]
        try:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", rows)
            self._base.executemany(
                "UPDATE seen SET day = ? WHERE key = ?", [(self._day, key) for key in self._used]
            )
            self._base.execute("COMMIT")
            self._used.clear()
        except sqlite3.Error as error:
            self._broke(error)

    def close(self) -> None:
        """Let go; rows that nothing used for 60 days are removed."""
        if self._base is not None:
            self.keep((), 0)
        if self._base is not None:
            with suppress(sqlite3.Error):
                self._base.execute("DELETE FROM seen WHERE day < ?", (self._day - _DAYS,))
        self._close()

    def _broke(self, error: sqlite3.Error) -> None:
        with suppress(sqlite3.Error):
            if self._base is not None and self._base.in_transaction:
                self._base.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError) and not _damaged(error):
            self.note = f"the scan cache was not written: {error}"
        elif isinstance(error, sqlite3.DatabaseError):
            self._again(error)

    def _close(self) -> None:
        if self._base is not None:
            with suppress(sqlite3.Error):
                self._base.close()
        self._base = None


def _damaged(error: sqlite3.Error) -> bool:
    words = str(error)
    return any(word in words for word in ("malformed", "not a database", "no such", "corrupt"))


def _settled(state: Sequence[int], now_ns: int) -> bool:
    """Whether both times lie at least 2 s back; a change time in the future is no time at all."""
    changed, altered = state[3], state[4]
    return altered < now_ns - _RACY and not now_ns - _RACY <= changed <= now_ns


def _text(looked: Looked) -> str | None:
    """Return what there is to keep, None for a clean file."""
    if not looked.hits and not looked.troubles:
        return None
    kept: dict[str, Any] = {
        "sha256": looked.sha256,
        "bytes": looked.bytes,
        "hits": [_without_path(asdict(hit)) for hit in looked.hits],
        "troubles": [_without_path(asdict(trouble)) for trouble in looked.troubles],
    }
    return json.dumps(kept)


def _without_path(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "path"}


def _looked(file: Found, text: str | None) -> Looked | None:
    if text is None:
        return Looked(path=file.path, size=file.state[2], bytes=file.state[2], state=file.state)
    try:
        kept = json.loads(text)
        return Looked(
            path=file.path,
            size=file.state[2],
            sha256=kept["sha256"],
            bytes=kept["bytes"],
            hits=tuple(Hit(path=file.path, **row) for row in kept["hits"]),
            troubles=tuple(Trouble(path=file.path, **row) for row in kept["troubles"]),
            state=file.state,
        )
    except (ValueError, KeyError, TypeError):
        return None


def now_ns() -> int:
    """Return the time by the clock that file systems use."""
    return time.time_ns()
