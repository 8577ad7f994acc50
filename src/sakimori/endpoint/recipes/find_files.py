"""Files, lines of files, jobs and autoruns on a machine that a recipe's items are about."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING

from sakimori.endpoint.recipes.acts import Act, Cut, Take, Unlink
from sakimori.endpoint.recipes.acts_more import DropKey, content_of
from sakimori.endpoint.recipes.findings import encoded
from sakimori.endpoint.registry.model import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sakimori.endpoint.recipes.findings import Search
    from sakimori.endpoint.recipes.model import (
        AutorunItem,
        Condition,
        FileItem,
        HostsItem,
        Item,
        JobItem,
    )

_CRONTABS = ("/etc/crontab", "/etc/anacrontab")
_CRON_FOLDERS = ("/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron")
_AT_FOLDERS = ("/var/spool/cron/atjobs", "/var/spool/at")
_HOSTS = ("/etc/hosts", "%SystemRoot%/System32/drivers/etc/hosts")
_LINES = {
    "rc-local": ("/etc/rc.local", "/etc/rc.d/rc.local"),
    "preload": ("/etc/ld.so.preload",),
    "profile": (
        "/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/zsh/zshrc", "/etc/environment",
        "~/.profile", "~/.bash_profile", "~/.bash_login", "~/.bashrc", "~/.bash_logout", "~/.zshrc",
        "~/.zprofile", "~/.zshenv",
    ),
}  # fmt: skip
_MENU = "/Start Menu/Programs/Startup"
_FOLDERS = {
    "xdg": ("/etc/xdg/autostart", "~/.config/autostart"),
    "startup": (
        f"%AppData%/Microsoft/Windows{_MENU}", f"%ProgramData%/Microsoft/Windows{_MENU}",
        f"%UserProfile%{_MENU}",
    ),
    "profile": ("/etc/profile.d",),
}  # fmt: skip
_TASKS = "%SystemRoot%/System32/Tasks/"
_CACHE = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache"


def files(search: Search, item: FileItem) -> None:
    """Find files by path and condition."""
    for path in search.system.expand(item.path):
        for found in search.system.files.glob(path, fold=path_folds(item.path)):
            file(search, item, found, item.when, by_path=item.always_bad)


def path_folds(path: str) -> bool:
    """Whether names of a recipe's path match without regard to case: on Windows."""
    return path.startswith("%")


def file(search: Search, item: Item, path: str, when: Condition, *, by_path: bool = False) -> None:
    """Find one file; a link is removed, and the file it leads to is taken when its bytes are bad."""
    tree, acts = search.system.files, list[Act]()
    link = tree.target(path)
    if link is not None:
        acts.append(Unlink(path, link))
    real = tree.resolve(path) if link is not None else path
    if link is not None and (real is None or when.empty):
        if by_path and when.empty:
            search.add(item, path, f"link to {link}", "quarantine", tuple(acts))
        return
    try:
        sha256 = _judged(search, item, real or path, when)
    except OSError as error:
        search.missed(item, f"{path}: {error.strerror or error}")
        return
    if sha256:
        acts.append(Take(real or path, sha256))
        search.add(item, path, f"sha256 {sha256}", "quarantine", tuple(acts))


def _judged(search: Search, item: Item, path: str, when: Condition) -> str:
    """Return the hash of a file for which the condition holds, "" where it does not. Raises OSError."""
    tree = search.system.files
    info = tree.look(path)
    if info is None or not stat.S_ISREG(info.st_mode):
        return ""
    low, high = when.smallest or 0, when.largest
    if info.st_size < low or (high is not None and info.st_size > high):
        return ""
    if when.contains and not search.holds(path, when.contains):
        return ""
    sha256 = tree.sha256(path)
    if when.sha256 and sha256 not in when.sha256:
        return ""
    return sha256 if not when.rule or _hit(search, item, path, when.rule) else ""


def _hit(search: Search, item: Item, path: str, rule: str) -> bool:
    if search.system.rules is None:
        search.missed(item, f"{path}: needs a scan with rule {rule}")
        return False
    return rule in search.system.rules(search.system.files.real(path))


# Lines


def lines(search: Search, path: str) -> Iterator[bytes]:
    """Yield a text file's lines with their ends; none where it is no plain file."""
    try:
        yield from search.system.files.read(path).splitlines(keepends=True)
    except OSError:
        return


def cut_lines(
    search: Search, item: Item, path: str, bad: Callable[[bytes], bytes | None], deed: str
) -> None:
    """Find bad lines: `bad` returns what is put in a line's place, None where it is fine."""
    real = search.system.files.resolve(path, fold=True)
    for line in dict.fromkeys(lines(search, real)) if real is not None else ():
        new = bad(line)
        if new is not None and real is not None:
            what = "change line" if new else deed
            shown = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            good = new.decode("utf-8", "surrogateescape").rstrip("\r\n")
            search.add(item, real, shown, what, (Cut(real, line, new),), good=good)


