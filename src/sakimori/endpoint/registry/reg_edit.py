"""`.reg` exports opened for changes: the changes become a `.reg` file to import, and one that undoes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sakimori.endpoint.registry.access import MemoryRegistry
from sakimori.endpoint.registry.files import put
from sakimori.endpoint.registry.names import exact, upper
from sakimori.endpoint.registry.reg_read import read_reg
from sakimori.endpoint.registry.reg_write import reg_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sakimori.endpoint.registry.model import Key, Value

_Step = tuple[str, list["Value | str"] | None]


class RegFileRegistry:
    r"""A `Registry` over `.reg` exports of one machine.

    `save` writes `out` (the changes, for regedit to import) and `out` with `.undo.reg` (what puts the exports' state
    back). What no export holds counts as not there: the undo removes it. Raises SourceError.
    """

    def __init__(self, files: Sequence[Path], out: Path, *, encoding: str | None = None) -> None:
        reads = [read_reg(path, encoding=encoding) for path in files]
        self._problems = tuple(problem for read in reads for problem in read.problems)
        self._before = _merged([key for read in reads for key in read.keys])
        self._now = _merged(self._before.all_keys())
        self._out = out
        self._touched: dict[str, str] = {}  # exact -> as written; first touched first
        self._gone: dict[str, str] = {}

    def notes(self) -> tuple[str, ...]:
        """Say what could not be read in the exports."""
        return tuple(f"{problem.where}: {problem.reason}" for problem in self._problems)

    def get(self, key: str, name: str) -> Value | None:
        """See `Registry.get`."""
        return self._now.get(key, name)

    def values(self, key: str) -> tuple[Value, ...] | None:
        """See `Registry.values`."""
        return self._now.values(key)

    def subkeys(self, key: str) -> tuple[str, ...]:
        """See `Registry.subkeys`."""
        return self._now.subkeys(key)

    def set(self, key: str, value: Value) -> None:
        """See `Registry.set`."""
        self._touched.setdefault(exact(key), key)
        self._now.set(key, value)

    def delete(self, key: str, name: str) -> bool:
        """See `Registry.delete`."""
        self._touched.setdefault(exact(key), key)
        return self._now.delete(key, name)

    def delete_key(self, key: str) -> bool:
        """See `Registry.delete_key`."""
        self._gone.setdefault(exact(key), key)
        return self._now.delete_key(key)

    def save(self) -> None:
        """Write the two files, the undo first. Raises EngineError, RefusedError; no file is half written."""
        changes, undo = self._steps()
        after, back = reg_bytes(changes), reg_bytes(undo)
        put(back, self._out.with_suffix(".undo.reg"))
        put(after, self._out)

    def _steps(self) -> tuple[list[_Step], list[_Step]]:
        changes: list[_Step] = []
        undo: list[_Step] = []
        for key in self._gone.values():
            if self._before.values(key) is not None:
                changes.append((key, None))
                undo += [(old.path, list(old.values)) for old in self._below(key)]
        for name, key in self._touched.items():
            before, after = self._before.values(key), self._now.values(key)
            under = any(name == gone or name.startswith(f"{gone}\\") for gone in self._gone)
            if under:  # the whole key was removed first: what is there now is all new
                changes += [(key, list(after))] if after is not None else []
                undo.insert(0, (key, None))
                continue
            if before is None and after is not None:
                undo.insert(0, (self._first_new(key), None))
            elif items := _difference(after or (), before or ()):
                undo.append((key, items))
            if after is not None and (items := _difference(before or (), after)):
                changes.append((key, items))
        return changes, undo

    def _below(self, key: str) -> list[Key]:
        name = exact(key)
        return [
            old
            for old in self._before.all_keys()
            if exact(old.path) == name or exact(old.path).startswith(f"{name}\\")
        ]

    def _first_new(self, key: str) -> str:
        """Return the highest key on the way to `key` of which the exports know nothing."""
        parts = key.strip("\\").split("\\")
        for count in range(2, len(parts) + 1):
            path = "\\".join(parts[:count])
            if self._before.values(path) is None and not self._before.subkeys(path):
                return path
        return key


def _merged(keys: Sequence[Key]) -> MemoryRegistry:
    """Return one registry of keys from several files; later ones win value by value."""
    merged = MemoryRegistry()
    for key in keys:
        if merged.values(key.path) is None:
            merged.add(key)
        for value in key.values:
            merged.set(key.path, value)
    return merged


def _difference(old: Sequence[Value], new: Sequence[Value]) -> list[Value | str]:
    """Return what makes `old` into `new`: values to set, names to remove."""
    was = {upper(value.name): value for value in old}
    items: list[Value | str] = [v for v in new if was.get(upper(v.name)) != v]
    kept = {upper(value.name) for value in new}
    return items + [value.name for value in old if upper(value.name) not in kept]
