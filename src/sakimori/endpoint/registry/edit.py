r"""Hive files opened for changes: kept in memory, written whole, checked, then put in place.

A hive is written anew from everything that was read: class names, flags, times, security and order
of values stay. Only keys that were touched get a new last-write time; a key whose subkey was made
or removed is touched too, as in Windows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sakimori.endpoint.registry.files import put
from sakimori.endpoint.registry.hive import open_hive
from sakimori.endpoint.registry.hive_node import Node, to_filetime, walk
from sakimori.endpoint.registry.hive_read import read_tree
from sakimori.endpoint.registry.hive_write import write_hive
from sakimori.endpoint.registry.names import exact, full, parent, upper
from sakimori.errors import EngineError, RefusedError, SourceError
from sakimori.hostile import visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sakimori.endpoint.registry.hive import Opened
    from sakimori.endpoint.registry.model import Value

_KEPT_KEY = 0x0C  # flags: root of a hive, not to be deleted


@dataclass(slots=True)
class _Mount:
    """One hive: `prefix` is its place in exact form. `below` caches subkeys by name in upper case."""

    prefix: str
    path: Path
    opened: Opened
    changed: bool = False
    below: dict[int, dict[str, Node]] = field(default_factory=dict)

    @property
    def root(self) -> Node:
        return self.opened.tree.root

    def children(self, node: Node) -> dict[str, Node]:
        found = self.below.get(id(node))
        if found is None:
            found = {}
            for child in node.children:
                found.setdefault(upper(child.name), child)  # Windows finds the first of two
            self.below[id(node)] = found
        return found


class HiveRegistry:
    r"""A `Registry` over hive files.

    `mounts` says which file is which: {"SOFTWARE": path, "SYSTEM": path, "NTUSER.DAT": path}, names
    as `names.exact` knows them. `into` names other files to write to (by the same names); a mount without one is
    replaced in place. `now` is the last-write time of touched keys. `CurrentControlSet` is followed to the
    set that SYSTEM's `Select` names; symbolic links are not followed.
    Raises SourceError for files that are no hives, RefusedError on `save` for a hive that was not
    closed cleanly and has no fitting log, or is damaged: writing it would lose what could not be read.
    """

    def __init__(
        self, mounts: Mapping[str, Path], into: Mapping[str, Path] | None = None, *, now: datetime
    ) -> None:
        targets = {exact(name): Path(path) for name, path in (into or {}).items()}
        self._now = to_filetime(now)
        self._mounts: list[_Mount] = []
        self._into = targets
        for name, path in mounts.items():
            self._mounts.append(_Mount(exact(name), Path(path), open_hive(Path(path))))
        if unknown := set(targets) - {mount.prefix for mount in self._mounts}:
            raise SourceError(
                f"no hive is given whose changes would go into {targets[min(unknown)]}",
                where=min(unknown), hint="name it as the hive is named",
            )  # fmt: skip
        self._mounts.sort(key=lambda mount: -len(mount.prefix))

    def notes(self) -> tuple[str, ...]:
        """Say what was found on opening: logs applied, and everything that could not be read."""
        return tuple(
            line
            for mount in self._mounts
            for line in (
                *mount.opened.notes,
                *(f"{problem.where}: {problem.reason}" for problem in mount.opened.problems),
            )
        )

    def get(self, key: str, name: str) -> Value | None:
        """See `Registry.get`."""
        wanted = upper(name)
        return next((v for v in self.values(key) or () if upper(v.name) == wanted), None)

    def values(self, key: str) -> tuple[Value, ...] | None:
        """See `Registry.values`."""
        _, node = self._find(key)
        return tuple(node.values) if node else None

    def subkeys(self, key: str) -> tuple[str, ...]:
        """See `Registry.subkeys`."""
        _, node = self._find(key)
        return tuple(child.name for child in node.children) if node else ()

    def set(self, key: str, value: Value) -> None:
        """See `Registry.set`."""
        mount, node = self._make(key)
        wanted = upper(value.name)
        for at, old in enumerate(node.values):
            if upper(old.name) == wanted:
                node.values[at] = replace(value, name=old.name)
                node.marks.pop(old.name, None)
                break
        else:
            node.values.append(value)
        self._touch(mount, node)

    def delete(self, key: str, name: str) -> bool:
        """See `Registry.delete`."""
        mount, node = self._find(key)
        if mount is None or node is None:
            return False
        wanted = upper(name)
        left = [value for value in node.values if upper(value.name) != wanted]
        if len(left) == len(node.values):
            return False
        node.marks = {v.name: node.marks[v.name] for v in left if v.name in node.marks}
        node.values = left
        self._touch(mount, node)
        return True

    def delete_key(self, key: str) -> bool:
        """See `Registry.delete_key`. Raises RefusedError for a hive's root and keys marked to stay."""
        mount, node = self._find(key)
        if mount is None or node is None:
            return False
        if node is mount.root or node.flags & _KEPT_KEY:
            raise RefusedError(f"the key {visible(key)} may not be removed")
        _, above = self._find(parent(full(key)))
        if above is None:
            return False
        above.children = [child for child in above.children if child is not node]
        mount.below.pop(id(above), None)
        self._touch(mount, above)
        return True

    def save(self) -> None:
        """Write each changed hive aside, read it again, compare, and rename it into place.

        Raises RefusedError (see the class), EngineError when the disk refuses or what was written
        does not read as wanted; then the old file is as it was. Several hives are written one after the other.
        """
        changed = [mount for mount in self._mounts if mount.changed]
        for mount in changed:
            _refuse_damaged(mount)
        for mount in changed:
            new = _checked(mount, self._now)
            target = self._into.get(mount.prefix, mount.path)
            put(new, target, like=mount.path)
            mount.changed = False

    def _touch(self, mount: _Mount, node: Node) -> None:
        node.written = self._now
        mount.changed = True

    def _find(self, key: str) -> tuple[_Mount | None, Node | None]:
        mount, parts, _ = self._place(key)
        if mount is None:
            return None, None
        node: Node | None = mount.root
        for part in parts:
            node = mount.children(node).get(part) if node else None
        return mount, node

    def _place(self, key: str) -> tuple[_Mount | None, list[str], list[str]]:
        """Return the hive of a key, the names below its root in upper case, and as written."""
        name = exact(key)
        for mount in self._mounts:
            if name == mount.prefix or name.startswith(f"{mount.prefix}\\"):
                parts = [part for part in name[len(mount.prefix) :].split("\\") if part]
                spelt = [part for part in full(key).split("\\") if part]
                spelt = spelt[len(spelt) - len(parts) :]
                if parts and parts[0] == "CURRENTCONTROLSET" and (now := _current(mount)):
                    parts[0] = spelt[0] = now
                return mount, parts, spelt
        return None, [], []

    def _make(self, key: str) -> tuple[_Mount, Node]:
        mount, parts, spelt = self._place(key)
        if mount is None:
            raise SourceError(f"no hive is given that holds {visible(key)}", where=visible(key))
        node = mount.root
        for part, name in zip(parts, spelt, strict=True):
            found = mount.children(node).get(part)
            if found is None:
                found = Node(name, written=self._now, security=node.security)
                node.children.append(found)
                mount.below.pop(id(node), None)
                self._touch(mount, node)
            node = found
        return mount, node


