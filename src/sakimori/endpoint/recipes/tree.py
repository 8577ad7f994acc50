r"""A machine's files below a root: nothing that a link, or its swapping, says leads outside.

Paths are "/etc/hosts" as the machine sees them. They are resolved one part at a time: links are followed
as if the root were "/", ".." stops at it. What is then done opens every folder on the way anew
without following links, so a folder that was swapped for one in between is an error, not an escape.
Windows has no such calls; there, plain paths are used.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sakimori.endpoint.recipes.patterns import is_wild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

READ_MOST = 64 * 1024 * 1024  # bytes of a file whose content is looked at
_LINKS = 40
_LIST_MOST = 100_000  # entries of one folder
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_BY_HANDLE = os.open in os.supports_dir_fd


@dataclass(frozen=True, slots=True)
class Look:
    """Attributes of a file that an edit keeps and an undo puts back. Times in nanoseconds."""

    mode: int
    uid: int
    gid: int
    atime: int
    mtime: int


class Tree:
    """The files below a root folder. `hook` is told each step of a write, for tests of crashes."""

    def __init__(self, root: Path, hook: Callable[[str], None] = lambda _step: None) -> None:
        """Look below `root`; "/" is the live machine. Raises OSError where there is no such folder."""
        self.root, self.hook = root.resolve(strict=True), hook
        self.denied: set[str] = set()  # paths that may not be looked at

    # Where things are

    def resolve(self, path: str, *, fold: bool = False, last: bool = True) -> str | None:
        """Return a path without links, None where there is nothing, or only a loop.

        `fold`: names match without regard to case, as on Windows. `last`: a link as the last part is
        followed too.
        """
        todo, done, links = deque(_parts(path)), list[str](), 0
        while todo:
            part = todo.popleft()
            if part == "..":
                done = done[:-1]
                continue
            found = self._entry(done, part, fold=fold)
            if found is None:
                return None
            name, target = found
            if target is None or (not todo and not last):
                done.append(name)
                continue
            links += 1
            if links > _LINKS:
                return None
            done = [] if target.startswith("/") else done
            todo.extendleft(reversed(_parts(target)))
        return "/" + "/".join(done)

    def _entry(self, folder: list[str], part: str, *, fold: bool) -> tuple[str, str | None] | None:
        """Return the real name of an entry and its target where it is a link; None: not there."""
        try:
            with self._at([*folder, part]) as (name, at):
                info = os.stat(name, dir_fd=at, follow_symlinks=False)
                link = os.readlink(name, dir_fd=at) if stat.S_ISLNK(info.st_mode) else None
        except (OSError, ValueError):
            if not fold:
                return None
            same = [n for n in self.names("/" + "/".join(folder)) if n.lower() == part.lower()]
            return self._entry(folder, same[0], fold=False) if same else None
        return part, link

    def glob(self, pattern: str, *, fold: bool = False) -> list[str]:
        """Return the resolved paths of what a path with at most one wild part names, sorted."""
        parts = _parts(pattern)
        wild = next((i for i, part in enumerate(parts) if is_wild(part)), None)
        if wild is None:
            one = self.resolve(pattern, fold=fold, last=False)
            return [one] if one is not None else []
        folder = self.resolve("/".join(parts[:wild]), fold=fold)
        if folder is None:
            return []
        case = str.lower if fold else str
        names = [n for n in self.names(folder) if fnmatchcase(case(n), case(parts[wild]))]
        paths = ["/".join([folder.rstrip("/"), n, *parts[wild + 1 :]]) for n in sorted(names)]
        found = [self.resolve(path, fold=fold, last=False) for path in paths]
        return [path for path in found if path is not None]

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, none where it is no folder or cannot be read."""
        try:
            with self._at(_parts(folder), inside=True) as (name, at):
                return sorted(os.listdir(name if at is None else at))[:_LIST_MOST]  # noqa: PTH208 - by handle
        except OSError:
            return []

    def real(self, path: str) -> Path:
        """Return where a resolved path lies on this machine."""
        return self.root.joinpath(*_parts(path))

    # Reading

    def look(self, path: str) -> os.stat_result | None:
        """Return what a resolved path is, without following a link; None: nothing."""
        try:
            with self._at(_parts(path)) as (name, at):
                return os.stat(name, dir_fd=at, follow_symlinks=False)
        except OSError:
            return None

    def is_file(self, path: str) -> bool:
        """Whether a resolved path is a plain file."""
        info = self.look(path)
        return info is not None and stat.S_ISREG(info.st_mode)

    def read(self, path: str) -> bytes:
        """Return the first 64 MiB of a plain file. Raises OSError for anything else."""
        with self._opened(path) as handle, os.fdopen(os.dup(handle), "rb") as file:
            return file.read(READ_MOST)

    def sha256(self, path: str) -> str:
        """Return a plain file's hash. Raises OSError."""
        with self._opened(path) as handle, os.fdopen(os.dup(handle), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        with self._at(_parts(path)) as (name, at):
            handle = os.open(name, os.O_RDONLY | _FILE, dir_fd=at)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, "not a plain file", path)
            yield handle
        finally:
            os.close(handle)

    def target(self, path: str) -> str | None:
        """Return where a link points, None where there is no link."""
        try:
            with self._at(_parts(path)) as (name, at):
                return os.readlink(name, dir_fd=at)
        except (OSError, ValueError):
            return None

    # Writing

    def write(self, path: str, data: bytes, like: Look, aside: str, *, times: bool = False) -> None:
        """Replace a plain file whole: written aside as `aside`, then renamed over it.

        Mode, owner and extended attributes stay; with `times` the times of `like` are set. Raises OSError,
        with the file as it was.
        """
        with self._at(_parts(path)) as (name, at):
            beside = aside if at is not None else os.path.join(os.path.dirname(name), aside)  # noqa: PTH118, PTH120 - plain texts
            with suppress(FileNotFoundError):
                os.unlink(beside, dir_fd=at)
            handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _FILE, 0o600, dir_fd=at)
            try:
                self._fill(handle, name, at, data, like)
                self.hook(f"aside {path}")
                _rename(beside, name, at, data)
                if times:
                    os.utime(name, ns=(like.atime, like.mtime), dir_fd=at)
            except OSError:
                with suppress(OSError):
                    os.unlink(beside, dir_fd=at)
                raise
            if at is not None:
                os.fsync(at)

    def _fill(self, handle: int, name: str, at: int | None, data: bytes, like: Look) -> None:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if os.name != "nt":
                now = os.fstat(handle)
                if (now.st_uid, now.st_gid) != (like.uid, like.gid):
                    os.fchown(handle, like.uid, like.gid)
                _copy_xattrs(name, at, handle)
                os.fchmod(handle, like.mode)
            os.fsync(handle)

    def remove_aside(self, path: str, aside: str) -> None:
        """Remove what a crash left of a write to `path`."""
        folder = path.rsplit("/", 1)[0]
        with suppress(OSError), self._at(_parts(f"{folder}/{aside}")) as (name, at):
            os.unlink(name, dir_fd=at)

    def unlink(self, path: str) -> None:
        """Remove a link. Raises OSError; a plain file is refused."""
        with self._at(_parts(path)) as (name, at):
            if not stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                raise OSError(errno.EINVAL, "not a link", path)
            os.unlink(name, dir_fd=at)

    def link(self, path: str, target: str, like: Look) -> None:
        """Make a link with times and owner as they were. Raises OSError where something is."""
        with self._at(_parts(path)) as (name, at):
            os.symlink(target, name, dir_fd=at)
            with suppress(OSError, NotImplementedError, AttributeError):
                os.chown(name, like.uid, like.gid, dir_fd=at, follow_symlinks=False)
            with suppress(OSError, NotImplementedError):
                os.utime(name, ns=(like.atime, like.mtime), dir_fd=at, follow_symlinks=False)

    # Walking

    @contextmanager
    def _at(self, parts: list[str], *, inside: bool = False) -> Iterator[tuple[str, int | None]]:
        """Open the folder of a path; gives the name to use and the folder's handle.

        `inside`: open the path itself as a folder. Without handles (Windows) the name is a whole path.
        """
        try:
            if _BY_HANDLE:
                with self._handle(parts if inside else parts[:-1]) as handle:
                    yield parts[-1] if parts and not inside else ".", handle
            else:
                yield str(self.root.joinpath(*parts)), None
        except PermissionError:
            self.denied.add("/" + "/".join(parts))
            raise

    @contextmanager
    def _handle(self, parts: list[str]) -> Iterator[int]:
        handle = os.open(self.root, os.O_RDONLY | _FOLDER & ~os.O_NOFOLLOW)
        try:
            for part in parts:
                below = os.open(part, os.O_RDONLY | _FOLDER, dir_fd=handle)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)


