"""The machine that is looked at: the live one, or a tree of files that holds another one.

Everything is opened for reading only, without following a link at the end of a path, without moving
access times where the system allows it, and never anything but regular files.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sakimori.endpoint.snapshot.model import Gap

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST = 16 * 1024 * 1024  # bytes of a settings file that is read into memory
_HOPS = 40  # links in a row, as Linux allows
_PLAIN = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_QUIET = _PLAIN | getattr(os, "O_NOATIME", 0)


class NotRegularError(OSError):
    """What was to be read is no regular file (any more)."""


def open_quietly(path: str) -> int:
    """Return a descriptor of a regular file. Raises OSError; NotRegularError where it is something else."""
    try:
        handle = os.open(path, _QUIET)
    except PermissionError:
        handle = os.open(path, _PLAIN)  # only the owner may leave access times alone
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotRegularError(0, "no regular file")
    return handle


def why(error: OSError) -> str:
    """Return an error's reason in words."""
    return error.strerror or str(error) or "cannot be read"


def moment(nanoseconds: int) -> str:
    """Return a time of the file system as ISO 8601 in UTC with nine decimals.

    Times that no calendar of Python holds come as "@" and seconds since 1970.
    """
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        whole = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return f"@{seconds}.{rest:09d}"
    return f"{whole.isoformat()[:19]}.{rest:09d}Z"


@dataclass(slots=True)
class Ground:
    """Where to look. `root` is the folder that holds the machine, "" for the live one.

    Keys are paths as that machine names them ("/etc/passwd"). `gaps` collects what could not be read.
    """

    root: str = ""
    live: bool = True
    gaps: list[Gap] = field(default_factory=list)

    def miss(self, kind: str, key: str, reason: str) -> None:
        """Note what could not be taken."""
        self.gaps.append(Gap(kind, key, reason))

    def at(self, key: str) -> str:
        """Return where a key is, without following links."""
        return f"{self.root}{key}".rstrip("/") or "/"

    def real(self, key: str) -> str | None:
        """Return the key that links lead to, all inside of `root`; None where they lead in circles."""
        waiting, done, hops = key.split("/")[::-1], "", 0
        while waiting:
            part = waiting.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            step = f"{done}/{part}"
            target = _link(self.at(step))
            if target is None:
                done = step
                continue
            hops += 1
            if hops > _HOPS:
                return None
            done = "" if target.startswith("/") else done
            waiting.extend(target.split("/")[::-1])
        return done or "/"

    def read(self, kind: str, key: str) -> bytes | None:
        """Return a file's content, links followed; None where it is not there or cannot be read.

        Only the latter is noted as a gap of `kind`.
        """
        real = self.real(key)
        if real is None:
            self.miss(kind, key, "links in circles")
            return None
        try:
            handle = open_quietly(self.at(real))
            with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor
                data = file.read(_LARGEST + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            self.miss(kind, key, why(error) if isinstance(error, OSError) else "no path")
            return None
        if len(data) > _LARGEST:
            self.miss(kind, key, "larger than 16 MiB")
            return None
        return data

    def text(self, kind: str, key: str) -> str | None:
        """Return a file's text as `read` does; bytes that are no UTF-8 survive as surrogates."""
        data = self.read(kind, key)
        return None if data is None else data.decode("utf-8", "surrogateescape")

    def lines(self, kind: str, key: str) -> list[str]:
        """Return a file's lines without comments, empty ones and space around; none where it is missing."""
        text = self.text(kind, key) or ""
        stripped = (line.strip() for line in text.split("\n"))
        return [line for line in stripped if line and not line.startswith("#")]

    def names(self, kind: str, key: str) -> list[str]:
        """Return the sorted names in a folder; none where it is missing, a gap where it cannot be read."""
        real = self.real(key)
        if real is None:
            return []
        try:
            return sorted(os.listdir(self.at(real)))  # noqa: PTH208 - names only
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.miss(kind, key, why(error))
            return []

    def within(self, kind: str, folder: str) -> Iterator[str]:
        """Yield the keys of what is in a folder, sorted."""
        return (f"{folder}/{name}" for name in self.names(kind, folder))

    def link(self, key: str) -> str | None:
        """Return where a link points, None where it is none."""
        return _link(self.at(key))

    def is_file(self, key: str) -> bool:
        """Whether a key leads to a regular file."""
        real = self.real(key)
        try:
            return real is not None and stat.S_ISREG(os.lstat(self.at(real)).st_mode)
        except OSError:
            return False

    def has(self, key: str) -> bool:
        """Whether a key leads to anything."""
        real = self.real(key)
        return real is not None and os.path.lexists(self.at(real))


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115 - bytes that are no UTF-8 must survive
    except (OSError, ValueError):
        return None
