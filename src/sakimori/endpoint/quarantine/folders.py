"""Folders held open, so that nobody can swap the way to a file while we work on it.

A folder is opened one step at a time and no step may be a symbolic link. Everything in it is then
named relative to the open folder. Where the system has no such calls (Windows), whole paths are used.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sakimori.errors import RefusedError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_RELATIVE = os.open in os.supports_dir_fd
_STEP = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_WHOLE = _STEP & ~getattr(os, "O_PATH", 0)
_NO_REPLACE = 1  # RENAME_NOREPLACE of linux/fs.h


class Folder:
    """An open folder. `path` is for messages only, except on Windows."""

    def __init__(self, path: str, fd: int | None) -> None:
        """Hold a folder that was opened."""
        self.path = path
        self._fd = fd

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """Open a file in the folder, never through a symbolic link. Raises OSError."""
        safe = flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        safe |= getattr(os, "O_BINARY", 0)
        return os.open(self._named(name), safe, mode, dir_fd=self._fd)

    def status(self, name: str) -> os.stat_result | None:
        """Return what is there under a name, links not followed; None when nothing is."""
        try:
            return os.stat(self._named(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def target(self, name: str) -> bytes:
        """Return where a symbolic link points. Raises OSError."""
        return os.fsencode(os.readlink(self._named(name), dir_fd=self._fd))

    def link_to(self, target: bytes, name: str) -> None:
        """Make a symbolic link. Raises OSError."""
        os.symlink(os.fsdecode(target), self._named(name), dir_fd=self._fd)

    def set_link(self, name: str, owner: tuple[int, int] | None, times: tuple[int, int]) -> None:
        """Set a symbolic link's own owner (None: leave it) and times. Raises OSError."""
        if owner is not None:
            os.chown(self._named(name), *owner, dir_fd=self._fd, follow_symlinks=False)
        os.utime(self._named(name), ns=times, dir_fd=self._fd, follow_symlinks=False)

    def remove(self, name: str) -> None:
        """Remove a file or link. Raises OSError."""
        os.unlink(self._named(name), dir_fd=self._fd)

    def rename(self, old: str, new: str) -> None:
        """Rename inside the folder. Raises FileExistsError where `new` is taken, OSError."""
        if self._fd is None:
            os.rename(self._named(old), self._named(new))  # noqa: PTH104 - refuses to replace there
        else:
            _rename_new(self._fd, old, new)

    def check_writable(self) -> None:
        """Raise RefusedError where we may not add and remove files."""
        where: str | int = self.path if self._fd is None else self._fd
        read_only = hasattr(os, "statvfs") and os.statvfs(where).f_flag & os.ST_RDONLY
        if read_only:
            raise RefusedError("the file system is mounted read-only", where=self.path)
        there = self.path if self._fd is None else "."
        if not os.access(there, os.W_OK | os.X_OK, dir_fd=self._fd):
            raise RefusedError(
                "we may not add or remove files in this folder",
                where=self.path,
                hint="run as root, or as the folder's owner",
            )

    def sync(self) -> None:
        """Have the folder's names written to the disk, where the system can."""
        if self._fd is not None:
            with suppress(OSError):  # opened without the right to read it
                os.fsync(self._fd)

    def close(self) -> None:
        """Let go."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _named(self, name: str) -> str:
        return os.path.join(self.path, name) if self._fd is None else name  # noqa: PTH118


@contextmanager
def folder_of(path: str) -> Iterator[tuple[Folder, str]]:
    """Open the folder that holds an absolute path; gives it with the last name of the path.

    Raises RefusedError where a step is a symbolic link, SourceError where it is missing, no folder
    or closed to us.
    """
    pure = PurePath(path)
    if not pure.is_absolute() or pure.name in ("", ".", ".."):
        raise SourceError("this names no file", where=path, hint="give the whole path of a file")
    parent = str(pure.parent)
    folder = Folder(parent, _opened(pure.parent) if _RELATIVE else None)
    if not _RELATIVE:
        _check_plain(pure.parent)
    try:
        yield folder, pure.name
    finally:
        folder.close()


def _opened(folder: PurePath) -> int:
    here = os.open(folder.anchor, _STEP)
    steps = folder.parts[1:]
    try:
        for depth, step in enumerate(steps, 1):
            try:
                then = os.open(step, _STEP, dir_fd=here)
            except OSError as error:
                raise _no_way(error, here, step, PurePath(*folder.parts[: depth + 1])) from error
            os.close(here)
            here = then
        return _readable(here)
    except BaseException:
        os.close(here)
        raise


def _readable(here: int) -> int:
    """Open the last step again so that it can be synced; where we may not read it, keep it so."""
    with suppress(PermissionError):
        then = os.open(".", _WHOLE, dir_fd=here)
        os.close(here)
        return then
    return here


def _no_way(error: OSError, here: int, step: str, shown: PurePath) -> Exception:
    with suppress(OSError):
        if stat.S_ISLNK(os.stat(step, dir_fd=here, follow_symlinks=False).st_mode):
            return _linked(shown)
    return _missing(error, shown)


def _linked(shown: PurePath) -> Exception:
    return RefusedError(
        "this folder on the way is a symbolic link, so what it leads to can be swapped",
        where=str(shown),
        hint="name the file by its real path",
    )


def _missing(error: OSError, shown: PurePath) -> Exception:
    return SourceError(
        f"the folder cannot be opened: {error.strerror}", where=str(shown), hint="check the path"
    )


def _check_plain(folder: PurePath) -> None:
    for shown in (*reversed(folder.parents), folder):
        try:
            mode = os.lstat(shown).st_mode
        except OSError as error:
            raise _missing(error, shown) from error
        if stat.S_ISLNK(mode):
            raise _linked(shown)


@cache
def _renameat2() -> Any:
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):  # not Linux, or an old C library
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return call


def _rename_new(fd: int, old: str, new: str) -> None:
    call = _renameat2()
    if call is not None:
        if call(fd, os.fsencode(old), fd, os.fsencode(new), _NO_REPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(code, os.strerror(code), new)
    os.link(old, new, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
    os.unlink(old, dir_fd=fd)
