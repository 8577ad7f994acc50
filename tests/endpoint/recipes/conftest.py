"""A machine in a folder: files, a registry in memory, a real quarantine."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sakimori.endpoint.quarantine import Quarantine
from sakimori.endpoint.recipes import Cleaner, Journal, Plan, System, Tree, find, parse
from sakimori.endpoint.registry.access import MemoryRegistry
from sakimori.endpoint.registry.model import Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sakimori.endpoint.recipes import Found, Outcome, Recipe, Undone

HEAD = """\
recipe: 1
name: made-up
family: MadeUp
version: 1
date: 2026-11-25
platforms: [linux, windows]
about: {en: Made up., ja: 架空のファミリーです。}
sources: [{id: s, title: t, organisation: o}]
items:
"""
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUN = "20261125-120000-abcdef"
PEOPLE = "root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\ndaemon:x:1:1::/usr:/bin/no\n"


class Killed(BaseException):
    """As if the process had been killed: nothing catches it."""


@dataclass
class Box:
    """One machine below a folder."""

    folder: Path
    registry: MemoryRegistry | None = None
    parts: dict[str, Any] = field(default_factory=dict)
    hook: Callable[[str], None] = lambda _step: None

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def put(self, path: str, content: str | bytes = "", mode: int = 0o644) -> Path:
        """Write a file of the machine, with a time long past."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)
        os.utime(file, ns=(1_200_000_000_123_456_789, 1_200_000_000_987_654_321))
        return file

    def link(self, path: str, target: str) -> Path:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)
        return file

    def value(self, key: str, name: str, text: str | bytes, kind: int = 1) -> None:
        """Set a registry value; a text gets its NUL."""
        if self.registry is None:
            self.registry = MemoryRegistry()
        data = text.encode("utf-16-le") + b"\0\0" if isinstance(text, str) else text
        self.registry.set(key, Value(name, kind, data))

    @property
    def system(self) -> System:
        files = Tree(self.root, self.hook)
        return replace(System(files, self.registry), **self.parts)

    @property
    def keeper(self) -> Quarantine:
        return Quarantine(self.folder / "quarantine", b"k" * 32, self.hook)

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / "clean" / RUN)

    def recipe(self, items: str) -> Recipe:
        return parse((HEAD + items).encode(), "made-up.yaml")

    def find(self, items: str | Recipe) -> Found:
        recipe = self.recipe(items) if isinstance(items, str) else items
        return find([recipe], self.system)

    def plan(self, found: Found) -> None:
        self.journal.begin(
            Plan(run=RUN, begun=NOW, actor="a", definitions="7", place={}, recipes=(),
                 findings=found.findings)
        )  # fmt: skip

    def act(self) -> list[Outcome]:
        return Cleaner(self.system, self.keeper, self.hook).carry_out(self.journal, NOW)

    def clean(self, items: str | Recipe) -> list[Outcome]:
        self.plan(self.find(items))
        return self.act()

    def undo(self, *, force: bool = False) -> list[Undone]:
        return Cleaner(self.system, self.keeper, self.hook).undo(self.journal, NOW, force=force)

    def state(self) -> dict[str, Any]:
        """Return all of the machine: kind, mode, owner, time and content of each thing."""
        found: dict[str, Any] = {}
        for path in sorted(self.root.rglob("*")):
            info = path.lstat()
            name = str(path.relative_to(self.root))
            what: Any = None
            if stat.S_ISLNK(info.st_mode):
                what = str(path.readlink())
            elif stat.S_ISREG(info.st_mode):
                what = path.read_bytes()
            time = None if stat.S_ISDIR(info.st_mode) else info.st_mtime_ns
            found[name] = (oct(info.st_mode), info.st_uid, info.st_gid, time, what)
        if self.registry is not None:
            found["registry"] = {
                key.path.upper(): sorted((v.name, v.type, v.data) for v in key.values)
                for key in self.registry.all_keys()
            }
        return found


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """Give an empty machine with two people."""
    made = Box(tmp_path)
    made.root.mkdir()
    made.put("/etc/passwd", PEOPLE)
    return made


@pytest.fixture
def killed() -> type[BaseException]:
    """Give what stands for a kill."""
    return Killed
