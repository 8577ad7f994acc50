"""Find the files below folders: no loop, no FIFO and no depth stops it, and what is left out is told."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TYPE_CHECKING

from sakimori.endpoint.hits import Trouble
from sakimori.endpoint.scan import _open
from sakimori.endpoint.scan.scanner import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Kinds of file systems that hold the kernel's own state, not files
_KERNEL = frozenset(
    {
        "proc", "sysfs", "devpts", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "pstore",
        "bpf", "configfs", "mqueue", "binfmt_misc", "selinuxfs", "efivarfs", "fusectl", "rpc_pipefs",
        "nsfs", "hugetlbfs",
    }
)  # fmt: skip
_Place = tuple[int, int]  # device and inode of a folder


@dataclass(frozen=True, slots=True)
class Found:
    """A plain file, and what the system said of it when it was found."""

    path: str
    state: tuple[int, int, int, int, int]  # see scanner.state_of
    links: int = 1


@dataclass(slots=True, kw_only=True)
class Walk:
    """How to walk. `left` counts by reason what was left out on purpose.

    `exclude` are globs of a whole path or of a name; a folder that fits is not entered. `own` are
    folders (device, inode) of the tool itself: rules and what is locked up would only match themselves.
    """

    follow: bool = False
    one_file_system: bool = False
    exclude: tuple[str, ...] = ()
    own: frozenset[tuple[int, int]] = frozenset()
    left: Counter[str] = field(default_factory=Counter)
    _kernel: frozenset[str] = frozenset()
    _pattern: re.Pattern[str] | None = None
    _seen: set[_Place] = field(default_factory=set)

    def files(self, paths: Iterable[str]) -> Iterator[Found | Trouble]:
        """Yield every plain file at or below the paths, and what could not be looked at.

        A path that is named is followed where it is a symbolic link. Folders are read one at a time,
        names in order; a folder too deep for one path is opened piece by piece.
        """
        self._pattern = re.compile("|".join(map(translate, self.exclude))) if self.exclude else None
        paths = list(paths)
        self._kernel = _kernel_folders(paths)
        for path in paths:
            yield from self._one(path)

    def _one(self, path: str) -> Iterator[Found | Trouble]:
        try:
            told = os.stat(path)  # noqa: PTH116 - a path of any bytes
        except OSError as error:
            yield Trouble(path=path, reason=_open.why(error))
            return
        if stat.S_ISDIR(told.st_mode):
            yield from self._below(path, told)
        elif reason := _open.odd(told.st_mode):
            yield Trouble(path=path, reason=reason)
        else:
            yield Found(path, state_of(told), told.st_nlink)

    def _below(self, path: str, told: os.stat_result) -> Iterator[Found | Trouble]:
        place = (told.st_dev, told.st_ino)
        device = told.st_dev
        # Each entry: a folder's path, and the folders above it, nearest first
        waiting: list[tuple[str, tuple[_Place, object]]] = [(path, (place, None))]
        while waiting:
            folder, above = waiting.pop()
            below: list[tuple[str, tuple[_Place, object]]] = []
            try:
                entries = _entries(folder)
            except OSError as error:
                yield Trouble(path=folder, reason=f"folder: {_open.why(error)}")
                continue
            for entry, path_ in entries:
                found = self._entry(entry, path_, above, device)
                if isinstance(found, tuple):
                    below.append((path_, (found, above)))
                elif found is not None:
                    yield found
            waiting += reversed(below)

    def _entry(
        self, entry: os.DirEntry[str], path: str, above: tuple[_Place, object], device: int
    ) -> Found | Trouble | _Place | None:
        """Return a file, a trouble, a folder to enter, or None for what is left out."""
        if self._pattern and (self._pattern.match(path) or self._pattern.match(entry.name)):
            self.left["excluded"] += 1
            return None
        try:
            told = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(told.st_mode):
                linked = self._link(entry, path, above)
                if not isinstance(linked, os.stat_result):
                    return linked
                told = linked
        except OSError as error:
            return Trouble(path=path, reason=_open.why(error))
        if stat.S_ISREG(told.st_mode):
            return Found(path, state_of(told), told.st_nlink)
        if stat.S_ISDIR(told.st_mode):
            return self._folder(path, told, device)
        return Trouble(path=path, reason=_open.odd(told.st_mode))

    def _link(
        self, entry: os.DirEntry[str], path: str, above: tuple[_Place, object]
    ) -> os.stat_result | Trouble | None:
        """Return what a link leads to where links are followed; a loop is told in any case."""
        try:
            target = entry.stat(follow_symlinks=True)
        except OSError as error:
            if self.follow or not isinstance(error, FileNotFoundError):
                return Trouble(path=path, reason=f"symbolic link: {_open.why(error)}")
            self.left["symbolic links"] += 1
            return None
        place = (target.st_dev, target.st_ino)
        if stat.S_ISDIR(target.st_mode) and _holds(above, place):
            return Trouble(path=path, reason="a symbolic link back to a folder above: not followed")
        if self.follow:
            return target
        self.left["symbolic links"] += 1
        return None

    def _folder(self, path: str, told: os.stat_result, device: int) -> _Place | None:
        place = (told.st_dev, told.st_ino)
        if place in self.own:
            self.left["the tool's own store"] += 1
        elif path in self._kernel:
            self.left["the kernel's own file systems"] += 1
        elif self.one_file_system and told.st_dev != device:
            self.left["other file systems"] += 1
        elif self.follow and place in self._seen:
            self.left["folders reached before"] += 1
        else:
            if self.follow:
                self._seen.add(place)
            return place
        return None


def _holds(above: tuple[_Place, object] | object, place: _Place) -> bool:
    while isinstance(above, tuple):
        if above[0] == place:
            return True
        above = above[1]
    return False


def _entries(folder: str) -> list[tuple[os.DirEntry[str], str]]:
    """Return a folder's entries with their paths, in order of names.

    What the system says of each is asked while the folder is open: entries of a folder that was
    opened by descriptor cannot be asked later.
    """
    place = _open.folder(folder)
    try:
        with os.scandir(place) as listed:
            base = folder if folder.endswith(os.sep) else folder + os.sep
            found = [(entry, base + entry.name) for entry in listed]
            if isinstance(place, int):
                for entry, _ in found:
                    _ask(entry)
    finally:
        if isinstance(place, int):
            os.close(place)
    found.sort(key=lambda pair: pair[0].name)
    return found


def _ask(entry: os.DirEntry[str]) -> None:
    try:
        entry.stat(follow_symlinks=False)  # kept by the entry
        if entry.is_symlink():
            entry.stat(follow_symlinks=True)
    except OSError:
        return  # told when it is asked again


def _kernel_folders(paths: list[str]) -> frozenset[str]:
    """Return where the kernel's own file systems are mounted, but for those that are named.

    A path at or below such a place was meant: there nothing is left out.
    """
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            mounts = [line.split(" ") for line in file]
    except OSError:
        return frozenset()
    places = {
        re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[1])
        for fields in mounts
        if len(fields) > 2 and fields[2] in _KERNEL
    }
    for path in paths:
        if not places or not os.path.isdir(path):  # noqa: PTH112 - a path of any bytes
            continue
        full = os.path.realpath(path)
        places = {p for p in places if not (full == p or full.startswith(p.rstrip("/") + "/"))}
        if not path.startswith("/"):  # found under the name that was given
            base = full.rstrip("/") + "/"
            near = path.rstrip("/") + "/"
            places |= {near + p.removeprefix(base) for p in places if p.startswith(base)}
    return frozenset(places)
