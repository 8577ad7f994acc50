"""Files: what each is, what is in it (as a hash), and who may do what with it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from sakimori.endpoint.snapshot import autoruns, places
from sakimori.endpoint.snapshot.attributes import attributes
from sakimori.endpoint.snapshot.ground import moment, open_quietly, why
from sakimori.endpoint.snapshot.model import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

    from sakimori.endpoint.snapshot.ground import Ground

_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "block device",
    stat.S_IFCHR: "character device",
}
_BATCH = 128  # files that a thread takes at once
_CHUNK = 1 << 18  # bytes
_HELD = 64 * 1024  # bytes of an autorun that is read for what it runs
_UNREAL = frozenset(
    ("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs",
     "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs",
     "selinuxfs", "sysfs", "tracefs")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files. `roots` and `excluded` as `places` has them; `own` are host paths of our own file."""

    roots: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    threads: int = 2


class Owners(NamedTuple):
    """Names of accounts by number."""

    users: Mapping[int, str]
    groups: Mapping[int, str]


class _Entry(NamedTuple):
    key: str
    path: str
    info: os.stat_result


def collect(ground: Ground, wanted: Wanted, owners: Owners) -> Iterator[Record]:
    """Yield a record for each file, sorted by place. Hashes are made by `threads` threads."""
    entries = walk(ground, wanted)
    describe = _Describe(ground, wanted, owners)
    first: dict[tuple[int, int], str] = {}
    for record, identity in _spread(entries, describe, wanted.threads):
        if identity is not None:
            known = first.setdefault(identity, record.key)
            if known != record.key:
                record.state["linked_to"] = known
        yield record


def walk(ground: Ground, wanted: Wanted) -> Iterator[_Entry]:
    """Yield everything below the roots, sorted by place; links are not followed.

    Pseudo file systems such as /proc are left out and told, as is what cannot be read.
    """
    excluded = places.matcher(wanted.excluded)
    unreal = _unreal() if ground.live else frozenset[str]()
    waiting = places.expand(ground, wanted.roots)[::-1]
    while waiting:
        key = waiting.pop()
        path = ground.at(key)
        if excluded.match(key) or path in wanted.own:
            continue
        info = _look(ground, key, path)
        if info is None:
            continue
        yield _Entry(key, path, info)
        if stat.S_ISDIR(info.st_mode):
            if path in unreal:
                ground.miss("file", key, "mounted pseudo file system")
            else:
                waiting.extend(_children(ground, key, path))


