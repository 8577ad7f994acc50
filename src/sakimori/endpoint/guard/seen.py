"""What the guard has looked at, kept across restarts: a small database of files' identities."""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import TYPE_CHECKING

from sakimori.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Identity = tuple[int, int, int, int, int]
_TABLE = """
create table if not exists seen (
    path blob primary key, dev integer, ino integer, size integer, mtime integer, ctime integer,
    definitions text
) without rowid
"""


def identity(status: os.stat_result) -> Identity:
    """Return what changes when a file does: device, inode, size, mtime and ctime in ns.

    ctime cannot be set back by who writes the file; a rename changes it too on Linux.
    """
    signed = (status.st_dev, status.st_ino)  # SQLite's integers are signed
    dev, ino = (v - (1 << 64) if v >= 1 << 63 else v for v in signed)
    return (dev, ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Seen:
    """The database. Safe for several threads. Raises StateError when it cannot be used.

    Entries are kept in memory until `flush`, a kill before that means files are looked at again.
    """

    def __init__(self, file: Path, definitions: str) -> None:
        """Open or begin it. A broken one is put aside: then all is looked at again."""
        self._file, self._definitions = file, definitions
        self._lock = threading.Lock()
        self._new: dict[bytes, Identity] = {}
        self._gone: set[bytes] = set()
        self.restarted = ""  # why the old one was put aside
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._data = self._open()
        except sqlite3.DatabaseError as error:
            self.restarted = str(error)
            file.replace(file.with_suffix(".broken"))
            self._data = self._open()

    def _open(self) -> sqlite3.Connection:
        data = sqlite3.connect(self._file, check_same_thread=False, timeout=10)
        try:
            data.execute("pragma journal_mode=wal")
            data.execute("pragma synchronous=normal")
            data.execute(_TABLE)
            data.execute(
                "select count(*), max(path) from (select path from seen limit 5)"
            ).fetchall()
        except sqlite3.DatabaseError:
            data.close()
            raise
        return data

    def same(self, path: str, now: Identity) -> bool:
        """Whether this very file was looked at, with these definitions."""
        key = os.fsencode(path)
        with self._lock:
            if key in self._new:
                return self._new[key] == now
            row = self._one(key)
        return row is not None and row[:5] == now and row[5] == self._definitions

    def _one(self, key: bytes) -> tuple[object, ...] | None:
        try:
            found = self._data.execute(
                "select dev, ino, size, mtime, ctime, definitions from seen where path = ?", (key,)
            ).fetchone()
        except sqlite3.Error as error:
            raise _unusable(self._file, error) from error
        return tuple(found) if found else None

    def record(self, path: str, now: Identity) -> None:
        """Keep that a file was looked at."""
        key = os.fsencode(path)
        with self._lock:
            self._new[key] = now
            self._gone.discard(key)

    def forget(self, path: str) -> None:
        """Drop a file that is gone."""
        key = os.fsencode(path)
        with self._lock:
            self._new.pop(key, None)
            self._gone.add(key)

    def flush(self) -> None:
        """Write to the disk what was recorded."""
        with self._lock:
            if not self._new and not self._gone:
                return
            rows = [(key, *value, self._definitions) for key, value in self._new.items()]
            try:
                with self._data:
                    self._data.executemany(
                        "delete from seen where path = ?", [(k,) for k in self._gone]
                    )
                    self._data.executemany("replace into seen values (?,?,?,?,?,?,?)", rows)
            except sqlite3.Error as error:
                raise _unusable(self._file, error) from error
            self._new.clear()
            self._gone.clear()

    def paths(self) -> Iterator[str]:
        """Yield what is on record on the disk, to drop what is gone."""
        with self._lock:
            rows = self._data.execute("select path from seen").fetchall()
        yield from (os.fsdecode(row[0]) for row in rows)

    def close(self) -> None:
        """Write and close."""
        self.flush()
        with self._lock:
            self._data.close()


def _unusable(file: Path, error: sqlite3.Error) -> StateError:
    return StateError(
        f"cannot be used: {error}", where=str(file), hint="check free space and permissions"
    )