def _holding(markers: tuple[bytes, ...]) -> Callable[[bytes], bytes | None]:
    """Return a judge that takes out lines with all markers, but no comments."""

    def judge(line: bytes) -> bytes | None:
        commented = line.lstrip().startswith(b"#")
        return b"" if not commented and all(m in line for m in markers) else None

    return judge


def hosts(search: Search, item: HostsItem) -> None:
    """Find names in hosts files."""

    def judge(line: bytes) -> bytes | None:
        body = line.split(b"#", 1)[0]
        words = list(re.finditer(rb"\S+", body))
        if len(words) < 2 or (item.address and words[0][0].decode("latin-1") != item.address):
            return None
        wanted = [w for w in words[1:] if w[0].decode("latin-1").lower().rstrip(".") in item.names]
        if not wanted:
            return None
        if len(wanted) == len(words) - 1:
            return b""
        new = line
        for word in reversed(wanted):
            begin = len(new[: word.start()].rstrip())
            new = new[:begin] + new[word.end() :]
        return new

    for path in _HOSTS:
        for place in search.system.expand(path):
            cut_lines(search, item, place, judge, "remove line")


# Jobs


def jobs(search: Search, item: JobItem) -> None:
    """Find scheduled jobs."""
    {"cron": _cron, "at": _at, "task": _task}[item.where](search, item)


def _below(search: Search, folder: str, *, fold: bool = False) -> Iterator[str]:
    for place in search.system.expand(folder):
        real = search.system.files.resolve(place, fold=fold)
        for name in search.system.files.names(real) if real is not None else ():
            path = f"{(real or '').rstrip('/')}/{name}"
            if search.system.files.is_file(path):
                yield path


def _cron(search: Search, item: JobItem) -> None:
    paths = [*_CRONTABS, *(p for folder in _CRON_FOLDERS for p in _below(search, folder))]
    for path in paths:
        cut_lines(search, item, path, _holding(encoded(item.contains)), "remove job")


def _at(search: Search, item: JobItem) -> None:
    for folder in _AT_FOLDERS:
        for path in _below(search, folder):
            _whole(search, item, path, encoded(item.contains), "remove job")


def _whole(search: Search, item: Item, path: str, markers: tuple[bytes, ...], deed: str) -> None:
    """Find a file that holds all markers; it is taken whole."""
    if not search.holds(path, markers):
        return
    sha256 = search.system.files.sha256(path)
    search.add(item, path, f"sha256 {sha256}", deed, (Take(path, sha256),))


def _task(search: Search, item: JobItem) -> None:
    acts, places = list[Act](), list[str]()
    for path in search.system.expand(_TASKS + item.name):
        real = search.system.files.resolve(path, fold=True)
        if real is None or not search.system.files.is_file(real):
            continue
        if not search.holds(real, encoded(item.contains)):
            return  # another task of this name
        acts.append(Take(real, search.system.files.sha256(real)))
        places.append(real)
    if acts or item.always_bad:
        acts += _cached(search, item, places)
    if acts:
        undo = "values only" if any(isinstance(act, DropKey) for act in acts) else "exact"
        where = places[0] if places else item.name
        search.add(item, where, item.name, "remove job", tuple(acts), undo=undo)


def _cached(search: Search, item: JobItem, places: list[str]) -> list[Act]:
    """Return the deletions of the task's keys in the cache."""
    registry = search.system.registry
    if registry is None:
        search.missed(item, "no registry is given: the task's keys in TaskCache are not looked at")
        return []
    branch = item.name.replace("/", "\\")
    tree = f"{_CACHE}\\Tree\\{branch}"
    ident = registry.get(tree, "Id")
    keys = [tree]
    if ident is not None and re.fullmatch(r"\{[0-9A-Fa-f-]{36}\}", text_of(ident) or ""):
        keys += [
            f"{_CACHE}\\{part}\\{text_of(ident)}" for part in ("Tasks", "Boot", "Logon", "Plain")
        ]
    there = [key for key in keys if registry.values(key) is not None]
    if there and not places:
        places.append(there[0])
    return [DropKey(key, content_of(registry, key)) for key in there]


# Autoruns


def autoruns(search: Search, item: AutorunItem) -> None:
    """Find what starts by itself through files."""
    markers = encoded(item.contains)
    for path in _LINES.get(item.where, ()):
        for place in search.system.expand(path):
            cut_lines(search, item, place, _holding(markers), "remove line")
    folders = _FOLDERS.get(item.where, ())
    for path in (p for folder in folders for p in _below(search, folder, fold=path_folds(folder))):
        if item.where == "profile":
            cut_lines(search, item, path, _holding(markers), "remove line")
        elif not item.name or path.rsplit("/", 1)[1].lower() == item.name.lower():
            _whole(search, item, path, markers, "quarantine")
    if item.where == "autorun-inf":
        for path in search.system.files.glob("/autorun.inf", fold=True):
            _whole(search, item, path, markers, "quarantine")
