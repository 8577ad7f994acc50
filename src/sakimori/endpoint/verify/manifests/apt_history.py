"""apt's history.log: what was asked for, by whom, when it began and ended, and which versions changed.

    Start-Date: 2026-11-24  10:00:00
    Commandline: apt-get upgrade
    Upgrade: hello:amd64 (2.10-2, 2.10-3), other:amd64 (1, 2)
    End-Date: 2026-11-24  10:00:05

Times carry no zone. Files come from dpkg's lists where the log lies in a tree that has them. Source:
apt's own documentation of Dir::Log::History, and its log as written by apt 2.6.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.manifests.dpkg_log import name_of, owned
from sakimori.endpoint.verify.model import Aside, Manifest, ObjectClaim, Window
from sakimori.endpoint.verify.text import time_of
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.verify.manifests._source import Source

NAME = "apt-history"
TITLE = "apt's history.log"

_ACTS = ("Install", "Upgrade", "Downgrade", "Reinstall", "Remove", "Purge")
_FIELD = re.compile(r"^([A-Z][A-Za-z-]+): ?(.*)$")
_PACKAGE = re.compile(r"(\S+) \(([^()]*)\)")


def recognises(source: Source) -> bool:
    """Whether one of the first lines is a Start-Date."""
    return any(line.startswith("Start-Date: ") for line in source.head.splitlines()[:20])


def read(source: Source) -> Manifest:
    """Read every run; one without times that can be read comes aside."""
    claims: list[ObjectClaim] = []
    windows: list[Window] = []
    aside: list[Aside] = []
    for number, fields in _runs(source.text):
        where = source.at(number)
        packages = _packages(fields, where, claims)
        start = time_of(fields.get("Start-Date", ""), source.zone)
        end = time_of(fields.get("End-Date", ""), source.zone) or start
        if start is None or end is None:
            aside.append(Aside(where, "no Start-Date that can be read"))
            continue
        title = fields.get("Commandline", "apt")
        by = f" ({fields['Requested-By']})" if "Requested-By" in fields else ""
        windows.append(
            Window(
                start=start, end=max(start, end), title=title + by, where=where, packages=packages
            )
        )
    names = list(dict.fromkeys(claim.name for claim in claims))
    if not claims:
        raise SourceError("no package was changed", where=str(source.path), hint="the right log?")
    return Manifest(
        name=name_of(names, source.path.name), source=str(source.path), format=NAME,
        declares=frozenset({"packages", "files"}), objects=tuple(claims),
        files=tuple(owned(source, names)), windows=tuple(windows), aside=tuple(aside),
    )  # fmt: skip


def _runs(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    fields: dict[str, str] = {}
    started = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        found = _FIELD.match(line)
        if found:
            started = started if fields else number
            fields[found[1]] = found[2].strip()
        elif not line.strip() and fields:
            yield started, fields
            fields = {}


def _packages(fields: dict[str, str], where: str, claims: list[ObjectClaim]) -> tuple[str, ...]:
    named: list[str] = []
    for act in _ACTS:
        for name, inside in _PACKAGE.findall(fields.get(act, "")):
            versions = [v.strip() for v in inside.split(",") if v.strip() not in ("automatic", "")]
            first, last = (versions[0], versions[-1]) if versions else (None, None)
            claims.append(
                ObjectClaim(
                    object="package",
                    name=name,
                    where=where,
                    before=first if act in ("Upgrade", "Downgrade") else None,
                    version="" if act in ("Remove", "Purge") else last,
                )
            )
            named.append(name)
    return tuple(named)
