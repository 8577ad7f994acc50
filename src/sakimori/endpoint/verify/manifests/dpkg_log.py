"""dpkg.log: which packages were installed, upgraded or removed, when, from which version to which.

    2026-11-24 10:00:01 upgrade hello:amd64 2.10-2 2.10-3

Times carry no zone. Files are not in the log; where the log lies in a tree as dpkg keeps it
(`var/log/dpkg.log` beside `var/lib/dpkg/info`), the lists of its packages are read as well.
Source: dpkg(1) and its log as written by dpkg 1.22.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.manifests.dpkg_lists import claims_of, merged
from sakimori.endpoint.verify.model import Aside, FileClaim, Manifest, ObjectClaim, Window
from sakimori.endpoint.verify.names import package_name
from sakimori.endpoint.verify.text import time_of
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from datetime import datetime

    from sakimori.endpoint.verify.manifests._source import Source

NAME = "dpkg-log"
TITLE = "dpkg.log"

_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (\S+) ?(.*)$")
_ACTS = ("install", "upgrade", "remove", "purge", "downgrade")
_OTHERS = ("startup", "status", "configure", "trigproc", "conffile", "disappear")
_PAUSE = timedelta(seconds=60)  # silence after which dpkg counts as started anew


def recognises(source: Source) -> bool:
    """Whether most of the first lines are dpkg's."""
    lines = [line for line in source.head.splitlines()[:20] if line.strip()]
    good = [m for m in map(_LINE.match, lines) if m and m[2] in (*_ACTS, *_OTHERS)]
    return bool(lines) and len(good) * 2 > len(lines)


def read(source: Source) -> Manifest:
    """Read acts and their windows; a line that is none of dpkg's comes aside."""
    claims: list[ObjectClaim] = []
    aside: list[Aside] = []
    windows: list[Window] = []
    for number, line in enumerate(source.text.splitlines(), 1):
        found = _LINE.match(line)
        time = time_of(found[1], source.zone) if found else None
        if not found or time is None or found[2] not in (*_ACTS, *_OTHERS):
            if line.strip():
                aside.append(Aside(source.at(number), "no line of dpkg's log"))
            continue
        acted = _act(found[2], found[3].split(), source.at(number), claims)
        _extend(windows, time, source.at(number), acted)
    packages = list(dict.fromkeys(claim.name for claim in claims))
    if not claims:
        raise SourceError(
            "no package was installed, upgraded or removed",
            where=str(source.path),
            hint="the right log?",
        )
    return Manifest(
        name=name_of(packages, source.path.name), source=str(source.path), format=NAME,
        declares=frozenset({"packages", "files"}), objects=tuple(claims),
        files=tuple(owned(source, packages)), windows=tuple(windows), aside=tuple(aside),
    )  # fmt: skip


def name_of(packages: list[str], file: str) -> str:
    """Return a short name for what touched packages: theirs, or the log's where they are many."""
    names = sorted({package_name(p) for p in packages})
    return ", ".join(names) if len(names) <= 3 else file


def _act(act: str, words: list[str], where: str, claims: list[ObjectClaim]) -> str:
    if act not in _ACTS or len(words) < 3:
        return ""
    package, before, after = words[0], words[1], words[2]
    version = "" if act in ("remove", "purge") else after
    first = None if before == "<none>" else before
    claims.append(
        ObjectClaim(object="package", name=package, where=where, version=version, before=first)
    )
    return package


def _extend(windows: list[Window], time: datetime, where: str, package: str) -> None:
    last = windows[-1] if windows else None
    if last is None or not last.start <= time <= last.end + _PAUSE:
        windows.append(Window(start=time, end=time, title="dpkg", where=where, packages=()))
        last = windows[-1]
    packages = (
        (*last.packages, package) if package and package not in last.packages else last.packages
    )
    windows[-1] = Window(start=last.start, end=max(last.end, time), title=last.title, where=last.where,
                         packages=packages)  # fmt: skip


def owned(source: Source, packages: list[str]) -> list[FileClaim]:
    """Return the files of packages by the lists in the tree that the log lies in."""
    found: list[FileClaim] = []
    for package in packages:
        mine: list[FileClaim] = []
        for name in dict.fromkeys((package, package_name(package))):
            for suffix in (".md5sums", ".list", ".conffiles"):
                for up in (("..",), ("..", "..")):  # var/log/dpkg.log, var/log/apt/history.log
                    if lists := source.beside(*up, "lib", "dpkg", "info", name + suffix):
                        mine = merged(mine, claims_of(lists)[0])
        found += mine
    return found