def _current(mount: _Mount) -> str:
    """Return `CONTROLSET001` or what SYSTEM's Select says; "" where the hive has CurrentControlSet or no Select."""
    children = mount.children(mount.root)
    if "CURRENTCONTROLSET" in children or "SELECT" not in children:
        return ""
    for value in children["SELECT"].values:
        if upper(value.name) == "CURRENT" and len(value.data) == 4:
            return f"CONTROLSET{int.from_bytes(value.data, 'little'):03d}"
    return ""


def _refuse_damaged(mount: _Mount) -> None:
    where = str(mount.path)
    if not mount.opened.clean:
        raise RefusedError(
            "the hive was not closed cleanly and no transaction log fits: nothing was written",
            where=where, hint="put its .LOG1 and .LOG2 beside it",
        )  # fmt: skip
    if damage := mount.opened.tree.problems:
        raise RefusedError(
            f"the hive is damaged ({damage[0].reason}): nothing was written", where=where,
            hint="writing it anew would lose what cannot be read",
        )  # fmt: skip


def _checked(mount: _Mount, now: int) -> bytes:
    """Return the new hive's bytes after reading them back."""
    where = str(mount.path)
    try:
        new = write_hive(mount.root, written=now, base=mount.opened.data[:4096])
        back = read_tree(new, where)
    except (ValueError, struct.error, SourceError) as error:
        raise EngineError(f"the changed hive cannot be written: {error}", where=where) from error
    if back.problems or not _same(mount.root, back.root):
        raise EngineError(
            "the changed hive does not read as wanted; nothing was written", where=where
        )
    return new


def _same(wanted: Node, got: Node) -> bool:
    """Whether two trees say the same; the order of subkeys is the format's own."""
    return _rows(wanted) == _rows(got)


def _rows(root: Node) -> dict[str, tuple[object, ...]]:
    return {
        path: (
            node.flags & ~0x20, node.written, node.security, node.values, node.class_name, node.access,
            node.extra, node.marks, len(node.children),
        )
        for path, node in walk(root, "")
    }  # fmt: skip
