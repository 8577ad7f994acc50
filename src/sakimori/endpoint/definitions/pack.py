"""A pack: a folder with rules/, hashes/ and recipes/, as it is published and as it is installed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

from sakimori.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

HOLDS = {
    "rules": (".yar", ".yara"),
    "hashes": (".hdb", ".hsb", ".ndb", ".txt", ".csv"),
    "recipes": (".yaml", ".yml"),
}
_TEXTS = ("LICENSE", "LICENCE", "NOTICE", "README")  # beside the definitions: whose they are
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(/[A-Za-z0-9][A-Za-z0-9._+-]*)*")
_LARGEST = 64 * 1024 * 1024  # bytes of one file
_MOST = 20_000  # files of a pack


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a pack: its path within the pack, bytes and SHA-256."""

    path: str
    length: int
    sha256: str

    @property
    def target(self) -> str:
        """Return the name it has in a repository: by content, so that versions share it."""
        return f"files/{self.sha256[:2]}/{self.sha256}"


@dataclass(frozen=True, slots=True)
class Index:
    """What one version of the definitions is made of. `number` only grows; `published` is ISO 8601."""

    number: int
    published: str
    note: str
    parts: tuple[Part, ...]

    @property
    def version(self) -> str:
        """Return the version's name, such as 20261125.7."""
        return f"{self.published[:10].replace('-', '')}.{self.number}"

    def dumped(self) -> bytes:
        """Return it as JSON, the same bytes for the same index."""
        value = {
            "format": 1,
            "number": self.number,
            "published": self.published,
            "note": self.note,
            "files": [{"path": p.path, "length": p.length, "sha256": p.sha256} for p in self.parts],
        }
        return orjson.dumps(value, option=orjson.OPT_INDENT_2)


def gather(folder: Path) -> list[tuple[Part, Path]]:
    """Return the files of a pack's folder, sorted by path.

    Raises SourceError for a file that does not belong there, a name that no system can hold, a symbolic
    link, one that is too large, or an empty pack.
    """
    if not folder.is_dir():
        raise SourceError("no such folder", where=str(folder))
    found = [_part(folder, file) for file in sorted(folder.rglob("*")) if _counts(file)]
    if not any(part.path.split("/")[0] in HOLDS for part, _ in found):
        raise SourceError(
            "holds no definitions", where=str(folder), hint=f"put them in {', '.join(HOLDS)}"
        )
    if len(found) > _MOST:
        raise SourceError(f"holds more than {_MOST:,} files", where=str(folder))
    return found


def _counts(file: Path) -> bool:
    if file.is_symlink():
        raise SourceError("a symbolic link cannot be published", where=str(file))
    return file.is_file()


def _part(folder: Path, file: Path) -> tuple[Part, Path]:
    name = file.relative_to(folder).as_posix()
    top = name.split("/")[0]
    if not _NAME.fullmatch(name):
        raise SourceError("its name has characters other than A-Z a-z 0-9 . _ + -", where=str(file))
    belongs = file.suffix.lower() in HOLDS.get(top, ()) or file.stem.upper() in _TEXTS
    if not belongs:
        raise SourceError(
            "is no definition",
            where=str(file),
            hint="; ".join(f"{t}/ holds {' '.join(kinds)}" for t, kinds in HOLDS.items()),
        )
    data = _read(file)
    return Part(name, len(data), sha256(data).hexdigest()), file


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST:
            raise SourceError("is larger than 64 MiB", where=str(file))
        return file.read_bytes()
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(file)) from error


def parsed(data: bytes, where: str) -> Index:
    """Return an index from its JSON. Raises SourceError when it is none, or names an unsafe path."""
    try:
        value = orjson.loads(data)
        index = Index(
            number=_whole(value["number"]),
            published=str(value["published"]),
            note=str(value["note"]),
            parts=tuple(
                Part(str(f["path"]), _whole(f["length"]), str(f["sha256"])) for f in value["files"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"no index of definitions: {error!r}", where=where) from error
    for part in index.parts:
        if not _NAME.fullmatch(part.path) or not re.fullmatch("[0-9a-f]{64}", part.sha256):
            raise SourceError(f"unsafe name {part.path[:80]!r}", where=where)
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", index.published) or index.number < 1:
        raise SourceError("malformed number or time", where=where)
    return index


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no whole number")
    return value
