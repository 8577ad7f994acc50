r"""Services and running programs that a recipe's items are about.

A unit is disabled by removing exactly the links that enable it, and its files are locked up. So undoing
puts back the very state of enablement, whatever it was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sakimori.endpoint.recipes.acts import Act, Take, Unlink
from sakimori.endpoint.recipes.acts_more import Settle, SetValue, Stop
from sakimori.endpoint.recipes.findings import encoded
from sakimori.endpoint.recipes.keys import keys_of
from sakimori.endpoint.registry.model import Value, text_of

if TYPE_CHECKING:
    from sakimori.endpoint.recipes.findings import Search
    from sakimori.endpoint.recipes.model import ProcessItem, ServiceItem
    from sakimori.endpoint.recipes.processes import Process
    from sakimori.endpoint.registry.access import Registry

_UNIT_FOLDERS = (
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
    "/lib/systemd/system", "/usr/lib/systemd/system", "/etc/systemd/user", "/usr/lib/systemd/user",
    "/usr/local/lib/systemd/user", "~/.config/systemd/user", "~/.local/share/systemd/user",
)  # fmt: skip
_ENABLING = (".wants", ".requires", ".upholds")
_LEVEL = re.compile(r"[SK][0-9]{2}")
_SERVICES = r"SYSTEM\CurrentControlSet\Services"
_DISABLED = Value("Start", 4, (4).to_bytes(4, "little"))


def services(search: Search, item: ServiceItem) -> None:
    """Find a service."""
    {"systemd": _systemd, "sysv": _sysv, "windows": _windows}[item.manager](search, item)


def _folders(search: Search) -> list[str]:
    places = [p for folder in _UNIT_FOLDERS for p in search.system.expand(folder)]
    found = [search.system.files.resolve(place) for place in places]
    return list(dict.fromkeys(f for f in found if f is not None))


def _systemd(search: Search, item: ServiceItem) -> None:
    tree, folders = search.system.files, _folders(search)
    files = [tree.resolve(f"{folder}/{item.name}") for folder in folders]  # links lead to units too
    units = [path for path in dict.fromkeys(files) if path is not None and tree.is_file(path)]
    there = [path for path in units if search.holds(path, encoded(item.contains))]
    links = [link for folder in folders for link in _links(search, folder, item.name)]
    if not there and not (item.always_bad and links):
        return
    extra = [
        f"{folder}/{item.name}.d/{name}"
        for folder in folders
        for name in tree.names(f"{folder}/{item.name}.d")
    ]
    acts: list[Act] = [Unlink(path, tree.target(path) or "") for path in links]
    acts += [Take(path, tree.sha256(path)) for path in [*there, *extra] if tree.is_file(path)]
    acts.append(Settle(item.name, "systemd"))
    found = f"links that enable it: {len(links)}"
    search.add(item, there[0] if there else links[0], found, "disable", tuple(acts))


def _links(search: Search, folder: str, unit: str) -> list[str]:
    """Return the links in a folder of units that enable a unit or give it another name."""
    tree, found = search.system.files, list[str]()
    for name in tree.names(folder):
        path = f"{folder}/{name}"
        if name.endswith(_ENABLING):
            found += [
                f"{path}/{n}" for n in tree.names(path) if _leads(search, f"{path}/{n}", unit)
            ]
        elif _leads(search, path, unit):
            found.append(path)
    return found


def _leads(search: Search, path: str, unit: str) -> bool:
    target = search.system.files.target(path)
    if target is None or target == "/dev/null":
        return False
    return unit in (target.rsplit("/", 1)[-1], path.rsplit("/", 1)[-1])


def _sysv(search: Search, item: ServiceItem) -> None:
    tree = search.system.files
    script = tree.resolve(f"/etc/init.d/{item.name}", last=False)
    if script is None or not tree.is_file(script):
        return
    if not search.holds(script, encoded(item.contains)):
        return
    acts: list[Act] = []
    for level in "0123456S":
        folder = tree.resolve(f"/etc/rc{level}.d")
        for name in tree.names(folder) if folder is not None else ():
            path = f"{folder}/{name}"
            target = tree.target(path)
            if target and name[3:] == item.name and _LEVEL.match(name):
                acts.append(Unlink(path, target))
    found = f"links that enable it: {len(acts)}"
    acts.append(Take(script, tree.sha256(script)))
    search.add(item, script, found, "disable", tuple(acts))


def _windows(search: Search, item: ServiceItem) -> None:
    registry = search.system.registry
    if registry is None:
        search.missed(item, "no registry is given")
        return
    parents = [key for key in keys_of(registry, _SERVICES) if registry.values(key) is not None]
    if not parents:
        search.missed(item, "the registry that is given has no services")
    for parent in parents:
        if not item.beside or registry.values(f"{parent}\\{item.beside}") is not None:
            _windows_service(search, item, registry, f"{parent}\\{item.name}")


def _windows_service(search: Search, item: ServiceItem, registry: Registry, key: str) -> None:
    if registry.values(key) is None:
        if item.missing:
            search.add(item, key, "the service is gone", "report", ())
        return
    start = registry.get(key, "Start")
    if item.missing or start is None or start.data == _DISABLED.data:
        return
    if _image_holds(search, key, item.contains):
        found = f"Start {int.from_bytes(start.data[:4], 'little')}"
        acts = (SetValue(key, "Start", start, _DISABLED), Settle(item.name, "windows"))
        search.add(item, key, found, "disable", acts, good="Start 4")


def _image_holds(search: Search, key: str, markers: tuple[str, ...]) -> bool:
    registry = search.system.registry
    values = [
        registry.get(key, "ImagePath") if registry else None,
        registry.get(f"{key}\\Parameters", "ServiceDll") if registry else None,
    ]
    text = "\n".join((text_of(value) or "") for value in values if value).lower()
    return all(marker.lower() in text for marker in markers)


# Programs


def processes(search: Search, item: ProcessItem) -> None:
    """Find running programs; those of a file that a file item found come after the file items."""
    if search.system.processes is None:
        search.missed(item, "not a live machine: no programs are looked at")
        return
    if getattr(search.system.processes, "partial", False):
        search.missed(item, "other people's programs are not looked at: run it as root")
    taken = {
        act.path: act for f in search.findings if f.kind == "file" for act in f.acts if isinstance(act, Take)
    }  # fmt: skip
    bad = {path: _inode(search, path) for path in taken}
    for process in search.system.processes.all():
        if _is_bad(search, item, process, bad):
            shown = " ".join(process.command)[:200]
            where = f"{process.pid} {process.exe}"
            search.add(item, where, shown, "stop", (Stop(process),), undo="start it again")


def _inode(search: Search, path: str) -> tuple[int, int] | None:
    info = search.system.files.look(path)
    return (info.st_dev, info.st_ino) if info is not None else None


def _is_bad(
    search: Search,
    item: ProcessItem,
    process: Process,
    bad: dict[str, tuple[int, int] | None],
) -> bool:
    if item.exe and not _named(search, item.exe, process.exe):
        return False
    if item.deleted and not process.deleted:
        return False
    if item.of_file and not (process.exe in bad and process.inode in (None, bad[process.exe])):
        return False
    command = "\0".join(process.command)
    return all(marker in command for marker in item.command)


def _named(search: Search, wanted: str, exe: str) -> bool:
    """Whether a program's path is the one a recipe names, by path or by bare name."""
    exe = exe.replace("\\", "/")
    if "/" not in wanted:
        return exe.rsplit("/", 1)[-1].lower() == wanted.lower()
    paths = [path.lower() for path in search.system.expand(wanted)]
    return re.sub(r"^[A-Za-z]:", "", exe).lower() in paths
