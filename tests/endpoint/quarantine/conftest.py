from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.quarantine import Entry, Quarantine, open_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


def state_of(path: Path) -> tuple[Any, ...]:
    """All of a file that a restore must put back."""
    found = path.lstat()
    xattrs = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return (
        stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid,
        found.st_mtime_ns, found.st_atime_ns, found.st_size, xattrs,
        _content(path),
    )  # fmt: skip


def _content(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOATIME)  # the file is ours
    with os.fdopen(handle, "rb") as file:
        return file.read()


@dataclass
class Machine:
    """A make-believe machine: a folder of files and a store."""

    home: Path
    steps: list[str] = field(default_factory=list)
    now = NOW
    state_of = staticmethod(state_of)

    @property
    def files(self) -> Path:
        return self.home / "files"

    @property
    def store(self) -> Path:
        return self.home / "store" / "quarantine"

    def file(self, name: str | bytes = "bad.bin", content: bytes = b"made up\n") -> Path:
        path = self.files / os.fsdecode(name)
        path.write_bytes(content)
        os.utime(path, ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321))
        return path

    def open(self, hook: Callable[[str], None] | None = None) -> Quarantine:
        key = open_key(self.home / "store" / "keys")
        return Quarantine(self.store, key, hook or self.steps.append)

    def take(self, path: Path, held: Quarantine | None = None, **more: Any) -> Entry:
        given = {"rule": "Made_Up", "family": "test", "definitions": "7", "reason": "scan"} | more
        return (held or self.open()).take(path, now=NOW, **given)

    def restore(self, ident: str, **more: Any) -> Entry:
        return self.open().restore(ident, now=NOW, **more)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path.resolve() / "machine")
    made.files.mkdir(parents=True)
    return made


@pytest.fixture
def in_memory() -> Iterator[Machine]:
    """A machine whose disk is memory where the system has that: a kill loses none of it either."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        made = Machine(Path(folder).resolve() / "machine")
        made.files.mkdir(parents=True)
        yield made


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill, unlike a power cut, loses nothing that was written; this is five times as fast."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
