"""Files of rules and hashes: found, read, and whose licence they are under."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

RULE_ENDS = (".yar", ".yara", ".sakirules")
HASH_ENDS = (".hdb", ".hsb", ".ndb", ".csv", ".txt", ".tsv", ".md5", ".sha1", ".sha256", ".list")
COMPILED = b"SAKIMORI RULES 1\n"  # the number grows with this format and with how rules are cut
_LARGEST = 1024 * 1024 * 1024  # bytes of one file
_LICENCES = (
    ("Detection Rule License", "Detection Rule License"), ("Apache License", "Apache-2.0"),
    ("MIT License", "MIT"), ("GNU AFFERO GENERAL", "AGPL"), ("GNU LESSER GENERAL", "LGPL"),
    ("GNU GENERAL PUBLIC", "GPL"), ("Mozilla Public License", "MPL"),
    ("Permission is hereby granted, free of charge", "MIT"), ("Redistribution and use in", "BSD"),
    ("CC0 1.0", "CC0-1.0"), ("Attribution-NonCommercial", "CC BY-NC"), ("Elastic License", "Elastic"),
    ("Creative Commons Attribution", "CC BY"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Warned:
    """A part of the definitions that is not used, and why; `where` is `path:line` or a path."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """One file of definitions as it was read."""

    path: str
    data: bytes
    licence: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.data).hexdigest()


def builtin() -> Source:
    """Return the rules that are always there."""
    data = files("sakimori").joinpath("endpoint/scan/builtin.yar").read_bytes()
    return Source("built in", data, "Apache-2.0")


def read(paths: Iterable[Path], ends: Sequence[str]) -> tuple[list[Source], list[Warned]]:
    """Read files, and of folders those whose names end so, in order of their names.

    Raises SourceError for a path that is not there, or cannot be read; within a folder that is
    a warning.
    """
    sources: list[Source] = []
    warned: list[Warned] = []
    for path in paths:
        if not path.exists():
            raise SourceError(
                "is not there", where=str(path), hint="name a file or folder of rules or hashes"
            )
        above = _above(path)
        licences: dict[Path, str] = {}
        for file in _files(path, ends):
            try:
                data = _content(file)
            except OSError as error:
                if file == path:
                    raise SourceError(error.strerror or str(error), where=str(path)) from error
                warned.append(Warned(str(file), error.strerror or str(error)))
                continue
            if file.parent not in licences:
                licences[file.parent] = _licence(file, above)
            sources.append(Source(str(file), data, licences[file.parent]))
    return sources, warned


def _files(path: Path, ends: Sequence[str]) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() in ends and file.is_file():
            yield file


def _content(file: Path) -> bytes:
    if file.is_fifo() or file.stat().st_size > _LARGEST:
        raise OSError(None, "is no plain file, or is larger than 1 GiB")
    return file.read_bytes()


def _above(path: Path) -> tuple[Path, ...]:
    """Return the folders above the rules in which their licence may lie: one more than was named."""
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    return (folder, folder.parent)


def _licence(file: Path, above: tuple[Path, ...]) -> str:
    """Return the licence of the nearest LICENSE file, with its name; "" where there is none."""
    folder = file.absolute().parent
    between = [p for p in (folder, *folder.parents) if above[0] in p.parents]
    for place in (*between, *above):
        if told := _told(place):
            return told
    return ""


_known: dict[Path, str] = {}


def _told(folder: Path) -> str:
    if folder not in _known:
        _known[folder] = ""
        for name in ("LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "LICENCE.txt", "COPYING"):
            file = folder / name
            if file.is_file():
                _known[folder] = _named(file)
                break
    return _known[folder]


def _named(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            text = opened.read(20_000)
    except OSError:
        return ""
    for phrase, name in _LICENCES:
        if phrase.lower() in text.lower():
            return f"{name} ({file.name})"
    first = next((line.strip("# \t") for line in text.splitlines() if line.strip("# \t")), "")
    return f"{first[:80]} ({file.name})" if first else file.name
