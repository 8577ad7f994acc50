"""A machine as recipes see it: parts that can be looked at and changed, live or not.

Each part is behind a Protocol, so that Windows, a mounted image and tests have the same interface. A
part that is None is not there: what needs it is told as not looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sakimori.endpoint.run import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sakimori.endpoint.quarantine import Entry
    from sakimori.endpoint.recipes.processes import Process
    from sakimori.endpoint.recipes.tree import Tree
    from sakimori.endpoint.registry.access import Registry


class Processes(Protocol):
    """Running programs."""

    def all(self) -> list[Process]:
        """Return every program that can be seen but this one."""

    def stop(self, process: Process) -> str:
        """End a program. Returns "" when it is gone, else why it is not."""


class Units(Protocol):
    """The service manager of a live machine."""

    def settle(self, unit: str, manager: str) -> str:
        """Let the manager read its files anew and end what is left of a unit. "" or why not."""

    def reload(self) -> str:
        """Let the manager read its files anew. "" or why not."""


class Keeper(Protocol):
    """The quarantine, as far as recipes use it."""

    def take(  # noqa: PLR0913 - each is a column of the entry
        self,
        path: Path,
        *,
        rule: str,
        family: str,
        definitions: str,
        reason: str,
        now: datetime,
        expect_sha256: str | None = None,
    ) -> Entry:
        """Move a file in."""

    def restore(
        self, ident: str, *, to: Path | None = None, replace: bool = False, now: datetime
    ) -> Entry:
        """Put a file back."""

    def entries(self) -> list[Entry]:
        """Return every entry."""

    def entry(self, ident: str) -> Entry:
        """Return one entry."""

    def recover(self) -> object:
        """Finish or roll back what a crash interrupted."""


@dataclass(frozen=True, slots=True)
class System:
    """One machine. `rules` gives the scan rules that hit a file; None: nothing can be scanned."""

    files: Tree
    registry: Registry | None = None
    processes: Processes | None = None
    units: Units | None = None
    rules: Callable[[Path], frozenset[str]] | None = None

    def homes(self) -> list[str]:
        """Return the folders of people: from passwd, or Windows' folders of profiles."""
        found = [
            home
            for name in ("Users", "Documents and Settings")
            if (folder := self.files.resolve(f"/{name}", fold=True))
            for home in (f"{folder}/{entry}" for entry in self.files.names(folder))
        ]
        passwd = self.files.resolve("/etc/passwd")
        if passwd is not None:
            found += _homes_of(self._read(passwd))
        return list(dict.fromkeys(found))

    def _read(self, path: str) -> bytes:
        try:
            return self.files.read(path)
        except OSError:
            return b""

    def windows_folder(self) -> str:
        """Return Windows' own folder, "" where there is none."""
        for name in ("/Windows", "/WINNT"):
            found = self.files.resolve(name, fold=True)
            if found is not None and self.files.resolve(f"{found}/System32", fold=True):
                return found
        return ""

    def expand(self, path: str) -> list[str]:
        """Return the paths that a recipe's path can mean here; none where a variable has no meaning."""
        if path.startswith("~/"):
            return [home + path[1:] for home in self.homes()]
        found = re.match(r"%([A-Za-z]+)%(/.*)", path)
        if not found:
            return [path]
        return [base + found[2] for base in self._bases(found[1].lower())]

    def _bases(self, variable: str) -> list[str]:
        root = self.windows_folder()
        if not root:
            return []
        homes = [h for h in self.homes() if h.lower().startswith(("/users", "/documents"))]
        below = {
            "userprofile": ("",),
            "appdata": ("/AppData/Roaming", "/Application Data"),
            "localappdata": ("/AppData/Local", "/Local Settings/Application Data"),
            "temp": ("/AppData/Local/Temp", "/Local Settings/Temp"),
        }.get(variable, ())
        fixed = {
            "systemroot": [root],
            "systemdrive": [""],
            "programfiles": ["/Program Files", "/Program Files (x86)"],
            "programdata": ["/ProgramData", "/Documents and Settings/All Users/Application Data"],
            "temp": [f"{root}/Temp"],
        }.get(variable, [])
        return fixed + [home + end for home in homes for end in below]


def _homes_of(passwd: bytes) -> list[str]:
    homes = []
    for line in passwd.decode("utf-8", "surrogateescape").splitlines():
        parts = line.split(":")
        if len(parts) == 7 and parts[2].isdecimal() and parts[5].startswith("/"):
            number = int(parts[2])
            if number == 0 or 1000 <= number < 65534:
                homes.append(parts[5].rstrip("/") or "/")
    return homes


class Systemd:
    """The live systemd, asked through systemctl. Nothing that a unit names is run.

    The unit's file and links are gone already: after a reload systemd knows no ExecStop of it, and what is
    left of its processes is killed.
    """

    def settle(self, unit: str, manager: str) -> str:
        """Reload, and kill what is left of a unit."""
        if manager != "systemd":
            return ""
        reason = self.reload()
        if reason:
            return reason
        run(["systemctl", "kill", "--signal=SIGKILL", "--", unit])
        run(["systemctl", "stop", "--no-block", "--", unit])
        run(["systemctl", "reset-failed", "--", unit])
        return ""

    def reload(self) -> str:
        """Let systemd read its files anew."""
        done = run(["systemctl", "daemon-reload"])
        if done.ok:
            return ""
        return done.reason or done.err.decode("utf-8", "replace").strip()[:200]


def live_units() -> Units | None:
    """Return the live machine's service manager, None where it is not systemd."""
    return Systemd() if Path("/run/systemd/system").is_dir() else None
