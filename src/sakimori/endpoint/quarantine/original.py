"""The file that is to be taken: opened once, safely, and known again by what it is."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sakimori.endpoint.quarantine import attributes
from sakimori.errors import EngineError, RefusedError, SakimoriError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sakimori.endpoint.quarantine.folders import Folder
    from sakimori.endpoint.quarantine.model import Attributes

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Original:
    """An open file or a symbolic link; `read` gives its bytes and hashes them."""

    def __init__(self, attrs: Attributes, fd: int | None, target: bytes = b"") -> None:
        """Hold what was opened; a link's bytes are where it points."""
        self.attributes = attrs
        self._fd, self._left = fd, target
        self._hash = hashlib.sha256()
        self.count = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        if self._fd is None:
            data, self._left = self._left[:size], self._left[size:]
        else:
            data = os.read(self._fd, size)
        self._hash.update(data)
        self.count += len(data)
        return data

    @property
    def sha256(self) -> str:
        """Of what was read so far."""
        return self._hash.hexdigest()

    def steady(self) -> bool:
        """Whether the file is what it was when it was opened, and was read whole."""
        if self._fd is not None and not same(os.fstat(self._fd), self.attributes):
            return False
        return self.count == self.attributes.size

    def let_go(self) -> None:
        """Close the file. Windows renames no open file, so there it is closed before."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def same(status: os.stat_result, attrs: Attributes) -> bool:
    """Whether this is the file with these attributes, unchanged. ctime is left out: a rename moves it."""
    is_link = stat.S_ISLNK(status.st_mode)
    return (
        (status.st_dev, status.st_ino, status.st_mtime_ns)
        == (attrs.device, attrs.inode, attrs.mtime)
        and is_link == (attrs.kind == "symlink")
        and (is_link or status.st_size == attrs.size)
    )


@contextmanager
def opened(folder: Folder, name: str, path: str, *, symlink: bool = False) -> Iterator[Original]:
    """Open what is to be taken.

    Raises RefusedError for what is no plain file (a symbolic link, unless it is asked for) or is
    protected by a flag, SourceError where there is nothing or it cannot be read.
    """
    status = _status(folder, name, path)
    if status is None:
        raise SourceError("there is no such file", where=path, hint="it may have been moved")
    if symlink and stat.S_ISLNK(status.st_mode):
        target = folder.target(name)
        yield Original(attributes.of_link(status, target), None, target)
        return
    _check_plain(status.st_mode, path)
    fd = _open(folder, name, path)
    held = None
    try:
        status = os.fstat(fd)
        _check_plain(status.st_mode, path)
        if flag := attributes.locked_by_flag(fd):
            raise RefusedError(
                f"the file is marked {flag}, so the system lets nobody remove it",
                where=path,
                hint="look at why, then take the mark off: chattr -i -a FILE",
            )
        held = Original(attributes.of_file(fd, status, path), fd)
        yield held
    finally:
        if held is None:
            os.close(fd)
        else:
            held.let_go()


def _status(folder: Folder, name: str, path: str) -> os.stat_result | None:
    try:
        return folder.status(name)
    except OSError as error:
        raise SourceError(f"it cannot be looked at: {error.strerror}", where=path) from error


def _check_plain(mode: int, path: str) -> None:
    if stat.S_ISLNK(mode):
        raise RefusedError(
            "this is a symbolic link",
            where=path,
            hint="name the file that it leads to, if that is what you mean",
        )
    if not stat.S_ISREG(mode):
        raise RefusedError(
            f"this is {_KINDS.get(stat.S_IFMT(mode), 'no file')}, and only files are taken",
            where=path,
            hint="name the files one by one",
        )


def _open(folder: Folder, name: str, path: str) -> int:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    try:
        try:  # our own reading shall not show as an access
            return folder.open(name, flags | getattr(os, "O_NOATIME", 0))
        except PermissionError:  # only its owner may ask for that
            return folder.open(name, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise RefusedError("this became a symbolic link just now", where=path) from error
        raise SourceError(
            f"the file cannot be read: {error.strerror}",
            where=path,
            hint="run as root, or as its owner" if isinstance(error, PermissionError) else "",
        ) from error


def check_hash(original: Original, expected: str | None, path: str) -> None:
    """Raise RefusedError when another file is there than the one that was judged."""
    if expected is not None and original.sha256 != expected.lower():
        raise RefusedError(
            "this is not the file that was judged: its SHA-256 is another",
            where=path,
            hint="scan it again",
        )


def check_steady(original: Original, path: str) -> None:
    """Raise RefusedError when the file is not what it was when it was opened."""
    if not original.steady():
        raise changed(path)


def changed(path: str) -> RefusedError:
    """Return the error for a file that moves under our hands."""
    return RefusedError(
        "the file changed or was replaced while it was taken; nothing was done",
        where=path,
        hint="stop what writes to it, then try again",
    )


def failed(error: Any, path: str, what: str) -> SakimoriError:
    """Return an operating system's refusal as an error of ours."""
    hints = {
        errno.ENOSPC: "make room on the disk",
        errno.EDQUOT: "make room in the quota",
        errno.EROFS: "the file system is mounted read-only",
        errno.EACCES: "run as root, or as the folder's owner",
        errno.EPERM: "run as root; look for marks with lsattr",
    }
    return EngineError(
        f"{what}: {error.strerror}; the file is where it was",
        where=path,
        hint=hints.get(error.errno, ""),
    )
