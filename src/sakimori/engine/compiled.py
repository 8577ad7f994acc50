"""SQL kept between runs: ibis takes up to a second to write that of a large detector.

Beside the user's other caches ($XDG_CACHE_HOME, ~/.cache), one folder per state of the code that
writes the SQL, so that another version never reads it. Without a place to write, nothing is kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import ibis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_KEPT = 30 * 86_400  # s that the SQL of another version stays
_WRITERS = ("ibis-framework", "sqlglot", "duckdb")


class Compiled:
    """SQL by key, for one state of the code."""

    def __init__(self, sources: Iterable[Path]) -> None:
        """Take the files whose text decides what the SQL is."""
        digest = hashlib.sha256()
        for source in sorted(sources):
            digest.update(source.read_bytes())
        for package in _WRITERS:
            digest.update(f"{package} {version(package)}".encode())
        self.folder = _caches() / "sql" / digest.hexdigest()[:24]

    def sql(self, key: str, make: Callable[[], ibis.Table]) -> str:
        """Return the SQL of an expression, which is only made when it is not known."""
        file = self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.sql"
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            pass
        sql = str(ibis.to_sql(make(), dialect="duckdb"))
        self._keep(file, sql)
        return sql

    def _keep(self, file: Path, sql: str) -> None:
        try:
            if not self.folder.is_dir():
                self._forget_old()
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            aside = file.with_suffix(f".{os.getpid()}")
            aside.write_text(sql, "utf-8")
            aside.replace(file)
        except OSError:
            return

    def _forget_old(self) -> None:
        """Remove what other versions kept long ago; younger ones may be in use beside this."""
        for other in self.folder.parent.glob("*"):
            if time.time() - other.stat().st_mtime > _KEPT:
                shutil.rmtree(other, ignore_errors=True)


def _caches() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    # The specification says to ignore a relative one.
    base = Path(given) if given and Path(given).is_absolute() else Path.home() / ".cache"
    return base / "sakimori"
