"""Properties of a Windows machine: Get-ComputerInfo, Win32_OperatingSystem, `wmic os get /value`."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from sakimori.endpoint.inventory import dates, kb, windows
from sakimori.endpoint.inventory.record import Record, note

if TYPE_CHECKING:
    from sakimori.endpoint.inventory.source import Source

NAME = "properties"
TITLE = "Get-ComputerInfo, Win32_OperatingSystem or wmic os as list or CSV"

_PAIR = re.compile(r"^[ \t]*([A-Za-z][\w()]*)[ \t]*[=:][ \t]?(.*)$")
_NAMES = {
    "os": ("osname", "caption", "windowsproductname"),
    "version": ("osversion", "version"),
    "build": ("osbuildnumber", "buildnumber", "windowscurrentversion"),
    "type": ("osarchitecture", "cssystemtype", "systemtype"),
    "host": ("csname", "csdnshostname", "pscomputername", "node"),
    "pack": ("servicepackmajorversion", "csdversion", "osservicepackmajorversion"),
    "installed": ("osinstalldate", "installdate", "windowsinstalldatefromregistry"),
    "ubr": ("windowsubr", "ubr"),
    "hotfixes": ("oshotfixes",),
}


def sniff(source: Source) -> bool:
    """Whether it has a version and a name of Windows under names that these programs use."""
    found = _pairs(source.head)
    return bool(_of(found, "version") and "Windows" in _of(found, "os"))


def read(source: Source) -> list[Record]:
    """Return one record."""
    found = _pairs(source.text)
    version = windows.version_of(f"{_of(found, 'version')} {found.get('csdversion', '')}")
    build = version.build if version else None
    name, names = windows.name_of(_of(found, "os"), build)
    release = windows.release_of(name, build)
    architecture = windows.architecture_of(_of(found, "type"))
    updates = kb.unique(
        u for part in re.split(r"[{},;.\s]+", _of(found, "hotfixes")) if (u := kb.update_of(part))
    )
    listed = bool(_of(found, "hotfixes"))
    pack = re.search(r"\d+", _of(found, "pack"))
    ubr = _of(found, "ubr")
    return [
        Record(
            source=source.name,
            reader=NAME,
            os=name,
            version=version.version if version else None,
            build=build,
            ubr=int(ubr) if ubr.isdecimal() else version.ubr if version else None,
            release=release,
            service_pack=int(pack[0]) if pack else None,
            edition=windows.edition_of(name) if name else None,
            architecture=architecture,
            machine=_of(found, "host") or None,
            encoding=source.encoding,
            installed=dates.iso(_of(found, "installed")) or None,
            updates=updates,
            assumed=(
                *source.notes(),
                *names,
                *([note("release", release=release, build=build)] if release else []),
                *([note("type", architecture=architecture, label="OSArchitecture")]
                  if architecture else [note("type-unknown")]),
                *([note("listed", count=len(updates))] if listed else [note("no-updates")]),
            ),
        )
    ]  # fmt: skip


def _of(found: dict[str, str], name: str) -> str:
    return next((found[key] for key in _NAMES[name] if found.get(key)), "")


def _pairs(text: str) -> dict[str, str]:
    """Values by lower-case name; the first of each; lines without a name belong to the one before."""
    if text.lstrip()[:5] in ('"Wind', '"PSCo', "#TYPE", "Node,", '"Capt', '"Syst'):
        return _of_csv(text)
    found: dict[str, str] = {}
    last = ""
    for line in text.split("\n"):
        pair = _PAIR.match(line.strip("\r"))
        if pair is not None:
            last = pair[1].lower()
            found.setdefault(last, pair[2].strip())
        elif last and line[:1].isspace() and line.strip():
            found[last] += " " + line.strip()
    return found


def _of_csv(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#TYPE")]
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines))))
    except csv.Error:
        return {}
    if len(rows) < 2:
        return {}
    return {name.strip().lower(): cell for name, cell in zip(rows[0], rows[1], strict=False)}
