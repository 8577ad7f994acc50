"""Lists of hashes as they are passed around, and a set of them that is small in memory.

Read are ClamAV's .hdb and .hsb (`hash:size:name`, size `*` for any), CSV with a header (such as
abuse.ch's dumps), and lines that begin with a hash: alone, with a name after a comma, a space or a
tab, or as sha256sum and md5sum print them.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.scan._names import family_of
from sakimori.endpoint.scan._sources import Source, Warned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np

ALGORITHMS = {16: "md5", 20: "sha1", 32: "sha256"}  # bytes of a digest: its name
_HASH = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_LINE = re.compile(r"\\?([0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})(?![0-9a-fA-F])(.*)", re.DOTALL)  # fmt: skip
_ANY = -1
_COLUMNS = {  # of headers: which kind of cell, strongest hash first
    "hash": ("sha256_hash", "sha256", "sha-256", "hash_sha256", "sha1_hash", "sha1", "sha-1",
             "md5_hash", "md5", "hash", "ioc_value", "ioc"),
    "name": ("signature", "family", "malware", "malware_printable", "malware_family", "name",
             "threat", "detection", "description"),
    "size": ("file_size", "size", "filesize"),
}  # fmt: skip
_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True, slots=True)
class Entry:
    """One hash of a list. `size` in bytes, -1: any. `name` is "" where the list has none."""

    digest: bytes
    size: int
    name: str
    line: int


def read(source: Source) -> Iterator[Entry | Warned]:
    """Read one list. A line that cannot be read is a warning with its place; the rest is used."""
    text = source.data.decode("utf-8-sig", errors="replace")
    lines = text.split("\n")
    if source.path.lower().endswith((".hdb", ".hsb", ".hdu", ".hsu")):
        return _clamav(lines, source.path)
    header = _header(lines)
    return _table(lines, header, source.path) if header else _plain(lines, source.path)


def _blank(line: str) -> bool:
    return not line.strip() or line.lstrip()[0] in "#;" or line.lstrip().startswith("//")


def _clamav(lines: Sequence[str], path: str) -> Iterator[Entry | Warned]:
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if _blank(line):
            continue
        fields = line.split(":")
        sized = len(fields) > 2 and (fields[1] == "*" or fields[1].isdecimal())
        if not sized or not _HASH.fullmatch(fields[0]) or not fields[2]:
            yield Warned(f"{path}:{number}", "no hash:size:name")
            continue
        size = _ANY if fields[1] == "*" else int(fields[1][:19])
        yield Entry(bytes.fromhex(fields[0]), size, fields[2], number)


def _plain(lines: Sequence[str], path: str) -> Iterator[Entry | Warned]:
    for number, raw in enumerate(lines, 1):
        line = raw.strip().lstrip('"')
        if _blank(line):
            continue
        found = _LINE.match(line)
        if found is None:
            yield Warned(f"{path}:{number}", "begins with no MD5, SHA-1 or SHA-256")
            continue
        parts = found[2].strip().lstrip('",;:|').strip().split(":", 1)
        size = int(parts[0][:19]) if len(parts) == 2 and parts[0].isdecimal() else _ANY
        name = (
            parts[1] if len(parts) == 2 and (size != _ANY or parts[0] == "*") else ":".join(parts)
        )
        yield Entry(bytes.fromhex(found[1]), size, _name(name, found[2]), number)


def _name(text: str, rest: str) -> str:
    """Return a name; what sha256sum prints after two signs is a path, which names no malware."""
    if rest.startswith(("  ", " *")):
        return ""
    return text.strip().strip('"').lstrip("*").strip()


@dataclass(frozen=True, slots=True)
class _Header:
    line: int
    delimiter: str
    columns: dict[str, list[int]]


def _header(lines: Sequence[str]) -> _Header | None:
    """Return the header: the first line that is not blank, or a comment with a hash's column."""
    for number, line in enumerate(lines[:200], 1):
        for delimiter in _DELIMITERS:
            cells = [c.strip(' "#\r').lower() for c in line.split(delimiter)]
            if len(cells) > 1 and (columns := _columns(cells)):
                return _Header(number, delimiter, columns)
        if not _blank(line):
            alone = line.strip(' "\r').lower()
            return _Header(number, ",", {"hash": [0]}) if alone in _COLUMNS["hash"] else None
    return None


def _columns(cells: Sequence[str]) -> dict[str, list[int]]:
    found = {
        kind: [cells.index(name) for name in names if name in cells]
        for kind, names in _COLUMNS.items()
    }
    return found if found["hash"] else {}


