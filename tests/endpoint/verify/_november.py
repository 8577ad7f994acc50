"""The black screens of November 2009, as hives: an update's own changes, and what it was blamed for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sakimori.endpoint.registry.hive import read_hive
from sakimori.endpoint.registry.hive_build import build_hive
from sakimori.endpoint.registry.model import Key, Value
from sakimori.endpoint.snapshot import write_snapshot
from sakimori.endpoint.snapshot.model import Header, Scope, place
from sakimori.endpoint.snapshot.registry import records_of

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = datetime(2009, 11, 20, 9, 0, tzinfo=UTC)
AFTER = datetime(2009, 11, 25, 10, 0, tzinfo=UTC)
WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
DRIVERS = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Drivers32"
UPDATES = r"SOFTWARE\Microsoft\Updates\Windows XP\SP4\KB915597"
OURS = "D:PAI(A;CI;KA;;;BA)(A;CI;KA;;;SY)(A;CI;KR;;;BU)"
OPEN = "D:PAI(A;CI;KA;;;WD)"
DAONOL = r"C:\WINDOWS\system32\..\vqfasf.tmp wqerkjla"

# What the update declares, as a .reg beside its article.
MANIFEST = r"""Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Updates\Windows XP\SP4\KB915597]
"Description"="Security Update for Windows XP (KB915597)"
"InstalledDate"="11/25/2009"
"Type"=dword:00000001
"""


def text(value: str) -> bytes:
    """Return a string with its terminating NUL."""
    return (value + "\0").encode("utf-16-le")


def key(
    path: str, values: tuple[Value, ...] = (), when: datetime = BEFORE, dacl: str = OURS
) -> Key:
    return Key(path, when, "BA", "SY", dacl, None, values)


def update() -> Key:
    """What the update itself adds."""
    values = (
        Value("Description", 1, text("Security Update for Windows XP (KB915597)")),
        Value("InstalledDate", 1, text("11/25/2009")),
        Value("Type", 4, (1).to_bytes(4, "little")),
    )
    return key(UPDATES, values, AFTER)


def winlogon(*, ended: bool = True, dacl: str = OURS) -> Key:
    shell = text("Explorer.exe") if ended else "Explorer.exe".encode("utf-16-le")
    values = (
        Value("Shell", 1, shell),
        Value("Userinit", 1, text(r"C:\WINDOWS\system32\userinit.exe,")),
    )
    return key(WINLOGON, values, BEFORE if ended and dacl == OURS else AFTER, dacl)


def drivers(*, infected: bool = False) -> Key:
    values = (Value("midi", 1, text("wdmaud.drv")), Value("aux", 1, text("wdmaud.drv")))
    if infected:
        return key(DRIVERS, (*values, Value("midi9", 1, text(DAONOL))), AFTER)
    return key(DRIVERS, values)


CASES: dict[str, tuple[Key, ...]] = {
    "terminator": (winlogon(ended=False), drivers(), update()),
    "permissions": (winlogon(dacl=OPEN), drivers(), update()),
    "family": (winlogon(), drivers(infected=True), update()),
    "update": (winlogon(), drivers(), update()),
}


def snapshots(folder: Path) -> None:
    """Write before.snap and one snapshot a case, as `snapshot take --hive` takes them from hives."""
    _taken(folder, "before", (winlogon(), drivers()), BEFORE)
    for case, keys in CASES.items():
        _taken(folder, case, keys, AFTER.replace(hour=12))


def _taken(folder: Path, name: str, keys: tuple[Key, ...], now: datetime) -> None:
    hive = folder / f"{name}.hive"
    hive.write_bytes(build_hive(keys))
    records = [one for read in read_hive(hive, "SOFTWARE").keys for one in records_of(read)]
    out = folder / f"{name}.snap"
    header = Header(tool="test", machine="xp", taken=now.isoformat())
    scopes = [Scope("registry", ("HKLM\\SOFTWARE",))]
    write_snapshot(out, header, sorted(records, key=place), lambda: (scopes, []))