def _look(ground: Ground, key: str, path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None  # vanished: it is not there
    except (OSError, ValueError) as error:
        ground.miss("file", key, why(error) if isinstance(error, OSError) else "no path")
        return None


def _children(ground: Ground, key: str, path: str) -> list[str]:
    """Return what is in a folder, last first."""
    base = key.rstrip("/")
    try:
        return [f"{base}/{name}" for name in sorted(os.listdir(path), reverse=True)]  # noqa: PTH208
    except OSError as error:
        ground.miss("file", key, why(error))
        return []


def _unreal() -> frozenset[str]:
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            rows = [line.split(" ") for line in file]
    except OSError:
        return frozenset()
    return frozenset(
        row[1].replace(r"\040", " ") for row in rows if len(row) > 2 and row[2] in _UNREAL
    )


Described = tuple[Record, tuple[int, int] | None]


def _spread(
    entries: Iterator[_Entry], describe: Callable[[list[_Entry]], list[Described]], threads: int
) -> Iterator[Described]:
    """Run `describe` over batches in threads; results in order, a few batches ahead at most."""
    with ThreadPoolExecutor(threads) as pool:
        running: deque[Future[list[Described]]] = deque()
        while batch := list(islice(entries, _BATCH)):
            running.append(pool.submit(describe, batch))
            if len(running) > 3 * threads:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()


class _Describe:
    """Turns entries into records."""

    def __init__(self, ground: Ground, wanted: Wanted, owners: Owners) -> None:
        self._ground = ground
        self._owners = owners
        self._excluded = places.matcher(wanted.excluded)
        self._own = {os.path.dirname(path) for path in wanted.own}  # noqa: PTH120 - strings

    def __call__(self, batch: list[_Entry]) -> list[Described]:
        """Describe a batch."""
        return [self._one(entry) for entry in batch]

    def _one(self, entry: _Entry) -> Described:
        info = entry.info
        state: dict[str, Any] = {"type": _TYPES.get(stat.S_IFMT(info.st_mode), "unknown")}
        if hasattr(os, "getuid"):
            state["mode"] = f"{stat.S_IMODE(info.st_mode):04o}"
            state["uid"], state["gid"] = info.st_uid, info.st_gid
            state["owner"] = self._owners.users.get(info.st_uid, "")
            state["group"] = self._owners.groups.get(info.st_gid, "")
        state["mtime"] = None if self._is_noisy(entry) else moment(info.st_mtime_ns)
        self._add_attributes(entry, state)
        self._add_content(entry, state)
        identity = None
        if info.st_nlink > 1 and stat.S_ISREG(info.st_mode):
            identity = (info.st_dev, info.st_ino)
        return Record("file", entry.key, None, state), identity

    def _is_noisy(self, entry: _Entry) -> bool:
        """Whether a folder's time moves because of what is left out: our own file, or all that is in it."""
        return entry.path in self._own or (
            stat.S_ISDIR(entry.info.st_mode)
            and self._excluded.match(f"{entry.key.rstrip('/')}/x") is not None
        )

    def _add_attributes(self, entry: _Entry, state: dict[str, Any]) -> None:
        try:
            state.update(attributes(entry.path))
        except FileNotFoundError:
            pass  # told with its content
        except OSError as error:
            self._ground.miss("file", entry.key, f"extended attributes: {why(error)}")
            state |= {"acl": None, "capabilities": None, "xattrs": None}

    def _add_content(self, entry: _Entry, state: dict[str, Any]) -> None:
        kind = state["type"]
        try:
            if kind == "file":
                state |= _content(entry, autoruns.reads(entry.key))
            elif kind == "symlink":
                state["target"] = os.readlink(entry.path)  # noqa: PTH115 - bytes survive
            elif "device" in kind:
                device = entry.info.st_rdev
                state["device"] = f"{os.major(device)}:{os.minor(device)}"
        except OSError as error:
            self._unread(entry, state, why(error))
        except _MovingError:
            self._unread(entry, state, "changed while it was read")

    def _unread(self, entry: _Entry, state: dict[str, Any], reason: str) -> None:
        self._ground.miss("file", entry.key, reason)
        state |= {"sha256": None, "target": None, "unread": reason}


class _MovingError(Exception):
    pass


def _content(entry: _Entry, keep: bool) -> dict[str, Any]:
    """Return size, hash and, where wanted, what a file runs; asks again once where it moves meanwhile."""
    for _ in range(2):
        handle = open_quietly(entry.path)
        try:
            before = os.fstat(handle)
            size, digest, head = _hash(handle, before.st_size, keep)
            after = os.fstat(handle)
        finally:
            os.close(handle)
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            state: dict[str, Any] = {"size": size, "sha256": digest}
            if keep and size <= _HELD and (runs := autoruns.runs(entry.key, head)):
                state["runs"] = runs
            return state
    raise _MovingError


def _hash(handle: int, size: int, keep: bool) -> tuple[int, str, bytes]:
    data = os.read(handle, min(size + 1, _CHUNK) if size else _CHUNK)
    summed, length, head = hashlib.sha256(data), len(data), data[:_HELD] if keep else b""
    while data and length < size:  # what grows as fast as it is read would have no end
        data = os.read(handle, _CHUNK)
        summed.update(data)
        length += len(data)
    return length, summed.hexdigest(), head