class NoTree(Tree):
    """No files at all, where only a registry is looked at."""

    def __init__(self) -> None:
        """There is no root."""
        self.hook = lambda _step: None
        self.denied = set()

    def resolve(self, path: str, *, fold: bool = False, last: bool = True) -> str | None:
        """Nothing is anywhere."""
        del path, fold, last
        return None

    def names(self, folder: str) -> list[str]:
        """Nothing is in any folder."""
        del folder
        return []

    def look(self, path: str) -> os.stat_result | None:
        """Nothing is anywhere."""
        del path
        return None

    def target(self, path: str) -> str | None:
        """Nothing is a link."""
        del path
        return None


def look_of(info: os.stat_result) -> Look:
    """Return what an edit keeps."""
    return Look(
        stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, info.st_atime_ns, info.st_mtime_ns
    )


def _rename(beside: str, name: str, at: int | None, data: bytes) -> None:
    """Put a file in the place of another; in its place where it cannot be replaced.

    A file that is a mount of its own, such as /etc/hosts in a container, can only be written to.
    """
    try:
        os.replace(beside, name, src_dir_fd=at, dst_dir_fd=at)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        handle = os.open(name, os.O_WRONLY | os.O_TRUNC | _FILE, dir_fd=at)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.unlink(beside, dir_fd=at)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _copy_xattrs(name: str, at: int | None, handle: int) -> None:
    """Give the new file the old one's extended attributes, ACLs and labels among them.

    A file system without them has none to lose. A label that may not be set is fine where it is the same
    already. Raises OSError where one would be lost.
    """
    if not hasattr(os, "listxattr"):
        return
    old = os.open(name, os.O_RDONLY | _FILE, dir_fd=at)
    try:
        new = {attribute: os.getxattr(handle, attribute) for attribute in os.listxattr(handle)}
        for attribute in os.listxattr(old):
            value = os.getxattr(old, attribute)
            if new.get(attribute) != value:
                os.setxattr(handle, attribute, value)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(old)
