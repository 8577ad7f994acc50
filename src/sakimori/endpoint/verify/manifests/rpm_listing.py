"""What `rpm -ql --dump` and `rpm -qlv` print of a package.

--dump: path, size, time, digest, mode, owner, group, is configuration, is documentation, device, link
target. -qlv: as `ls -l`, without digests. Source: rpm(8), "FILE SELECTION" and "--dump".
"""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.model import Aside, FileClaim, Manifest
from sakimori.endpoint.verify.text import update_name
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import Source

NAME = "rpm-listing"
TITLE = "rpm -ql --dump and rpm -qlv"

_DUMP = re.compile(
    r"^(/.*) (\d+) (\d+) ([0-9a-f]{32,128}|0{1,128}|X) (\d{5,7}) (\S+) (\S+) ([01]) ([01]) (\S+) (.+)$"
)
_LONG = re.compile(
    r"^([-dlcbps])([-rwxsStT]{9})[.+@]?\s+\d+\s+(\S+)\s+(\S+)\s+(\d+)\s+\w{3}\s+\d{1,2}\s+[\d:]{4,5}\s+(/.*)$"
)
_KINDS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_BITS = "rwxrwxrwx"


def recognises(source: Source) -> bool:
    """Whether one of the first lines is of either form."""
    return any(_DUMP.match(line) or _LONG.match(line) for line in source.head.splitlines()[:20])


def read(source: Source) -> Manifest:
    """Read the lines; one that is of neither form comes aside."""
    claims: list[FileClaim] = []
    aside: list[Aside] = []
    for number, line in enumerate(source.text.splitlines(), 1):
        where = source.at(number)
        if found := _DUMP.match(line):
            claims.append(_dumped(found, where))
        elif found := _LONG.match(line):
            claims.append(_listed(found, where))
        elif line.strip() and line != "(contains no files)":
            aside.append(Aside(where, "no line of rpm -ql --dump or rpm -qlv"))
    if not claims:
        raise SourceError("no line names a file", where=str(source.path))
    return Manifest(
        name=update_name(source.path.stem) or source.path.stem, source=str(source.path), format=NAME,
        declares=frozenset({"files"}), files=tuple(claims), aside=tuple(aside),
    )  # fmt: skip


def _dumped(found: re.Match[str], where: str) -> FileClaim:
    mode = int(found[5], 8)
    digest = found[4] if found[4].strip("0X") else ""
    regular = stat.S_ISREG(mode) and bool(digest)
    return FileClaim(
        path=found[1], where=where, kind=_kind(mode), size=int(found[2]) if regular else None,
        hashes={_KINDS[len(digest)]: digest} if len(digest) in _KINDS else {},
        mode=None if stat.S_ISLNK(mode) else mode & 0o7777, owner=found[6],
        target=found[11] if stat.S_ISLNK(mode) else None,
    )  # fmt: skip


def _kind(mode: int) -> str:
    return "directory" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "file"


def _listed(found: re.Match[str], where: str) -> FileClaim:
    kind = {"d": "directory", "l": "link"}.get(found[1], "file")
    path, _, target = found[6].partition(" -> ") if kind == "link" else (found[6], "", "")
    return FileClaim(
        path=path, where=where, kind=kind, size=int(found[5]) if kind == "file" else None,
        mode=None if kind == "link" else _mode(found[2]), owner=found[3], target=target or None,
    )  # fmt: skip


def _mode(text: str) -> int:
    mode = 0
    for at, (letter, full) in enumerate(zip(text, _BITS, strict=True)):
        if letter == full or letter in "st":
            mode |= 1 << (8 - at)
    for at, bit in ((2, 0o4000), (5, 0o2000), (8, 0o1000)):
        mode |= bit if text[at] in "sStT" else 0
    return mode
