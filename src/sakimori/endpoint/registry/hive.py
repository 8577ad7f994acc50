"""Hive files: opened with their transaction logs, read as keys."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.registry import sddl
from sakimori.endpoint.registry.found import HiveRead, Problem
from sakimori.endpoint.registry.hive_node import from_filetime, walk
from sakimori.endpoint.registry.hive_read import Tree, read_tree
from sakimori.endpoint.registry.logs import recover
from sakimori.endpoint.registry.model import Key
from sakimori.errors import SourceError
from sakimori.hostile import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_LARGEST = 2 * 1024 * 1024 * 1024  # bytes; Windows makes no larger hive
_MOST_TOLD = 600
_NO_SECURITY = sddl.Security(None, None, None, None)


@dataclass(frozen=True, slots=True)
class Opened:
    """A hive after its logs. `clean`: its logs were applied, or it needed none."""

    data: bytes
    tree: Tree
    clean: bool
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


def open_hive(path: Path, logs: Sequence[Path] | None = None) -> Opened:
    """Read a hive file and apply its logs in memory; no file is changed.

    `logs` None: those beside it (`NAME.LOG`, `.LOG1`, `.LOG2`, in any case); an empty list: none. Raises SourceError
    where it cannot be read or is no hive.
    """
    data = _bytes(path)
    beside = logs_beside(path) if logs is None else list(logs)
    return open_bytes(data, str(path), [(str(log), _bytes(log)) for log in beside])


def open_bytes(data: bytes, where: str, logs: Sequence[tuple[str, bytes]] = ()) -> Opened:
    """Return `open_hive` of a hive's bytes; `where` is what errors call it."""
    fits = recover(data, logs, where)
    tree = read_tree(fits.data, where)
    return Opened(fits.data, tree, fits.clean, fits.notes, fits.problems + tree.problems)


def read_hive(path: Path, mount: str, *, logs: Sequence[Path] | None = None) -> HiveRead:
    r"""Return a hive's keys, each path beginning with `mount` (`SOFTWARE`, `HKCU`, ...).

    Stored order, parents first. Damage is told in `problems`, never raised, as long as there is a
    root key; keys and values that can be read are there, two of one name both. A descriptor that
    cannot be read is `raw:HEX` in `dacl`. Logs as in `open_hive`. Raises SourceError.
    """
    with _no_collection():
        return keys_of(open_hive(path, logs), mount, str(path))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the collector of cycles off: a hive makes 200,000 objects and no cycle; it would cost a third."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def keys_of(opened: Opened, mount: str, where: str) -> HiveRead:
    """Return an opened hive's keys, as `read_hive` does."""
    problems = list(opened.problems)
    known: dict[bytes, sddl.Security] = {b"": _NO_SECURITY}
    keys = []
    for name, node in walk(opened.tree.root, mount):
        security = known.get(node.security)
        if security is None:
            security = known[node.security] = sddl.from_bytes(node.security)
            if security.problem and len(problems) < _MOST_TOLD:
                problems.append(Problem(where, f"security of {visible(name)}: {security.problem}"))
        keys.append(
            Key(
                name, from_filetime(node.written),
                security.owner, security.group, security.dacl, security.sacl, tuple(node.values),
            )
        )  # fmt: skip
    return HiveRead(tuple(keys), tuple(problems), opened.notes)


def logs_beside(path: Path) -> list[Path]:
    """Return the transaction logs in a hive's folder, LOG1 before LOG2. Raises SourceError."""
    wanted = [f"{path.name}{end}".lower() for end in (".log", ".log1", ".log2")]
    try:
        found = {p.name.lower(): p for p in path.parent.iterdir() if p.name.lower() in wanted}
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(path.parent)) from error
    return [found[name] for name in wanted if name in found and found[name].is_file()]


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise SourceError(
                "no such file, or no plain one", where=str(path), hint="check the path"
            )
        if path.stat().st_size > _LARGEST:
            raise SourceError("larger than any hive (2 GiB)", where=str(path))
        return path.read_bytes()
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(path)) from error
