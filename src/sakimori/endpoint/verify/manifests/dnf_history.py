"""What `dnf history info` (and yum's) prints: when, by whom, and which packages changed.

    Transaction ID : 12
    Begin time     : Tue 24 Nov 2026 10:00:00 AM UTC
    End time       : Tue 24 Nov 2026 10:00:09 AM UTC (9 seconds)
    Packages Altered:
        Upgrade  hello-2.12-1.fc43.x86_64 @updates
        Upgraded hello-2.10-9.fc43.x86_64 @@System

Files are not in it. dnf5 prints a table instead, which is read too. Source: dnf(8), history command.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.verify.manifests.dpkg_log import name_of
from sakimori.endpoint.verify.model import Aside, Manifest, ObjectClaim, Window
from sakimori.endpoint.verify.text import time_of
from sakimori.errors import SourceError

if TYPE_CHECKING:
    from sakimori.endpoint.verify.manifests._source import Source

NAME = "dnf-history"
TITLE = "dnf history info"

_FIELD = re.compile(
    r"^\s*(Transaction ID|Begin time|End time|User|Command Line|Description)\s*:\s*(.*)$"
)
_PACKAGE = re.compile(
    r"^\s+(?:\*\*\s*)?(Install|Dep-Install|Upgrade|Update|Reinstall|Downgrade|Upgraded|Updated|Downgraded|"
    r"Replaced|Removed|Remove|Erase|Obsoleted|Reinstalled)\s+"
    r"(?P<name>\S+?)-(?:\d+:)?(?P<version>[^-\s]+-[^-\s]+?)(?:\.(?:x86_64|noarch|i[3-6]86|aarch64|s390x|"
    r"ppc64le|armv7hl|riscv64))?(?:\s.*)?$"
)
_NEW = ("Install", "Dep-Install", "Upgrade", "Update", "Reinstall", "Downgrade")
_OLD = ("Upgraded", "Updated", "Downgraded", "Replaced", "Reinstalled")


def recognises(source: Source) -> bool:
    """Whether a transaction's number and its begin are among the first lines."""
    return (
        bool(re.search(r"(?m)^\s*Transaction ID\s*:", source.head)) and "Begin time" in source.head
    )


def read(source: Source) -> Manifest:
    """Read every transaction; a package line that cannot be taken apart comes aside."""
    versions: dict[str, dict[str, str]] = {}
    places: dict[str, str] = {}
    aside: list[Aside] = []
    windows: list[Window] = []
    fields: dict[str, str] = {}
    inside = False
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := _FIELD.match(line):
            fields[found[1]] = found[2]
            inside = False
            _window(fields, found[1], source, number, windows)
        elif line.strip().lower().startswith("packages altered"):
            inside = True
        elif found := _PACKAGE.match(line):
            side = "after" if found[1] in _NEW else "before" if found[1] in _OLD else "removed"
            versions.setdefault(found["name"], {}).setdefault(side, found["version"])
            places.setdefault(found["name"], source.at(number))
        elif inside and line.strip() and not line.lstrip().startswith(("Action", "Scriptlet")):
            aside.append(Aside(source.at(number), "no package that can be taken apart"))
    if not versions:
        raise SourceError("no package was changed", where=str(source.path))
    return Manifest(
        name=name_of(list(versions), source.path.name), source=str(source.path), format=NAME,
        declares=frozenset({"packages"}), windows=tuple(windows), aside=tuple(aside),
        objects=tuple(
            ObjectClaim(object="package", name=name, where=places[name], before=v.get("before"),
                        version=v.get("after", "" if "removed" in v else None))
            for name, v in versions.items()
        ),
    )  # fmt: skip


def _window(
    fields: dict[str, str], name: str, source: Source, number: int, windows: list[Window]
) -> None:
    if name != "End time":
        return
    start = time_of(fields.get("Begin time", ""), source.zone)
    end = time_of(re.sub(r"\s*\([^)]*\)\s*$", "", fields["End time"]), source.zone)
    if start and end and start <= end:
        windows.append(
            Window(start=start, end=end, title=f"dnf {fields.get('Transaction ID', '')}".strip(),
                   where=source.at(number))
        )  # fmt: skip
