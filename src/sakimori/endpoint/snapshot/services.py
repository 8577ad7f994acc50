"""Services: systemd's unit files with their drop-ins and links, and scripts of System V init.

Keys: a unit's name (`ssh.service`, `user/NAME` for those of users' managers), `init.d/NAME` for scripts.
Services of Windows are registry keys. Sources: systemd.unit(5), systemctl(1), update-rc.d(8).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.run import run
from sakimori.endpoint.snapshot.model import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.snapshot.ground import Ground

# What is found first wins.
_SYSTEM = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
           "/usr/lib/systemd/system", "/lib/systemd/system")  # fmt: skip
_USER = ("/etc/systemd/user", "/run/systemd/user", "/usr/local/lib/systemd/user",
         "/usr/lib/systemd/user")  # fmt: skip
_UNIT = re.compile(
    r"[^/]+\.(?:service|socket|timer|path|target|mount|automount|swap|device|slice|scope)\Z"
)
_TOLD = ("ExecStart", "ExecStartPre", "ExecStartPost", "ExecStop", "ExecReload", "ExecCondition", "User",
         "ListenStream", "ListenDatagram", "PathExists", "PathChanged", "PathModified", "Unit",
         "OnCalendar", "OnBootSec", "OnUnitActiveSec")  # fmt: skip
_LINKS = re.compile(r"(.+)\.(?:wants|requires|upholds)\Z")


def collect(ground: Ground) -> Iterator[Record]:
    """Yield a record for each unit and script."""
    states = _states(ground) if ground.live else {}
    for prefix, folders in (("", _SYSTEM), ("user/", _USER)):
        units = _units(ground, folders)
        for name, state in sorted(units.items()):
            if not prefix and name in states:
                state["state"] = states[name]
            yield Record("service", prefix + name, None, state)
    yield from _scripts(ground)


def _units(ground: Ground, folders: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    units: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    for folder in folders:
        real = ground.real(folder)
        if real is None or real in seen:
            continue  # /lib is a link to /usr/lib on most machines
        seen.add(real)
        for name in ground.names("service", folder):
            path = f"{folder}/{name}"
            if _UNIT.match(name):
                _add_unit(ground, units, name, path)
            elif _LINKS.match(name):
                _add_links(ground, units, path)
            elif name.endswith(".d"):
                _add_drop_ins(ground, units, path)
    return units


def _add_unit(ground: Ground, units: dict[str, dict[str, Any]], name: str, path: str) -> None:
    unit = units.setdefault(name, {})
    if "source" in unit:
        return  # another folder's file wins
    unit["source"] = path
    target = ground.link(path)
    if target is not None:
        unit["link"] = target
        if target == "/dev/null":
            unit["masked"] = True
            return
    data = ground.read("service", path)
    if data is not None:
        unit["sha256"] = hashlib.sha256(data).hexdigest()
        unit |= directives(data.decode("utf-8", "surrogateescape"))


def _add_links(ground: Ground, units: dict[str, dict[str, Any]], folder: str) -> None:
    for path in ground.within("service", folder):
        name = path.rpartition("/")[2]
        if _UNIT.match(name):
            units.setdefault(name, {}).setdefault("enabled", []).append(path)


def _add_drop_ins(ground: Ground, units: dict[str, dict[str, Any]], folder: str) -> None:
    for path in ground.within("service", folder):
        data = ground.read("service", path) if path.endswith(".conf") else None
        if data is not None:
            unit = units.setdefault(folder.rpartition("/")[2].removesuffix(".d"), {})
            drop_in = {"path": path, "sha256": hashlib.sha256(data).hexdigest()}
            unit.setdefault("drop_ins", []).append(
                drop_in | directives(data.decode("utf-8", "surrogateescape"))
            )


def directives(text: str) -> dict[str, list[str]]:
    """Return what a unit file says of what it runs, when, and as whom."""
    found: dict[str, list[str]] = {}
    for line in text.replace("\\\n", " ").split("\n"):
        name, equals, value = line.partition("=")
        if equals and name.strip() in _TOLD:
            found.setdefault(name.strip(), []).append(" ".join(value.split())[:2000])
    return found


def _states(ground: Ground) -> dict[str, str]:
    """Return which units run and which failed, as systemd says; empty where it is not there."""
    if not ground.has("/run/systemd/system"):
        return {}
    ended = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "--full"])
    if not ended.ok:
        said = ended.reason or ended.err.decode("utf-8", "replace").strip()[:200]
        ground.miss("service", "", f"systemctl: {said}")
        return {}
    rows = (line.split(None, 4) for line in ended.out.decode("utf-8", "replace").splitlines())
    return {row[0]: _state(row[2], row[3]) for row in rows if len(row) >= 4}


def _state(active: str, sub: str) -> str:
    if active == "failed":
        return "failed"
    return "running" if sub in {"running", "listening", "mounted", "waiting"} else "not running"


def _scripts(ground: Ground) -> Iterator[Record]:
    links = _started(ground)
    for folder in ("/etc/init.d", "/etc/rc.d/init.d"):
        if ground.link(folder) is None:
            for path in ground.within("service", folder):
                data = ground.read("service", path) if ground.is_file(path) else None
                if data is not None:
                    yield _script(path, data, links)


def _started(ground: Ground) -> dict[str, list[str]]:
    """Return the links that start a script at some run level, by its name."""
    links: dict[str, list[str]] = {}
    for level in "0123456S":
        for folder in (f"/etc/rc{level}.d", f"/etc/rc.d/rc{level}.d"):
            for name in ground.names("service", folder):
                if name.startswith("S"):
                    links.setdefault(name[3:], []).append(f"{folder}/{name}")
    return links


def _script(path: str, data: bytes, links: dict[str, list[str]]) -> Record:
    name = path.rpartition("/")[2]
    state: dict[str, Any] = {"source": path, "sha256": hashlib.sha256(data).hexdigest()}
    if name in links:
        state["enabled"] = sorted(links[name])
    return Record("service", f"init.d/{name}", None, state)
