"""A small machine in a folder with harmless bad things on it, to scan, clean, undo and look at.

planted = plant(Path("/tmp/demo"))
# sakimori scan ROOT; sakimori clean --root ROOT --hive SOFTWARE=... --yes; sakimori clean-undo RUN

Nothing that is planted does anything: EICAR's test text, and the test family of recipe `sakimori-test`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.app.files import write_whole
from sakimori.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

# In parts, so that this file is not taken for what it plants. EICAR: eicar.org, 2003.
_EICAR = ("X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE", "!$H+H*")
MARKER = "SAKIMORI-TEST-FAMILY-" + "7c1f2e90-harmless"
BOT = "/var/tmp/sakimori-test-bot"  # noqa: S108 - a path within the planted root
_WINLOGON = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
_RUN = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Run"

_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\naiko:x:1000:1000::/home/aiko:/bin/sh\n",
    "/etc/crontab": "# m h dom mon dow user command\n17 * * * * root run-parts /etc/cron.hourly\n"
    f"*/5 * * * * root {BOT} --call\n",
    "/etc/hosts": "127.0.0.1\tlocalhost\n192.0.2.10\tfiles.example printer.example\n"
    "192.0.2.66\tupdate.sakimori-test.example\n"
    "192.0.2.11\tmail.example scan.sakimori-test.example # mail\n",
    "/etc/systemd/system/sakimori-test.service": "[Unit]\nDescription=Harmless test of Sakimori\n"
    f"[Service]\nExecStart={BOT}\n[Install]\nWantedBy=multi-user.target\n",
    "/etc/systemd/system/sakimori-test.timer": "[Timer]\nOnCalendar=hourly\n"
    "Unit=sakimori-test.service\n[Install]\nWantedBy=timers.target\n",
    "/home/aiko/.config/autostart/sakimori-test.desktop": "[Desktop Entry]\nType=Application\n"
    f"Name=Harmless test of Sakimori\nExec={BOT}\n",
    "/home/aiko/.config/autostart/notes.desktop": "[Desktop Entry]\nType=Application\n"
    "Name=Notes\nExec=/usr/bin/notes\n",
    "/home/aiko/.profile": f"export EDITOR=vi\n({BOT} &)\n",
    "/home/aiko/letter.txt": "Nothing is wrong with this file.\n",
    BOT: f"#!/bin/sh\n# {MARKER}\nexit 0\n",
    "/var/tmp/sakimori-test-notes.txt": "Of the same name, but without the marker: it stays.\n",  # noqa: S108 - within the root
}
_LINKS = {
    "/etc/systemd/system/multi-user.target.wants/sakimori-test.service": (
        "/etc/systemd/system/sakimori-test.service"
    ),
    "/etc/systemd/system/timers.target.wants/sakimori-test.timer": (
        "/etc/systemd/system/sakimori-test.timer"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """What was planted: the root, the hive file, and files that a scan finds.

    `findings` is how many things recipe `sakimori-test` finds with root and hive.
    """

    root: Path
    hive: Path
    eicar: tuple[Path, ...]
    bot: Path
    findings: int

    @property
    def hives(self) -> dict[str, Path]:
        """The hive as `clean --hive` takes it."""
        return {"SOFTWARE": self.hive}


def plant(folder: Path) -> Planted:
    """Plant a machine in an empty folder. Raises EngineError where it cannot be written."""
    root, hive = folder / "root", folder / "hives" / "SOFTWARE"
    eicar = (root / "home/aiko/Downloads/eicar.com", root / "home/aiko/Downloads/eicar.zip")
    try:
        for path, text in _FILES.items():
            _write(root / path.lstrip("/"), text.encode())
        (root / BOT.lstrip("/")).chmod(0o755)
        for path, target in _LINKS.items():
            link = root / path.lstrip("/")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        _write(eicar[0], "".join(_EICAR).encode())
        _write(eicar[1], _zipped("eicar.com", "".join(_EICAR).encode()))
        _write(hive, _hive())
    except OSError as error:
        raise EngineError(
            f"cannot be planted: {error.strerror}", where=str(folder), hint="name an empty folder"
        ) from error
    return Planted(root=root, hive=hive, eicar=eicar, bot=root / BOT.lstrip("/"), findings=10)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)


def _zipped(name: str, data: bytes) -> bytes:
    from io import BytesIO  # noqa: PLC0415 - for the demo only
    from zipfile import ZipFile  # noqa: PLC0415

    out = BytesIO()
    with ZipFile(out, "w") as made:
        made.writestr(name, data)
    return out.getvalue()


def _hive() -> bytes:
    """Return a SOFTWARE hive whose Winlogon starts the test family, and which has a Run value of it."""
    from sakimori.endpoint.registry.hive_build import build_hive  # noqa: PLC0415 - slow to import
    from sakimori.endpoint.registry.model import Key, Value  # noqa: PLC0415

    def text(name: str, content: str) -> Value:
        return Value(name, 1, content.encode("utf-16-le") + b"\0\0")

    def key(path: str, *values: Value) -> Key:
        return Key(path, None, None, None, None, None, values)

    bad = r"C:\Windows\System32\sakimori-test.exe"
    return build_hive(
        [
            key(
                _WINLOGON,
                text("Shell", f"explorer.exe,{bad}"),
                text("Userinit", r"C:\Windows\system32\userinit.exe,"),
            ),
            key(_RUN, text("SakimoriTest", bad), text("Notes", r"C:\Tools\notes.exe")),
        ]
    )