def _table(lines: Sequence[str], header: _Header, path: str) -> Iterator[Entry | Warned]:
    for number, line in enumerate(lines, 1):
        if number <= header.line or _blank(line):
            continue
        try:
            row = next(csv.reader([line], delimiter=header.delimiter, skipinitialspace=True), [])
        except csv.Error as error:
            yield Warned(f"{path}:{number}", str(error))
            continue
        cells = [cell.strip().strip('"') for cell in row]
        digest = next((c for c in _cells(cells, header, "hash") if _HASH.fullmatch(c)), None)
        if digest is None:
            yield Warned(f"{path}:{number}", "has no MD5, SHA-1 or SHA-256 in its column")
            continue
        size = next((c for c in _cells(cells, header, "size") if c.isdecimal()), "")
        name = next((c for c in _cells(cells, header, "name") if c not in ("", "n/a", "-")), "")
        yield Entry(bytes.fromhex(digest), int(size[:19]) if size else _ANY, name, number)


def _cells(cells: Sequence[str], header: _Header, kind: str) -> Iterator[str]:
    return (cells[at] for at in header.columns.get(kind, []) if at < len(cells))


@dataclass(frozen=True, slots=True)
class Known:
    """What a set says about a file: its signature's name, family, and where that stands."""

    name: str
    family: str
    source: str
    licence: str


class HashSet:
    """Many digests of one algorithm, sorted: about 60 bytes each, found by halving."""

    def __init__(self, entries: Sequence[tuple[Entry, int]], length: int) -> None:
        """Take entries with the number of their source; all digests are `length` bytes."""
        import numpy as np  # noqa: PLC0415 - slow to import

        ordered = sorted(entries, key=lambda pair: (pair[0].digest, pair[0].size))
        self.length = length
        self._digests = b"".join(entry.digest for entry, _ in ordered)
        self._first: np.ndarray = np.frombuffer(
            b"".join(entry.digest[:8] for entry, _ in ordered), dtype=">u8"
        ).astype(np.uint64)
        self._sizes = np.fromiter((min(e.size, 2**62) for e, _ in ordered), np.int64, len(ordered))
        names = {name: at for at, name in enumerate(dict.fromkeys(e.name for e, _ in ordered))}
        self._names = list(names)
        self._name = np.fromiter((names[e.name] for e, _ in ordered), np.uint32, len(ordered))
        self._line = np.fromiter((e.line for e, _ in ordered), np.uint32, len(ordered))
        self._source = np.fromiter((at for _, at in ordered), np.uint16, len(ordered))
        self.any_size = bool((self._sizes == _ANY).any())
        self.sizes = frozenset(self._sizes.tolist()) - {_ANY}

    def __len__(self) -> int:
        return len(self._first)

    def wants(self, size: int) -> bool:
        """Whether a file of this size could be in the set at all."""
        return self.any_size or size in self.sizes

    def find(self, digest: bytes, size: int) -> Iterator[tuple[str, int, int]]:
        """Yield name, line and source's number of each entry for this digest and size."""
        import numpy as np  # noqa: PLC0415

        at = int(np.searchsorted(self._first, np.uint64(int.from_bytes(digest[:8], "big"))))
        while at < len(self._first):
            begin = at * self.length
            if self._digests[begin : begin + 8] != digest[:8]:
                return
            same = self._digests[begin : begin + self.length] == digest
            if same and self._sizes[at] in (_ANY, size):
                yield self._names[self._name[at]], int(self._line[at]), int(self._source[at])
            at += 1


class Hashes:
    """All hash lists of a scan."""

    def __init__(self, sources: Sequence[Source]) -> None:
        """Read the lists; `warnings` are the lines that could not be used."""
        self._sources = [(s.path, s.licence) for s in sources]
        self.warnings: list[Warned] = []
        found: dict[int, list[tuple[Entry, int]]] = {}
        for at, source in enumerate(sources):
            for entry in read(source):
                if isinstance(entry, Warned):
                    self.warnings.append(entry)
                else:
                    found.setdefault(len(entry.digest), []).append((entry, at))
        self._sets = [HashSet(entries, length) for length, entries in sorted(found.items())]

    def __len__(self) -> int:
        return sum(len(known) for known in self._sets)

    def wanted(self, size: int) -> tuple[str, ...]:
        """Return the algorithms that a file of this size must be hashed by."""
        return tuple(ALGORITHMS[known.length] for known in self._sets if known.wants(size))

    def find(self, digests: Iterable[bytes], size: int) -> list[Known]:
        """Return what the lists say of a file with these digests."""
        by_length = {known.length: known for known in self._sets}
        found = []
        for digest in digests:
            known = by_length.get(len(digest))
            for name, line, at in known.find(digest, size) if known else ():
                path, licence = self._sources[at]
                shown = name or f"{ALGORITHMS[len(digest)]} in {path.rpartition('/')[2]}"
                family = family_of(name) if name else ""
                found.append(Known(shown, family, f"{path}:{line}", licence))
        return list(dict.fromkeys(found))
