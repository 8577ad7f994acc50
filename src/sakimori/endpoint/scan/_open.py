"""Files opened so that nothing but a plain file is ever read, however long its path is."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 4000  # bytes of a path that the system takes in one piece (Linux: 4095)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_PLAIN = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # opening a FIFO must not wait for its writer
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NOCTTY", 0)
)
_KINDS = (
    (stat.S_ISFIFO, "a FIFO is not opened"),
    (stat.S_ISSOCK, "a socket is not opened"),
    (stat.S_ISCHR, "a device is not opened"),
    (stat.S_ISBLK, "a device is not opened"),
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISLNK, "a symbolic link is not followed"),
)


class NoFileError(OSError):
    """It is there, but is no plain file."""


def odd(mode: int) -> str:
    """Return why something of this mode is not read; "" for a plain file."""
    if stat.S_ISREG(mode):
        return ""
    return next((reason for is_kind, reason in _KINDS if is_kind(mode)), "is no plain file")


@contextmanager
def plain(path: str, *, follow: bool = False) -> Iterator[tuple[int, os.stat_result]]:
    """Open a plain file for reading; gives its descriptor and what the system says of it.

    Raises NoFileError for anything else, found out without reading, and OSError.
    """
    flags = _PLAIN & ~getattr(os, "O_NOFOLLOW", 0) if follow else _PLAIN
    opened = _opened(path, flags)
    try:
        told = os.fstat(opened)
        if reason := odd(told.st_mode):
            raise NoFileError(None, reason)
        yield opened, told
    finally:
        os.close(opened)


def folder(path: str) -> int | str:
    """Return what `os.scandir` takes for this folder: a descriptor where the path is too long."""
    return path if _short(path) else _opened(path, _FOLDER)


def _short(path: str) -> bool:
    return len(path) < _LONGEST // 4 or len(os.fsencode(path)) < _LONGEST


def _opened(path: str, flags: int) -> int:
    if _short(path):
        return os.open(path, flags)
    at, rest = None, path
    try:
        while not _short(rest):
            cut = rest.rfind("/", 1, _LONGEST // 4)
            if cut <= 0:
                break
            next_at = os.open(rest[:cut], _FOLDER, dir_fd=at)
            if at is not None:
                os.close(at)
            at, rest = next_at, rest[cut + 1 :]
        return os.open(rest, flags, dir_fd=at)
    finally:
        if at is not None:
            os.close(at)


def why(error: OSError) -> str:
    """Return an error of the system in its own words, without the path."""
    return error.strerror or str(error) or type(error).__name__
